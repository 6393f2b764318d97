"""The embedded world of faces: a procedural renderer with known attributes, and a small judge trained on it.

Settings of the face plugins; imports no torch.
"""

from __future__ import annotations

from pydantic import Field

from gdp import Config, Register, hookimpl


class RenderedFacesConfig(Config):
    """Settings of `rendered-faces`."""

    count: int = Field(default=50_000, ge=1)
    """How many different faces there are; each is rendered when it is asked for, so millions take no memory."""
    seed: int = 0
    """Which faces they are."""
    resolution: int = Field(default=64, ge=16, le=1024)
    """Height and width in pixels."""


@hookimpl
def gdp_register_datasets(register: Register) -> None:
    """Register the rendered faces."""
    register(
        "rendered-faces",
        config=RenderedFacesConfig,
        implementation="gdp.plugins.faces.renderer:RenderedFaces",
        summary="Faces of the built-in procedural renderer, with known attributes",
    )
