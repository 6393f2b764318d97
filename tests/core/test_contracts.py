"""Pictures that a plugin answers with: what is about in [-1, 1] passes, what is scaled wrongly is named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import nullcontext

import pytest
import torch

import gdp
from gdp.core.building import build
from gdp.core.contracts.asking import WrongAnswerError, check_pictures
from gdp.core.contracts.watching import answering
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.registry import PluginRegistry


@pytest.fixture(scope="module")
def faces() -> torch.Tensor:
    """Return 16 pictures of the embedded teacher."""
    registry = PluginRegistry.discover()
    record = registry.get("teacher", "stylegan2")
    teacher = build(registry, record, record.config(), gdp.BuildContext(), kind=LatentTeacher)
    pictures: torch.Tensor = teacher.synthesize(teacher.map(teacher.sample_z(0, range(16))))
    return pictures


def test_a_teachers_pictures_pass_and_three_times_their_values_do_not(faces: torch.Tensor) -> None:
    check_pictures(faces, (16, 3, 64, 64), "what it returns")
    with pytest.raises(WrongAnswerError, match=re.escape("outside [-1, 1]")):
        check_pictures(3 * faces, (16, 3, 64, 64), "what it returns")


def test_levels_as_floats_do_not_pass(faces: torch.Tensor) -> None:
    with pytest.raises(WrongAnswerError, match="of pair 7 holds values from"):
        check_pictures((faces[:1] + 1) * 127.5, (1, 3, 64, 64), "the source", ["pair 7"])


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
