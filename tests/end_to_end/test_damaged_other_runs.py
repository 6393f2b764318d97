"""Runs of the other kinds, damaged: one that translates photos both ways, and one that trains on from a pruned network.

Every file of a run of the first kind is damaged in `test_damaged_run.py`.
"""

from __future__ import annotations

import random
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from commands import gdp_command, succeed
from damage import (
    DAMAGES,
    RETRAINED,
    Damage,
    content_of,
    files_of,
    flip_in_the_middle,
    is_of_time,
    put_other_json,
    remove,
    says_the_same,
)
from tiny_translation import make_tiny_translation

SMALLER = ("dataset.train_count=12", "dataset.test_count=6", "student.width=8", "train.steps=6", "train.sample_every=6")
SETS = tuple(word for each in SMALLER for word in ("--set", each))


class Kind(NamedTuple):
    """A run, and the command that makes it."""

    folder: str
    command: tuple[str, ...]
    quick: tuple[tuple[str, Damage], ...]
    """Files by their endings, and what is done to them in the short form."""


KINDS = {
    "translation": Kind(
        "runs/tiny",
        ("run", "tiny.toml", *SETS),
        (("opposite.safetensors", flip_in_the_middle), ("manifest.sqlite", remove), ("stages.json", put_other_json)),
    ),
    "pruned": Kind(
        "runs/tiny-pruned-0.6",
        ("prune", "runs/tiny", "--macs", "0.6"),
        (
            ("/pruned.safetensors", flip_in_the_middle),
            ("/pruning.json", remove),
            ("/pruning.json", put_other_json),
            ("student/student.json", put_other_json),
        ),
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where copies of both runs are damaged, as often as need be, in the place where they were made."""
    home = tmp_path_factory.mktemp("others")
    world = home / "world"
    world.mkdir()
    make_tiny_translation(world)
    for kind in KINDS.values():
        succeed(*kind.command, cwd=world)
    shutil.copytree(world, home / "whole")
    return home


def fallen(home: Path, kind: Kind, cases: Iterator[tuple[str, Damage]]) -> Iterator[str]:
    """Damage files, look at the run, make it again; yield what was not as it should be."""
    world, chance = home / "world", random.Random(5)
    run, whole = world / kind.folder, content_of(home / "whole" / kind.folder)
    for name, damage in cases:
        shutil.rmtree(world)
        shutil.copytree(home / "whole", world)
        damage(run / name, chance)
        if name.endswith(".sqlite") and says_the_same(run / name, whole[name]):
            continue
        with warnings.catch_warnings(record=True):  # as of a recipe that was changed
            warnings.simplefilter("always")
            ended = [
                gdp_command(command, kind.folder, cwd=world).exit_code for command in ("doctor", "pairs", "report")
            ]
            done = gdp_command(*kind.command, cwd=world)
        problem = ""
        if ended[0] != 1 or not {*ended} <= {0, 1, 2}:
            problem = f"doctor, pairs and report end with {ended}"
        elif done.exit_code:
            problem = done.output
        elif any(part in name for part in (*RETRAINED, "checkpoints/")):
            continue  # which only another training makes again
        elif found := [
            file for file, content in content_of(run).items() if whole.get(file) != content and not is_of_time(file)
        ]:
            problem = f"differs in {found}"
        if problem:
            yield f"{name}: {damage.__name__}: {problem[:600]}"


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_damaged_run_of_another_kind_is_told_and_made_again(home: Path, kind: Kind) -> None:
    names = files_of(home / "whole" / kind.folder)
    cases = [(next(name for name in names if f"/{name}".endswith(end)), damage) for end, damage in kind.quick]
    assert not list(fallen(home, kind, iter(cases)))


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_file_of_a_run_of_another_kind_is_told_and_made_again(home: Path, kind: Kind) -> None:
    chance = random.Random(6)
    names = files_of(home / "whole" / kind.folder)
    assert not list(fallen(home, kind, ((name, chance.choice(DAMAGES)) for name in names for _ in range(2))))
