"""`--device` in a sentence: what there is where a name is none, `auto` alike for every command and in Python."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gdp.core.errors import GdpError
from gdp.support import devices
from gdp.support.devices import resolve_device


@pytest.fixture(params=[0, 2])
def gpus(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """A machine of so many GPUs, as torch would count them."""
    count: int = request.param
    monkeypatch.setattr(devices, "may_have_gpu", lambda: count > 0)
    monkeypatch.setattr(devices, "_count_gpus", lambda: count)
    monkeypatch.setattr(devices, "lacks_code", lambda device: None)
    return count


def gpu_of(capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with one GPU of a compute capability, and a torch that has code for three."""
    about = SimpleNamespace(name="NVIDIA of old", major=capability[0], minor=capability[1])
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    monkeypatch.setattr(devices, "_count_gpus", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: about)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_86", "sm_90a", "sm_90"])
    monkeypatch.setattr(torch.version, "cuda", "13.2")


@pytest.mark.parametrize("capability", [(7, 5), (8, 6), (8, 9), (9, 0)])
def test_code_for_a_gpu_runs_on_later_ones_of_its_generation(
    capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu_of(capability, monkeypatch)
    assert resolve_device() == "cuda"


@pytest.mark.parametrize("capability", [(6, 1), (7, 0), (8, 0), (10, 0)])
@pytest.mark.parametrize("name", ["auto", "cuda:0"])
def test_a_gpu_that_torch_has_no_code_for_is_told_with_those_that_it_has_code_for(
    name: str, capability: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu_of(capability, monkeypatch)
    own = ".".join(map(str, capability))
    with pytest.raises(GdpError, match=rf"--device {name}: NVIDIA of old has compute capability {own}") as caught:
        resolve_device(name)
    assert "has code for 7.5, 8.6, 9.0" in str(caught.value)
    assert resolve_device("cpu") == "cpu"


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


@pytest.mark.parametrize("name", ["cuda:00", "cuda:01", "CUDA:0", "gpu", "cpu:0", "mps", ""])
def test_a_spelling_that_torch_would_refuse_is_refused_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "may_have_gpu", lambda: True)
    monkeypatch.setattr(devices, "_count_gpus", lambda: 2)
    monkeypatch.setattr(devices, "lacks_code", lambda device: None)
    with pytest.raises(GdpError, match="there is no such device; there is auto, cpu, cuda, cuda:0, cuda:1"):
        resolve_device(name)
