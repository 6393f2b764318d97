"""Runs beside each other: where their recipes differ, their numbers, and their pictures. Imports no torch."""

from gdp.tools.side_by_side.comparing import Comparison, MetricRow, Row, compare_runs
from gdp.tools.side_by_side.page import write_page

__all__ = ["Comparison", "MetricRow", "Row", "compare_runs", "write_page"]
