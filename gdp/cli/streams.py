"""Standard output and error that may be closed, full or gone: progress is dropped then, what was asked for is told.

What is told on standard error shows how the work goes: where it cannot be shown, the work goes on without. What stands
on standard output was asked for: where it cannot be written, the command ends with a paragraph and the work is kept.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO

from gdp.core.errors import GdpError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

OUTPUT, ERRORS = 1, 2


class OutputLostError(GdpError):
    """Standard output cannot be written; all other work of the command is done or kept."""


class _DroppingFile(io.FileIO):
    """Standard error: what cannot be written is dropped."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write, or pretend to."""
        with contextlib.suppress(OSError):
            written = super().write(content)
            if written is not None:  # None where it would have to wait
                return written
        return memoryview(content).nbytes


class _OutputFile(io.FileIO):
    """Standard output: a terminal that has gone is written no more; what else cannot be written is told, once."""

    lost = False
    was_closed = False

    def write(self, content: ReadableBuffer, /) -> int:
        """Write.

        Raises:
            BrokenPipeError: the reader has left.
            OutputLostError: it is closed, or its disk is full.
        """
        if self.lost:
            return memoryview(content).nbytes
        try:
            while (written := super().write(content)) is None:
                time.sleep(0.01)  # whoever reads is slow
            return written
        except BrokenPipeError:
            self.lost = True
            raise
        except OSError as error:
            self.lost = True
            if error.errno == errno.EIO:
                return memoryview(content).nbytes
            raise OutputLostError(
                f"standard output cannot be written ({error.strerror}), so what this command had to print is lost or "
                f"cut off; what it has written into files is kept. Lead it to a file with room, to a pipe, or to "
                f"/dev/null."
            ) from error


def drop_closed_output() -> None:
    """Let what goes to standard output from now on be dropped, where whoever started the command has closed it."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _OutputFile) and raw.was_closed:
        raw.lost = True


@contextlib.contextmanager
def number_to_errors() -> Iterator[None]:
    """Let standard output's number lead to standard error inside: what libraries and children write goes there.

    `sys.stdout` goes where it went. Where it is no stream of `guard_streams`, as in a test, all stays.
    """
    before = sys.stdout
    raw = getattr(getattr(before, "buffer", None), "raw", None)
    if not isinstance(raw, _OutputFile):
        yield
        return
    before.flush()
    kept = os.dup(OUTPUT)
    output = _OutputFile(kept, "wb", closefd=False)
    output.was_closed, output.lost = raw.was_closed, raw.lost
    sys.stdout = _text(before, output)
    os.dup2(ERRORS, OUTPUT)
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        finally:
            output.lost = True  # nobody writes to its number any more
            sys.stdout = before
            os.dup2(kept, OUTPUT)
            os.close(kept)


def guard_streams() -> None:
    """Put safe streams in the place of standard output and error; closed ones are held open on nothing.

    Their numbers are taken then, so that no file of the work gets them, and with it what libraries print.
    """
    # Writing to what is open for reading fails as writing to what is closed does.
    _, was_closed, _ = [_hold(number, how) for number, how in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY))]
    output = _OutputFile(OUTPUT, "wb", closefd=False)
    output.was_closed = was_closed
    sys.stdout = _text(sys.stdout, output)
    sys.stderr = _text(sys.stderr, _DroppingFile(ERRORS, "wb", closefd=False))


def _hold(number: int, how: int) -> bool:
    """Take a stream's number if it is closed; return whether it was."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, how)
        if opened != number:
            os.dup2(opened, number, inheritable=True)
            os.close(opened)
        return True
    return False


def _text(before: TextIO | None, raw: io.FileIO) -> TextIO:
    """Return a text stream upon a file, with the encoding and the buffering of the stream before it.

    What its encoding cannot express, such as names of folders that are no text, is escaped.
    """
    if isinstance(before, io.TextIOWrapper):
        before.flush()
        encoding, at_once = before.encoding, before.write_through
        by_line = before.line_buffering
    else:
        encoding, at_once, by_line = "utf-8", False, False
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=by_line, write_through=at_once
    )
