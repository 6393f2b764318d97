"""The report's table of what pruning left of a network."""

from __future__ import annotations

from dataclasses import dataclass

from gdp.core.errors import CorruptFileError
from gdp.core.run_folder import RunFolder
from gdp.tools.prune.record import PruningRecord, read_record
from gdp.tools.report.folder import RunData
from gdp.tools.report.wording import percent, plain, scaled


@dataclass(frozen=True)
class PruningRow:
    """One line: a size of the whole network, or the channels of one of its parts."""

    name: str
    before: str
    after: str
    left: str


@dataclass(frozen=True)
class PruningTable:
    """What was pruned, and the sizes before and after."""

    sentence: str
    rows: list[PruningRow]


def pruning_table(data: RunData) -> PruningTable | None:
    """Return the table of a pruned run; None for any other run."""
    try:
        record = read_record(RunFolder(data.folder))
    except CorruptFileError as error:
        data.missing.append(str(error))
        return None
    if record is None:
        return None
    sentence = (
        f"The {record.of}'s network of the run {record.run} was pruned to {percent(record.share)} of its "
        f"multiply-accumulates, and what was left was trained on. Parts show their channels."
    )
    return PruningTable(sentence, [*_sizes(record), *(_row(part, *pair) for part, pair in record.channels.items())])


def _sizes(record: PruningRecord) -> list[PruningRow]:
    before, after = record.before, record.after
    return [
        PruningRow(name, scaled(first), scaled(second), percent(second / first) if first else "")
        for name, first, second in (
            ("parameters", before.parameters, after.parameters),
            ("MACs a picture", before.macs, after.macs),
        )
    ]


def _row(part: str, before: int, after: int) -> PruningRow:
    return PruningRow(part, plain(before), plain(after), percent(after / before) if before else "")
