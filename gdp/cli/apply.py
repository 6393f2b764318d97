"""`gdp apply`. It imports torch only where the engine needs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import print_json
from gdp.cli.progress import choose_progress
from gdp.cli.run import prepare_processor, stop_on_signal

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry


def apply(
    context: typer.Context,
    model: Annotated[
        Path, typer.Argument(help="The run, its student folder, or a file of gdp export.", show_default=False)
    ],
    inputs: Annotated[
        list[str], typer.Argument(help="Pictures, videos, folders or patterns ('faces/*.jpg').", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write to; with one input also a file.", show_default=False)
    ],
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="torch, onnx, openvino. Default: the fastest, by a short trial."),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Put the original at the left of each picture.")] = False,
    format_: Annotated[
        str | None, typer.Option("--format", help="png, jpg, webp or tiff. Default: as each input.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pictures of one size to translate together.")] = 8,
    tile: Annotated[int, typer.Option("--tile", min=16, help="Cut pictures larger than this many pixels.")] = 1024,
    overlap: Annotated[int, typer.Option("--overlap", min=0, help="Pixels that tiles share.")] = 64,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads. Default: all.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:1.")] = "cpu",
    json_: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Translate pictures and videos by a trained student.

    Pictures may have any size; orientation, transparency and colour profile are kept. The first call tries which of the
    installed engines is the fastest and remembers it beside the student.

    Example: gdp apply runs/stylegan-age photos/ -o older/ --compare
    """
    prepare_processor()
    from gdp.core.deployment.applying import (
        Application,
        apply_to_pictures,
        require_readable,
        split_jobs,
        whole_pictures,
    )
    from gdp.core.deployment.files import find_jobs
    from gdp.core.deployment.models import open_model
    from gdp.core.deployment.tiling import Tiling
    from gdp.core.deployment.video import apply_to_video
    from gdp.core.interfaces.engines import EngineContext

    registry: PluginRegistry = context.obj.registry
    pictures, videos = split_jobs(find_jobs(inputs, output, None if format_ is None else f".{format_.lstrip('.')}"))
    tell = (lambda text: None) if json_ else (lambda text: typer.echo(text, err=True))
    opened = open_model(registry, model, engine=engine, context=EngineContext(device, threads), tell=tell)
    application = Application(whole_pictures(opened, Tiling(tile, overlap)), compare, batch)
    with stop_on_signal() as stop_requested:
        progress = choose_progress()
        applied = apply_to_pictures(pictures, application, progress, stop_requested)
        for job in videos:
            if not stop_requested() and apply_to_video(job, application, progress, stop_requested):
                applied.written.append(job.target)
    if json_:
        failed = [{"file": str(path), "reason": reason} for path, reason in applied.failed]
        written = [str(path) for path in applied.written]
        print_json({"engine": opened.engine, "runs_on": opened.runs_on, "written": written, "failed": failed})
    else:
        typer.echo(f"{len(applied.written)} written below {output} ({opened.runs_on})")
    require_readable(applied)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command("apply")(apply)
