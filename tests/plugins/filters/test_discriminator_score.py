from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import TranslatorTeacher
from gdp.core.pairs import PairBatch, PairRecord, Scores
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render
from gdp.plugins.filters import DiscriminatorScoreConfig
from gdp.plugins.filters.quality import DiscriminatorScoreFilter
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.networks import Discriminator
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher


def batch_of(source: Tensor, target: Tensor) -> PairBatch:
    indices = list(range(len(source)))
    return PairBatch(indices, source, target, [PairRecord(index=index, seed=0) for index in indices])


class Brightness(nn.Module):
    """A discriminator that finds bright pictures real: (N, 3, H, W) -> patches of logits (N, 1, H, W)."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=1, keepdim=True)


class Painter(TranslatorTeacher):
    """A translator that comes with a discriminator of target-like pictures."""

    fingerprint, resolution, module = "painter", 8, nn.Identity()
    discriminators = (Brightness(), None)

    def translate(self, images: Tensor) -> Tensor:
        return images

    def example_inputs(self) -> tuple[Any, ...]:
        return ()


def painter_filter(**settings: Any) -> DiscriminatorScoreFilter:
    context = BuildContext(teacher=Painter(None, BuildContext()))
    return DiscriminatorScoreFilter(DiscriminatorScoreConfig.model_validate(settings), context)


@pytest.fixture(scope="module")
def embedded() -> StyleGAN2Teacher:
    return StyleGAN2Teacher(StyleGAN2Config(), BuildContext())


def test_the_embedded_discriminator_tells_samples_from_rendered_faces(embedded: StyleGAN2Teacher) -> None:
    judge = DiscriminatorScoreFilter(DiscriminatorScoreConfig(), BuildContext(teacher=embedded))
    samples = embedded.synthesize(embedded.map(embedded.sample_z(5, range(48)))).clamp(-1, 1)
    scores = judge.score(batch_of(render(sample_attributes(77, range(48))), samples))
    real, made = (torch.tensor([float(row[f"{part}_realism"] or 0) for row in scores]) for part in ("source", "target"))
    assert float((real[:, None] > made).double().mean()) > 0.95


def test_scores_are_the_same_alone_and_in_any_batch(embedded: StyleGAN2Teacher) -> None:
    judge = DiscriminatorScoreFilter(DiscriminatorScoreConfig(), BuildContext(teacher=embedded))
    faces = render(sample_attributes(3, range(19)))
    together = judge.score(batch_of(faces, faces.flip(0)))
    assert together[3]["source_realism"] == together[15]["target_realism"]
    for start, stop in ((3, 4), (5, 12), (11, 19)):
        assert judge.score(batch_of(faces[start:stop], faces.flip(0)[start:stop])) == together[start:stop]


def test_of_a_translators_pairs_the_target_alone_is_scored() -> None:
    judge = painter_filter()
    assert judge.score(batch_of(torch.ones(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.25))) == [
        {"target_realism": 0.25}, {"target_realism": 0.25},
    ]  # fmt: skip


def rows(*values: float | None) -> dict[int, Scores]:
    return {index: {"source_realism": 9.0, "target_realism": value} for index, value in enumerate(values)}


def test_the_lowest_share_of_all_candidates_is_dropped() -> None:
    verdicts = painter_filter(drop_lowest=0.4).decide(rows(3.0, 1.0, 1.0, 1.0, 2.0))
    # Of equal ones the lower number goes first, in whatever order they are asked.
    assert [verdict.decision for verdict in verdicts.values()] == ["keep", "drop", "drop", "keep", "keep"]
    assert verdicts[1].reason == "among the least real 40%"
    shuffled = painter_filter(drop_lowest=0.4).decide(dict(reversed(rows(3.0, 1.0, 1.0, 1.0, 2.0).items())))
    assert {index: verdict.decision for index, verdict in shuffled.items()} == {
        index: verdict.decision for index, verdict in verdicts.items()
    }


def test_pairs_below_the_least_logit_are_dropped_and_those_without_one_unknown() -> None:
    verdicts = painter_filter(drop_lowest=0, min_realism=1.5).decide(rows(1.0, 2.0, None))
    assert [verdict.decision for verdict in verdicts.values()] == ["drop", "keep", "unknown"]
    assert verdicts[0].reason == "realism below 1.5"


def test_the_setting_of_says_whose_logit_counts() -> None:
    row: dict[int, Scores] = {0: {"source_realism": 3.0, "source2_realism": 1.0, "target_realism": 2.0}}
    for of, decision in (("source", "drop"), ("both", "drop"), ("target", "keep")):
        context = BuildContext(teacher=Painter(None, BuildContext()))
        config = DiscriminatorScoreConfig.model_validate({"of": of, "drop_lowest": 0, "min_realism": 1.5})
        judge = DiscriminatorScoreFilter(config, context)
        judge._parts = ("source", "source2", "target")  # as for a latent teacher
        assert judge.decide(row)[0].decision == decision


def test_a_filter_without_a_rule_says_so() -> None:
    assert "measures only" in painter_filter(drop_lowest=0).check()
    assert painter_filter().check() == ""


def test_teachers_without_a_discriminator_are_refused(tiny_teacher: StyleGAN2Teacher) -> None:
    config = DiscriminatorScoreConfig()
    with pytest.raises(MissingResourceError, match="no \\[teacher\\]"):
        DiscriminatorScoreFilter(config, BuildContext())
    with pytest.raises(MissingResourceError, match="teacher comes without a discriminator"):
        DiscriminatorScoreFilter(config, BuildContext(teacher=tiny_teacher))


def test_the_fingerprint_is_that_of_the_weights(tiny_weights: Path, tmp_path: Path) -> None:
    fingerprints = []
    for seed in (1, 1, 2):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            save_file(Discriminator(16, channel_base=64, channel_max=8).state_dict(), tmp_path / f"{seed}.safetensors")
        config = StyleGAN2Config(weights=tiny_weights, discriminator=tmp_path / f"{seed}.safetensors")
        context = BuildContext(teacher=StyleGAN2Teacher(config, BuildContext()))
        fingerprints.append(DiscriminatorScoreFilter(DiscriminatorScoreConfig(), context).fingerprint)
    assert fingerprints[0] == fingerprints[1] != fingerprints[2]
