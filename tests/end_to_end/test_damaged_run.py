"""Each file of a finished run is damaged in turn: every command explains itself, and `gdp run` makes it whole again."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from commands import gdp_command, succeed
from PIL import Image

from gdp.core.files import file_sha256
from gdp.core.run_folder import RunFolder

Damage = Callable[[Path, random.Random], None]


def remove(path: Path, chance: random.Random) -> None:
    path.unlink()


def empty(path: Path, chance: random.Random) -> None:
    path.write_bytes(b"")


def truncate(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes()[: chance.randrange(1, max(2, path.stat().st_size))])


def flip_bit(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def put_other_json(path: Path, chance: random.Random) -> None:
    path.write_text(chance.choice(["[1, 2]\n", '"text"\n', "7\n", "null\n", '{"a": [{}]}\n']))


DAMAGES: tuple[Damage, ...] = (remove, empty, truncate, flip_bit, put_other_json)
UNTOLD = ("lock", "log.txt", "events.jsonl")
"""Nobody rests on these: they are notes for people, and what the lock leaves."""
SEEN_BY_RUN = ("run.json", "keys.json", "recipe.toml")
"""Written anew by each run; of a changed letter in them nothing is known."""
RETRAINED = ("samples/", "statistics.jsonl", "held_out.jsonl", "checkpoints/")
"""What only another training makes again: it is told with the command that does."""
TIMES = {
    "seconds",
    "finished_at",
    "updated_at",
    "started_at",
    "seconds_training",
    "made_now",
}


def files_of(run: Path) -> list[str]:
    """Return the files whose damage matters."""
    names = sorted(path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file())
    return [name for name in names if name not in UNTOLD and not name.endswith("-journal")]


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        # Times are in these files' hashes and so in the check of the entry, and speed is measured anew.
        left_out = {*TIMES, "check", "files", "bytes", "error"}
        kept = {
            k: v
            for k, v in value.items()
            if k not in left_out and "seconds" not in k and "speed" not in k and "images_per" not in k
        }
        return {key: _without_times(each) for key, each in kept.items()}
    return [_without_times(each) for each in value] if isinstance(value, list) else value


def _tables(path: Path) -> object:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        names = sorted(name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'"))
        return {name: sorted(map(repr, connection.execute(f"SELECT * FROM {name}"))) for name in names}  # ours


def content_of(run: Path) -> dict[str, object]:
    """Return all that a run holds, without times and what is measured in seconds."""
    found: dict[str, object] = {}
    for name in files_of(run):
        path = run / name
        if name.endswith(".json"):
            found[name] = _without_times(json.loads(path.read_bytes()))
        elif name.endswith(".jsonl"):
            found[name] = [_without_times(json.loads(line)) for line in path.read_text().splitlines()]
        elif name.endswith(".sqlite"):
            found[name] = _tables(path)
        elif name not in ("report.html", "student/README.md"):  # which show times
            found[name] = file_sha256(path)
        else:
            found[name] = path.stat().st_size > 0
    return found


@pytest.fixture(scope="module")
def world(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny world with its run, which tests damage and mend."""
    folder = tmp_path_factory.mktemp("damaged") / "world"
    broken = folder.parent / "broken"  # where each copy is damaged: a run writes down where its recipe lies
    shutil.copytree(finished_run.parents[1], broken)
    succeed("run", "tiny.toml", cwd=broken)
    shutil.copytree(broken, folder)
    return folder


@pytest.fixture(scope="module")
def whole(world: Path) -> dict[str, object]:
    return content_of(world / "runs" / "tiny")


def _look(world: Path, copy: Path) -> dict[str, tuple[int, str]]:
    """Call what looks at a damaged run: none raises (which would be a traceback); return what they ended with."""
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(world, copy)
    picture = copy / "picture.png"
    Image.fromarray(numpy.full((16, 16, 3), 90, numpy.uint8)).save(picture)
    run = "runs/tiny"
    asked = [
        ("doctor", run),
        ("doctor", run, "--json"),
        ("runs",),
        ("pairs", run),
        ("apply", f"{run}/student", "picture.png", "-o", "out.png"),
        ("export", run, "--format", "torch"),
        ("report", run),
    ]
    ended: dict[str, tuple[int, str]] = {}
    for arguments in asked:
        result = gdp_command(*arguments, cwd=copy)
        assert result.exit_code in (0, 1, 2), (arguments, result.output)
        if "--json" in arguments:
            json.loads(result.stdout)
        ended.setdefault(arguments[0], (result.exit_code, result.output))
    return ended


def check(world: Path, whole: dict[str, object], name: str, damage: Damage, chance: random.Random) -> None:
    """Damage one file of a copy, look at it, run it, and compare."""
    broken = world.parent / "broken"
    shutil.rmtree(broken, ignore_errors=True)
    shutil.copytree(world, broken)
    run = broken / "runs" / "tiny"
    before = (run / name).read_bytes()
    damage(run / name, chance)
    if (run / name).is_file() and (run / name).read_bytes() == before:
        return
    if name.endswith(".sqlite") and _says_the_same(run / name, whole[name]):
        return
    ended = _look(broken, world.parent / "looked")
    if name not in SEEN_BY_RUN:
        assert ended["doctor"][0] == 1, f"doctor finds nothing in {name}"
    if name in ("student/student.safetensors", "student/student.json"):
        assert ended["apply"][0] != 0, "a damaged student is used"
    result = gdp_command("run", "tiny.toml", cwd=broken)
    assert result.exit_code == 0, result.output
    if "checkpoints/" in name:  # of a finished training, which is gone on with by nobody
        assert "--from train" in ended["doctor"][1]
        return
    if any(part in name for part in RETRAINED):
        assert "--from train" in result.output, result.output
        succeed("run", "tiny.toml", "--from", "train", cwd=broken)
    found = content_of(run)
    assert found.keys() == whole.keys()
    differing = [file for file in whole if found[file] != whole[file] and not _is_of_time(file)]
    assert not differing, [(file, found[file], whole[file]) for file in differing][:1]
    assert gdp_command("doctor", run, cwd=broken).exit_code == 0


def _says_the_same(manifest: Path, tables: object) -> bool:
    """Say whether a bit was flipped where SQLite keeps nothing."""
    try:
        return manifest.is_file() and _tables(manifest) == tables
    except sqlite3.Error:
        return False


def _is_of_time(file: str) -> bool:
    """Say whether a file holds how long something took."""
    return file.endswith(("state.json", "metrics.json", "verdict.json")) or "checkpoints/" in file


def test_a_damaged_file_is_told_and_made_again(world: Path, whole: dict[str, object]) -> None:
    chance = random.Random(13)
    names = files_of(world / "runs" / "tiny")
    must = [
        ("student/student.safetensors", flip_bit),
        ("student/student.safetensors", empty),
        (next(name for name in names if name.endswith("manifest.sqlite")), remove),
        (next(name for name in names if name.endswith("manifest.sqlite")), empty),
        (next(name for name in names if name.endswith(".tar")), flip_bit),
        ("run.json", put_other_json),
        ("stages.json", flip_bit),
    ]
    for name, damage in [*must, *((chance.choice(names), chance.choice(DAMAGES)) for _ in range(5))]:
        try:
            check(world, whole, name, damage, chance)
        except Exception as error:
            error.add_note(f"{name}: {damage.__name__}")
            raise


@pytest.mark.soak
def test_every_file_damaged_in_every_way_is_told_and_made_again(world: Path, whole: dict[str, object]) -> None:
    chance = random.Random(7)
    fallen: list[str] = []
    for name in files_of(world / "runs" / "tiny"):
        for damage in DAMAGES:
            try:
                check(world, whole, name, damage, chance)
            except Exception as error:  # noqa: BLE001 # all that fall out are told together
                fallen.append(f"{name}: {damage.__name__}: {type(error).__name__}: {str(error)[:600]}")
    assert not fallen, "\n".join(fallen)


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
