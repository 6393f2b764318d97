import gdp


class BrightnessFilter(gdp.Filter):
    def judge(self, pairs: gdp.PairBatch) -> list[gdp.Verdict]:
        luminance = (pairs.target.mean(dim=(1, 2, 3)) + 1) / 2  # (N,)
        return [gdp.Verdict.keep_if(bool(v >= self.config.min_mean), mean_luminance=float(v)) for v in luminance]


class Unfinished(gdp.Filter):
    pass


not_a_class = 3
