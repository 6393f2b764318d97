"""Recompute the golden StyleGAN2 cases (ada-pytorch layout) with this project's networks and losses."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gdp.plugins.stylegan2.networks import Discriminator, Generator
from gdp.plugins.stylegan2.objectives import discriminator_loss, generator_loss, path_length_penalty, r1_penalty

Tensors = dict[str, Tensor]


def weights(tensors: Tensors, prefix: str = "weights.") -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def build_generator(args: Mapping[str, Any], state: Tensors) -> Generator:
    mapping, synthesis = args["mapping_kwargs"], args["synthesis_kwargs"]
    assert args["c_dim"] == 0
    assert synthesis["architecture"] == "skip"
    generator = Generator(
        args["z_dim"],
        args["w_dim"],
        args["img_resolution"],
        args["img_channels"],
        channel_base=synthesis["channel_base"],
        channel_max=synthesis["channel_max"],
        mapping_layers=mapping["num_layers"],
        mapping_width=mapping.get("layer_features"),
        mapping_learning_rate_multiplier=mapping.get("lr_multiplier", 0.01),
        conv_clamp=synthesis["conv_clamp"],
    )
    generator.load_state_dict(state, strict=True)
    return generator.eval()


def build_discriminator(args: Mapping[str, Any], state: Tensors) -> Discriminator:
    options = args["D_kwargs"]
    assert options["architecture"] == "resnet"
    discriminator = Discriminator(
        args["img_resolution"],
        args["img_channels"],
        channel_base=options["channel_base"],
        channel_max=options["channel_max"],
        group_size=options["epilogue_kwargs"]["mbstd_group_size"],
        deviation_channels=options["epilogue_kwargs"]["mbstd_num_channels"],
        conv_clamp=options["conv_clamp"],
    )
    discriminator.load_state_dict(state, strict=True)
    return discriminator.eval()


def watch(network: nn.Module, keep: Callable[[str], bool]) -> tuple[dict[str, Any], list[Any]]:
    """Fill the returned dict with the outputs of the submodules to keep; the hooks are returned to remove them."""
    seen: dict[str, Any] = {}

    def hook(name: str) -> Callable[..., None]:
        return lambda module, inputs, output: seen.__setitem__(name, output)

    handles = [module.register_forward_hook(hook(name)) for name, module in network.named_modules() if keep(name)]
    return seen, handles


@torch.no_grad()
def run_generator(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]
    psi, cutoff, mix_at = args["truncation_psi"], args["truncation_cutoff"], args["mix_at"]
    generator = build_generator(args, weights(tensors))
    z, z2 = tensors["input.z"], tensors["input.z2"]
    ws = generator.mapping(z)
    seen, handles = watch(generator.synthesis, lambda name: name.endswith(".affine") or name.count(".") == 0)
    got = {"w": ws[:, 0], "ws": ws, "img_const": generator.synthesis(ws, "const")}
    for handle in handles:
        handle.remove()
    for name, output in seen.items():
        if name.endswith(".affine"):
            got[f"style.{name}"] = output
        elif name:
            got[f"feat.{name}.x"], got[f"feat.{name}.img"] = output
    ws_mixed = torch.cat([ws[:, :mix_at], generator.mapping(z2)[:, mix_at:]], dim=1)
    got |= {
        "ws_psi": generator.mapping(z, psi),
        "ws_psi_cutoff": generator.mapping(z, psi, cutoff),
        "img_none": generator.synthesis(ws, "none"),
        "img_const_psi": generator(z, psi),
        "img_const_psi_cutoff": generator(z, psi, cutoff),
        "img_none_psi0": generator(z[:1], 0, noise_mode="none"),
        "img_ws_free_const": generator.synthesis(tensors["input.ws_free"], "const"),
        "ws_mixed": ws_mixed,
        "img_mixed_const": generator.synthesis(ws_mixed, "const"),
    }
    return {f"output.{name}": tensor for name, tensor in got.items()}


@torch.no_grad()
def run_discriminator(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    discriminator = build_discriminator(case["args"], weights(tensors))
    images = tensors["input.img"]
    inner = {"b4.mbstd", "b4.conv", "b4.fc"}
    seen, handles = watch(
        discriminator, lambda name: name in inner or (name.startswith("b") and name != "b4" and "." not in name)
    )
    got = {"logits": discriminator(images)}
    for handle in handles:
        handle.remove()
    got |= {f"feat.{name}": output for name, output in seen.items()}
    got |= {f"logits_first{count}": discriminator(images[:count]) for count in (4, 2, 1)}
    return {f"output.{name}": tensor for name, tensor in got.items()}


def run_training(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args, gain = case["args"], case["args"]["gain"]
    generator = build_generator(args, weights(tensors, "weights.G.")).train()
    discriminator = build_discriminator(args, weights(tensors, "weights.D.")).train()
    got: Tensors = {}

    def gradients(phase: str, network: nn.Module, loss: Tensor) -> None:
        names, parameters = zip(*network.named_parameters(), strict=True)
        for name, gradient in zip(
            names, torch.autograd.grad(loss * gain[phase], parameters, materialize_grads=True), strict=True
        ):
            got[f"grad.{phase}.{name}"] = gradient

    def scores(phase: str, which: str, logits: Tensor) -> None:
        got[f"{phase}.Loss/scores/{which}"] = logits.detach()
        got[f"{phase}.Loss/signs/{which}"] = logits.detach().sign()

    fake_logits = discriminator(generator.synthesis(generator.mapping(tensors["input.z_Gmain"]), "const"))
    scores("Gmain", "fake", fake_logits)
    loss = generator_loss(fake_logits)
    got["Gmain.Loss/G/loss"] = loss
    gradients("Gmain", generator, loss.mean())

    ws = generator.mapping(tensors["input.z_Greg"][: args["batch"] // args["pl_batch_shrink"]])
    penalty, mean = path_length_penalty(
        generator.synthesis(ws, "const"), ws, tensors["input.pl_mean"], args["pl_decay"], tensors["input.pl_noise"]
    )
    got |= {"Greg.Loss/pl_penalty": penalty, "Greg.Loss/G/reg": penalty * args["pl_weight"]}
    got["Greg.pl_mean_after"] = mean
    gradients("Greg", generator, (penalty * args["pl_weight"]).mean())

    with torch.no_grad():
        fakes = generator.synthesis(generator.mapping(tensors["input.z_Dmain"]), "const")
    fake_logits, real_logits = discriminator(fakes), discriminator(tensors["input.real"])
    scores("Dmain", "fake", fake_logits)
    scores("Dmain", "real", real_logits)
    loss = discriminator_loss(real_logits, fake_logits)
    got["Dmain.Loss/D/loss"] = loss
    gradients("Dmain", discriminator, loss.mean())

    real = tensors["input.real"].clone().requires_grad_()
    real_logits = discriminator(real)
    scores("Dreg", "real", real_logits)
    penalty = r1_penalty(real_logits, real)
    got |= {"Dreg.Loss/r1_penalty": penalty, "Dreg.Loss/D/reg": penalty * args["r1_gamma"] / 2}
    gradients("Dreg", discriminator, (penalty * args["r1_gamma"] / 2).mean())
    got["w_avg_after"] = generator.mapping.w_avg
    return {f"output.{name}": tensor.detach() for name, tensor in got.items()}


RUNNERS = {
    "stylegan2_ada_generator": run_generator,
    "stylegan2_ada_discriminator": run_discriminator,
    "stylegan2_ada_training": run_training,
}
