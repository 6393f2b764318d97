"""`translate`: real pictures, and what a translator teacher makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import torch
from torch import Tensor

from gdp import (
    BuildContext,
    MissingResourceError,
    PairBatch,
    PairRecord,
    PairSource,
    Part,
    PictureKind,
    Pictures,
    PluginError,
    TranslatorTeacher,
    UnpairedDataset,
)
from gdp.plugins.pair_sources import TranslateConfig
from gdp.toolbox import from_levels, in_fixed_chunks

_CHUNK, _CHUNK_PIXELS = 4, 4 * 256 * 256
"""Pictures, and pixels in them, that go through the teacher at once: by their size alone, never more nor fewer, so that
a pair does not depend on its batch."""


class TranslateSource(PairSource):
    """Source: a real picture of the teacher's domain. Target: the teacher's translation.

    The pairs are the training pictures and after them the test pictures, which are held out. With `live` the stored
    targets serve for looking and measuring, and during training the teacher translates what the student sees,
    cropped and mirrored, so that its hidden states can be watched.

    Raises:
        PluginError: the recipe has no translator as its teacher, or no dataset of two domains.
        MissingResourceError: there are fewer pictures than the settings ask for.
    """

    config: TranslateConfig

    def __init__(self, config: TranslateConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._teacher, self._dataset = _translator(context), _unpaired(context)
        ours, theirs = ("A", "B") if self._teacher.source_domain == "A" else ("B", "A")
        self._train: Part = "trainA" if ours == "A" else "trainB"
        self._test: Part = "testA" if ours == "A" else "testB"
        self._target: Part = "trainB" if theirs == "B" else "trainA"
        self._train_count = self._wanted(self._train, config.train_count, "train_count")
        self._test_count = self._wanted(self._test, config.test_count, "test_count")

    def _wanted(self, part: Part, wanted: int | None, setting: str) -> int:
        there = self._dataset.count(part)
        if wanted is not None and wanted > there:
            raise MissingResourceError(
                f"pairs.{setting}: {wanted} pictures are wanted and {part} has {there}; lower it, or leave it out"
            )
        return there if wanted is None else wanted

    @property
    def count(self) -> int:
        """How many pictures of the teacher's domain there are, to train on and to test on."""
        return self._train_count + self._test_count

    @property
    def shows(self) -> PictureKind | None:
        """What the dataset says of the pictures of the teacher's domain."""
        return self._dataset.shows(self._train)

    @property
    def resolution(self) -> int:
        """Height and width of the dataset's pictures in pixels."""
        return self._dataset.resolution

    @property
    def fingerprint(self) -> str:
        """Hash of the dataset's pictures and of how many are taken."""
        return hashlib.sha256(
            f"{self._dataset.fingerprint} {self._train} {self._train_count} {self._test_count}".encode()
        ).hexdigest()

    def place(self, index: int) -> tuple[Part, int]:
        """Return the part and the number in it of pair `index`'s source."""
        if index < self._train_count:
            return self._train, index
        return self._test, index - self._train_count

    def make(self, indices: Sequence[int]) -> PairBatch:
        """Translate the pictures of these numbers."""
        places = [self.place(index) for index in indices]
        parts = [
            self._dataset.images(part, [number for _, number in together])
            for part, together in groupby(places, key=itemgetter(0))
        ]
        pictures = from_levels(torch.cat(parts))
        chunk = max(1, min(_CHUNK, _CHUNK_PIXELS // pictures[0, 0].numel()))
        target = in_fixed_chunks(self._teacher.translate, pictures.to(self.context.device), chunk)
        return PairBatch(
            indices=list(indices),
            source=pictures,
            target=target.float(),
            records=[
                PairRecord(
                    index=index,
                    seed=self.context.seed,
                    edit={"kind": "translate", "part": part, "number": number},
                    teacher=self._teacher.fingerprint,
                    name=f"{part}/{self._dataset.name(part, number)}",
                )
                for index, (part, number) in zip(indices, places, strict=True)
            ],
        )

    def held_out(self, names: Sequence[str | None]) -> Sequence[bool]:
        """Hold out the pictures of the test part."""
        return [name is not None and name.startswith(f"{self._test}/") for name in names]

    @property
    def live(self) -> bool:
        """Whether the teacher translates during training, as the settings say."""
        return self.config.live

    def teach(self, source: Tensor) -> Tensor:
        """Translate what the student is shown, (N, 3, H, W) in [-1, 1]."""
        return self._teacher.translate(source)

    @property
    def unpaired(self) -> Pictures | None:
        """Real training pictures of the other domain, where there are any."""
        count = self._dataset.count(self._target)
        return Pictures(count, lambda numbers: self._dataset.images(self._target, numbers)) if count else None


def _translator(context: BuildContext) -> TranslatorTeacher:
    if not isinstance(context.teacher, TranslatorTeacher):
        raise PluginError(
            "translate needs a [teacher] that translates pictures, such as cyclegan; latent generators go with "
            "latent-direction and its like"
        )
    return context.teacher


def _unpaired(context: BuildContext) -> UnpairedDataset:
    if not isinstance(context.dataset, UnpairedDataset):
        raise PluginError(
            "translate needs a [dataset] of two domains, such as rendered-scenes or unpaired-folder, whose pictures "
            "the teacher translates"
        )
    return context.dataset
