"""A push that is killed and given once more leaves the hub with the same files, in one piece."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from fake_hub import TOKEN, running_hub
from killing import finish, kill_at

KILLS = pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.soak)])


@KILLS
def test_a_killed_push_given_once_more_sends_the_same(kills: int, student: Path) -> None:
    arguments = ("push", student, "ada/tiny", "--with", "onnx,openvino")
    with running_hub() as whole, running_hub() as broken:
        surroundings = {"HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        started = time.monotonic()
        finish(arguments, student, {**surroundings, "HF_ENDPOINT": whole.address})
        seconds, chance = time.monotonic() - started, random.Random(8)
        surroundings["HF_ENDPOINT"] = broken.address
        for _ in range(kills):
            kill_at(arguments, student, chance.uniform(0.1, seconds), surroundings)
            for repository in broken.repositories.values():
                assert repository["files"] in ({}, whole.repositories["ada/tiny"]["files"]), "all in one commit"
        finish(arguments, student, surroundings)
        assert broken.repositories["ada/tiny"]["files"] == whole.repositories["ada/tiny"]["files"]
