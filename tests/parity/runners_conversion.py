"""Golden cases in foreign layouts: their weights go through `gdp convert`'s way into a file, and the file is loaded."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from foreign_files import tensorflow_pickle
from runners_stylegan2 import watch, weights
from torch import Tensor

from gdp.core.progress import SilentProgress
from gdp.plugins.stylegan2.loading import load_discriminator, load_generator
from gdp.plugins.stylegan2.networks import Discriminator, Generator
from gdp.registry import PluginRegistry
from gdp.tools.convert import convert

Tensors = dict[str, Tensor]


def converted(write: Callable[[Path], None]) -> tuple[Generator, Discriminator | None]:
    """Write a foreign file, convert it, and load what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "weights.foreign"
        write(source)
        parts = convert(source, PluginRegistry.discover(), SilentProgress())
        return load_generator(parts[0].path), load_discriminator(parts[1].path) if len(parts) > 1 else None


@torch.no_grad()
def run_rosinality_generator(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    args = case["args"]
    checkpoint = {"g_ema": weights(tensors), "latent_avg": tensors["input.latent_avg"]}
    generator, _ = converted(lambda path: torch.save(checkpoint, path))
    assert generator.resolution == args["size"]
    assert (generator.w_dim, generator.mapping.layers) == (args["style_dim"], args["n_mlp"])
    ws = generator.mapping(tensors["input.z"])
    seen, handles = watch(generator.synthesis, bool)
    got = {"w": ws[:, 0], "latent": ws, "img_const": generator.synthesis(ws, "const")}
    for handle in handles:
        handle.remove()
    sizes = generator.synthesis.resolutions
    got |= {"feat.conv1": seen["b4.conv1"], "feat.to_rgb1": seen["b4"][1]}
    for index, size in enumerate(sizes[1:]):
        got[f"feat.convs.{2 * index}"] = seen[f"b{size}.conv0"]
        got[f"feat.convs.{2 * index + 1}"] = seen[f"b{size}.conv1"]
        got[f"feat.to_rgbs.{index}"] = seen[f"b{size}"][1]
    mixed = torch.cat([ws[:, : args["mix_at"]], generator.mapping(tensors["input.z2"])[:, args["mix_at"] :]], dim=1)
    got |= {
        "img_none": generator.synthesis(ws, "none"),
        "img_const_psi": generator(tensors["input.z"], args["truncation_psi"]),
        "img_mixed_const": generator.synthesis(mixed, "const"),
    }
    return {f"output.{name}": tensor for name, tensor in got.items()}


@torch.no_grad()
def run_rosinality_discriminator(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    # Its program keeps both networks in a file; the generator here is only what makes the file whole.
    small = rosinality_generator(case["args"]["size"])
    checkpoint = {"g_ema": small, "latent_avg": torch.zeros(8), "d": weights(tensors)}
    _, discriminator = converted(lambda path: torch.save(checkpoint, path))
    assert discriminator is not None
    images = tensors["input.img"]
    seen, handles = watch(discriminator, bool)
    got = {"logits": discriminator(images)}
    for handle in handles:
        handle.remove()
    got["feat.convs.0"] = seen[f"b{discriminator.resolution}.fromrgb"]
    for index, size in enumerate(discriminator.resolutions):
        got[f"feat.convs.{index + 1}"] = seen[f"b{size}"]
    got |= {"feat.final_conv": seen["b4.conv"], "logits_first2": discriminator(images[:2])}
    return {f"output.{name}": tensor for name, tensor in got.items()}


def rosinality_generator(size: int) -> Tensors:
    """The smallest generator of that program's layout: 4 channels, w of 8 numbers, a mapping of 1 layer."""
    shapes: dict[str, tuple[int, ...]] = {"input.input": (1, 4, 4, 4)}
    shapes |= {"style.1.weight": (8, 8), "style.1.bias": (8,)}

    def layer(name: str, out: int, kernel: int) -> None:
        shapes[f"{name}.conv.weight"] = (1, out, 4, kernel, kernel)
        shapes[f"{name}.conv.modulation.weight"] = (4, 8)
        shapes[f"{name}.conv.modulation.bias"] = (4,)
        if kernel == 3:
            shapes[f"{name}.noise.weight"] = (1,)
            shapes[f"{name}.activate.bias"] = (out,)
        else:
            shapes[f"{name}.bias"] = (1, out, 1, 1)

    layer("conv1", 4, 3)
    layer("to_rgb1", 3, 1)
    shapes["noises.noise_0"] = (1, 1, 4, 4)
    for index in range(size.bit_length() - 3):
        for half in (0, 1):
            layer(f"convs.{2 * index + half}", 4, 3)
            shapes[f"noises.noise_{2 * index + half + 1}"] = (1, 1, 2 ** (index + 3), 2 ** (index + 3))
        layer(f"to_rgbs.{index}", 3, 1)
    random = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=random) for name, shape in shapes.items()}


@torch.no_grad()
def run_tensorflow(case: Mapping[str, Any], tensors: Tensors) -> Tensors:
    variables = {network: weights(tensors, f"weights.{network}.") for network in ("G", "D")}
    generator, discriminator = converted(lambda path: path.write_bytes(tensorflow_pickle(**variables)))
    assert discriminator is not None
    got = {f"converted.G.{name}": tensor for name, tensor in generator.state_dict().items()}
    got |= {f"converted.D.{name}": tensor for name, tensor in discriminator.state_dict().items()}
    z = tensors["input.z"]
    got |= {"img_const": generator(z), "img_const_psi07": generator(z, 0.7)}
    got["logits"] = discriminator(tensors["input.img"])
    return {f"output.{name}": tensor for name, tensor in got.items()}


RUNNERS = {
    "stylegan2_rosinality_generator": run_rosinality_generator,
    "stylegan2_rosinality_discriminator": run_rosinality_discriminator,
    "stylegan2_tf_variables": run_tensorflow,
}
