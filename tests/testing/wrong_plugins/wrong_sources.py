"""Pair sources and datasets that lack one property each, and sound ones."""

import time
from dataclasses import replace

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


SOURCES = (
    "sound-source", "levels-source", "wrong-order", "by-position-source", "drifts", "foreign-seed", "foreign-teacher",
    "tensor-in-record", "fingerprint-of-now", "half-held-out", "random-teaching", "empty-unpaired", "edits-in-place",
    "foretells-always",
)  # fmt: skip
DATASETS = (
    "sound-dataset",
    "sound-unpaired",
    "empty",
    "floats",
    "random-pictures",
    "shared",
    "wrong-latents",
    "same-name",
)


@gdp.hookimpl
def gdp_register_pair_sources(register):
    for name in SOURCES:
        register(
            name, config=NoSettings, implementation=f"wrong_sources:{title(name)}", summary="Makes pairs in a test"
        )


@gdp.hookimpl
def gdp_register_datasets(register):
    for name in DATASETS:
        register(name, config=NoSettings, implementation=f"wrong_sources:{title(name)}", summary="Pictures of a test")


def title(name):
    return "".join(word.title() for word in name.split("-"))


def __getattr__(name):
    """Make the classes when they are asked for: they need torch."""
    if name not in {title(known) for known in (*SOURCES, *DATASETS)}:
        raise AttributeError(name)
    return {**sources(), **datasets()}[name]


def sources():
    import torch

    from gdp.testing.examples import TinyPairSource

    class SoundSource(TinyPairSource):
        """A pair source for a test."""

    class ForetellsAlways(SoundSource):
        def forecast(self, pairs):
            return gdp.Forecast(calls=100, dollars=1.0)

    class LevelsSource(SoundSource):
        def make(self, indices):
            made = super().make(indices)
            return replace(made, target=(made.target + 1) * 127.5)

    class WrongOrder(SoundSource):
        def make(self, indices):
            return super().make(sorted(indices))

    class ByPositionSource(SoundSource):
        def make(self, indices):
            made = super().make(indices)
            return replace(made, target=made.target * torch.linspace(0.5, 1, len(indices)).reshape(-1, 1, 1, 1))

    class Drifts(SoundSource):
        calls = 0

        def make(self, indices):
            Drifts.calls += 1
            made = super().make(indices)
            return replace(made, source=made.source * (1 - 0.001 * Drifts.calls))

    class ForeignSeed(SoundSource):
        def make(self, indices):
            made = super().make(indices)
            return replace(made, records=[replace(record, seed=record.seed + 1) for record in made.records])

    class ForeignTeacher(SoundSource):
        def make(self, indices):
            made = super().make(indices)
            return replace(made, records=[replace(record, teacher="somebody") for record in made.records])

    class TensorInRecord(SoundSource):
        def make(self, indices):
            made = super().make(indices)
            return replace(made, records=[replace(record, edit={"moves": (1, 2)}) for record in made.records])

    class FingerprintOfNow(SoundSource):
        @property
        def fingerprint(self):
            return str(time.perf_counter_ns())

    class HalfHeldOut(SoundSource):
        def held_out(self, names):
            return [True]

    class RandomTeaching(SoundSource):
        live = True

        def teach(self, source):
            return (source[:, :3] + 0.1 * torch.rand_like(source[:, :3])).clamp(-1, 1)

    class EmptyUnpaired(SoundSource):
        unpaired = gdp.Pictures(0, lambda numbers: torch.zeros(len(numbers), 3, 32, 32, dtype=torch.uint8))

    class EditsInPlace(SoundSource):
        def edit(self, ws):
            return ws.add_(1)

    return locals()


def datasets():
    import torch

    from gdp.testing.examples import TinyDataset, TinyUnpairedDataset

    class SoundDataset(TinyDataset):
        """A dataset for a test."""

        def images(self, indices):
            return super().images(indices).clone()

    class SoundUnpaired(TinyUnpairedDataset):
        """A dataset for a test."""

    class Empty(SoundDataset):
        def __len__(self):
            return 0

    class Floats(SoundDataset):
        def images(self, indices):
            return super().images(indices).float() / 255

    class RandomPictures(SoundDataset):
        def images(self, indices):
            return torch.randint(0, 256, (len(indices), 3, 32, 32), dtype=torch.uint8)

    class Shared(SoundDataset):
        def images(self, indices):
            return self._pictures[indices[0] : indices[0] + 1] if len(indices) == 1 else super().images(indices)

    class WrongLatents(SoundDataset):
        def latents(self, indices):
            return torch.zeros(1, 4)

    class SameName(SoundUnpaired):
        def name(self, part, index):
            return part

    return locals()
