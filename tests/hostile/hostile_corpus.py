"""Files that are made to do harm, or are damaged, in every layout that is read.

`system` is what most of them would have run: it makes the canary, which must never be there.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from hostile_contents import damaged, of_other_kinds, wrong_archives, wrong_tensors
from hostile_pickles import by_known_names, by_name, by_operation, nested, oversized, recursive, with_source


def hostile_files(canary: Path) -> dict[str, bytes]:
    """All of them by their names."""
    command = f"touch {canary}"
    groups: list[Callable[[str], Iterator[tuple[str, bytes]]]] = [
        by_operation,
        by_name,
        by_known_names,
        nested,
        with_source,
        recursive,
        oversized,
        wrong_tensors,
        wrong_archives,
        damaged,
        of_other_kinds,
    ]
    files: dict[str, bytes] = {}
    for group in groups:
        for name, content in group(command):
            assert name not in files
            files[name] = content
    return files
