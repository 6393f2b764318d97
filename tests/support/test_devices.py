"""`--device` in a sentence: what there is where a name is none, `auto` alike for every command and in Python."""

from __future__ import annotations

import pytest

from gdp.core.errors import GdpError
from gdp.support import devices
from gdp.support.devices import resolve_device


@pytest.fixture(params=[0, 2])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine of so many GPUs, as torch would count them."""
    count: int = request.param
    monkeypatch.setattr(devices, "may_have_gpu", lambda: count > 0)
    monkeypatch.setattr(devices, "_count_gpus", lambda: count)
    return count


def test_auto_is_the_first_gpu_where_there_is_one(gpus: int) -> None:
    assert resolve_device() == resolve_device("auto") == ("cuda" if gpus else "cpu")
    assert resolve_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["gpu", "CPU", "cuda:0,1", "", "cuda:", "cuda:-1", "cuda: 1", "mps", "cuda:٣"])
def test_what_is_no_device_is_one_sentence_with_those_that_there_are(gpus: int, name: str) -> None:
    there = "auto, cpu, cuda, cuda:0, cuda:1" if gpus else "auto, cpu"
    with pytest.raises(GdpError) as caught:
        resolve_device(name)
    assert str(caught.value) == f"--device {name or repr(name)}: there is no such device; there is {there}"


def test_a_gpu_that_is_not_there_is_told(gpus: int) -> None:
    if gpus:
        assert resolve_device("cuda") == "cuda"
        assert resolve_device("cuda:1") == "cuda:1"
        with pytest.raises(GdpError, match="cuda:2: there is no such device; there is auto, cpu, cuda"):
            resolve_device("cuda:2")
    else:
        with pytest.raises(GdpError, match="--device cuda: torch finds no GPU on this machine; there is auto, cpu"):
            resolve_device("cuda")
