"""Each file of a finished run is damaged in turn: every command explains itself, and `gdp run` makes it whole again.

What the commands give on the unbroken run is known, to the bit. On a damaged one each of them must end with a sentence,
give the same, or say in what it gives what is damaged: never something else in silence.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import pytest
from click.testing import Result
from commands import gdp_command, succeed
from damage import (
    DAMAGES,
    EXPORTED,
    RETRAINED,
    Damage,
    content_of,
    files_of,
    flip_in_the_middle,
    flip_near_the_start,
    is_of_time,
    put_other_json,
    remove,
    says_the_same,
    tables_of,
)
from PIL import Image

from gdp.core.files import file_sha256
from gdp.core.run_folder import RunFolder

RUN = "runs/tiny"


class Seen(NamedTuple):
    """How a command ended."""

    exit_code: int
    output: str
    given: Any
    """What it gave, where it ended well; None else."""


@pytest.fixture(scope="module")
def world(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny world with its run and an export, which tests damage and mend."""
    folder = tmp_path_factory.mktemp("damaged") / "world"
    broken = folder.parent / "broken"  # where each copy is damaged: a run writes down where its recipe lies
    shutil.copytree(finished_run.parents[1], broken)
    pixels = numpy.random.default_rng(0).integers(0, 255, (16, 16, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(broken / "picture.png")
    succeed("run", "tiny.toml", cwd=broken)
    succeed("export", RUN, "--to", "onnx", cwd=broken)
    shutil.copytree(broken, folder)
    return folder


@pytest.fixture(scope="module")
def whole(world: Path) -> dict[str, object]:
    return content_of(world / RUN)


@pytest.fixture(scope="module")
def seen_of_whole(world: Path) -> Mapping[str, Seen]:
    return _look(world, world.parent / "looked")


def _page(path: Path) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d", "", path.read_text())  # when it was written


def _look(world: Path, copy: Path, *, is_on_page: bool = True) -> dict[str, Seen]:
    """Call what looks at a run, on a copy: none raises (which would be a traceback)."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(world, copy)
    run = copy / RUN

    def printed(done: Result) -> object:
        return json.loads(done.stdout)

    asked: dict[str, tuple[tuple[str, ...], Callable[[Result], object]]] = {
        "doctor": (("doctor", RUN, "--json"), printed),
        "runs": (("runs", "--json"), printed),
        "pairs": (("pairs", RUN, "--json", "--limit", "100"), printed),
        "filter": (("filter", RUN, "--dry-run", "--json"), printed),
        "apply by torch": (
            ("apply", RUN, "picture.png", "-o", "torch.png", "--engine", "torch"),
            lambda _: file_sha256(copy / "torch.png"),
        ),
        "apply by onnx": (
            ("apply", RUN, "picture.png", "-o", "onnx.png", "--engine", "onnx"),
            lambda _: file_sha256(copy / "onnx.png"),
        ),
        "apply an export": (
            ("apply", f"{RUN}/student/student.onnx", "picture.png", "-o", "file.png"),
            lambda _: file_sha256(copy / "file.png"),
        ),
        "report": (("report", RUN), lambda _: _page(run / "report.html")),
        "export": (
            ("export", RUN, "--to", "onnx", "-o", "exported"),
            lambda _: file_sha256(copy / "exported" / "student.onnx"),
        ),
    }
    if not is_on_page:
        del asked["report"]  # most of the time goes into its pictures
    seen: dict[str, Seen] = {}
    (copy / "exported").mkdir()
    for name, (arguments, read) in asked.items():
        with warnings.catch_warnings(record=True) as warned:  # as of a recipe that was changed
            warnings.simplefilter("always")
            done = gdp_command(*arguments, cwd=copy)
        assert done.exit_code in (0, 1, 2), (arguments, done.output)
        if "--json" in arguments and done.stdout.strip():
            json.loads(done.stdout)
        seen[name] = Seen(
            done.exit_code, "\n".join([done.output, *map(str, warned)]), read(done) if done.exit_code == 0 else None
        )
    return seen


def _silently_wrong(changed: list[str], seen: Mapping[str, Seen], whole: Mapping[str, Seen]) -> list[str]:
    """Return the commands that ended well, gave something else than on the unbroken run, and did not say why."""
    wrong = []
    for command, found in seen.items():
        if command == "doctor" or found.exit_code or found.given == whole[command].given:
            continue
        if command == "report":
            # Of two, the one may be why the other is not on the page: of that, gdp doctor tells.
            is_told = any(name.rpartition("/")[2] in str(found.given) for name in changed)
        else:
            is_told = {"runs": '"unreadable"'}.get(command, "was changed since gdp wrote") in found.output
        if not is_told:
            wrong.append(f"{command}: {str(found.given)[:300]} instead of {str(whole[command].given)[:300]}")
    return wrong


def _names_all(told: str, changed: list[str]) -> bool:
    """Say whether all files that were changed are named; without stages.json, nobody knows what the others held."""
    return all(name.rpartition("/")[2] in told for name in changed) or "stages.json" in changed


def check(
    world: Path,
    whole: dict[str, object],
    seen_of_whole: Mapping[str, Seen],
    damaged: Mapping[str, Damage],
    chance: random.Random,
) -> None:
    """Damage files of a copy, look at it, run it, and compare."""
    broken = world.parent / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(world, broken)
    run = broken / RUN
    changed = [name for name, damage in damaged.items() if _damage(run / name, damage, chance, whole[name])]
    if not changed:
        return
    is_on_page = any(not name.startswith("pairs/") and "checkpoints/" not in name for name in changed)
    seen = _look(broken, world.parent / "looked", is_on_page=is_on_page)
    assert seen["doctor"].exit_code == 1, f"doctor finds nothing in {changed}"
    assert _names_all(seen["doctor"].output, changed), f"of {changed}, doctor names only {seen['doctor'].output}"
    assert not _silently_wrong(changed, seen, seen_of_whole)
    result = gdp_command("run", "tiny.toml", cwd=broken)
    assert result.exit_code == 0, result.output
    if any("checkpoints/" in name for name in changed):  # of a finished training, which is gone on with by nobody
        assert "--from train" in seen["doctor"].output
        return
    if any(part in name for part in RETRAINED for name in changed):
        assert "--from train" in result.output, result.output
        succeed("run", "tiny.toml", "--from", "train", cwd=broken)
    if any(name.endswith(EXPORTED) for name in changed):
        succeed("apply", RUN, "picture.png", "-o", "out.png", "--engine", "onnx", cwd=broken)
    found = content_of(run)
    assert found.keys() == whole.keys()
    differing = [file for file in whole if found[file] != whole[file] and not is_of_time(file)]
    assert not differing, [(file, found[file], whole[file]) for file in differing][:1]
    after = gdp_command("doctor", run, cwd=broken)
    assert after.exit_code == 0, after.output


def _damage(path: Path, damage: Damage, chance: random.Random, whole: object) -> bool:
    """Damage a file; return whether that changed anything."""
    before = path.read_bytes()
    damage(path, chance)
    if path.is_file() and path.read_bytes() == before:
        return False
    return path.suffix != ".sqlite" or not says_the_same(path, whole)


def _check_all(
    world: Path,
    whole: dict[str, object],
    seen_of_whole: Mapping[str, Seen],
    cases: list[dict[str, Damage]],
    seed: int,
) -> None:
    """Check all, and tell together which fall out."""
    chance, fallen = random.Random(seed), []
    for damaged in cases:
        try:
            check(world, whole, seen_of_whole, damaged, chance)
        except Exception as error:  # noqa: BLE001 # of the last one, nothing would be known of the others
            what = ", ".join(f"{name}: {damage.__name__}" for name, damage in damaged.items())
            fallen.append(f"{what}: {type(error).__name__}: {str(error)[:800]}")
    assert not fallen, "\n".join(fallen)


def _one(names: list[str], ending: str) -> str:
    return next(name for name in names if name.endswith(ending))


def test_a_damaged_file_is_told_and_made_again(
    world: Path, whole: dict[str, object], seen_of_whole: Mapping[str, Seen]
) -> None:
    names = files_of(world / RUN)
    manifest = _one(names, "manifest.sqlite")
    cases: list[dict[str, Damage]] = [
        {"student/student.safetensors": flip_in_the_middle},
        {manifest: remove},
        {_one(names, ".tar"): flip_in_the_middle, "keys.json": flip_in_the_middle},
        {"student/student.onnx": flip_in_the_middle},
        {"student/student.onnx.json": remove},
        {"run.json": put_other_json, "stages.json": flip_near_the_start},
    ]
    _check_all(world, whole, seen_of_whole, cases, 13)


@pytest.mark.soak
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_damaged_in_every_way_is_told_and_made_again(
    world: Path, whole: dict[str, object], seen_of_whole: Mapping[str, Seen], damage: Damage
) -> None:
    _check_all(world, whole, seen_of_whole, [{name: damage} for name in files_of(world / RUN)], 7)


@pytest.mark.soak
def test_two_files_damaged_at_once_are_told_and_made_again(
    world: Path, whole: dict[str, object], seen_of_whole: Mapping[str, Seen]
) -> None:
    chance = random.Random(11)
    names = files_of(world / RUN)
    cases = [{name: chance.choice(DAMAGES) for name in chance.sample(names, 2)} for _ in range(60)]
    _check_all(world, whole, seen_of_whole, cases, 11)


@pytest.mark.parametrize(
    "folders",
    [
        ("pairs/*", "pictures"),
        *(pytest.param((each,), marks=pytest.mark.soak) for each in ("pairs", "train", "student")),
    ],
)
def test_folders_that_are_gone_are_made_again(world: Path, whole: dict[str, object], folders: tuple[str, ...]) -> None:
    broken = world.parent / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(world, broken)
    run = broken / RUN
    for folder in folders:
        for each in run.glob(folder):
            shutil.rmtree(each)
    assert gdp_command("doctor", run, cwd=broken).exit_code == 1
    succeed("run", "tiny.toml", cwd=broken)
    found = content_of(run)
    left = {name for name in whole if not name.startswith("student/student.onnx")}
    assert found.keys() >= left
    assert not [name for name in left if found[name] != whole[name] and not is_of_time(name)]
    assert gdp_command("doctor", run, cwd=broken).exit_code == 0


def test_what_lies_beside_a_manifest_harms_nobody(world: Path, whole: dict[str, object]) -> None:
    broken = world.parent / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(world, broken)
    run = broken / RUN
    [store] = (run / "pairs").iterdir()
    for ending in ("-journal", "-wal", "-shm"):
        (store / f"manifest.sqlite{ending}").write_bytes(random.Random(1).randbytes(5000))
    for name in ("lock", "log.txt", "events.jsonl"):
        (run / name).write_bytes(b"\xff\0{")
    assert gdp_command("pairs", run, "--json", cwd=broken).exit_code == 0
    succeed("run", "tiny.toml", cwd=broken)
    name = f"pairs/{store.name}/manifest.sqlite"
    assert tables_of(run / "pairs" / store.name / "manifest.sqlite") == whole[name]


def test_a_verdict_that_changed_on_the_disk_is_judged_again_and_no_other(
    world: Path, whole: dict[str, object], tmp_path: Path
) -> None:
    shutil.copytree(world, tmp_path / "world")
    run = tmp_path / "world" / RUN
    [manifest] = run.glob("pairs/*/manifest.sqlite")
    with sqlite3.connect(manifest) as connection:
        connection.execute("UPDATE verdicts SET decision = 'drop' WHERE pair_index = 5")
    connection.close()
    told = gdp_command("pairs", RUN, cwd=tmp_path / "world")
    assert told.exit_code == 1
    assert "the manifest is damaged" in told.output
    assert "judge the pairs again" in told.output
    done = succeed("run", "tiny.toml", "--json", cwd=tmp_path / "world")
    assert "train" not in json.loads(done)["done"]
    assert tables_of(manifest) == whole[manifest.relative_to(run).as_posix()]


def test_an_emptied_pair_store_is_made_again(world: Path, whole: dict[str, object], tmp_path: Path) -> None:
    shutil.copytree(world, tmp_path / "world")
    run = tmp_path / "world" / "runs" / "tiny"
    [store] = (run / "pairs").iterdir()
    for file in store.iterdir():
        file.unlink()
    succeed("run", "tiny.toml", cwd=tmp_path / "world")
    assert content_of(run)[f"pairs/{store.name}/shard-000000.tar"] == whole[f"pairs/{store.name}/shard-000000.tar"]


def test_a_repeated_stage_is_forgotten_before_its_files_go(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gdp.core.run.stages.pairs import PairsStage

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    shutil.copytree(world, tmp_path / "world")
    with monkeypatch.context() as patched:
        patched.setattr(PairsStage, "reset", die)
        gdp_command("run", "tiny.toml", "--from", "pairs", cwd=tmp_path / "world")
    assert "pairs" not in RunFolder(tmp_path / "world" / "runs" / "tiny").stages()
