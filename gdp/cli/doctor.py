"""`gdp doctor`: of this machine, or of a run. torch is imported when it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import State, keeps_nothing, short_path, with_short_paths
from gdp.cli.completion import complete_run
from gdp.console import choose_progress, print_json, print_line
from gdp.core.errors import UsageError
from gdp.support.wording import counted

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry
    from gdp.tools.machine.facts import Fact

_MEASURED = ", which takes some seconds to measure"
COLUMN = 26
"""Characters before what was found."""


@keeps_nothing()
def doctor(
    context: typer.Context,
    run: Annotated[
        Path | None,
        typer.Argument(
            help="The run folder, or the name of a run in runs/. Without one: this machine.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Of a run, mend what needs no training: damaged pair stores, manifests.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Look at this machine, or at every file of a run, and say what mends what is wrong.

    Of the machine: versions, devices, extras and what each is for, plugins, caches, disks, and which work is quick
    here. Ends with 1 where something that is installed cannot work; what is missing is told and is no fault.

    Of a run: whether each file is there, readable, and as the run left it. Ends with 1 where one is not; gdp run makes
    most of it again by itself.

    Example: gdp doctor runs/stylegan-age --repair
    """
    if run is not None:
        _examine_run(run, repair, json_)
        return
    if repair:
        raise UsageError("--repair mends a run: name it, as gdp doctor runs/stylegan-age --repair")
    state: State = context.obj
    _examine_machine(state.registry, json_)


def _examine_run(run: Path, repair: bool, json_: bool) -> None:
    from gdp.tools.doctor import examine, find_any_run
    from gdp.tools.doctor import repair as mend

    folder, progress = find_any_run(run), choose_progress()
    found = examine(folder, progress)
    if repair and found:
        mend(folder, progress)
        found = examine(folder, progress)
    if json_:
        print_json({"folder": str(folder.path), "whole": not found, "damaged": [damage.data() for damage in found]})
    elif not found:
        typer.echo(f"{short_path(folder.path)}: whole")
    else:
        for damage in found:
            typer.echo(with_short_paths(f"{damage.file}: {damage.problem}\n    {damage.mend}"))
        are = "is" if len(found) == 1 else "are"
        typer.echo(f"{short_path(folder.path)}: {counted(len(found), 'file')} {are} damaged")
    if found:
        raise typer.Exit(1)


def _examine_machine(registry: PluginRegistry, json_: bool) -> None:
    """Tell each section as soon as it is known: the whole takes some seconds."""
    sections: dict[str, list[Fact]] = {}
    for title, facts in _sections(registry):
        if not json_:
            typer.echo(f"{title}{_MEASURED if title == 'speed' else ''}:")
        sections[title] = []
        for fact in facts():
            sections[title].append(fact)
            if not json_:
                _print_fact(fact)
        if not json_:
            typer.echo()
    problems = [fact for facts in sections.values() for fact in facts if fact.problem]
    if json_:
        found = {title: [fact.data() for fact in facts] for title, facts in sections.items()}
        print_json({"works": not problems, **found})
    elif problems:
        print_line(f"cannot work: {', '.join(fact.name for fact in problems)}")
    else:
        typer.echo("all that is installed works")
    if problems:
        raise typer.Exit(1)


def _sections(registry: PluginRegistry) -> Iterator[tuple[str, Callable[[], Iterable[Fact]]]]:
    from gdp.tools.machine.places import place_facts
    from gdp.tools.machine.software import extra_facts, plugin_facts, version_facts, why_broken

    packages = sorted({row.package for row in registry.rows if row.status == "ok"})
    usable = sum(row.status == "ok" for row in registry.rows)
    yield "versions", version_facts
    yield "plugins", lambda: plugin_facts(usable, packages, registry.defects)
    if not why_broken("torch"):
        from gdp.tools.machine.hardware import gpu_facts, processor_facts
        from gdp.tools.machine.speed import speed_facts

        yield "devices", lambda: [*processor_facts(), *gpu_facts()]
        yield "speed", speed_facts
    yield "places", place_facts
    yield "extras", extra_facts


def _print_fact(fact: Fact) -> None:
    mend = f" -> {fact.mend}" if fact.mend else ""
    mark = "! " if fact.problem else "  "
    print_line(f"{mark}{fact.name:<{COLUMN - 2}}{fact.value}{mend}", hanging=COLUMN)
