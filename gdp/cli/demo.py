"""`gdp demo`. It imports torch only where the student is exported, or the engine needs it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import DeviceOption, newest_if_none
from gdp.cli.completion import complete_run, plugins_of
from gdp.console import choose_progress, print_json, stop_on_signal
from gdp.console.printing import json_output
from gdp.support.wording import counted

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry


def demo(
    context: typer.Context,
    run: Annotated[
        Path | None,
        typer.Argument(
            help="The run, its student folder, or a file of gdp export. Default: the newest run in runs/ with a "
            "student.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ] = None,
    static: Annotated[
        Path | None,
        typer.Option(
            "--static", metavar="DIR", help="Write the page into a folder, for any web server; serve nothing."
        ),
    ] = None,
    samples: Annotated[
        str | None,
        typer.Option(
            metavar="WHICH",
            help="Pictures that the page offers: run (of its held-out pairs), none, or a folder of yours. Default: "
            "run; with --static none, for people may be in them.",
        ),
    ] = None,
    only_server: Annotated[
        bool,
        typer.Option("--only-server", help="Leave the browser's engine out: nothing is downloaded for it."),
    ] = False,
    engine: Annotated[
        str,
        typer.Option("--engine", help="Of this machine: onnx, openvino, torch.", autocompletion=plugins_of("engine")),
    ] = "onnx",
    device: DeviceOption = "auto",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads. Default: all.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Default: the first free one from 8070 on.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the web browser.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the page's address, or its folder, as JSON.")] = False,
) -> None:
    """Try a trained student on a web page, in the browser or by an engine of this machine, until Ctrl-C.

    Drop a picture, choose a sample, or use the webcam. Pictures stay on this machine: the server answers to it alone.
    The browser's engine, onnxruntime-web, is downloaded once from the npm registry (33 MB) and checked.

    Example: gdp demo runs/stylegan-age
    """
    from gdp.core.errors import UsageError
    from gdp.support.devices import resolve_device
    from gdp.support.interfaces.engines import EngineContext
    from gdp.tools.demo.making import Request, make_demo

    if static is not None and only_server:
        raise UsageError(
            "--static and --only-server exclude each other: no engine of this machine stands behind a folder"
        )
    run = newest_if_none(run, trained=True)
    registry: PluginRegistry = context.obj.registry
    engine_context = EngineContext(resolve_device(device), threads)
    request = Request(run, engine, engine_context, static is not None, only_server, samples)
    page, translator = make_demo(registry, request, choose_progress(), lambda text: typer.echo(text, err=True))
    if static is not None:
        from gdp.tools.demo.content import write_static

        size = write_static(page, static)
        if json_:
            print_json({"folder": str(static), "bytes": size, "samples": len(page.samples)})
            return
        offered = counted(len(page.samples), "sample")
        if samples is None:
            offered = "without samples, as people may be in the run's pictures"
        typer.echo(f"{static}: {size / 1e6:.1f} MB, {offered}. Any web server can give it to browsers:")
        typer.echo(f"python -m http.server --directory {shlex.quote(str(static))}")
        if samples is None:
            typer.echo("--samples FOLDER puts pictures onto it that may be published, --samples run the run's own")
        return
    from gdp.tools.demo.server import DemoServer

    server = DemoServer(page, translator, port)
    told = {"address": server.address, "engine": translator.told.engine if translator else None}
    # Flushed, and JSON in one line: what started this through a pipe waits for it.
    print(
        json.dumps(told) if json_ else f"{server.address} shows the student. Ctrl-C stops it.",
        flush=True,
        file=json_output(),
    )
    if open_:
        typer.launch(server.address)
    with stop_on_signal(tells=False) as stop_requested:
        server.serve_until(stop_requested)
    if not json_:
        typer.echo("stopped")
