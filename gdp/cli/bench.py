"""`gdp bench`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import DeviceOption, keeps_nothing
from gdp.cli.completion import complete_run
from gdp.console import choose_progress, print_json, print_line, print_table
from gdp.core.errors import UsageError
from gdp.core.files import write_atomically

if TYPE_CHECKING:
    from gdp.cli.common import State
    from gdp.core.progress import Progress
    from gdp.registry import PluginRegistry
    from gdp.tools.bench.tasks import Bench


@keeps_nothing()
def bench(
    context: typer.Context,
    model: Annotated[
        Path | None,
        typer.Argument(
            help="A run, its student folder, or a file of gdp export.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    sizes: Annotated[
        str | None, typer.Option("--sizes", help="Pixels, as 256,512. Default: as the student was trained.")
    ] = None,
    threads: Annotated[
        str | None, typer.Option("--threads", help="Processor threads, as 1,2. Default: all, as each engine does.")
    ] = None,
    engines: Annotated[
        str | None, typer.Option("--engines", help="As torch,torch:bf16,openvino. Default: all that are installed.")
    ] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", min=1, help="Measured pictures of each row.")] = None,
    slow_steps: Annotated[
        int | None,
        typer.Option("--slow-steps", min=0, help="Measured steps of the slow route's projection; 0 leaves it out."),
    ] = None,
    device: DeviceOption = "auto",
    paper: Annotated[
        bool, typer.Option("--paper", help="Networks of the published sizes at 512 px, with random weights.")
    ] = False,
    plot_: Annotated[Path | None, typer.Option("--plot", help="Draw the times into this file (.png, .svg).")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write everything into this file, as JSON.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Time teacher, slow route and student in every engine, in turns; tell memory, sizes, errors and ratios.

    Example: gdp bench runs/stylegan-age --threads 1,2
    """
    from gdp.support.devices import resolve_device
    from gdp.tools.bench.request import Request, check_request
    from gdp.tools.bench.table import check_plot, plot

    if (model is None) != paper:
        raise UsageError("name a run or an exported file to measure, or give --paper, and not both")
    if plot_ is not None:
        check_plot(plot_)
    request = Request(
        model or Path(),
        sizes=_numbers("--sizes", sizes),
        threads=_numbers("--threads", threads) or (None,),
        engines=tuple(filter(None, (engines or "").split(","))),
        device=resolve_device(device),
        repeats=repeats,
        slow_steps=slow_steps,
    )
    if not paper:
        check_request(request, context.obj.registry)
    from gdp.tools.bench.measuring import bench as measure
    from gdp.tools.bench.paper import bench_paper

    progress: Progress = choose_progress()
    open_plugins = plugins_opener(context.obj)
    found = bench_paper(request, open_plugins, progress) if paper else measure(request, open_plugins, progress)
    if plot_ is not None:
        plot(found, plot_)
    if output is not None:
        write_atomically(output, (json.dumps(found.to_data(), indent=2, allow_nan=False) + "\n").encode())
    _print(found, json_)


def _print(found: Bench, json_: bool) -> None:
    from gdp.tools.bench.table import COLUMNS, SPARE, notes, table

    if json_:
        print_json(found.to_data())
        return
    print_table(COLUMNS, table(found), SPARE)
    for line in notes(found):
        print_line(line)


def _numbers(option: str, written: str | None) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in (written or "").split(",") if part)
    except ValueError:
        numbers = (0,)
    if any(number < 1 for number in numbers):
        raise UsageError(f"{option}: write whole numbers with commas between, as 256,512; got {written}")
    return numbers


def plugins_opener(state: State) -> partial[PluginRegistry]:
    """Return what makes the same registry in another process."""
    from gdp.registry import PluginRegistry

    return partial(PluginRegistry.discover, disabled=state.disabled, folders=state.plugins_folders)
