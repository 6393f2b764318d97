"""How commands print and show progress, for the built-in ones and those of plugins; it knows nothing of runs.

`print_json` and `print_table` write to standard output; `choose_progress` makes what shows progress on standard error;
within `stop_on_signal` the first Ctrl-C asks for a clean stop. rich is imported only for a terminal.
"""

from __future__ import annotations

from gdp.console.printing import encodable, print_json, print_line, print_table
from gdp.console.progress import choose_progress, format_seconds
from gdp.console.signals import stop_on_signal

__all__ = [
    "choose_progress",
    "encodable",
    "format_seconds",
    "print_json",
    "print_line",
    "print_table",
    "stop_on_signal",
]
