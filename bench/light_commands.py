"""How long the commands take that need no torch, beside Python importing the libraries that they stand on.

    python bench/light_commands.py [--turns 9] [--output FILE]

`python bench/start_up.py --light` is the same. Writes bench/results/light_commands.json. For a machine with nothing
else to do; the processor's time is told, too, which a busy neighbour changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "light_commands.json"
LIMIT = 2.5
"""What a light command may take, in times of BASE."""
BASE = "import pydantic, typer, pluggy, rich.table"
COMMANDS: Mapping[str, Sequence[str]] = {
    "base": ("-c", BASE),
    "list-plugins": ("-m", "gdp", "list-plugins"),
    "run TYPO": ("-m", "gdp", "run", "TYPO"),
    "--help": ("-m", "gdp", "--help"),
    "pairs nope": ("-m", "gdp", "pairs", "nope"),
}
PROTOCOL = (
    f"Seconds of a process of its own, all commands in turns, one turn before them unmeasured (it fills the system's "
    f"file cache, and Python's of compiled modules); base: python -c '{BASE}'. ratio: the median's, to that of base; "
    f"processor: user and system time of the process, wall: from its start to its end."
)


def measure(turns: int) -> dict[str, Any]:
    """Time the commands in turns.

    Returns:
        For each command its `wall` and `processor` seconds of every turn, and of each the `ratio` of the medians.
    """
    times: dict[str, dict[str, list[float]]] = {name: {"wall": [], "processor": []} for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="gdp-light-") as cache:
        # Python keeps its compiled modules as it does for users, also where this process's environment says otherwise.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPYCACHEPREFIX": cache, "PYTHONPATH": str(ROOT)}
        for turn in range(turns + 1):
            for name, arguments in COMMANDS.items():
                wall, processor = _seconds([sys.executable, *arguments], environment, Path(cache))
                if turn:
                    times[name]["wall"].append(round(wall, 4))
                    times[name]["processor"].append(round(processor, 4))
    return {name: {**found, "ratio": _ratios(found, times["base"])} for name, found in times.items()}


def _seconds(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> tuple[float, float]:
    before, started = _processor_seconds(), perf_counter()
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 # our own commands
    wall, processor = perf_counter() - started, _processor_seconds() - before
    if "Traceback" in done.stderr:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return wall, processor


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _ratios(found: Mapping[str, Sequence[float]], base: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {sort: round(median(found[sort]) / median(base[sort]), 3) for sort in found}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the options, measure, write and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args(arguments)
    load = os.getloadavg()[0]
    found = measure(options.turns)
    from gdp.core.files import write_atomically
    from gdp.core.run.versions import machine, versions
    from gdp.core.run_folder import now

    about = {**machine("cpu", os.cpu_count() or 1), "load_before": load}
    data = {
        "protocol": PROTOCOL, "limit": LIMIT, "measured_at": now(), "machine": about, "versions": versions(),
        "commands": found,
    }  # fmt: skip
    write_atomically(options.output, (json.dumps(data, indent=1) + "\n").encode())
    for name, times in found.items():
        wall, processor = (f"{median(times[sort]):.3f} s {times['ratio'][sort]:6.2f}" for sort in ("wall", "processor"))
        print(f"{name:14} wall {wall}   processor {processor}")


if __name__ == "__main__":
    main()
