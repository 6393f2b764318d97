"""The filter itself; imported when a run builds it."""

import gdp

from gdp_filter_brightness import BrightnessConfig


class BrightnessFilter(gdp.Filter):
    """Keeps pairs whose target is bright enough."""

    config: BrightnessConfig

    def judge(self, pairs: gdp.PairBatch) -> list[gdp.Verdict]:
        """Judge by the mean of all channels, scaled to [0, 1]."""
        luminance = (pairs.target.mean(dim=(1, 2, 3)) + 1) / 2  # (N,)
        return [
            gdp.Verdict.keep_if(value >= self.config.min_mean, reason="too dark", mean_luminance=value)
            for value in luminance.tolist()
        ]
