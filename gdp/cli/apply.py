"""`gdp apply`. It imports torch only where the engine needs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import DeviceOption, MemoryOption, State, end_unfinished, stopped_by
from gdp.cli.completion import complete_run, plugins_of
from gdp.cli.workers import ExecutorOption, PatienceOption, RayAddressOption, WorkersOption
from gdp.console import choose_progress, print_json, stop_on_signal
from gdp.console.signals import StopRequest
from gdp.core.errors import UsageError
from gdp.core.memory import MemoryBound
from gdp.tools.crew.request import WorkersRequest, asked_workers

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry
    from gdp.tools.deploy.applying import Applied
    from gdp.tools.deploy.files import Job
    from gdp.tools.deploy.translating import Translation
    from gdp.tools.deploy.ways import OpenedWay


def apply(
    context: typer.Context,
    model: Annotated[
        Path,
        typer.Argument(
            help="The run, its student folder, or a file of gdp export.",
            show_default=False,
            autocompletion=complete_run,
        ),
    ],
    inputs: Annotated[
        list[str], typer.Argument(help="Pictures, videos, folders or patterns ('faces/*.jpg').", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder to write to; with one input also a file.", show_default=False)
    ],
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="torch, onnx, openvino. Default: the fastest, by a short trial.",
            autocompletion=plugins_of("engine"),
        ),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Put the original at the left of each picture.")] = False,
    format_: Annotated[
        str | None, typer.Option("--format", help="png, jpg, webp or tiff. Default: as each input.")
    ] = None,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Most pictures of one size that a GPU translates together.")
    ] = 8,
    tile: Annotated[int, typer.Option("--tile", min=16, help="Cut pictures larger than this many pixels.")] = 1024,
    overlap: Annotated[int, typer.Option("--overlap", min=0, help="Pixels that tiles share.")] = 64,
    memory: MemoryOption = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Processor threads. Default: all.")] = None,
    device: DeviceOption = "auto",
    align: Annotated[
        str | None,
        typer.Option(
            "--align",
            metavar="[NAME]",
            help="Translate what an aligner finds, such as faces, each in the teacher's frame: NAME, NAME:FILE, or the "
            "file of a landmark model alone (MODEL.onnx, builtin:faces64). Without a name, at the end or before "
            "another option: the one that fits what the student was trained on (faces: those of photographs).",
        ),
    ] = None,
    align_frame: Annotated[
        str | None, typer.Option("--align-frame", help="ffhq, or a JSON file. Default: the aligner's own.")
    ] = None,
    align_size: Annotated[
        int | None,
        typer.Option("--align-size", min=16, help="Pixels of what is aligned. Default: the student's resolution."),
    ] = None,
    align_detail: Annotated[
        bool,
        typer.Option(help="Keep what is finer in a picture than the aligned pixels; paste the change alone."),
    ] = True,
    resize: Annotated[
        bool,
        typer.Option(
            "--resize", help="Translate whole pictures at the size the student was trained at; keep their own size."
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Write no picture that is unlike those the student was trained on; end with 1."),
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what is written already: go on where a call ended.")
    ] = False,
    executor: ExecutorOption = None,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    patience: PatienceOption = None,
    json_: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Translate pictures and videos by a trained student.

    Pictures may have any size; orientation, transparency and colour profile are kept. The first call tries which of the
    installed engines is the fastest and remembers it beside the student.

    A student that learnt on aligned faces needs --align for other pictures: every face is turned upright and scaled as
    its teacher's were, translated, and faded into its place; all else stays as it is. With --resize a whole picture is
    translated at the size of the training pictures, and what is finer in it stays. Of pictures that are far larger or
    smaller than those, unlike them, flat, or without the face that they show, it warns at the end.

    Example: gdp apply runs/stylegan-age photos/ -o older/ --compare --align
    """
    from gdp.support.devices import resolve_device
    from gdp.tools.deploy.applying import require_all
    from gdp.tools.deploy.files import find_jobs, left_out
    from gdp.tools.deploy.ways import Way

    if align is None and (align_frame, align_size, align_detail or resize) != (None, None, True):
        raise UsageError(
            "--align-frame, --align-size and --no-align-detail need --align MODEL, another aligner, or --align alone"
        )
    if align is not None and resize:
        raise UsageError("--align and --resize are two ways to show a student what it knows: choose one")
    registry: PluginRegistry = context.obj.registry
    jobs = find_jobs(inputs, output, None if format_ is None else f".{format_.lstrip('.')}")
    if skip_existing:
        jobs = [job for job in jobs if not job.target.exists()]  # each is written whole or not at all
    tell: Callable[[str], None] = (lambda text: None) if json_ else (lambda text: typer.echo(text, err=True))
    _tell_left_out(inputs, tell)
    asked = asked_workers(executor, workers, ray_address, None, patience)
    way = Way(
        model,
        engine,
        _named_aligner(align, model, tell),
        align_frame,
        align_size,
        align_detail,
        resize,
        strict,
        compare,
        batch,
        tile,
        overlap,
        memory,
        threads,
        resolve_device(device),
    )
    MemoryBound.written(memory)  # before anything is loaded
    opened = way.open(registry, tell)
    with stop_on_signal() as stop_requested:
        if asked is None or not jobs:
            done = opened.translate(jobs, choose_progress(), stop_requested)
        else:
            done = _by_workers(context.obj, jobs, opened, asked, stop_requested)
    left = done.applied.left(jobs) if stop_requested() else []
    if json_:
        print_json(
            {
                "state": "stopped" if left else "finished",
                "left": [str(file) for file in left],
                "engine": opened.model.engine,
                "runs_on": opened.model.runs_on,
                "left_out": dict(opened.model.left_out),
                "aligner": way.align,
                "not_pictures": left_out(inputs),
                **done.to_data(),
            }
        )
    else:
        _print(done, f"{_written(done.applied.written, output)} ({opened.model.runs_on})")
    if left:
        by = stopped_by(stop_requested, "")
        typer.echo(f"stopped by {by}: of {len(left)} of {len(jobs)} inputs nothing is written yet", err=True)
        _tell_failed(done.applied)
        end_unfinished(stop_requested)
    require_all(done.applied)


def _tell_failed(applied: Applied) -> None:
    for failed in applied.failed:
        typer.echo(f"warning: {failed.reason}", err=True)


def _print(done: Translation, first: str) -> None:
    typer.echo(first)
    if done.aligned is not None:
        typer.echo(done.aligned.describe())
    for warning in done.warnings:
        typer.echo(f"warning: {warning}", err=True)


def _tell_left_out(inputs: list[str], tell: Callable[[str], None]) -> None:
    """Tell what lies in the input folders and is not looked at."""
    from gdp.support.picture_finding import describe_endings
    from gdp.tools.deploy.files import left_out

    others = left_out(inputs)
    if others:
        tell(f"left out, as no pictures that can be read by their endings: {describe_endings(others)}")


def _written(files: list[Path], output: Path) -> str:
    return f"{len(files)} written {'as' if files == [output] else 'below'} {output}"


def _by_workers(
    state: State, jobs: list[Job], opened: OpenedWay, asked: WorkersRequest, stop_requested: StopRequest
) -> Translation:
    """Let workers translate the files."""
    from gdp.api.workers import PluginChoice, open_executor
    from gdp.support.dispatching import Dispatcher
    from gdp.tools.deploy.by_workers import ApplyWork, translate_by_workers

    progress = choose_progress()
    executor = open_executor(state.registry, asked, opened.way.device.partition(":")[0])
    work = ApplyWork(PluginChoice(state.disabled, state.plugins_folders).discover, opened.way, Path.cwd())
    dispatcher = Dispatcher(executor, work, progress.message, stop_requested, asked.patience)
    try:
        return translate_by_workers(jobs, opened, dispatcher, progress)
    finally:
        dispatcher.close()


def _named_aligner(align: str | None, model: Path, tell: Callable[[str], None]) -> str | None:
    """Return what --align names; without a name the aligner that fits the student, which is told."""
    from gdp.tools.deploy.choosing import ANY, fitting_aligner

    if align != ANY:
        return align
    name, reason = fitting_aligner(model)
    tell(f"--align {name}: {reason}")
    return name
