"""Checkpoints on disk: safetensors and JSON, complete or not there at all.

A checkpoint is a folder `step-00000250` with `tensors.safetensors` and `state.json`, which holds the former's sha256.
It is written under another name, synced and renamed; the one before it is kept in case it gets damaged later.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from gdp.core.disk import sync_folder
from gdp.core.errors import readable_os_errors

TENSORS = "tensors.safetensors"
STATE = "state.json"
KEPT = 2
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class Checkpoint:
    """What a training goes on from."""

    step: int
    """Steps done."""
    tensors: dict[str, Tensor]
    """On the CPU."""
    state: dict[str, Any]
    """Plain JSON data."""


class CheckpointFolder:
    """The newest checkpoints of one training.

    Args:
        folder: made when the first one is saved.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, checkpoint: Checkpoint) -> None:
        """Save a checkpoint; on return it survives a kill and a power cut. Older ones but one are removed.

        Raises:
            DiskFullError, RunFolderError: it cannot be written; those before it are intact.
        """
        with readable_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = self.folder / UNFINISHED
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            try:
                self._write(unfinished, checkpoint)
                final = self.folder / f"step-{checkpoint.step:08d}"
                shutil.rmtree(final, ignore_errors=True)
                unfinished.rename(final)
            except OSError:
                shutil.rmtree(unfinished, ignore_errors=True)
                raise
            sync_folder(self.folder)
            for outdated in self._newest_first()[KEPT:]:
                shutil.rmtree(outdated)

    def load_newest(self, on_damaged: Callable[[str], None]) -> Checkpoint | None:
        """Return the newest checkpoint that is whole; None where there is none.

        Args:
            on_damaged: told in one line of each damaged checkpoint that was passed over.
        """
        for folder in self._newest_first():
            try:
                return self._read(folder)
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                on_damaged(f"the checkpoint {folder} is damaged and passed over ({error})")
        return None

    def _newest_first(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted((path for path in self.folder.iterdir() if re.fullmatch(r"step-\d{8}", path.name)), reverse=True)

    def _write(self, folder: Path, checkpoint: Checkpoint) -> None:
        write_tensors(folder / TENSORS, checkpoint.tensors)
        state = {"step": checkpoint.step, "sha256": _sha256(folder / TENSORS), "state": checkpoint.state}
        with (folder / STATE).open("w", encoding="utf-8") as file:
            json.dump(state, file, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)

    def _read(self, folder: Path) -> Checkpoint:
        content = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content["sha256"] != _sha256(folder / TENSORS):
            raise ValueError(f"{TENSORS} is not what was written")
        return Checkpoint(content["step"], safetensors.torch.load_file(folder / TENSORS), content["state"])


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write a safetensors file and sync it.

    Args:
        path: the file.
        tensors: of any device and memory format.
        metadata: words for the file's header.

    Raises:
        OSError: it cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.touch()
    mode = path.stat().st_mode
    with _system_errors():
        safetensors.torch.save_file(plain, path, metadata)
    path.chmod(mode)  # safetensors lets nobody but the owner read
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _system_errors() -> Iterator[None]:
    """Give safetensors' errors their system error number back, which it keeps in words only."""
    try:
        yield
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
