"""pruning.json: what was pruned, how far, and what it was before; imports no torch.

The sizes before pruning, as numbers of the pruned run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gdp.core.errors import CorruptFileError
from gdp.core.interfaces.evaluators import Metric
from gdp.core.run_folder import RunFolder

FILE = "pruning.json"
WEIGHTS = "pruned.safetensors"
STAGE = "prune"
"""Under which stages.json holds the hashes of what the pruning left."""

Subject = Literal["student", "teacher"]


@dataclass(frozen=True)
class Size:
    """How big a network is."""

    parameters: int
    macs: int
    """Multiply-accumulates of one forward for one picture of the run's size."""


@dataclass(frozen=True)
class PruningRecord:
    """What pruning.json holds."""

    of: Subject
    share: float
    """Share of the multiply-accumulates that was asked for."""
    run: str
    """The run's folder, absolute, as it was then."""
    weights_sha256: str
    """Of the network that was pruned."""
    before: Size
    after: Size
    channels: Mapping[str, tuple[int, int]]
    """Part of the network to its channels before and after."""
    settings: Mapping[str, Any]
    """Settings of the student's plugin that build the pruned network."""

    def to_data(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        channels = {part: {"before": before, "after": after} for part, (before, after) in self.channels.items()}
        return {**asdict(self), "channels": channels}


def read_record(folder: RunFolder) -> PruningRecord | None:
    """Read a run folder's pruning.json; None where it has none.

    Raises:
        CorruptFileError: it is not what gdp wrote.
    """
    data = folder.read_json(FILE)
    if data is None:
        return None
    try:
        channels = {str(part): (int(row["before"]), int(row["after"])) for part, row in data["channels"].items()}
        sizes = {when: Size(int(data[when]["parameters"]), int(data[when]["macs"])) for when in ("before", "after")}
        of, run, weights = data["of"], str(data["run"]), str(data["weights_sha256"])
        return PruningRecord(
            of, float(data["share"]), run, weights, **sizes, channels=channels, settings=data["settings"]
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(
            f"{folder.path / FILE}: this is not what gdp wrote ({error!r}). Put the file back, or delete it and "
            f"run the same gdp prune again: the same channels are pruned again."
        ) from error


def sizes_before_pruning(record: PruningRecord) -> dict[str, Metric]:
    """Return `size.before_pruning.parameters` and `.macs`, which the pruned run shows beside its own numbers."""
    what = f"the {record.of}'s generator before it was pruned to {record.share:g} of its multiply-accumulates"
    macs = f"Multiply-accumulates of one forward for one picture, of {what}."
    return {
        "size.before_pruning.parameters": Metric(record.before.parameters, f"Parameters of {what}.", "", "lower"),
        "size.before_pruning.macs": Metric(record.before.macs, macs, "", "lower"),
    }
