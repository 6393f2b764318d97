"""report.html, in which a person reads what came of a run, and the student's model card; no torch is imported."""

from gdp.tools.report.build import write_report
from gdp.tools.report.model_card import write_model_card

__all__ = ["write_model_card", "write_report"]
