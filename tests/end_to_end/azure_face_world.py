"""A recipe that sends many distinct small pictures through azure-face, and the means to run, kill and watch it."""

from __future__ import annotations

import json
import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import stored_pairs
from forked import GdpProcess

from gdp.core.pairs.store import PairStore

_REGISTRATION = '''\
"""Registers a pair source of clouds."""

import gdp


class CloudPairsConfig(gdp.Config):
    size: int = 52
    """Height and width in pixels."""


@gdp.hookimpl
def gdp_register_pair_sources(register):
    register(
        "cloud-pairs",
        config=CloudPairsConfig,
        implementation="gdp_cloud_pairs.source:CloudPairs",
        summary="Pairs of which every source is another picture of clouds",
    )
'''
_IMPLEMENTATION = '''\
"""Pairs of clouds: distinct pictures that are small as files."""

import numpy
import torch

import gdp


class CloudPairs(gdp.PairSource):
    @property
    def resolution(self):
        return self.config.size

    def make(self, indices):
        clouds = numpy.stack([numpy.random.default_rng(index).random((3, 4, 4), numpy.float32) for index in indices])
        size = (self.config.size, self.config.size)
        source = torch.nn.functional.interpolate(torch.from_numpy(clouds), size=size, mode="bilinear") * 2 - 1
        records = [gdp.PairRecord(index=index, seed=self.context.seed) for index in indices]
        return gdp.PairBatch(indices=list(indices), source=source, target=torch.zeros_like(source), records=records)
'''
_RECIPE = """\
name = "faces"
seed = 1

[pairs]
plugin = "cloud-pairs"
count = {count}
size = {size}
held_out = 0.1

[[filters]]
plugin = "azure-face"
endpoint = "{endpoint}"
of = "source"
enlarge_to = 0
{settings}

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


class Service(Protocol):
    """What is asked: an emulator of either kind."""

    @property
    def endpoint(self) -> str: ...

    @property
    def key(self) -> str: ...


@dataclass(frozen=True)
class World:
    """A recipe in a folder of its own, with the plugin that makes its pairs."""

    folder: Path
    key: str
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        """The run's folder."""
        return self.folder / "runs" / "faces"

    @property
    def site(self) -> Path:
        """Where the plugin is installed."""
        return self.folder / "site"

    @property
    def environment(self) -> dict[str, str]:
        """What the commands run in; the book of answers lies in the world's folder."""
        return {"AZURE_FACE_KEY": self.key, "GDP_ANSWERS": str(self.folder / "answers"), **self.extra}

    def start(self, *arguments: str) -> GdpProcess:
        """Start `gdp ARGUMENTS`."""
        return GdpProcess(arguments, self.folder, [self.site], self.environment)

    def finish(self, *arguments: str) -> str:
        """Run `gdp ARGUMENTS` to its good end, and return what it printed."""
        done = self.start(*arguments).finish()
        assert done.returncode == (3 if "--until" in arguments else 0), done.stderr
        return done.stdout + done.stderr

    def verdicts(self) -> list[list[str]]:
        """Return the decisions on each pair: one list a pair."""
        [folder] = (self.run / "pairs").iterdir()
        with PairStore.open(folder, read_only=True) as store:
            rows = stored_pairs.rows(store)
        return [[decision for decision, _, _ in row["verdicts"].values()] for row in rows]

    def funnel(self) -> dict[str, Any]:
        """Return what the filter did."""
        [row] = json.loads((self.run / "funnel.json").read_text())["filters"]
        return dict(row)


def make_world(
    folder: Path, service: Service, count: int, settings: Sequence[str] = (), size: int = 52, key: str | None = None
) -> World:
    """Write the plugin and the recipe `faces.toml`, with lines of settings for azure-face."""
    world = World(folder, key or service.key)
    package, information = (world.site / name for name in ("gdp_cloud_pairs", "gdp_cloud_pairs-1.0.dist-info"))
    for each in (package, information):
        each.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: gdp-cloud-pairs\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[gdp]\ncloud-pairs = gdp_cloud_pairs\n")
    (package / "__init__.py").write_text(_REGISTRATION)
    (package / "source.py").write_text(_IMPLEMENTATION)
    recipe = _RECIPE.format(count=count, size=size, endpoint=service.endpoint, settings="\n".join(settings))
    (folder / "faces.toml").write_text(recipe)
    return world


def resident_megabytes(process: GdpProcess) -> float | None:
    """Return the memory that a process holds; None where it is gone."""
    said = subprocess.run(["ps", "-o", "rss=", "-p", str(process.pid)], capture_output=True, text=True, check=False)
    return int(said.stdout) / 1024 if said.stdout.strip() else None


@contextmanager
def memory_watched(process: GdpProcess, every: float = 0.25) -> Iterator[list[float]]:
    """Collect a process's memory in megabytes while the block runs."""
    samples: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(every):
            if (held := resident_megabytes(process)) is not None:
                samples.append(held)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield samples
    finally:
        done.set()
        watcher.join()


def steady_rate(times: Sequence[float]) -> float:
    """Return requests a second between a second after the first of ascending times and a second before the last.

    It is the slope of the line through (time, number of requests): where requests come in bursts, a plain count would
    depend on how many bursts happen to lie within.
    """
    inner = [time for time in times if times[0] + 1.0 <= time < times[-1] - 1.0]
    return statistics.linear_regression(inner, range(len(inner))).slope
