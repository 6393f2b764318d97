"""Checkpoints as training programs leave them: wrapped, nested, of several networks, of none that is known."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.core.progress import SilentProgress
from gdp.plugins.cyclegan.bundle import load_networks
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.registry import PluginRegistry
from gdp.support.foreign import parts_of, without_wrappers
from gdp.tools.convert import convert

REGISTRY = PluginRegistry.discover()
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ResnetGenerator(GeneratorChannels.uniform(4, 2)).state_dict()


@pytest.fixture(scope="module")
def judge() -> State:
    return PatchDiscriminator(width=4).state_dict()


def converted(tmp_path: Path, content: object, **asked: Any) -> tuple[State, str]:
    torch.save(content, tmp_path / "weights.pth")
    layout = "cyclegan" if asked.pop("told", False) else None
    made = convert(tmp_path / "weights.pth", REGISTRY, SilentProgress(), overwrite=True, layout=layout, **asked)
    return load_file(made[0].path), made[0].card["what"]


def refused(tmp_path: Path, content: object, **asked: Any) -> str:
    with pytest.raises(CorruptFileError) as caught:
        converted(tmp_path, content, **asked)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def prefixed(state: State, prefix: str) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


PREFIXES = ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "module.module.", "_forward_module."]
PREFIXES += [
    "_fsdp_wrapped_module.",
    "module._fsdp_wrapped_module._orig_mod.",
    "generator.",
    "netG.",
    "netG._orig_mod.",
]
PREFIXES += ["module.generator.", "netG_A._orig_mod."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_of_wrappers_are_stripped(tmp_path: Path, state: State, prefix: str) -> None:
    made, what = converted(tmp_path, prefixed(state, prefix))
    assert what == "CycleGAN generator, 2 blocks, width 4"
    assert made.keys() == state.keys() and all(torch.equal(made[name], state[name]) for name in made)


def test_a_wrapper_inside_a_name_is_stripped_and_two_of_one_name_stay() -> None:
    assert without_wrappers({"a._orig_mod.b": 1, "module.c": 2}) == {"a.b": 1, "c": 2}
    assert without_wrappers({"module.c": 1, "c": 2}) == {"module.c": 1, "c": 2}
    assert without_wrappers({"module": 1}) == {"module": 1}


NESTS: list[Callable[[State], dict[str, Any]]] = [
    lambda state: {"state_dict": state},
    lambda state: {"model": state, "optimizer": {"state": {0: torch.ones(2)}}, "epoch": 3},
    lambda state: {"G_ema": prefixed(state, "module."), "step": 1},
    lambda state: {"params_ema": state},
    lambda state: {"model": {"state_dict": state}, "optimizer": {"state": {"a": {"b": 1}}}},
    lambda state: {"epoch": 1, "checkpoint": {"model": {"state_dict": prefixed(state, "module.")}, "lr": 0.1}},
    lambda state: {"state_dict": prefixed(state, "netG."), "epoch": 3, "hyper_parameters": {"lr": 0.1}},
    lambda state: {"state_dict": {**prefixed(state, "netG._orig_mod."), "loss.weight": torch.ones(3)}},
    lambda state: {"state_dict": {**prefixed(state, "generator."), **prefixed({"w": torch.ones(3)}, "vgg.")}},
]


@pytest.mark.parametrize("nest", NESTS)
def test_a_network_a_level_down_is_found(tmp_path: Path, state: State, nest: Callable[[State], Any]) -> None:
    made, _ = converted(tmp_path, nest(state))
    assert made.keys() == state.keys() and all(torch.equal(made[name], state[name]) for name in made)


def test_of_several_networks_the_key_names_one(tmp_path: Path, state: State, judge: State) -> None:
    other = {name: tensor + 1 for name, tensor in state.items()}
    content = {"G_A": state, "G_B": other, "D_A": judge}
    told = refused(tmp_path, content)
    assert all(f"--key {name} (cyclegan" in told for name in content)
    made, _ = converted(tmp_path, content, key="G_B", told=True)
    assert torch.equal(made["model.1.weight"], other["model.1.weight"])
    assert "--key takes G_A, " in refused(tmp_path, content, key="G_C")
    content = {"state_dict": {**prefixed(state, "netG_A."), **prefixed(other, "netG_B.")}}
    assert "--key state_dict.netG_A" in refused(tmp_path, content)
    made, _ = converted(tmp_path, content, key="state_dict.netG_B", told=True)
    assert torch.equal(made["model.1.weight"], other["model.1.weight"])


def test_what_is_no_known_network_is_told_with_the_way_on(tmp_path: Path, state: State) -> None:
    told = refused(tmp_path, {"model": {"down.0.weight": torch.ones(2, 2)}})
    assert "no layout that is known" in told and "--key: model, model.down" in told and "--as KIND" in told
    affine = {**state, "model.2.weight": torch.ones(4)}
    assert "affine instance norm is not supported" in refused(tmp_path, affine, told=True)
    short = dict(list(state.items())[:-1])
    assert "is missing" in (said := refused(tmp_path, short, told=True)) or "are missing" in said
    assert "no known" not in said


def test_channels_other_than_those_of_pictures_are_said(tmp_path: Path) -> None:
    state = ResnetGenerator(GeneratorChannels.uniform(4, 1), in_channels=1, out_channels=1).state_dict()
    _, what = converted(tmp_path, state)
    assert what.endswith("from 1 to 1 channels")
    assert "does not take it" in json.loads((tmp_path / "weights.json").read_text())["remarks"][0]


def test_a_network_further_down_is_named_by_its_keys(tmp_path: Path, state: State) -> None:
    nets = {"a": {"state_dict": state}, "b": {"state_dict": state}}
    assert "--key nets.a.state_dict (cyclegan)" in refused(tmp_path, {"nets": nets})
    made, _ = converted(tmp_path, {"nets": nets}, key="nets.b.state_dict")
    assert made.keys() == state.keys()


class Counted(dict[str, Any]):
    looks = 0

    def values(self) -> Any:
        Counted.looks += 1
        return super().values()


def test_dictionaries_that_hold_themselves_or_another_often_are_left_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    itself = Counted()
    itself.update({f"k{number}": itself for number in range(500)})
    layers = Counted()
    for _ in range(4):
        layers = Counted({f"k{number}": layers for number in range(500)})
    for content in (itself, layers):
        monkeypatch.setattr(Counted, "looks", 0)
        assert len(parts_of(content)) <= 64
        assert Counted.looks < 1000


class Trap:
    def __reduce__(self) -> object:
        return exec, ("raise SystemExit('run')",)


@pytest.mark.parametrize("kind", ["truncated", "empty", "code", "code in torch", "packed", "nested deep", "page"])
def test_files_that_are_damaged_or_made_to_do_harm_are_refused(tmp_path: Path, state: State, kind: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": state} if kind != "code in torch" else {"a": Trap()}, path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "code":
        path.write_bytes(pickle.dumps({"state_dict": Trap()}))
    elif kind == "packed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("weights/data.pkl", bytes(10_000_000))
    elif kind == "nested deep":
        path.write_bytes(b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b".")
    elif kind == "page":
        path.write_bytes(b"<!DOCTYPE html><html>not found</html>")
    with pytest.raises(CorruptFileError) as caught:
        convert(path, REGISTRY, SilentProgress())
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 2000
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pth"]


def test_a_teacher_of_other_channels_is_refused_in_a_sentence(tmp_path: Path) -> None:
    state = ResnetGenerator(GeneratorChannels.uniform(4, 1), in_channels=1, out_channels=1).state_dict()
    torch.save(state, tmp_path / "weights.pth")
    record = REGISTRY.get("teacher", "cyclegan")
    config = record.config.model_validate({"weights": tmp_path / "weights.pth"})
    with pytest.raises(CorruptFileError, match="pictures of 1 channels from pictures of 1"):
        load_networks(config)
