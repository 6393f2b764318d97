"""A good third-party plugin, whole."""

import gdp


class BrightnessConfig(gdp.Config):
    min_mean: float = 0.1
    """Smallest mean luminance of the target picture, in [0, 1]."""


@gdp.hookimpl
def gdp_register_filters(register):
    register(
        "brightness",
        config=BrightnessConfig,
        implementation="gdp_filter_brightness_filter:BrightnessFilter",
        summary="Drops pictures that are too dark",
        needs=gdp.Needs(environment=("GDP_TEST_BRIGHTNESS_KEY",), modules=("module_that_nobody_has",)),
        licence="MIT",
    )
