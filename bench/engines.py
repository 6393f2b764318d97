"""What each engine makes of students of the published widths at 256 px: milliseconds, memory, decibels to torch.

    python bench/engines.py [NAME=RUN...] [--repeats 20] [--output FILE]

By default of the students that bench/wide_students.py makes. `gdp bench` measures; its JSON and tables are put together
in bench/results/engines.json and, as text, engines.txt.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from wide_students import EXPORTS, ROOT, STUDENTS, export, make_run

from gdp.core.files import write_atomically

RESULT = Path(__file__).parent / "results" / "engines.json"


def measure(run: Path, repeats: int) -> tuple[dict[str, Any], str]:
    """Export a run's student for every engine, and return what `gdp bench` finds of it, as data and as a table."""
    for engine in EXPORTS:
        export(run / "student", engine)
    with tempfile.TemporaryDirectory(prefix="gdp-engines-") as folder:
        path = Path(folder) / "bench.json"
        options = ["--engines", ",".join(["torch", *EXPORTS]), "--repeats", str(repeats), "--slow-steps", "0"]
        command = [sys.executable, "-m", "gdp", "bench", str(run), *options, "--output", str(path)]
        finished = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 # our own command
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {**found, "model": run.name}, finished.stdout


def main() -> None:
    """Read the options, measure one student after another, write and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="NAME=RUN", help="default: " + ", ".join(STUDENTS))
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--output", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gdp-engines-") as folder:
        runs = {name: Path(place).absolute() for name, _, place in (given.partition("=") for given in options.runs)}
        runs = runs or {name: make_run(name, Path(folder) / name) for name in STUDENTS}
        measured = {name: measure(run, options.repeats) for name, run in runs.items()}
    data = {name: found for name, (found, _) in measured.items()}
    text = "\n".join(f"{name}\n{table}" for name, (_, table) in measured.items())
    write_atomically(options.output, (json.dumps(data, indent=1) + "\n").encode())
    write_atomically(options.output.with_suffix(".txt"), text.encode())
    print(text)


if __name__ == "__main__":
    main()
