"""Pictures that a plugin answers with: what is about in [-1, 1] passes, what is scaled wrongly is named."""

from __future__ import annotations

import re

import pytest
import torch

import gdp
from gdp.core.building import build
from gdp.core.contracts.asking import WrongAnswerError, check_pictures
from gdp.core.interfaces.teachers import LatentTeacher
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
