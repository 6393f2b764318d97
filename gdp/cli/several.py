"""`--devices N` of commands that train, and the same under torchrun: which of the processes this one is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.console import choose_progress
from gdp.console.signals import StopRequest
from gdp.core.errors import RankLostError, UsageError
from gdp.core.progress import Progress, SilentProgress, Stopped

if TYPE_CHECKING:
    from gdp.tools.together.company import ProcessCompany
    from gdp.tools.together.places import Place

DevicesOption = Annotated[
    int | None,
    typer.Option(
        "--devices",
        metavar="N",
        min=1,
        help="Train on N GPUs of this machine, or in N processes of its processor; see docs/several_devices.md.",
    ),
]


def take_place(devices: int | None, *, rehearses: bool = False) -> Place | None:
    """Return which of several processes this one is, None where it is alone; or start them, and end as they do.

    Args:
        devices: what `--devices` says.
        rehearses: start nobody, and return the place of the first of them, which does the whole command.

    Raises:
        typer.Exit: this process has started the others, and they have ended.
        UsageError: torchrun has started another number, or there are to be more than this machine can have use for.
    """
    from gdp.support.devices import require_few_processes
    from gdp.tools.together.places import Place, end_with_launcher, place_in_environment

    place = place_in_environment()
    if place is None:
        if devices is not None and devices > 1:
            require_few_processes(devices, f"--devices {devices}")
            if rehearses:
                return Place(0, devices, 0, devices)
            from gdp.tools.together.launching import launch

            raise typer.Exit(launch(devices, sys.argv[1:]))
        return None
    if devices not in (None, place.world):
        raise UsageError(
            f"--devices {devices}: this is one of {place.world} processes already (WORLD_SIZE, as torchrun sets it): "
            f"leave --devices out"
        )
    end_with_launcher()
    return place


def progress_of(place: Place | None) -> Progress:
    """Return where one of several processes shows its progress: rank 0 alone does."""
    return choose_progress() if place is None or place.leads else SilentProgress()


@contextmanager
def company_of(place: Place, stop_requested: StopRequest) -> Iterator[ProcessCompany]:
    """Meet the other processes; at the end rank 0 tells them so.

    Where this process has only lost another it ends silently, if gdp has started it: the launcher tells which.

    Args:
        place: which one this is.
        stop_requested: whether to wait for the others no longer, which ends the command as a second signal does.
    """
    from gdp.tools.together.company import ProcessCompany
    from gdp.tools.together.launching import EXIT_LOST
    from gdp.tools.together.places import was_launched

    try:
        try:
            company = ProcessCompany(place, stop_requested, partial(typer.echo, err=True))
        except Stopped:
            raise stop_requested.interrupt() from None
        try:
            yield company
        finally:
            if place.leads:
                company.close()
    except RankLostError:
        if was_launched():
            raise typer.Exit(EXIT_LOST) from None
        raise
