"""The stages that stand behind those of core: the comparison of variants, and the report."""

from __future__ import annotations

from gdp import Config, Register, hookimpl


class NoSettings(Config):
    """A stage of every run has no settings: what it does is said elsewhere in the recipe."""


@hookimpl
def gdp_register_stages(register: Register) -> None:
    """Register what every run ends with."""
    register(
        "compare",
        config=NoSettings,
        implementation="gdp.tools.compare.stage:CompareStage",
        summary="Trains and measures the variants of [compare]",
        after="export",
        every_run=True,
    )
    register(
        "report",
        config=NoSettings,
        implementation="gdp.tools.report.stage:ReportStage",
        summary="Writes report.html and the student's model card",
        after="compare",
        every_run=True,
    )
