"""Folders of pictures as datasets: of one look, or unpaired of two.

`image-folder`: the pictures of a folder.

`unpaired-folder`: pictures of two domains in the folders trainA, trainB, testA and testB.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from gdp import BuildContext, Dataset, MissingResourceError, Part, UnpairedDataset
from gdp.plugins.datasets import PUBLIC_SETS, ImageFolderConfig, UnpairedFolderConfig
from gdp.plugins.datasets.pictures import as_text, open_picture, picture_files, read_all, square
from gdp.toolbox import content_key, no_pictures

READERS = 8
"""Threads that decode a batch's pictures, on a machine with as many cores."""


class ImageFolder(Dataset):
    """Pictures numbered in the order of their paths, read from disk each time that they are asked for.

    Raises:
        MissingResourceError: there is no such folder, or no picture in it.
    """

    def __init__(self, config: ImageFolderConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._paths = picture_files(config.folder, recursive=True)
        if not self._paths:
            raise MissingResourceError(f"{no_pictures(config.folder, recursive=True)}.")

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def resolution(self) -> int:
        """Height and width in pixels, as the settings say."""
        return int(self.config.resolution)

    def images(self, indices: Sequence[int]) -> Tensor:
        """Read pictures (N, 3, R, R) uint8 RGB.

        Raises:
            CorruptFileError: some are no whole pictures; the message names them.
        """
        paths = [self._paths[index] for index in indices]
        if not paths:
            return torch.empty(0, 3, self.resolution, self.resolution, dtype=torch.uint8)
        threads = min(READERS, os.cpu_count() or 1)
        return torch.stack(read_all(paths, lambda path: square(open_picture(path), self.resolution), threads=threads))


PARTS: tuple[Part, ...] = get_args(Part)

CACHED_BYTES = 2 * 2**30
"""A set whose pictures all fit into so much memory, and into what the run may take, is read from disk once only."""


class UnpairedFolder(UnpairedDataset):
    """Pictures of a part numbered in the order of their paths, read when they are first asked for.

    Raises:
        MissingResourceError: a part that is needed is not there or holds no picture.
    """

    def __init__(self, config: UnpairedFolderConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._folder = config.folder
        needed = PARTS if config.require_test_parts else ("trainA", "trainB")
        files: dict[Part, list[Path]] = {
            part: picture_files(config.folder / part, recursive=True) if (config.folder / part).is_dir() else []
            for part in PARTS
        }
        missing = [part for part in needed if not files[part]]
        if missing:
            raise MissingResourceError(_explain(config.folder, missing))
        self._files: Mapping[Part, list[Path]] = {part: _thin(files[part], config.max_pictures) for part in PARTS}
        self._cache = _Cache(self._files, config.resolution, context.memory.share(enough=CACHED_BYTES))

    @property
    def resolution(self) -> int:
        """Height and width in pixels, as the settings say."""
        return int(self.config.resolution)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the resolution and of the names and bytes of all files that are used.

        Raises:
            MissingResourceError: a file is not there any more, or may not be read.
        """
        paths = [path for part in PARTS for path in self._files[part]]
        files = {path.relative_to(self._folder).as_posix(): _hash(path) for path in paths}
        return content_key({"resolution": self.resolution, "files": files})

    def count(self, part: Part) -> int:
        """How many pictures a part has."""
        return len(self._files[part])

    def name(self, part: Part, index: int) -> str:
        """Return the file's name, with the folders in the part that lead to it."""
        return as_text(self._files[part][index].relative_to(self._folder / part).as_posix())

    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        """Read pictures (N, 3, R, R) uint8 RGB of a part.

        Raises:
            CorruptFileError: some are no whole pictures; the message names them.
        """
        return self._cache.pictures(part, indices)


class _Cache:
    """The pictures that were read, if all of them fit into so many bytes."""

    def __init__(self, files: Mapping[Part, Sequence[Path]], resolution: int, most: int) -> None:
        self._files = files
        self._resolution = resolution
        picture_bytes = 3 * resolution**2
        self._keeps = sum(map(len, files.values())) * picture_bytes <= most
        self._kept: dict[Path, Tensor] = {}

    def pictures(self, part: Part, indices: Sequence[int]) -> Tensor:
        paths = [self._files[part][index] for index in indices]
        if not paths:
            return torch.empty(0, 3, self._resolution, self._resolution, dtype=torch.uint8)
        return torch.stack(read_all(paths, self._read))

    def _read(self, path: Path) -> Tensor:
        picture = self._kept.get(path)
        if picture is None:
            picture = square(open_picture(path), self._resolution)
            if self._keeps:
                self._kept[path] = picture
        return picture


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise MissingResourceError(f"{path}: this picture cannot be read any more ({error.strerror}).") from error


def _thin(paths: list[Path], most: int | None) -> list[Path]:
    """Choose at most so many paths, evenly spread."""
    if most is None or len(paths) <= most:
        return paths
    return [paths[number * len(paths) // most] for number in range(most)]


def _explain(folder: Path, missing: Sequence[Part]) -> str:
    known = {public.name for public in PUBLIC_SETS}
    if folder.name in known:
        mend = f"Get the set with: gdp fetch-data {folder.name} --folder {folder.parent}"
    else:
        mend = "gdp fetch-data --list shows the public sets that can be downloaded."
    if not folder.is_dir():
        return f"{folder}: there is no such folder of pictures. {mend}"
    lacking = ", ".join(missing)
    return (
        f"{folder}: there are no pictures (JPEG, PNG, WebP, ...) in {lacking}. {mend} A set of your own without "
        f"testA or testB needs require_test_parts = false."
    )
