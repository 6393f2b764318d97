"""What a person reads of a run: report.html, and the model card beside the student. Imports no torch.

    data = read_folder(folder)  # once; whatever the folder holds
    write_report(data)
    write_model_card(data)

All is read from the run's folder: metrics.json, what the evaluators said of it (verdict.json), pictures, statistics.
"""

from gdp.tools.report.card import CARD, UNKNOWN_LICENCE, write_model_card
from gdp.tools.report.card_header import header_line
from gdp.tools.report.documents import write_report, written_files
from gdp.tools.report.folder import RunData, read_folder
from gdp.tools.report.samples import SAMPLE, SCALED_SAMPLE

__all__ = [
    "CARD",
    "SAMPLE",
    "SCALED_SAMPLE",
    "UNKNOWN_LICENCE",
    "RunData",
    "header_line",
    "read_folder",
    "write_model_card",
    "write_report",
    "written_files",
]
