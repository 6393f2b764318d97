"""`[pairs] resolution`: what comes of a source's pairs where a recipe asks for smaller ones."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from gdp import BuildContext, PairBatch, PairRecord, PairSource, Pictures
from gdp.core.errors import PluginError, ShapeError
from gdp.core.run.reduced import ReducedSource


class Stripes(PairSource):
    """Columns of -1 and 1, and their negative: an area of two columns is grey, every second column is not."""

    taught_live = False

    @property
    def resolution(self) -> int:
        return 48

    def make(self, indices: Sequence[int]) -> PairBatch:
        source = self._columns().expand(len(indices), 6, 48, 48).clone()
        records = [PairRecord(index, 0, {"kind": "stripes"}, extra={"mine": index}) for index in indices]
        return PairBatch(list(indices), source, -source[:, :3], records)

    def _columns(self) -> Tensor:
        return torch.arange(48).remainder(2).float() * 2 - 1

    @property
    def live(self) -> bool:
        return self.taught_live

    @property
    def unpaired(self) -> Pictures:
        return Pictures(9, lambda numbers: torch.full((len(numbers), 3, 48, 48), 77, dtype=torch.uint8))


def test_pairs_are_reduced_by_area_and_their_records_say_so() -> None:
    source = ReducedSource(Stripes(None, BuildContext()), 24)
    pairs = source.make([4, 7])
    assert source.resolution == 24
    assert pairs.source.shape == (2, 6, 24, 24)
    assert pairs.target.shape == (2, 3, 24, 24)
    assert pairs.source.abs().max() == 0
    assert [record.extra["mine"] for record in pairs.records] == [4, 7]
    assert pairs.records[0].extra["reduced"] == {"from": 48, "to": 24, "by": "area"}
    assert source.unreduced([4]).source.shape == (1, 6, 48, 48)


def test_a_size_that_is_no_whole_part_is_reached_without_aliases() -> None:
    pairs = ReducedSource(Stripes(None, BuildContext()), 20).make([0])
    assert pairs.records[0].extra["reduced"]["by"] == "bilinear, antialiased"
    assert pairs.source[..., 2:-2].abs().max() < 0.35  # the stripes are finer than the pixels: grey is right


def test_pairs_of_that_size_already_stay_as_they_are() -> None:
    plain = Stripes(None, BuildContext())
    pairs = ReducedSource(plain, 48).make([1])
    assert torch.equal(pairs.source, plain.make([1]).source)
    assert "reduced" not in pairs.records[0].extra


def test_unpaired_pictures_are_reduced_like_the_pairs() -> None:
    unpaired = ReducedSource(Stripes(None, BuildContext()), 24).unpaired
    assert unpaired is not None
    levels = unpaired.load_uint8([0, 1])
    assert (unpaired.count, levels.shape, levels.dtype) == (9, (2, 3, 24, 24), torch.uint8)
    assert (levels == 77).all()


def test_pairs_are_not_enlarged() -> None:
    with pytest.raises(ShapeError, match=r"pairs.resolution is 64, and the pair source makes pairs of 48 px"):
        ReducedSource(Stripes(None, BuildContext()), 64).make([0])


def test_targets_that_are_made_during_the_training_are_not_reduced() -> None:
    source = Stripes(None, BuildContext())
    source.taught_live = True
    with pytest.raises(PluginError, match=r"let the \[dataset\] give pictures of 24 px"):
        ReducedSource(source, 24).make([0])


def test_what_the_source_says_of_its_pairs_is_passed_on() -> None:
    class Telling(Stripes):
        def check(self) -> str:
            return "all striped"

    assert ReducedSource(Telling(None, BuildContext()), 24).check() == "all striped"
    assert ReducedSource(Stripes(None, BuildContext()), 24).check() == ""
