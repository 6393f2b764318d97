"""What the tests in this folder have in common: where a step may wait for the GPU, and when they are skipped."""

from __future__ import annotations

import pytest

from gdp.testing.pretended_gpu import Notes, why_no_pretended_gpu

needs_pretended_gpu = pytest.mark.skipif(bool(why_no_pretended_gpu()), reason=why_no_pretended_gpu())

STEPS = (
    "gdp.core.training.loop:_Training._train",
    "gdp.plugins.stylegan2.training:_Training._train",
    "gdp.plugins.stylegan2.projection:_Search.advance",
)
"""What goes from step to step."""
MAY_WAIT = (
    # Every log_every, sample_every and checkpoint_every steps.
    "gdp.core.training.loop:_Training._log",
    "gdp.core.training.loop:_Training._draw_samples",
    "gdp.core.training.loop:_Training._save_checkpoint",
    "gdp.plugins.stylegan2.training:_Training._report",
    "gdp.plugins.stylegan2.training:_Training._draw_samples",
    "gdp.plugins.stylegan2.training:_Training._save_checkpoint",
    # A plugin's first answers alone are looked at, number by number.
    "gdp.core.contracts.rules:_check_once",
)
"""Places within a step that may wait."""


def waits_in_steps(notes: Notes) -> list[str]:
    """Tell the waits in steps that may not be there."""
    return [str(wait) for wait in notes.waits_within(STEPS, but_not_within=MAY_WAIT)]
