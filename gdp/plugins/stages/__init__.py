"""The stages behind those of core: measuring, exporting, comparing variants, reporting."""

from __future__ import annotations

from gdp import Config, Register, hookimpl


class NoSettings(Config):
    """A stage of every run has no settings: what it does is said elsewhere in the recipe."""


@hookimpl
def gdp_register_stages(register: Register) -> None:
    """Register what every run ends with."""
    register(
        "evaluate",
        config=NoSettings,
        implementation="gdp.tools.measure.evaluate:EvaluateStage",
        summary="Lets the evaluators measure the trained student",
        after="train",
        every_run=True,
    )
    register(
        "export",
        config=NoSettings,
        implementation="gdp.tools.measure.export:ExportStage",
        summary="Puts the student where gdp.load and gdp apply find it",
        after="evaluate",
        every_run=True,
    )
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
