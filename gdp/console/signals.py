"""Ctrl-C and SIGTERM: as a wish to stop at the next safe point, or as the end of the work."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class StopRequest:
    """Whether a stop was asked for: call it between two pieces of work.

    Attributes:
        signal: The signal that asked for it; None as long as none came.
    """

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __call__(self) -> bool:
        """Say whether to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """What a command ends with that a signal stopped, as shells count: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.signal or signal.SIGINT)

    def interrupt(self) -> KeyboardInterrupt:
        """Return what ends the work at once, where it need not come to a safe point."""
        return _interrupt_of(self.signal or signal.SIGINT)


class Terminated(KeyboardInterrupt):
    """SIGTERM where no safe point is near: ends the work as Ctrl-C does, so that what is half done is cleared away."""


def _interrupt_of(number: int) -> KeyboardInterrupt:
    return Terminated() if number == signal.SIGTERM else KeyboardInterrupt()


@contextmanager
def stop_on_signal(*, tells: bool = True) -> Iterator[StopRequest]:
    """Let the first Ctrl-C or SIGTERM stop the work at the next safe point; the second stops it at once.

    It is said when the first has come, unless `tells` is False: for work whose next safe point is at hand.

    Yields what says whether a stop was asked for, and by which signal. A command whose work was left unfinished for it
    ends with `raise typer.Exit(stop_requested.exit_code)`.
    """
    request = StopRequest()

    def ask(number: int, frame: FrameType | None) -> None:
        if request():
            raise _interrupt_of(number)
        request.signal = signal.Signals(number)
        if not tells:
            return
        with suppress(RuntimeError, OSError):  # the signal came while that very stream was written
            print("stopping at the next safe point; press Ctrl-C again to stop at once", file=sys.stderr, flush=True)

    with _handled(ask, signal.SIGINT, signal.SIGTERM):
        yield request


@contextmanager
def end_on_signal() -> Iterator[None]:
    """Let SIGTERM end the work with `Terminated` and Ctrl-C with KeyboardInterrupt, never amid the import of torch.

    Whoever runs gdp in a thread, or has other handlers of these signals, is left alone. Where a library takes the
    exception for a fault of its own, and raises another or goes on, the work ends here at the latest.
    """
    from typer import Exit

    ours = os.getpid()
    asked: list[KeyboardInterrupt] = []

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != ours:  # a fork that inherited this is no command of gdp
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        asked.append(_interrupt_of(number))
        if _imports_torch() or _is_in_hook(frame):
            _send_again(number)
        else:
            raise asked[-1]

    in_thread = threading.current_thread() is not threading.main_thread()
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    ends = [number for number, handler in usual.items() if not in_thread and signal.getsignal(number) == handler]
    with _handled(end, *ends), _none_is_lost():
        try:
            yield
        except Exception as error:
            if asked and not isinstance(error, Exit):
                raise asked[0] from error
            raise
        if asked:
            raise asked[0]


_A_MOMENT = 0.05
"""Seconds after which a signal that came at a bad time is sent once more."""


def _send_again(number: int) -> None:
    def send() -> None:
        time.sleep(_A_MOMENT)
        os.kill(os.getpid(), number)

    _thread.start_new_thread(send, ())  # which waits for nothing, as `Thread.start` does, where a signal would be lost


def _is_in_hook(frame: FrameType | None) -> bool:
    """Say whether a signal came while that of another was being sent again, where no exception may be raised."""
    while frame is not None:
        if frame.f_code.co_qualname == f"{_none_is_lost.__name__}.<locals>.hook":
            return True
        frame = frame.f_back
    return False


@contextmanager
def _none_is_lost() -> Iterator[None]:
    """Send a signal again whose exception Python only prints, for it came while some object was cleared away."""
    before = sys.unraisablehook

    def hook(told: sys.UnraisableHookArgs, /) -> None:
        if isinstance(told.exc_value, KeyboardInterrupt):
            number = signal.SIGTERM if isinstance(told.exc_value, Terminated) else signal.SIGINT
            _send_again(number)
        else:
            before(told)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _imports_torch() -> bool:
    """Say whether torch is being imported; an exception then makes its C++ abort the whole process."""
    spec = getattr(sys.modules.get("torch"), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *numbers: signal.Signals) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
