"""The embedded world of scenes: a procedural renderer of landscapes as photos and as paintings.

Settings of the scene plugin; imports no torch.
"""

from __future__ import annotations

from pydantic import Field

from gdp import Config, Register, hookimpl


class RenderedScenesConfig(Config):
    """Settings of `rendered-scenes`."""

    train_count: int = Field(default=2000, ge=1, le=1_000_000)
    """Photos in trainA, and as many paintings of other scenes in trainB. Kept in memory: 12 KB each at 64 pixels."""
    test_count: int = Field(default=200, ge=1, le=1_000_000)
    """Photos in testA, and as many paintings of other scenes in testB."""
    seed: int = 0
    """Which scenes they are."""
    resolution: int = Field(default=64, ge=32, le=512)
    """Height and width in pixels."""


@hookimpl
def gdp_register_datasets(register: Register) -> None:
    """Register the rendered scenes."""
    register(
        "rendered-scenes",
        config=RenderedScenesConfig,
        implementation="gdp.plugins.scenes.renderer:RenderedScenes",
        summary="Landscapes of the built-in procedural renderer: photos, and paintings of other landscapes",
    )
