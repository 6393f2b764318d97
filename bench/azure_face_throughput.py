"""How busy azure-face keeps a service, measured at the emulator; writes bench/results/azure_face.json.

The recipe is that of the tests. Run it from the project's folder, on a machine with nothing else to do:

    PYTHONPATH=tests/end_to_end python bench/azure_face_throughput.py
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from azure_face_world import make_world, steady_rate

from gdp.testing.azure_face import TIERS, EmulatorProcess, RateLimit, Settings

RESULT = Path(__file__).parents[1] / "bench" / "results" / "azure_face.json"
LATENCY = 0.2
REPEATS = 3
PROTOCOL = (
    "gdp run --until filter with azure-face (of = source), against gdp azure-face-emulator in a process of its own on "
    f"the same machine, latency {LATENCY} s, judge = measures, distinct pictures of 52 px as PNG. calls_per_second: "
    "slope of the number of calls that the emulator had accepted over time, between 1 s after the first and 1 s before "
    "the last. possible: "
    f"the limit, or connections / {LATENCY} s. share_of_possible of a case: median of {REPEATS} runs, all listed."
)


@dataclass(frozen=True)
class Case:
    """One thing that is measured."""

    name: str
    pictures: int
    limit: RateLimit
    connections: int
    calls_per_second: int


CASES = (
    Case("limit of 10 calls a second", 230, TIERS["standard"], connections=8, calls_per_second=10),
    Case("no limit, 32 connections", 1920, TIERS["unlimited"], connections=32, calls_per_second=0),
    Case("no limit, 8 connections", 600, TIERS["unlimited"], connections=8, calls_per_second=0),
)


def measure(case: Case) -> dict[str, Any]:
    """Run the recipe's filter stage once and return what the emulator counted."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmulatorProcess(Settings(limit=case.limit, latency=LATENCY, judge="measures")) as emulator,
    ):
        rules = [f"connections = {case.connections}", f"calls_per_second = {case.calls_per_second}"]
        world = make_world(Path(folder), emulator, case.pictures, rules)
        world.finish("run", "faces.toml", "--until", "filter")
        counted = emulator.statistics("times")
    service = counted["median_service_seconds"]
    possible = min(case.connections / LATENCY, case.calls_per_second or float("inf"))
    rate = steady_rate(counted["accepted_at"])
    return {
        "calls_per_second": rate,
        "possible": possible,
        "share_of_possible": rate / possible,
        "share_of_possible_at_the_services_own_time": rate / min(possible, case.connections / service),
        "median_service_seconds": service,
        "largest_in_a_second": counted["largest_in_a_second"],
        "refused_by_limit": counted["refused_by_limit"],
        "answered_twice": counted["answered_twice"],
    }


def main() -> None:
    """Measure every case, in turns, and write the result."""
    machine = _machine()
    rows: dict[str, list[dict[str, Any]]] = {case.name: [] for case in CASES}
    for _ in range(REPEATS):
        for case in CASES:
            rows[case.name].append(measure(case))
            print(case.name, json.dumps(rows[case.name][-1]), flush=True)
    result = {
        "protocol": PROTOCOL,
        "machine": machine,
        "cases": [
            {
                "name": case.name,
                "pictures": case.pictures,
                "connections": case.connections,
                "share_of_possible": statistics.median(row["share_of_possible"] for row in rows[case.name]),
                "runs": rows[case.name],
            }
            for case in CASES
        ],
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"written: {RESULT}")


def _machine() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "httpx": version("httpx"),
        "aiohttp": version("aiohttp"),
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
