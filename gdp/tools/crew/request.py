"""Which workers a user asks for, on the command line or in Python. Importing this imports no torch."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from gdp.core.errors import MissingResourceError, UsageError, printable
from gdp.support.devices import require_few_processes
from gdp.support.dispatching import PATIENCE

_OF_THIS_MACHINE = {"processes", "ray"}
"""Executors whose workers are all on this machine where no address of a cluster is said."""


@dataclass(frozen=True)
class WorkersRequest:
    """Which workers are asked for.

    Attributes:
        executor: its name, `processes` or `ray` or another that is installed.
        workers: how many; None leaves it to the executor.
        address: of a cluster, for executors that work on one; None for this machine.
        place: where workers hand pairs over: a folder, or an address that fsspec knows; None for one in the run's.
        patience: seconds without a word after which a worker is replaced.
    """

    executor: str = "processes"
    workers: int | None = None
    address: str | None = None
    place: str | None = None
    patience: float = PATIENCE


def asked_workers(
    executor: str | None,
    workers: int | None,
    ray_address: str | None,
    hand_over: str | None = None,
    patience: float | None = None,
) -> WorkersRequest | None:
    """Return which workers are asked for; None where nothing is said, so that one process does it all.

    Naming one of them asks for workers: the address for Ray's, another for processes of this machine.

    Raises:
        MissingResourceError: what the address of the place needs is not installed.
        UsageError: there can be no such number of workers or seconds, or so many workers are of no use on this machine,
            or a name or place is empty.
    """
    for name, said in {"executor": executor, "ray_address": ray_address, "hand_over": hand_over}.items():
        if said is not None and not (isinstance(said, str) and said.strip()):
            raise UsageError(f"{name} = {said!r}: it must be named in words; leave it out for the default")
    if executor is None and workers is None and ray_address is None and hand_over is None and patience is None:
        return None
    if workers is not None and (not isinstance(workers, int) or isinstance(workers, bool)):
        raise UsageError(f"workers = {workers!r}: it must be a whole number; leave it out for one a device")
    if workers is not None and workers < 1:
        raise UsageError(f"workers = {workers}: at least one has to do the work; leave it out for one a device")
    chosen = executor or ("processes" if ray_address is None else "ray")
    if workers is not None and ray_address is None and chosen in _OF_THIS_MACHINE:
        require_few_processes(workers, f"workers = {workers}")
    if patience is not None and (not isinstance(patience, int | float) or math.isnan(patience)):
        raise UsageError(f"patience = {patience!r}: it must be a number of seconds")
    if patience is not None and patience < 1:
        raise UsageError(f"patience = {patience:g}: a worker needs a second at least between two words")
    if hand_over is not None:
        _require_readable(hand_over)
    return WorkersRequest(chosen, workers, ray_address, hand_over, PATIENCE if patience is None else patience)


def _require_readable(place: str) -> None:
    """Look, before any work, whether addresses of this kind can be read here; the place itself is not asked."""
    protocol, colon, _ = place.partition("://")
    if not colon:
        return
    import fsspec

    try:
        with warnings.catch_warnings(action="ignore"):  # of versions; whoever writes there is told again
            fsspec.get_filesystem_class(protocol)
    except ImportError as error:
        raise MissingResourceError(
            f"--hand-over {place}: {printable(str(error))}. All machines that work on it need that (pip install ...)"
        ) from error
    except ValueError as error:
        raise UsageError(
            f"--hand-over {place}: addresses that begin with {protocol}:// are not known; name a folder that all "
            f"machines see, or an address such as s3://bucket/prefix"
        ) from error
