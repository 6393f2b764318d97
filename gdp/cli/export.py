"""`gdp export`. torch is imported when student and engine are there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import short_path
from gdp.cli.completion import complete_run, plugins_of
from gdp.console import print_json

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry


def export(
    context: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(
            help="The run, or the folder of a trained student.", show_default=False, autocompletion=complete_run
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="onnx, openvino, torch, or another engine.",
            show_default=False,
            autocompletion=plugins_of("engine"),
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the file. Default: beside the student's weights.")
    ] = None,
    pictures: Annotated[
        Path | None,
        typer.Option("--pictures", help="Folder of pictures to compare on. Default: the run's held-out pairs."),
    ] = None,
    worst_psnr: Annotated[
        float, typer.Option("--worst-psnr", help="Refuse a file that is further from torch than this many dB.")
    ] = 40.0,
    int8: Annotated[
        bool, typer.Option("--int8", help="Round to 8 bits, calibrated on training pairs: openvino-int8 for openvino.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the file's card as JSON.")] = False,
) -> None:
    """Write a trained student for another engine, and measure how far its pictures are from torch's.

    The file takes and gives 8-bit RGB pictures of any batch and any size that is a multiple of a few pixels; how
    exactly, and what differs, stands in a card beside it.

    Example: gdp export runs/stylegan-age --to onnx
    """
    from gdp.core.errors import GdpError, named_by_option
    from gdp.support.interfaces.engines import EngineContext
    from gdp.tools.deploy.models import build_engine, find_model

    registry: PluginRegistry = context.obj.registry
    place = find_model(run)
    if place.file is not None:
        raise GdpError(f"{run}: this is an exported file already; name the run whose student to export")
    name = f"{to}-int8" if int8 and not to.endswith("-int8") else to
    with named_by_option():
        engine = build_engine(registry, name, EngineContext(), {})
    if pictures is not None and not pictures.is_dir():
        raise GdpError(f"{pictures}: there is no such folder of pictures. Mend --pictures, or leave it out.")
    from gdp.tools.deploy.export import export_run

    path, card = export_run(
        registry, place.folder, engine, name, output=output, pictures=pictures, worst_psnr_db=worst_psnr
    )
    if json_:
        print_json({"path": str(path), **card.to_data(path)})
        return
    typer.echo(f"{short_path(path)}: {card.bytes / 1e6:.1f} MB for {card.compared_on}")
    typer.echo(f"against torch in float32: {card.difference.describe()}")
