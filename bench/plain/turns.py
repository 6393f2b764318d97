"""Several ways to do one piece of work, timed in turns, and what a result tells of them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from gdp.core.files import write_atomically
from gdp.core.progress import ProgressTask
from gdp.core.run.versions import machine, versions
from gdp.core.run_folder import now
from gdp.support.measuring import Work, time_once
from gdp.testing.pretended_gpu.building import CAPABILITY
from plain.measuring import WARM_UP, spread
from plain.time_left import is_over

CPU = torch.device("cpu")


def conditions(device: str = "cpu") -> dict[str, Any]:
    """Return when and on what is measured, as JSON data."""
    load = os.getloadavg()[0]
    return {
        "measured_at": now(),
        "machine": {**machine(device, torch.get_num_threads()), "load_before": load},
        "versions": versions(),
    }


def numbers_are_real() -> bool:
    """Say whether what is computed is worth comparing: on the pretended GPU, where scripts are tried, it is made up."""
    return CAPABILITY not in os.environ


def take_turns(
    works: Mapping[str, Work], rounds: int, task: ProgressTask, device: torch.device = CPU
) -> dict[str, list[float]]:
    """Let each do the work once, then each again; return the milliseconds of `rounds` turns after the warm-up.

    Where time is over there are fewer turns, one at least.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(WARM_UP + rounds):
        for name, work in works.items():
            elapsed = time_once(work, device)
            if turn >= WARM_UP:
                times[name].append(elapsed)
        task.advance(1, **{f"{name} ms": values[-1] for name, values in times.items() if values})
        if turn >= WARM_UP and is_over():
            break
    return times


def told(times: Mapping[str, Sequence[float]], reference: str) -> dict[str, Any]:
    """Return medians and quartiles of the times, and of the reference's time by another's, turn by turn."""
    others = {name: values for name, values in times.items() if name != reference}
    return {
        "milliseconds": {name: spread([*values]) for name, values in times.items()},
        "ratio": {
            name: spread([theirs / own for theirs, own in zip(times[reference], values, strict=True)])
            for name, values in others.items()
        },
        "measured_ms": {name: [round(value, 3) for value in values] for name, values in times.items()},
    }


def table_rows(cases: Mapping[str, Any], works: Sequence[str], reference: str) -> list[list[str]]:
    """Return a row for each piece of work of each case: the reference's times, gdp's, their ratio, the difference."""
    rows = []
    for name, found in cases.items():
        for work in works:
            told = found[work]
            spreads = told["milliseconds"][reference], told["milliseconds"]["gdp"], told["ratio"]["gdp"]
            label = f"{name} {found['resolution']} px, {work}"
            rows.append([label, *map(spread_text, spreads), f"{told['largest_difference']:.1g}"])
    return rows


def write_results(output: Path, protocol: str, found: Mapping[str, Any]) -> None:
    """Write what was found as JSON, its protocol first."""
    content = json.dumps({"protocol": protocol, **found}, indent=1, allow_nan=False)
    write_atomically(output, (content + "\n").encode())


def spread_text(values: Mapping[str, Any]) -> str:
    """Write what `spread` found as `median (quartile-quartile)`."""
    low, high = values["quartiles"]
    return f"{values['median']:.3g} ({low:.3g}-{high:.3g})"
