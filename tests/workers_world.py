"""A run whose pair source and filter write down every pair that they are shown, and means to kill its processes."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from forked import GdpProcess

from gdp.core.pairs.store import PairStore

_PLUGIN = '''\
"""Pairs of noise, and a filter of their brightness; both write down which pairs they are shown, and may hang."""

import time
from pathlib import Path

import gdp


class CountedConfig(gdp.Config):
    log: Path
    """Gets a line for each pair."""
    seconds: float = 0.0
    """That each pair takes."""


def note(config, index):
    hang = config.log.parent / f"hang-{config.log.stem}-{index}"
    if hang.exists():
        hang.unlink()
        time.sleep(3600)
    time.sleep(config.seconds)
    with config.log.open("a") as file:
        file.write(f"{index}\\n")


class CountedPairs(gdp.PairSource):
    @property
    def resolution(self):
        return 16

    def make(self, indices):
        import torch
        from gdp.toolbox import counter_generator

        for index in indices:
            note(self.config, index)
        generators = [counter_generator(self.context.seed, "noise", index) for index in indices]
        pictures = torch.stack([torch.rand(2, 3, 16, 16, generator=each) for each in generators]) * 2 - 1
        records = [gdp.PairRecord(index=index, seed=self.context.seed) for index in indices]
        return gdp.PairBatch(list(indices), pictures[:, 0], pictures[:, 1], records)


class CountedFilter(gdp.ScoringFilter):
    score_settings = frozenset()

    def score(self, pairs):
        for index in pairs.indices:
            note(self.config, index)
        return [{"brightness": float(picture.mean())} for picture in pairs.source]

    def decide(self, scores):
        return {i: gdp.Verdict.keep_if(each["brightness"] > -0.05, reason="dark") for i, each in scores.items()}


@gdp.hookimpl
def gdp_register_pair_sources(register):
    register("counted-pairs", config=CountedConfig, implementation="counted:CountedPairs", summary="Noise, counted")


@gdp.hookimpl
def gdp_register_filters(register):
    register("counted-filter", config=CountedConfig, implementation="counted:CountedFilter", summary="Counted")
'''
_RECIPE = """\
name = "counted"
seed = 1

[pairs]
plugin = "counted-pairs"
count = {count}
log = "made.log"
seconds = {seconds}
held_out = 0.1

[[filters]]
plugin = "counted-filter"
log = "judged.log"
seconds = {seconds}
{more}

[[filters]]
plugin = "duplicate"

[student]
plugin = "pix2pixhd"
width = 4
downsamplings = 1
blocks = 1
discriminator_width = 4
num_discriminators = 1
discriminator_layers = 2

[[losses]]
plugin = "l1"

[train]
steps = 2
batch = 2
"""


@dataclass(frozen=True)
class WorkersWorld:
    """The recipe and the plugin, in a folder of their own."""

    folder: Path
    environment: dict[str, str]

    def arguments(self, run: str, *more: str) -> list[str]:
        """Return what follows `gdp` to make and judge the pairs of a run."""
        return ["run", "counted.toml", "--folder", run, "--until", "filter", "--plugins-dir", "plugins", *more]

    def start(self, run: str, *more: str) -> GdpProcess:
        """Start to make and judge the pairs of a run."""
        return GdpProcess(self.arguments(run, *more), self.folder, environment=self.environment)

    def finish(self, run: str, *more: str) -> str:
        """Make and judge the pairs of a run, and return what was printed."""
        done = self.start(run, *more).finish()
        assert done.returncode == 3, done.stderr
        return done.stdout + done.stderr

    def store(self, run: str) -> Path:
        """Return the folder of a run's store."""
        [folder] = (self.folder / run / "pairs").iterdir()
        return folder

    def contents(self, run: str) -> tuple[list[bytes], dict[str, list[tuple[object, ...]]]]:
        """Return all that a run's store holds: the bytes of the shards, and the tables of the manifest."""
        folder = self.store(run)
        connection = sqlite3.connect(folder / "manifest.sqlite")
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = {name: sorted(connection.execute(f"SELECT * FROM {name}")) for name in sorted(names)}
        connection.close()
        return [path.read_bytes() for path in sorted(folder.glob("shard-*.tar"))], tables

    def committed(self, run: str) -> set[int]:
        """Return the pairs that a run's store holds now."""
        try:
            with PairStore.open(self.store(run), read_only=True) as store:
                return set(store.indices())
        except (FileNotFoundError, ValueError):
            return set()

    def noted(self, log: str) -> Counter[int]:
        """Return how often each pair was made (`made`) or judged (`judged`)."""
        path = self.folder / f"{log}.log"
        return Counter(int(line) for line in path.read_text().split()) if path.is_file() else Counter()


def make_workers_world(
    folder: Path, count: int, seconds: float = 0.0, more: str = "", environment: dict[str, str] | None = None
) -> WorkersWorld:
    """Write recipe and plugin.

    Args:
        folder: an empty one.
        count: of pairs.
        seconds: that making one takes, and judging it.
        more: lines of the recipe behind the counted filter.
        environment: further variables of the commands.
    """
    (folder / "plugins").mkdir(parents=True)
    (folder / "plugins" / "counted.py").write_text(_PLUGIN)
    (folder / "counted.toml").write_text(_RECIPE.format(count=count, seconds=seconds, more=more))
    here = {"OMP_NUM_THREADS": "1", "GDP_ANSWERS": str(folder / "answers"), **(environment or {})}
    return WorkersWorld(folder, here)


def descendants(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found, rest = [], [pid]
    while rest:
        children = parents.get(rest.pop(), [])
        found += children
        rest += children
    return found


def _called(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def worker_pids(process: GdpProcess) -> list[int]:
    """Return the workers of a command, of either executor."""
    return [pid for pid in descendants(process.pid) if "spawn_main" in _called(pid) or "ray::_Actor" in _called(pid)]


def wait_until(process: GdpProcess, is_so: Callable[[], bool]) -> bool:
    """Wait until something is so; False where the process ended before."""
    while process.runs():
        if is_so():
            return True
        time.sleep(0.02)
    return False


def kill_one(process: GdpProcess, chance: random.Random, kill: Callable[[int], None]) -> bool:
    """Kill a worker, once there are some."""
    found: list[int] = []

    def some() -> bool:
        found[:] = worker_pids(process)
        return bool(found)

    if not wait_until(process, some):
        return False
    kill(chance.choice(found))
    return True


def twice(counted: Counter[int]) -> Sequence[int]:
    """Return what was done more than once."""
    return sorted(index for index, times in counted.items() if times > 1)
