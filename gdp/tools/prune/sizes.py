"""The sizes before pruning, as numbers of the pruned run."""

from __future__ import annotations

from gdp.core.interfaces.evaluators import Metric
from gdp.core.run_folder import RunFolder
from gdp.tools.prune.record import read_record


def sizes_before_pruning(folder: RunFolder) -> dict[str, Metric]:
    """Return `size.before_pruning.parameters` and `.macs` of a pruned run; nothing for any other run.

    Raises:
        CorruptFileError: pruning.json is not what gdp wrote.
    """
    record = read_record(folder)
    if record is None:
        return {}
    what = f"the {record.of}'s generator before it was pruned to {record.share:g} of its multiply-accumulates"
    macs = f"Multiply-accumulates of one forward for one picture, of {what}."
    return {
        "size.before_pruning.parameters": Metric(record.before.parameters, f"Parameters of {what}.", "", "lower"),
        "size.before_pruning.macs": Metric(record.before.macs, macs, "", "lower"),
    }
