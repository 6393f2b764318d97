"""Every built-in layout in every wrapping that training programs leave: the same tensors come out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rosinality import rosinality_state
from safetensors.torch import load_file
from torch import Tensor, nn

from gdp.core.errors import CorruptFileError, RunFolderError
from gdp.core.progress import SilentProgress
from gdp.plugins.cyclegan.bundle import load_networks
from gdp.plugins.pix2pixhd.networks import GlobalGenerator, LocalEnhancer
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.plugins.stylegan2.networks import Generator
from gdp.registry import PluginRegistry
from gdp.tools.convert import convert

REGISTRY = PluginRegistry.discover()
State = dict[str, Tensor]
Wrap = Callable[[State], Any]


def stylegan2() -> State:
    generator = Generator(8, 12, 16, channel_base=64, channel_max=8, mapping_layers=2)
    return rosinality_state(generator)


NETWORKS: dict[str, Callable[[], State]] = {
    "cyclegan": lambda: ResnetGenerator(GeneratorChannels.uniform(4, 2)).state_dict(),
    "cyclegan's discriminator": lambda: PatchDiscriminator(width=4).state_dict(),
    "pix2pixhd": lambda: GlobalGenerator(width=4, downsamplings=3, blocks=2).state_dict(),
    "pix2pixhd's enhancer": lambda: LocalEnhancer(
        width=2, downsamplings=2, blocks=2, enhancers=1, enhancer_blocks=3
    ).state_dict(),
    "stylegan2 of rosinality": stylegan2,
}
OPTIMIZER = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(4)}}, "param_groups": [{"lr": 2e-4}]}


def named(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


WRAPS: dict[str, Wrap] = {
    "DataParallel": lambda state: named("module.", state),
    "compile": lambda state: named("_orig_mod.", state),
    "compile of DDP": lambda state: named("_orig_mod.module.", state),
    "DDP of compile": lambda state: named("module._orig_mod.", state),
    "FSDP": lambda state: named("_fsdp_wrapped_module.", state),
    "FSDP within": lambda state: {
        ".".join((first, "_fsdp_wrapped_module", rest)): tensor
        for first, _, rest, tensor in ((*name.partition("."), tensor) for name, tensor in state.items())
    },
    "activation checkpointing": lambda state: named("module._checkpoint_wrapped_module.", state),
    "Lightning": lambda state: {
        "epoch": 3,
        "global_step": 40,
        "pytorch-lightning_version": "2.5.0",
        "state_dict": named("netG.", state),
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {},
        "optimizer_states": [OPTIMIZER],
        "lr_schedulers": [],
        "hyper_parameters": {"lr": 2e-4},
    },
    "Lightning of compile": lambda state: {"state_dict": named("model._orig_mod.", state), "optimizer_states": []},
    "optimizer beside": lambda state: {"model": state, "optimizer": OPTIMIZER, "scheduler": {"last_epoch": 3}},
    "optimizer beside DDP": lambda state: {"net": named("module.", state), "optim": OPTIMIZER, "args": {"lr": 0.1}},
    "EMA": lambda state: {"params_ema": state, "step": 3},
    "averaged model": lambda state: {"n_averaged": torch.tensor(3), **named("module.", state)},
    "DeepSpeed": lambda state: {"module": state, "ds_version": "0.16", "global_steps": 3, "optimizer": None},
    "accelerate": lambda state: named("module.", state),
    "scaler beside": lambda state: {"state_dict": state, "scaler": {"scale": 65536.0}, "best": torch.tensor(0.1)},
    "parameters": lambda state: {name: nn.Parameter(tensor, requires_grad=False) for name, tensor in state.items()},
    "half": lambda state: {"model": {name: tensor.half() for name, tensor in state.items()}},
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[State, dict[str, State]]]:
    """The networks, and what they become unwrapped."""
    made = {}
    for number, (name, make) in enumerate(NETWORKS.items()):
        with torch.random.fork_rng():
            torch.manual_seed(number)
            state = make()
        made[name] = (state, converted(tmp_path_factory.mktemp("plain"), state))
    return made


def converted(folder: Path, content: object, **asked: Any) -> dict[str, State]:
    torch.save(content, folder / "weights.pth")
    made = convert(folder / "weights.pth", REGISTRY, SilentProgress(), overwrite=True, **asked)
    return {part.path.name: load_file(part.path) for part in made}


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_wrapped_network_becomes_what_it_becomes_unwrapped(
    name: str, wrap: str, plain: dict[str, tuple[State, dict[str, State]]], tmp_path: Path
) -> None:
    state, expected = plain[name]
    if wrap == "half":
        rounded = {name: tensor.half().float() for name, tensor in state.items()}
        expected = converted(tmp_path, rounded)
    assert_equal(converted(tmp_path, WRAPS[wrap](state)), expected)


def assert_equal(found: dict[str, State], expected: dict[str, State]) -> None:
    assert found.keys() == expected.keys()
    for file, tensors in expected.items():
        assert found[file].keys() == tensors.keys()
        assert all(torch.equal(found[file][each].float(), tensors[each]) for each in tensors)


def test_where_a_network_and_its_average_lie_together_the_key_names_one(
    plain: dict[str, tuple[State, dict[str, State]]], tmp_path: Path
) -> None:
    state, expected = plain["pix2pixhd"]
    for content, key in (
        (
            {"state_dict": {n: t + 1 for n, t in state.items()}, "state_dict_ema": state, "optimizer": OPTIMIZER},
            "state_dict_ema",
        ),
        ({"online_model": state, "x": {}, **named("ema_model.", state), "step": torch.tensor(3)}, "ema_model"),
        ({"g": {n: t + 1 for n, t in state.items()}, "ema": named("module.", state)}, "ema"),
    ):
        with pytest.raises(CorruptFileError, match=f"--key {key}"):
            converted(tmp_path, content)
        assert_equal(converted(tmp_path, content, key=key), expected)


def test_a_conversion_that_did_not_end_is_gone_on_with_by_the_same_key_alone(tmp_path: Path) -> None:
    states = [{name: tensor + number for name, tensor in NETWORKS["cyclegan"]().items()} for number in (1, 2)]
    torch.save({"G_A": states[0], "G_B": states[1]}, tmp_path / "weights.pth")
    target = tmp_path / "out.safetensors"

    def begin(key: str) -> None:
        convert(tmp_path / "weights.pth", REGISTRY, SilentProgress(), target=target, key=key, layout="cyclegan")

    begin("G_A")
    target.with_suffix(".json").unlink()  # where it was killed
    with pytest.raises(RunFolderError, match="is there already"):
        begin("G_B")
    begin("G_A")
    first = "model.1.weight"
    assert torch.equal(load_file(target)[first], states[0][first])
    with pytest.raises(RunFolderError, match="is there already"):
        begin("G_A")


@pytest.mark.parametrize("wrap", WRAPS)
def test_weights_of_a_recipe_are_read_or_the_command_that_makes_them_readable_is_told(
    wrap: str, plain: dict[str, tuple[State, dict[str, State]]], tmp_path: Path
) -> None:
    state, _ = plain["cyclegan"]
    torch.save(WRAPS[wrap](state), tmp_path / "weights.pth")
    config = REGISTRY.get("teacher", "cyclegan").config.model_validate({"weights": tmp_path / "weights.pth"})
    try:
        networks = load_networks(config)
    except CorruptFileError as error:
        assert "gdp convert" in str(error) and "\n" not in str(error)
    else:
        found = networks.generator.state_dict()
        assert all(torch.equal(found[name], state[name]) for name in state)
