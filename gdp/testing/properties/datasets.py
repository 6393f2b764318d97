"""What datasets promise, of one domain and of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, get_args

import torch
from torch import Tensor

from gdp.core.interfaces.datasets import Dataset, Part, UnpairedDataset
from gdp.testing.findings import DoesNotApplyError, fail, require, require_same, require_tensor
from gdp.testing.subject import Subject

_FEW = 3
_MEND = "let picture i depend on the settings and i alone"


def exercise(subject: Subject, dataset: Dataset | UnpairedDataset) -> Any:
    """Load a few pictures of every part."""
    return {part: load(list(range(min(_FEW, count)))) for part, count, load in _parts(dataset)}


def _parts(dataset: Any) -> list[tuple[str, int, Callable[[Sequence[int]], Tensor]]]:
    if isinstance(dataset, Dataset):
        return [("all", len(dataset), dataset.images)]
    if isinstance(dataset, UnpairedDataset):
        return [(part, dataset.count(part), _loader(dataset, part)) for part in get_args(Part) if dataset.count(part)]
    return fail(f"{type(dataset).__name__} is no sort of dataset", "derive from gdp.Dataset or gdp.UnpairedDataset")


def _loader(dataset: UnpairedDataset, part: Part) -> Callable[[Sequence[int]], Tensor]:
    return lambda indices: dataset.images(part, indices)


def there_are_pictures(subject: Subject) -> None:
    """There are pictures, all uint8 RGB of the size that it tells."""
    dataset = subject.build()
    parts = _parts(dataset)
    require(
        bool(parts) and all(count > 0 for _, count, _ in parts),
        "there is no picture",
        "raise gdp.GdpError that says so",
    )
    for part, count, load in parts:
        numbers = sorted({0, count // 2, count - 1})
        shape = (len(numbers), 3, dataset.resolution, dataset.resolution)
        images = require_tensor(load(numbers), shape, f"the pictures of part {part}", dtype=torch.uint8)
        require(len(numbers) == 1 or int(images.max()) > 1, f"part {part} is black: values up to {int(images.max())}",
                "uint8 pictures have values from 0 to 255")  # fmt: skip


def a_picture_is_always_the_same(subject: Subject) -> None:
    """Picture i is the same in every order, asked for twice, and after a new start."""
    again = {part: load for part, _, load in _parts(subject.build())}
    for part, count, load in _parts(subject.build()):
        numbers = list(range(min(_FEW, count)))
        together = load(numbers)
        require_same(together.flip(0), load(numbers[::-1]), f"in another order pictures of part {part} differ", _MEND)
        require_same(together[:1].repeat(2, 1, 1, 1), load([0, 0]), f"asked for twice, part {part} differs", _MEND)
        alone = torch.cat([again[part]([number]) for number in numbers])
        require_same(together, alone, f"one by one, after a new start, part {part} differs", _MEND)


def pictures_are_not_shared(subject: Subject) -> None:
    """Changing a picture that was handed out changes nothing in the dataset."""
    for part, _, load in _parts(subject.build()):
        first = load([0])
        before = first.clone()
        first.fill_(7)
        require_same(before, load([0]), f"a picture of part {part} changed with what was handed out", "return copies")


def latents_stand_beside_their_pictures(subject: Subject) -> None:
    """Known latents are finite float32 rows, one for each picture, by number."""
    dataset = subject.build()
    latents = dataset.latents([0]) if isinstance(dataset, Dataset) else None
    if latents is None:
        raise DoesNotApplyError("it knows no latents")
    numbers = list(range(min(_FEW, len(dataset))))
    together = require_tensor(dataset.latents(numbers), (len(numbers), None), "latents")
    require_same(together.flip(0), dataset.latents(numbers[::-1]), "in another order latents differ", _MEND)


def two_domains_are_told_apart(subject: Subject) -> None:
    """A dataset of two domains has a stable fingerprint, names its pictures, and knows a truth that fits or none."""
    dataset = subject.build()
    if not isinstance(dataset, UnpairedDataset):
        raise DoesNotApplyError("it has one domain")
    fingerprint = dataset.fingerprint
    require(
        isinstance(fingerprint, str) and bool(fingerprint), f"the fingerprint is {fingerprint!r}", "hash what decides"
    )
    require_same(fingerprint, subject.build().fingerprint, "two builds have different fingerprints", _MEND)
    for part in get_args(Part):
        numbers = list(range(min(_FEW, dataset.count(part))))
        names = {dataset.name(part, number) for number in numbers}
        require(len(names) == len(numbers), f"pictures of part {part} share a name", "give each picture its own name")
        truth = dataset.truth(part, numbers) if numbers else None
        if truth is not None:
            shape = (len(numbers), 3, dataset.resolution, dataset.resolution)
            require_tensor(truth, shape, f"the truth of part {part}", dtype=torch.uint8)


PROPERTIES = (
    there_are_pictures,
    a_picture_is_always_the_same,
    pictures_are_not_shared,
    latents_stand_beside_their_pictures,
    two_domains_are_told_apart,
)
