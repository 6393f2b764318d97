"""The list of machines for rent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.tools.estimate.instances import FORWARD, TRAINING_STEP, read_prices


def written(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text)
    return path


def test_the_prices_of_system_a_come_with_gdp() -> None:
    prices = read_prices()
    known = {each.name: each.dollars_per_hour for each in prices.instances}
    assert {name: known[name] for name in ("g4dn.xlarge", "g3s.xlarge", "c5.2xlarge", "t2.medium")} == {
        "g4dn.xlarge": 0.526,
        "g3s.xlarge": 0.75,
        "c5.2xlarge": 0.34,
        "t2.medium": 0.0464,
    }
    assert prices.date
    assert all(each.date or prices.date for each in prices.instances)


def test_what_is_measured_and_what_is_not_is_told_apart() -> None:
    by_name = {each.name: each for each in read_prices().instances}
    assert dict(by_name["g4dn.xlarge"].measured) == {"training": (TRAINING_STEP, 0.95)}
    assert by_name["c5.2xlarge"].measured["forward"] == (FORWARD, 1.5)
    assert by_name["g5.xlarge"].measured == {}


def test_a_price_that_is_not_known_is_left_out_and_not_made_up() -> None:
    (unknown,) = [each for each in read_prices().instances if each.dollars_per_hour is None]
    assert unknown.share_dollars_per_hour is None


def test_one_gpu_of_eight_costs_an_eighth() -> None:
    (machine,) = [each for each in read_prices().instances if each.name == "p4d.24xlarge"]
    assert machine.share_dollars_per_hour == pytest.approx(21.96 / 8)
    assert machine.title == "p4d.24xlarge /8"


def test_an_own_file_takes_the_place_of_the_list_and_may_name_its_gpus(tmp_path: Path) -> None:
    text = (
        'date = 2026-11-01\n[[instances]]\nname = "mine"\ndollars_per_hour = 1.5\nstudent_seconds = 2\n'
        '[[instances]]\nname = "rented"\ngpu = "A100"\n[[instances]]\nname = "own"\ngpu = "mine"\n'
        "[gpus.mine]\nmemory_gb = 12\ncapability = 8.6\ntflops_float32 = 20\ngb_per_s = 400\n"
    )
    prices = read_prices(written(tmp_path, text))
    assert [each.name for each in prices.instances] == ["mine", "rented", "own"]
    assert prices.date == "2026-11-01"
    rented, own = (prices.gpu_of(each) for each in prices.instances[1:])
    assert rented is not None
    assert own is not None
    assert (rented.memory_gb, own.memory_gb) == (40, 12)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("date = ", "no TOML"),
        ('date = "today"', "instances"),
        ('date = "today"\ninstances = []', "instances"),
        ('date = "today"\n[[instances]]\nname = "mine"\ndollars_per_hour = 1', r"\(mine\).*nobody knows how fast"),
        ('date = "today"\n[[instances]]\nname = "a"\ndollars_per_hour = -1\nstudent_seconds = 1', "dollars_per_hour"),
        ('date = "today"\n[[instances]]\nname = "a"\ngpu = "A1000"', "did you mean A100"),
        ('date = "today"\n[[instances]]\nname = "a"\ngpus = 2\ngflops_float32 = 3', "no gpu is named"),
        ('date = "today"\n[[instances]]\nname = "a"\ngpu = "T4"\ndollars = 3', "dollars"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CorruptFileError, match=told):
        read_prices(written(tmp_path, text))


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="cannot be read"):
        read_prices(tmp_path / "none.toml")


def test_a_file_of_bytes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CorruptFileError, match="no TOML"):
        read_prices(path)
