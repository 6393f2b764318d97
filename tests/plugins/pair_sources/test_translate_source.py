"""`translate`: the pairs are the dataset's pictures and the teacher's translations of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdp.core.errors import MissingResourceError, PluginError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Part, UnpairedDataset
from gdp.core.interfaces.teachers import Domain, TranslatorTeacher
from gdp.plugins.pair_sources import TranslateConfig
from gdp.plugins.pair_sources.translate import TranslateSource

SIZE = 8
LEVELS = {"trainA": 10, "testA": 60, "trainB": 110, "testB": 160}
COUNTS: dict[Part, int] = {"trainA": 5, "testA": 3, "trainB": 4, "testB": 2}


class Levels(UnpairedDataset):
    """Picture i of a part is grey of the part's level plus i."""

    @property
    def resolution(self) -> int:
        return SIZE

    @property
    def fingerprint(self) -> str:
        return "levels"

    def count(self, part: Part) -> int:
        return COUNTS[part]

    def images(self, part: Part, indices: Sequence[int]) -> Tensor:
        return torch.stack([torch.full((3, SIZE, SIZE), LEVELS[part] + i, dtype=torch.uint8) for i in indices])


class Negative(TranslatorTeacher):
    """Makes negatives."""

    domain: Domain = "A"

    @property
    def fingerprint(self) -> str:
        return "negative"

    @property
    def resolution(self) -> int:
        return SIZE

    @property
    def module(self) -> nn.Module:
        return nn.Identity()

    @property
    def source_domain(self) -> Domain:
        return self.domain

    def example_inputs(self) -> tuple[Tensor]:
        return (torch.zeros(1, 3, SIZE, SIZE),)

    def translate(self, images: Tensor) -> Tensor:
        return -images


class Backwards(Negative):
    domain: Domain = "B"


def make(teacher: type[Negative] = Negative, **settings: Any) -> TranslateSource:
    context = BuildContext(
        seed=3, teacher=teacher(None, BuildContext()), dataset=Levels(None, BuildContext()), resolution=SIZE
    )
    return TranslateSource(TranslateConfig.model_validate(settings), context)


def levels(pictures: Tensor) -> list[int]:
    return [round(float(picture.mean() + 1) * 127.5) for picture in pictures]


def test_training_pictures_come_first_and_test_pictures_are_held_out() -> None:
    source = make()
    batch = source.make(range(8))
    assert (source.count, source.resolution) == (8, SIZE)
    assert levels(batch.source) == [10, 11, 12, 13, 14, 60, 61, 62]
    assert levels(batch.target) == [255 - level for level in levels(batch.source)]
    assert source.held_out([record.name for record in batch.records]) == [False] * 5 + [True] * 3
    assert batch.records[6].edit == {"kind": "translate", "part": "testA", "number": 1}
    assert batch.records[6].teacher == "negative"


def test_a_pair_is_the_same_in_every_batch() -> None:
    source = make()
    assert torch.equal(source.make([2]).target[0], source.make([4, 2, 0]).target[1])


def test_the_other_direction_translates_the_other_domain() -> None:
    source = make(Backwards)
    assert levels(source.make([0, 4]).source) == [110, 160]
    assert source.unpaired is not None
    assert levels(source.unpaired.load_uint8([1]).float() / 127.5 - 1) == [11]


def test_unpaired_pictures_are_of_the_targets_domain() -> None:
    unpaired = make().unpaired
    assert unpaired is not None
    assert (unpaired.count, levels(unpaired.load_uint8([0, 3]).float() / 127.5 - 1)) == (4, [110, 113])


def test_the_teacher_translates_live_or_not_at_all() -> None:
    pictures = torch.rand(2, 3, SIZE, SIZE)
    assert make().live
    assert torch.equal(make().teach(pictures), -pictures)
    assert not make(live=False).live


def test_fewer_pictures_make_other_pairs() -> None:
    source = make(train_count=2, test_count=1)
    assert levels(source.make(range(3)).source) == [10, 11, 60]
    assert source.fingerprint != make().fingerprint
    with pytest.raises(MissingResourceError, match=r"pairs\.test_count: 4 pictures are wanted and testA has 3"):
        make(test_count=4)


def test_it_needs_a_translator_and_two_domains() -> None:
    dataset = Levels(None, BuildContext())
    with pytest.raises(PluginError, match=r"needs a \[teacher\] that translates"):
        TranslateSource(TranslateConfig(), BuildContext(dataset=dataset))
    with pytest.raises(PluginError, match=r"needs a \[dataset\] of two domains"):
        TranslateSource(TranslateConfig(), BuildContext(teacher=Negative(None, BuildContext())))
