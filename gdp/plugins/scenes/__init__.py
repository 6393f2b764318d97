"""The embedded world of scenes: a procedural renderer of landscapes as photos and as paintings."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.scenes.config import RenderedScenesConfig


@hookimpl
def gdp_register_datasets(register: Register) -> None:
    """Register the rendered scenes."""
    register(
        "rendered-scenes",
        config=RenderedScenesConfig,
        implementation="gdp.plugins.scenes.dataset:RenderedScenes",
        summary="Landscapes of the built-in procedural renderer: photos, and paintings of other landscapes",
    )
