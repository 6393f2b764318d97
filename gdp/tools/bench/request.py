"""What a user wants to see measured, and whether it is there. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gdp.core.errors import named_by_option
from gdp.core.records import Plugins
from gdp.tools.deploy.models import find_model

REPEATS = 20
SLOW_STEPS = 20


@dataclass(frozen=True)
class SlowRoute:
    """One slow route to measure."""

    name: str
    overrides: tuple[str, ...] = ()
    """Of the run's recipe."""


@dataclass(frozen=True)
class Request:
    """What a user wants to see."""

    model: Path
    """A run, a student's folder, or an exported file."""
    sizes: tuple[int, ...] = ()
    """Heights and widths in pixels; none for the training size."""
    threads: tuple[int | None, ...] = (None,)
    engines: tuple[str, ...] = ()
    """Such as `onnx` or `torch:bf16`; none for every installed one."""
    repeats: int | None = None
    """Measured pictures of every row; None for the usual number."""
    slow_steps: int | None = None
    """Measured steps of the projection; 0 leaves the slow route out, None is for the usual number."""
    slow_routes: tuple[SlowRoute, ...] = (SlowRoute("slow route"),)
    device: str = "cpu"


def check_request(request: Request, plugins: Plugins) -> None:
    """Make sure that the model is there and that its engines are known.

    Raises:
        MissingResourceError: there is no trained student.
        PluginNotFoundError: there is no engine of a name.
    """
    find_model(request.model)
    for written in request.engines:
        with named_by_option():
            plugins.get("engine", named_engine(written)[0])


def named_engine(written: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return an engine's name and its settings: `torch:bf16` is torch in that precision."""
    name, colon, precision = written.partition(":")
    return name, ((("precision", precision),) if colon else ())
