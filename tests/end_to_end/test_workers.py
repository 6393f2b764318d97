"""Pairs made and judged by workers are those of one process, whoever is killed meanwhile, and none is made twice."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
from workers_world import WorkersWorld, kill_one, make_workers_world, twice, wait_until

import gdp
from gdp.core.run.pipeline import Plan

RANGE = 24
"""Pairs of a piece of work, of 96 for two workers."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> WorkersWorld:
    """A run of 96 pairs, done by one process into the folder `one`."""
    world = make_workers_world(tmp_path_factory.mktemp("world"), 96, seconds=0.02)
    world.finish("one")
    assert world.noted("made").total() == world.noted("judged").total() == 96
    return world


def forget(world: WorkersWorld) -> None:
    for log in world.folder.glob("*.log"):
        log.unlink()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_workers_that_are_killed_or_hang_and_a_killed_command_change_no_bit_and_repeat_little(
    world: WorkersWorld,
) -> None:
    forget(world)
    (world.folder / "hang-judged-95").touch()
    options = "--executor", "processes", "--workers", "2", "--patience", "6"
    chance = random.Random(2)

    process = world.start("many", *options)
    assert wait_until(process, lambda: world.noted("made").total() > 5)
    assert kill_one(process, chance, kill)
    assert wait_until(process, lambda: len(world.committed("many")) >= RANGE)
    process.kill()
    assert process.finish().returncode == -signal.SIGKILL
    known, before = world.committed("many"), world.noted("made")
    told = world.finish("many", *options)

    assert world.contents("many") == world.contents("one")
    assert not [index for index in known if world.noted("made")[index] > before[index]]  # none that was committed
    assert len(twice(world.noted("made"))) <= 3 * RANGE  # of the killed worker, and the two of the killed command
    assert twice(world.noted("judged")) == list(range(64, 95))  # of the one that hung
    assert "another takes its place" in told
    assert not (world.store("many") / "handed-over").exists()
    log = (world.folder / "many" / "log.txt").read_text()
    assert "was lost (SIGKILL): another takes its place and begins again with pairs" in log
    assert "has said nothing for 6 s" in log


def test_from_python_workers_are_asked_for_as_on_the_command_line(
    world: WorkersWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GDP_PLUGINS_DIR", str(world.folder / "plugins"))
    monkeypatch.chdir(world.folder)
    few: dict[str, Any] = {"overrides": {"pairs.count": 16}, "plan": Plan(until="filter")}
    gdp.run("counted.toml", folder="alone", **few)
    forget(world)
    place = tmp_path / "there"
    run = gdp.run("counted.toml", folder="python", workers=2, patience=300, hand_over=str(place), **few)
    assert run.outcome.done[-1] == "filter"
    assert world.contents("python") == world.contents("alone")
    assert world.noted("made").total() == world.noted("judged").total() == 16
    assert place.is_dir()
    with pytest.raises(gdp.PluginNotFoundError, match="rai"):
        gdp.run("counted.toml", folder="python", executor="rai")
    for wrong in ({"workers": 0}, {"patience": 0.5}):
        with pytest.raises(gdp.GdpError, match=f"{next(iter(wrong))} = "):
            gdp.run("counted.toml", folder="python", **few, **wrong)


def test_a_plugin_that_no_worker_can_import_is_told_as_a_workers(tmp_path: Path) -> None:
    world = make_workers_world(tmp_path, 8)
    plugin = tmp_path / "plugins" / "counted.py"
    alone = "import multiprocessing\n\nif multiprocessing.current_process().name.startswith('worker-'):\n"
    plugin.write_text(f"{alone}    raise ImportError('no')\n{plugin.read_text()}")
    failed = world.start("run", "--workers", "2").finish()
    assert failed.returncode == 1
    assert "cannot read the recipe that the process which started it has read: pairs.plugin: " in failed.stderr
    assert "plugins/counted.py cannot be used there: ImportError: no." in failed.stderr
    assert world.committed("run") == set()
