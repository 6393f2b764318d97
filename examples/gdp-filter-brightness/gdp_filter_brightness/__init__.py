"""A gdp filter that drops pictures that are too dark. This module registers it and imports no torch."""

import gdp
from pydantic import Field

GDP_API = 1


class BrightnessConfig(gdp.Config):
    """Settings of `brightness`."""

    min_mean: float = Field(default=0.1, ge=0, le=1)
    """Smallest mean luminance of the target picture, in [0, 1]."""


@gdp.hookimpl
def gdp_register_filters(register: gdp.Register) -> None:
    """Register the filter."""
    register(
        "brightness",
        config=BrightnessConfig,
        implementation="gdp_filter_brightness.filter:BrightnessFilter",
        summary="Drops pictures that are too dark",
    )
