"""report.html: the one file in which a person reads what came of a run. Importing this package imports no torch."""

from gdp.core.report.build import write_report

__all__ = ["write_report"]
