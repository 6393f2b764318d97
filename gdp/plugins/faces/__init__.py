"""The embedded world of faces: a procedural renderer with known attributes, and a small judge trained on it."""

from __future__ import annotations

from gdp.core.hookspecs import hookimpl
from gdp.core.records import Register
from gdp.plugins.faces.config import RenderedFacesConfig


@hookimpl
def gdp_register_datasets(register: Register) -> None:
    """Register the rendered faces."""
    register(
        "rendered-faces",
        config=RenderedFacesConfig,
        implementation="gdp.plugins.faces.dataset:RenderedFaces",
        summary="Faces of the built-in procedural renderer, with known attributes",
    )
