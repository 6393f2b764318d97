"""Squares followed through a video are steady where nothing moves, and keep up where something does."""

from __future__ import annotations

import numpy
import pytest

from gdp.support.squares import Levels, Square
from gdp.tools.deploy.following import Follower, smooth

RANDOM = numpy.random.default_rng(4)
SECONDS = numpy.arange(90) / 30


def square(left: float, top: float = 30.0, side: float = 40.0) -> Square:
    return Square(numpy.array([[side, 0.0, left], [0.0, side, top]]))


def moving(number: int) -> Levels:
    """A frame in which nothing keeps its place."""
    wave = 128 + 60 * numpy.sin((numpy.arange(400) - 2 * number) / 15)
    return numpy.broadcast_to(wave[None, :, None], (120, 400, 3)).astype(numpy.uint8)


def test_what_is_still_keeps_a_sixth_of_its_tremor_and_hardly_moves_from_frame_to_frame() -> None:
    found = RANDOM.normal(0, 0.01, (90, 6))
    steady = smooth(SECONDS, found)
    assert steady.std() < 0.25 * found.std()
    assert numpy.diff(steady, axis=0).std() < 0.05 * numpy.diff(found, axis=0).std()


@pytest.mark.parametrize("tremor", [0.0, 0.003])
@pytest.mark.parametrize(
    "way",
    [
        lambda t: t,
        lambda t: 0.5 * numpy.sin(numpy.pi * t),
        lambda t: numpy.clip(t - 1.5, 0, None),
        lambda t: 0.5 * (t > 1.5),
    ],
    ids=["even", "to and fro", "begins", "jumps"],
)
def test_what_moves_is_followed_within_two_hundredths_of_its_side(way, tremor: float) -> None:  # type: ignore[no-untyped-def] # lambdas of arrays
    true = numpy.stack([way(SECONDS)] * 6, axis=1)
    followed = smooth(SECONDS, true + RANDOM.normal(0, 1, true.shape) * tremor)
    assert numpy.abs(followed - true).max() < 0.02


def test_several_things_are_told_apart_and_stay_apart() -> None:
    follower = Follower()
    for number in range(30):
        both = [square(20.0 + 2 * number), square(300.0 - 2 * number)]
        follower.add(moving(number), both if number % 2 else both[::-1], number / 30)
    assert [len(track.frames) for track in follower.tracks] == [30, 30]
    for number, found in enumerate(follower.steadied()):
        lefts = sorted(each.matrix[0, 2] for each in found)
        assert lefts == pytest.approx(sorted([20.0 + 2 * number, 300.0 - 2 * number]), abs=0.5)


def test_a_cut_begins_anew_and_a_frame_without_a_finding_is_bridged() -> None:
    follower = Follower()
    dark, bright = numpy.zeros((90, 120, 3), numpy.uint8), numpy.full((90, 120, 3), 200, numpy.uint8)
    for number in range(20):
        squares = [] if number in (4, 19) else [square(30.0 if number < 10 else 45.0)]
        follower.add(dark if number < 10 else bright, squares, number / 30)
    steadied = follower.steadied()
    assert [len(found) for found in steadied] == [1] * 19 + [0]
    lefts = [found[0].matrix[0, 2] for found in steadied[:19]]
    assert lefts == pytest.approx([30.0] * 10 + [45.0] * 9)


def test_a_square_stays_where_the_picture_in_it_does_however_its_aligner_jumps() -> None:
    follower = Follower()
    still = moving(0)
    for number in range(20):
        noisy = (still + RANDOM.normal(0, 1, still.shape)).clip(0, 255).astype(numpy.uint8)
        follower.add(noisy, [square(30.0 + 3 * (number % 4 == 0))], number / 30)
    lefts = [found[0].matrix[0, 2] for found in follower.steadied()]
    assert numpy.ptp(lefts) == pytest.approx(0)
