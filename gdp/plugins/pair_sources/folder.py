"""`folder`: existing pairs of picture files, matched by name."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from gdp import BuildContext, MissingResourceError, PairBatch, PairRecord, PairSource, ShapeError
from gdp.plugins.datasets.pictures import as_text, open_picture, picture_files, read_all, shorten, square
from gdp.plugins.pair_sources import FolderConfig
from gdp.toolbox import from_levels


class _Files(NamedTuple):
    name: str
    source: Path
    target: Path


class FolderSource(PairSource):
    """Pairs whose file names agree in what the patterns call {name}, numbered in the order of these names.

    Raises:
        MissingResourceError: a folder is missing, no pair is there, a file has no partner (all are counted, the
            first 20 named), or a held-out name or pattern fits no pair.
    """

    def __init__(self, config: FolderConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        sources = _by_name(config.source_folder, config.source_pattern)
        targets = _by_name(config.target_folder, config.target_pattern)
        lonely = [f"{path} has no target" for name, path in sources.items() if name not in targets]
        lonely += [f"{path} has no source" for name, path in targets.items() if name not in sources]
        if lonely:
            raise MissingResourceError(
                f"{len(lonely)} picture files have no partner of the same name (sources are {config.source_pattern!r} "
                f"in {config.source_folder}, targets {config.target_pattern!r} in {config.target_folder}). "
                "Add the missing files, take these away, or mend the patterns:\n" + "\n".join(shorten(lonely))
            )
        if not sources:
            raise MissingResourceError(
                f"no pictures called {config.source_pattern!r} in {config.source_folder}: there are no pairs."
            )
        self._pairs = [_Files(name, sources[name], targets[name]) for name in sorted(sources)]

    @property
    def count(self) -> int:
        """How many pairs the folders hold."""
        return len(self._pairs)

    @property
    def resolution(self) -> int:
        """Height and width in pixels, as the settings say."""
        return int(self.config.resolution)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over the names and contents of all files, so that a changed picture makes new pairs."""
        digest = hashlib.sha256()
        for pair in self._pairs:
            for path in (pair.source, pair.target):
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                digest.update(os.fsencode(f"{pair.name}\0{path.name}\0{content}\n"))
        return digest.hexdigest()

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Read the pairs of these numbers.

        Raises:
            CorruptFileError: some files are no whole pictures; the message names them.
            ShapeError: source and target of a pair are not of the same shape, so that cropping would part them.
        """
        pairs = [self._pairs[index] for index in indices]
        loaded = read_all(pairs, self._read)
        return PairBatch(
            indices=list(indices),
            source=torch.stack([source for source, _ in loaded]),
            target=torch.stack([target for _, target in loaded]),
            records=[
                PairRecord(
                    index=index,
                    seed=self.context.seed,
                    edit={"kind": "folder", "source": as_text(pair.source.name), "target": as_text(pair.target.name)},
                    name=pair.name,
                )
                for index, pair in zip(indices, pairs, strict=True)
            ],
        )

    def _read(self, pair: _Files) -> tuple[Tensor, Tensor]:
        source, target = open_picture(pair.source), open_picture(pair.target)
        # One pixel of rounding in either picture is no difference of shape.
        if abs(source.width * target.height - source.height * target.width) > max(*source.size, *target.size):
            raise ShapeError(
                f"pair {pair.name}: {pair.source} is {source.width} x {source.height} pixels and {pair.target} is "
                f"{target.width} x {target.height}: cropped to squares they would show different parts of the scene. "
                "Give both the same shape."
            )
        source_levels, target_levels = (square(picture, self.resolution) for picture in (source, target))
        return from_levels(source_levels), from_levels(target_levels)

    def held_out(self, names: Sequence[str | None]) -> Sequence[bool] | None:
        """Say which pairs the settings hold out by name or pattern; None where they name none.

        Raises:
            MissingResourceError: a name or pattern fits no pair of the folders, or the file of names is missing.
        """
        patterns = _held_out_patterns(self.config)
        if not patterns:
            return None
        known = [pair.name for pair in self._pairs]
        unfit = [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in known)]
        if unfit:
            raise MissingResourceError(
                f"held-out names that fit none of the {len(known)} pairs (called {known[0]}, ...): "
                + ", ".join(shorten(unfit))
            )
        return [name is not None and any(fnmatchcase(name, pattern) for pattern in patterns) for name in names]


def _by_name(folder: Path, pattern: str) -> dict[str, Path]:
    """Map what `{name}` stands for to the file, for every picture file that fits the pattern."""
    pieces = re.split(r"(\{name\}|\*)", pattern)
    expressions = {"{name}": "(.+)", "*": ".*"}
    fits = re.compile("".join(expressions.get(piece, re.escape(piece)) for piece in pieces))
    found: dict[str, Path] = {}
    for path in picture_files(folder):
        if match := fits.fullmatch(path.name):
            name = as_text(match.group(1))
            if name in found:
                raise MissingResourceError(
                    f"{folder}: {found[name].name} and {path.name} both fit {pattern!r} as {name!r}; it is not clear "
                    "which belongs to the pair. Take one away, or write a narrower pattern."
                )
            found[name] = path
    return found


def _held_out_patterns(config: FolderConfig) -> Sequence[str]:
    if config.held_out_file is None:
        return config.held_out_names
    try:
        lines = config.held_out_file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MissingResourceError(
            f"{config.held_out_file}: the file of held-out names cannot be read: {error}"
        ) from error
    return [*config.held_out_names, *(line.strip() for line in lines if line.strip())]
