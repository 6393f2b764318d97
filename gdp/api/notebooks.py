"""Progress where gdp is used from Python: bars in notebooks, else as on the command line."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import Any

from gdp.console import choose_progress, format_seconds
from gdp.core.errors import GdpError
from gdp.core.progress import Progress, ProgressTask, SilentProgress

_INTERVAL = 0.5
"""Seconds between two states of a bar."""


def shown_progress(progress: Progress | bool | None = None) -> Progress:
    """Return the caller's progress; else bars in a notebook and on a terminal, and lines now and then elsewhere.

    Raises:
        GdpError: the caller gave something else.
    """
    if progress is False:
        return SilentProgress()
    if progress is True:
        progress = None
    if progress is not None and not (hasattr(progress, "task") and hasattr(progress, "message")):
        raise GdpError(f"progress: give True, False or a gdp.Progress; got {type(progress).__name__} {progress!r:.60}")
    if progress is not None:
        return progress
    return NotebookProgress() if in_notebook() else choose_progress()


def in_notebook() -> bool:
    """Say whether this process is the kernel of a notebook; nothing is imported for it."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


class NotebookProgress:
    """A bar for each piece of work below the cell, with the time left; it needs no widgets."""

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Show a bar, which stays as it was in the end."""
        bar = _Bar(name, total, unit, done)
        bar.show()
        try:
            yield bar
        finally:
            bar.show()

    def message(self, text: str) -> None:
        """Print a line below the cell."""
        print(text, flush=True)


class _Bar:
    def __init__(self, name: str, total: int, unit: str, done: int) -> None:
        self._name, self._total, self._unit, self._done, self._began_with = name, total, unit, done, done
        self._display: Any = import_module("IPython.display")
        self._number = uuid.uuid4().hex
        self._began, self._shown, self._status = time.monotonic(), 0.0, ""

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Move the bar."""
        self._done += amount
        self._status = "  ".join(
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in status.items()
        )
        if time.monotonic() - self._shown >= _INTERVAL:
            self.show()

    def show(self) -> None:
        """Show the present state, in the place of the one before."""
        first, self._shown = self._shown == 0.0, time.monotonic()
        passed, made = self._shown - self._began, self._done - self._began_with
        left = f", {format_seconds(passed / made * (self._total - self._done))} left" if 0 < made < self._total else ""
        told = f"{self._done:,}/{self._total:,} {self._unit}, {format_seconds(passed)}{left}"
        words = escape(f"{told}  {self._status}".rstrip())
        label = escape(self._name, quote=True)
        html = (
            f'<div><label>{label} <progress value="{self._done}" max="{max(1, self._total)}" style="width: 20em">'
            f"</progress></label> {words}</div>"
        )
        data = {"text/html": html, "text/plain": f"{self._name}: {told}  {self._status}".rstrip()}
        put = self._display.display if first else self._display.update_display
        put(data, raw=True, display_id=self._number)
