"""A filter whose registration imports torch."""

import torch

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


@gdp.hookimpl
def gdp_register_filters(register):
    register("heavy", config=NoSettings, implementation="wrong_light:KeepsAll", summary="Keeps everything")


class KeepsAll(gdp.Filter):
    """Keeps everything."""

    def judge(self, pairs):
        return [gdp.Verdict.keep() for _ in torch.arange(len(pairs))]
