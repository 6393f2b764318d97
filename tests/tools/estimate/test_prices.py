"""Machines for rent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.tools.estimate.arithmetic import HOUR, Duration
from gdp.tools.estimate.instances import Instance, read_prices


def test_the_prices_of_system_a_come_with_gdp() -> None:
    prices = read_prices()
    assert prices.date == "2020"
    assert {each.name: each.dollars_per_hour for each in prices.instances} == {
        "g4dn.xlarge": 0.526,
        "g3s.xlarge": 0.75,
        "c5.2xlarge": 0.34,
        "t2.medium": 0.0464,
    }


def test_a_run_takes_as_much_less_as_the_machine_is_faster() -> None:
    instance = Instance(name="fast", dollars_per_hour=2.0, student_seconds=0.5)
    offer = instance.offer(Duration(10 * HOUR, 8 * HOUR, 12 * HOUR), reference_seconds=5.0, calls_dollars=3.0)
    assert offer.times_as_fast == 10
    assert offer.duration.seconds == pytest.approx(HOUR)
    assert (offer.duration.low, offer.duration.high) == pytest.approx((0.8 * HOUR, 1.2 * HOUR))
    assert offer.dollars == pytest.approx(5.0), "calls cost the same everywhere"


def test_the_training_tells_the_speed_where_nothing_else_does() -> None:
    assert Instance(name="g", dollars_per_hour=1, training_seconds=5.4).seconds() == pytest.approx(1.0)


def test_an_own_file_takes_the_place_of_the_table(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('date = "today"\n[[instances]]\nname = "mine"\ndollars_per_hour = 1.5\nstudent_seconds = 2\n')
    prices = read_prices(path)
    assert [each.name for each in prices.instances] == ["mine"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date = ", "no TOML"),
        ('date = "today"', "instances"),
        ('date = "today"\n[[instances]]\nname = "mine"\ndollars_per_hour = 1', "student_seconds or training_seconds"),
        ('date = "today"\n[[instances]]\nname = "a"\ndollars_per_hour = -1\nstudent_seconds = 1', "dollars_per_hour"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(CorruptFileError, match=told):
        read_prices(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")
