from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gdp.core.errors import PluginError, ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.pair_sources import PairSource
from gdp.plugins.directions import DirectionStep
from gdp.plugins.pair_sources import LatentDirectionConfig, MorphConfig, StyleMixConfig, TwoGeneratorsConfig
from gdp.plugins.pair_sources.latents import LatentDirectionSource, MorphSource, StyleMixSource, TwoGeneratorsSource
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.support.directions import Direction, normalised, save_direction

SEED = 11


@pytest.fixture(scope="module")
def directions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("directions")
    random = torch.Generator().manual_seed(0)
    for name in ("tilt", "turn"):
        save_direction(
            Direction(name, normalised(torch.randn(1, 24, generator=random)), 0.5), folder / f"{name}.safetensors"
        )
    return folder / "tilt.safetensors", folder / "turn.safetensors"


@pytest.fixture
def context(tiny_teacher: StyleGAN2Teacher) -> BuildContext:
    return BuildContext(seed=SEED, teacher=tiny_teacher)


Maker = Callable[[BuildContext], PairSource]


@pytest.fixture(params=["latent-direction", "symmetric", "style-mix", "morph", "two-generators"])
def source(
    request: pytest.FixtureRequest, context: BuildContext, directions: tuple[Path, Path], other_tiny_weights: Path
) -> PairSource:
    makers: dict[str, Maker] = {
        "latent-direction": lambda c: LatentDirectionSource(LatentDirectionConfig(direction=directions[0]), c),
        "symmetric": lambda c: LatentDirectionSource(
            LatentDirectionConfig(direction=directions[0], symmetric=True, layers=(0, 1), truncation_cutoff=3), c
        ),
        "style-mix": lambda c: StyleMixSource(StyleMixConfig(), c),
        "morph": lambda c: MorphSource(MorphConfig(), c),
        "two-generators": lambda c: TwoGeneratorsSource(TwoGeneratorsConfig(weights=other_tiny_weights), c),
    }
    return makers[request.param](context)


def test_pairs_depend_on_seed_and_number_alone(source: PairSource) -> None:
    together = source.make([0, 1, 2, 3, 40])
    assert together.source.shape == (5, source.input_channels, 16, 16)
    assert together.source.abs().max() <= 1
    assert together.target.abs().max() <= 1
    for position, index in ((4, 40), (1, 1)):
        alone = source.make([index])
        assert torch.equal(alone.source[0], together.source[position])
        assert torch.equal(alone.target[0], together.target[position])
        assert alone.records[0] == together.records[position]
    assert not torch.equal(together.source[0], together.source[1])
    assert not torch.equal(together.source[:, :3], together.target)


def test_records_say_where_a_pair_comes_from(source: PairSource, tiny_teacher: StyleGAN2Teacher) -> None:
    batch = source.make([6])
    record = batch.records[0]
    assert (record.index, record.seed, record.teacher) == (6, SEED, tiny_teacher.fingerprint)
    assert record.edit["truncation"] == 0.7
    latent = record.latent_tensor()
    assert latent is not None
    latents = latent if source.input_channels == 6 else latent[None]
    for position, one in enumerate(latents):
        picture = tiny_teacher.synthesize(one.expand(1, 6, 24)).clamp(-1, 1)
        torch.testing.assert_close(picture, batch.source[:, 3 * position : 3 * position + 3])


def test_the_edit_leads_from_source_to_target(
    context: BuildContext, directions: tuple[Path, Path], tiny_teacher: StyleGAN2Teacher
) -> None:
    for symmetric in (False, True):
        config = LatentDirectionConfig(direction=directions[0], strength=3.0, layers=(1, 2), symmetric=symmetric)
        source = LatentDirectionSource(config, context)
        batch = source.make([0])
        latent = batch.records[0].latent_tensor()
        assert latent is not None
        edited = source.edit(latent.expand(1, 6, 24))
        assert edited is not None
        torch.testing.assert_close(tiny_teacher.synthesize(edited).clamp(-1, 1), batch.target)
        move = edited[0] - latent
        assert move.abs().sum(dim=1).nonzero().flatten().tolist() == [1, 2]
        assert float(move[1].norm()) == pytest.approx(3.0 * 0.5 * (2 if symmetric else 1), rel=1e-4)


def test_directions_add_up(context: BuildContext, directions: tuple[Path, Path]) -> None:
    def move(config: LatentDirectionConfig) -> torch.Tensor:
        moved = LatentDirectionSource(config, context).edit(torch.zeros(1, 6, 24))
        assert moved is not None
        return moved

    more = DirectionStep(direction=directions[1], strength=-0.5, layers=(0,))
    both = move(LatentDirectionConfig(direction=directions[0], strength=1.0, more_directions=(more,)))
    one = move(LatentDirectionConfig(direction=directions[0], strength=1.0))
    other = move(LatentDirectionConfig(direction=directions[1], strength=-0.5, layers=(0,)))
    torch.testing.assert_close(both, one + other)


def test_the_fingerprint_follows_the_direction_file(context: BuildContext, directions: tuple[Path, Path]) -> None:
    sources = [LatentDirectionSource(LatentDirectionConfig(direction=path), context) for path in directions]
    assert sources[0].fingerprint != sources[1].fingerprint


def test_style_mix_takes_the_coarse_layers_of_the_first(context: BuildContext, tiny_teacher: StyleGAN2Teacher) -> None:
    batch = StyleMixSource(StyleMixConfig(crossover=2), context).make([3])
    latents = batch.records[0].latent_tensor()
    assert latents is not None
    ws = torch.cat([latents[0].expand(2, 24), latents[1].expand(4, 24)])[None]
    torch.testing.assert_close(tiny_teacher.synthesize(ws).clamp(-1, 1), batch.target)
    with pytest.raises(ShapeError, match="at most 5"):
        StyleMixSource(StyleMixConfig(crossover=6), context)


def test_morph_shows_the_mean_latent(context: BuildContext, tiny_teacher: StyleGAN2Teacher) -> None:
    batch = MorphSource(MorphConfig(share=0.25), context).make([3])
    latents = batch.records[0].latent_tensor()
    assert latents is not None
    mean = (0.75 * latents[0] + 0.25 * latents[1]).expand(1, 6, 24)
    torch.testing.assert_close(tiny_teacher.synthesize(mean).clamp(-1, 1), batch.target, atol=1e-5, rtol=1e-4)


def make_target(config: TwoGeneratorsConfig, context: BuildContext) -> torch.Tensor:
    return TwoGeneratorsSource(config, context).make([0, 1]).target


def test_a_generator_and_itself_make_the_same_picture(context: BuildContext, tiny_weights: Path) -> None:
    for shared in ("w", "z"):
        config = TwoGeneratorsConfig.model_validate({"weights": tiny_weights, "shared": shared})
        batch = TwoGeneratorsSource(config, context).make([0, 1])
        assert torch.equal(batch.source, batch.target)


def test_blends_take_each_block_from_the_generator_named(
    context: BuildContext, tiny_weights: Path, other_tiny_weights: Path, tmp_path: Path
) -> None:
    mine, theirs = load_file(tiny_weights), load_file(other_tiny_weights)
    blended = {name: (theirs if name.startswith("synthesis.b16.") else mine)[name] for name in mine}
    save_file(blended, tmp_path / "blended.safetensors")
    expected = make_target(TwoGeneratorsConfig(weights=tmp_path / "blended.safetensors"), context)
    fine = TwoGeneratorsConfig(weights=other_tiny_weights, other_layers="fine", blend_from=16)
    coarse = TwoGeneratorsConfig(weights=other_tiny_weights, other_layers="coarse", blend_from=16)
    assert torch.equal(make_target(fine, context), expected)
    assert not torch.allclose(make_target(coarse, context), expected)
    with pytest.raises(ShapeError, match="blend_from"):
        make_target(TwoGeneratorsConfig(weights=other_tiny_weights, other_layers="fine", blend_from=64), context)


def test_generators_of_different_families_are_refused(
    context: BuildContext, tiny_weights: Path, tmp_path: Path
) -> None:
    state = load_file(tiny_weights)
    small = {name: tensor for name, tensor in state.items() if not name.startswith("synthesis.b16.")}
    save_file(small, tmp_path / "small.safetensors")
    with pytest.raises(ShapeError, match="not of one family"):
        TwoGeneratorsSource(TwoGeneratorsConfig(weights=tmp_path / "small.safetensors"), context)


def test_a_recipe_without_a_teacher_is_told_so() -> None:
    with pytest.raises(PluginError, match="the recipe has no teacher"):
        MorphSource(MorphConfig(), BuildContext())
