"""Pictures that a plugin answers with: what is about in [-1, 1] passes, what is scaled wrongly is named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import gdp
from gdp.core.building import build
from gdp.core.contracts.asking import WrongAnswerError, check_pictures
from gdp.core.contracts.watching import answering
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.plugins.stylegan2.networks import Generator
from gdp.registry import PluginRegistry


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    """Return 32 pictures of the embedded teacher."""
    registry = PluginRegistry.discover()
    record = registry.get("teacher", "stylegan2")
    teacher = build(registry, record, record.config(), gdp.BuildContext(), kind=LatentTeacher)
    pictures: torch.Tensor = teacher.synthesize(teacher.map(teacher.sample_z(0, range(32))))
    return pictures


def test_a_teachers_pictures_pass_and_three_times_their_values_do_not(faces: torch.Tensor) -> None:
    check_pictures(faces, (32, 3, 64, 64), "what it returns")
    with pytest.raises(WrongAnswerError, match=re.escape("outside [-1, 1]")):
        check_pictures(3 * faces, (32, 3, 64, 64), "what it returns")


def test_levels_as_floats_do_not_pass(faces: torch.Tensor) -> None:
    with pytest.raises(WrongAnswerError, match="of pair 7 holds values from"):
        check_pictures((faces[:1] + 1) * 127.5, (1, 3, 64, 64), "the source", ["pair 7"])


@pytest.mark.parametrize(("resolution", "seed"), [(16, 0), (32, 1), (64, 2)])
def test_pictures_of_random_weights_pass(tmp_path: Path, resolution: int, seed: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = Generator(64, 64, resolution, channel_base=2048, channel_max=64, mapping_layers=2)
    save_file(generator.state_dict(), tmp_path / "random.safetensors")
    registry = PluginRegistry.discover()
    record = registry.get("teacher", "stylegan2")
    config = record.config(weights=str(tmp_path / "random.safetensors"))
    teacher = build(registry, record, config, gdp.BuildContext(), kind=LatentTeacher)
    pictures = teacher.synthesize(teacher.map(teacher.sample_z(0, range(32))))
    assert float((pictures.abs() > 1).float().mean()) > 0.1, "it is not what keeps them inside"
    check_pictures(pictures, (32, 3, resolution, resolution), "the source", range(32))


class NamedAfterFiles(gdp.PairSource):
    """Names its pairs as a folder's listing does, where a name need not be text."""

    resolution = 8
    count = 1
    fingerprint = "0" * 64

    def make(self, indices: Sequence[int]) -> gdp.PairBatch:
        pictures = torch.zeros(len(indices), 3, 8, 8)
        records = [gdp.PairRecord(index, self.context.seed, name="caf\udce9.png") for index in indices]
        return gdp.PairBatch(list(indices), pictures, pictures, records)


def test_a_name_of_a_pair_that_is_no_text_is_the_plugins_mistake() -> None:
    source = answering(NamedAfterFiles, "pair-source named", lambda told: nullcontext())(
        gdp.Config(), gdp.BuildContext()
    )
    with pytest.raises(gdp.PluginError, match=r"source named: make names pair 0 .*caf.*os\.fsencode"):
        source.make([0])


def test_one_wild_picture_among_tame_ones_is_found_where_it_is_made() -> None:
    """A teacher's pictures have no numbers yet; a pair source would be blamed for what it was given."""
    pictures = torch.zeros(8, 3, 16, 16)
    pictures[5] += 3
    with pytest.raises(WrongAnswerError, match="what it returns holds values from 3 to 3, 100% of them outside"):
        check_pictures(pictures, (8, 3, 16, 16), "what it returns")
