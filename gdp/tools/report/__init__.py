"""What a person reads of a run: report.html, and the model card beside the student. Imports no torch.

    data = read_folder(folder)  # once; whatever the folder holds
    write_report(data)
    write_model_card(data)

All is read from the run's folder: metrics.json, what the evaluators said of it (verdict.json), pictures, statistics.
"""

from gdp.tools.report.documents import (
    CARD,
    SAMPLE,
    SCALED_SAMPLE,
    UNKNOWN_LICENCE,
    write_model_card,
    write_report,
    written_files,
)
from gdp.tools.report.folder import RunData, read_folder

__all__ = [
    "CARD",
    "SAMPLE",
    "SCALED_SAMPLE",
    "UNKNOWN_LICENCE",
    "RunData",
    "read_folder",
    "write_model_card",
    "write_report",
    "written_files",
]
