"""`gdp find-direction`. torch is imported when it starts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gdp.cli.common import DeviceOption, MemoryOption, keeps_nothing, short_path
from gdp.cli.completion import complete_recipe, plugins_of
from gdp.console import choose_progress, encodable, print_json, print_table
from gdp.core.errors import UsageError

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry
    from gdp.support.directions import Direction
    from gdp.tools.directions.search import Finding


@keeps_nothing()
def find_direction(
    context: typer.Context,
    recipe: Annotated[
        Path | None,
        typer.Argument(
            help="A recipe whose teacher to take, and what its filters' scores depend on.",
            autocompletion=complete_recipe,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The .safetensors file to write; of several, OUTPUT-NAME each."),
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method", help="A direction method; see gdp list-plugins.", autocompletion=plugins_of("direction-method")
        ),
    ] = "ridge",
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher",
            help="A teacher plugin. Default: the recipe's, or stylegan2.",
            autocompletion=plugins_of("teacher"),
        ),
    ] = None,
    filter_: Annotated[
        str | None,
        typer.Option(
            "--filter",
            help="The filter plugin whose scores are the labels and the measure.",
            autocompletion=plugins_of("filter"),
        ),
    ] = None,
    label: Annotated[
        str,
        typer.Option(
            "--label", help="The score that is to grow, such as source_age; of several, each holds the others."
        ),
    ] = "",
    hold: Annotated[
        str, typer.Option("--hold", help="Scores that are to stay, such as source_smile,source_glasses; or all.")
    ] = "",
    hold_border: Annotated[
        bool, typer.Option("--hold-border/--free-border", help="Whether the colours of the picture's border stay, too.")
    ] = True,
    strip: Annotated[
        Path | None, typer.Option("--strip", help="A PNG to write: a row a sample, strengths -3 to +3.")
    ] = None,
    describe: Annotated[
        str,
        typer.Option(
            "--describe",
            metavar="FILE",
            help="Find nothing: tell how far this file's direction goes on the teacher, and whether it belongs there.",
        ),
    ] = "",
    rows: Annotated[int, typer.Option("--rows", min=1, help="Samples in the strip.")] = 6,
    samples: Annotated[int, typer.Option("--samples", min=2, help="Samples to find it from; sefa needs none.")] = 5000,
    measured: Annotated[
        int, typer.Option("--measured", min=0, help="Other samples on which to measure what it does; 0 for none.")
    ] = 200,
    refine: Annotated[
        int, typer.Option("--refine", min=0, help="How often to take out what it is measured to do to held scores.")
    ] = 2,
    components: Annotated[int, typer.Option("--components", min=1, help="How many directions pca and sefa give.")] = 10,
    layers: Annotated[
        str, typer.Option("--layers", help="Numbers of the w's it is made for, such as 0-7 or 0,2,4. Default: all.")
    ] = "",
    truncation: Annotated[float, typer.Option("--truncation", min=0, max=1, help="Psi of all samples.")] = 0.8,
    seed: Annotated[int, typer.Option("--seed", help="Which samples.")] = 0,
    name: Annotated[str, typer.Option("--name", help="What to call it. Default: the label.")] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A setting: teacher.KEY=, filter.KEY= or method.KEY=VALUE. Repeatable."
        ),
    ] = None,
    device: DeviceOption = "auto",
    memory: MemoryOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Find a direction in a teacher's latent space that changes one score and leaves others alone.

    Samples are drawn and scored, the method finds the direction, what it does to the held scores is taken out by
    measurement, and its effect on every score is measured on other samples. pca needs no labels, sefa no samples
    either. --describe looks at a file instead, such as a public one.

    Example: gdp find-direction --filter face-attributes --label source_age
    """
    registry: PluginRegistry = context.obj.registry
    if describe:
        if label or hold or filter_ or output:
            raise UsageError("--describe finds nothing: leave --label, --hold, --filter and --output out")
        from gdp.api import describe_direction

        described = describe_direction(
            describe,
            recipe,
            teacher=teacher,
            layers=_numbers(layers),
            truncation=truncation,
            seed=seed,
            overrides=set_ or (),
            strip=strip,
            rows=rows,
            device=device,
            registry=registry,
            progress=choose_progress(),
        )
        drawn = strip if described.move is not None else None
        if json_:
            print_json({**described.to_data(), "strip": None if drawn is None else str(drawn)})
            return
        for line in described.lines():
            typer.echo(encodable(line, sys.stdout.encoding))
        _tell_strip(drawn)
        return
    from gdp.api import find_direction as find

    found = find(
        recipe,
        teacher=teacher,
        filter=filter_,
        method=method,
        labels=_names(label),
        hold=_names(hold),
        hold_border=hold_border,
        name=name,
        samples=samples,
        measured=measured,
        refine=refine,
        components=components,
        layers=_numbers(layers),
        truncation=truncation,
        seed=seed,
        overrides=set_ or (),
        output=output,
        strip=strip,
        rows=rows,
        device=device,
        memory=memory,
        registry=registry,
        progress=choose_progress(),
    )
    from gdp.tools.directions.writing import named_files

    strips = named_files(strip, [finding.direction.name for finding, _ in found])
    if json_:
        print_json([_as_data(finding, path, drawn) for (finding, path), drawn in zip(found, strips, strict=True)])
        return
    for (finding, path), drawn in zip(found, strips, strict=True):
        _print(finding, path)
        _tell_strip(drawn)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _numbers(text: str) -> tuple[int, ...] | None:
    """Read `0-7` or `0,2,4`; None for nothing."""
    found: list[int] = []
    for part in _names(text):
        first, dash, last = part.partition("-")
        try:
            found += range(int(first), int(last) + 1) if dash else [int(first)]
        except ValueError:
            raise UsageError(f"--layers {text}: write numbers of w's such as 0-7 or 0,2,4") from None
    return tuple(dict.fromkeys(found)) or None


def _tell_strip(path: Path | None) -> None:
    if path is not None:
        typer.echo(encodable(f"drawn, a row a sample, strengths -3 to +3: {short_path(path)}", sys.stdout.encoding))


def _as_data(finding: Finding, path: Path | None, strip: Path | None) -> dict[str, Any]:
    direction = finding.direction
    return {
        "name": direction.name,
        "file": None if path is None else str(path),
        "strip": None if strip is None else str(strip),
        "scale": direction.scale,
        "strength_1_is_published": (direction.scale or 0.0) / direction.published_unit,
        "layers": direction.layers,
        "teacher": direction.teacher,
        "found": direction.found,
    }


def _print(finding: Finding, path: Path | None) -> None:
    direction = finding.direction
    typer.echo(_headline(direction, path))
    if finding.effects is None:
        return
    effects = finding.effects
    columns = ["SCORE", "CHANGE", *(f"{effect.strength:+.0f}" for effect in effects.strengths)]
    changes = effects.changes
    table: list[Sequence[str]] = [
        [score, f"{changes[score]:+.2f}", *(f"{effect.means[score]:.4g}" for effect in effects.strengths)]
        for score in changes
    ]
    table.append(["levels, border", "", *(f"{effect.border_change:.1f}" for effect in effects.strengths)])
    table.append(["levels, inside", "", *(f"{effect.inner_change:.1f}" for effect in effects.strengths)])
    table.append(["kept by the filter", "", *(f"{effect.kept:.0%}" for effect in effects.strengths)])
    print_table(columns, table, spare=("-1", "+1", "-2", "+2"))
    typer.echo(
        f"CHANGE: by strength 1, in the score's standard deviations; the rest: means over {effects.samples} samples; "
        "levels: how far pixels of the border (a sixteenth of each side) and inside it move from 0"
    )


def _headline(direction: Direction, path: Path | None) -> str:
    facts, scale = direction.found, direction.scale or 0.0
    by = f" that {facts['filter']} scored" if facts.get("filter") else ""
    found = f"from {facts['samples']} samples{by}" if "samples" in facts else "from the teacher's weights alone"
    held = f", held: {', '.join(facts['held'])}" if facts.get("held") else ""
    wrote = f"; wrote {short_path(path)}" if path is not None else ""
    far = f"strength 1 moves each w by {scale:.4f} and is published {scale / direction.published_unit:.4g}"
    return f"{direction.name}: {facts['method']} {found}{held}; {far}{wrote}"
