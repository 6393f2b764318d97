"""`gdp compare`. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.completion import complete_run
from gdp.console import print_json, print_line, print_table
from gdp.core.errors import UsageError
from gdp.core.run_folder import find_run

if TYPE_CHECKING:
    from gdp.tools.side_by_side import Comparison, MetricRow


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            help="Two run folders or more, or names of runs in runs/.", show_default=False, autocompletion=complete_run
        ),
    ],
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with their pictures side by side, too.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME", help="Only numbers whose names begin so. Repeatable."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Compare runs: where their recipes differ, their numbers, and, in a page, their pictures side by side.

    The best of each number is marked with * where higher or lower is better. Variants of one recipe are compared while
    they train by [compare] in a recipe instead.

    Example: gdp compare stylegan-age runs/wider --html compared.html
    """
    folders = [find_run(run) for run in runs]
    if len({folder.path.resolve() for folder in folders}) < max(2, len(folders)):
        raise UsageError("gdp compare needs two different runs or more: gdp runs shows which are here")
    from gdp.tools.side_by_side import compare_runs, write_page

    found = compare_runs(folders)
    page = None if html is None and not open_ else write_page(found, html or Path("compared.html"))
    shown = [row for row in found.metrics if not metric or row.name.startswith(tuple(metric))]
    if metric and not shown:
        raise UsageError(
            f"--metric {' '.join(metric)}: no number of these runs begins so; without --metric all are told"
        )
    if json_:
        data = found.to_data()
        data["metrics"] = {row.name: data["metrics"][row.name] for row in shown}
        print_json({**data, "page": None if page is None else str(page)})
    else:
        _print(found, shown)
        if page is not None:
            typer.echo(f"page: {page}")
    if open_:
        typer.launch(str(page))


def _print(found: Comparison, metrics: Sequence[MetricRow]) -> None:
    for label, run in zip(found.labels, found.runs, strict=True):
        for line in run.missing:
            print_line(f"{label}: {line}")
    for heading, rows in (("RECIPE", found.recipe), ("ABOUT", found.about)):
        different = [(row.name, *(value or "-" for value in row.values)) for row in rows if row.differs]
        if different:
            print_table((heading, *found.labels), different)
            typer.echo()
    if not any(row.differs for row in found.recipe):
        typer.echo("RECIPE: all settings are the same\n")
    if metrics:
        print_table(("NUMBER", *found.labels, "BETTER"), [_cells(row) for row in metrics], spare=("BETTER",))
    else:
        typer.echo("no numbers yet: none of these runs has been measured")


def _cells(row: MetricRow) -> tuple[str, ...]:
    from gdp.support.wording import with_unit

    values = [
        "-" if value is None else f"{with_unit(value, row.unit)}{' *' if place in row.best else ''}"
        for place, value in enumerate(row.values)
    ]
    return (row.name if row.alike else f"{row.name} (measured otherwise in each)", *values, row.better)
