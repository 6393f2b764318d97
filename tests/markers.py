"""Markers of what tests do: put where that can be known, held against what each test does, and used to order them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

OF_FOLDERS = {"end_to_end": ("process", "training")}
OF_FIXTURES = {"installed": "wheel"}
STARTS = {"subprocess.Popen", "os.fork"}
"""Events of Python; what `multiprocessing` starts from its own server or spawns is not among them."""


def put_markers(items: Iterable[pytest.Item]) -> None:
    """Mark tests by their folder and by the fixtures that they ask for."""
    for item in items:
        for folder in set(Path(item.path).parts) & OF_FOLDERS.keys():
            for marker in OF_FOLDERS[folder]:
                item.add_marker(marker)
        for fixture in set(getattr(item, "fixturenames", ())) & OF_FIXTURES.keys():
            item.add_marker(OF_FIXTURES[fixture])
        if item.get_closest_marker("soak"):
            item.add_marker(pytest.mark.timeout(3600))


def long_files_first(items: list[pytest.Item]) -> None:
    """Bring the files that install, train and start processes to the front, so that no worker gets one at the end."""
    weights: dict[Path, int] = {}
    for item in items:
        markers = {marker.name for marker in item.iter_markers()} & {"process", "training", "wheel"}
        weights[item.path] = max(weights.get(item.path, 0), len(markers))
    items.sort(key=lambda item: -weights[item.path])


class Watch:
    """Notes what is started and trained, which is every step of an optimizer."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._watches_optimizers = False
        sys.addaudithook(self._note_start)

    def _note_start(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in STARTS:  # first of all: what is done here may be an event, too
            return
        # Of what is started only another Python is costly; packages look for libraries and compilers when they are
        # imported. A thread that forks is not of the test: it is OpenVINO's telemetry, which may be late.
        starts = event == "subprocess.Popen" and Path(str(arguments[0])).name.startswith("python")
        forks = event == "os.fork" and threading.current_thread() is threading.main_thread()
        if starts or forks:
            self._seen.add("process")

    def watch_optimizers(self) -> None:
        """Begin to watch torch, where it is imported: the watch itself imports nothing heavy."""
        if not self._watches_optimizers and "torch.optim" in sys.modules:
            from torch.optim.optimizer import register_optimizer_step_pre_hook

            register_optimizer_step_pre_hook(lambda optimizer, args, kwargs: self._note_step(optimizer))
            self._watches_optimizers = True

    def _note_step(self, optimizer: Any) -> None:
        """Note a step that moves weights; of shapes alone, as a dry run counts them, none does."""
        if any(not weight.is_meta for group in optimizer.param_groups for weight in group["params"]):
            self._seen.add("training")

    def compare(self, item: pytest.Item) -> None:
        """Fail a test that did what none of its markers says, for `make quick` does without such tests."""
        lacking = self._seen - {marker.name for marker in item.iter_markers()}
        self._seen.clear()
        if lacking:
            pytest.fail(f"this test, or its module, lacks the marker {' and '.join(sorted(lacking))}", pytrace=False)
