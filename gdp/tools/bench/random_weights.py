"""Networks of the published sizes with random weights: time, memory and price do not depend on what weights are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from gdp.core.building import build
from gdp.core.errors import GdpError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import LatentTeacher
from gdp.core.records import Plugins
from gdp.core.tensor_file import write_tensors
from gdp.support.directions import Direction, normalised, save_direction

CONFIG_F = {"z_dim": 512, "w_dim": 512, "channel_base": 32768, "channel_max": 512, "mapping_layers": 8}
"""StyleGAN2's largest configuration (Karras et al., 2020): 32768 / resolution feature maps, at most 512."""
FFHQ = {**CONFIG_F, "resolution": 1024}
TEACHER, DIRECTION, VGG = "stylegan2-ffhq-1024.safetensors", "stylegan2-ffhq-age.safetensors", "vgg19.pth"
"""As the recipe calls them."""


def write_generator(plugins: Plugins, teacher: str, sizes: Mapping[str, int], path: Path) -> None:
    """Write another network of the class that a teacher plugin has built in.

    Args:
        plugins: the registry.
        teacher: name of a latent teacher that can be built without settings.
        sizes: what its network's class takes.
        path: the .safetensors file.
    """
    record = plugins.get("teacher", teacher)
    built_in: LatentTeacher = build(plugins, record, record.config(), BuildContext(), kind=LatentTeacher)
    make: Any = type(built_in.module)
    network: nn.Module = make(**sizes)
    write_tensors(path, network.state_dict())


def write_direction(w_dim: int, path: Path) -> None:
    """Write a direction that means nothing, of length 1, for all layers."""
    save_direction(Direction("any", normalised(torch.randn(1, w_dim)), scale=1.0), path)


def vgg19_features() -> dict[str, torch.Tensor]:
    """Return the convolutional part of VGG19 as torchvision names its tensors."""
    with torch.device("meta"):  # the classifier's 574 MB are never drawn
        features = torchvision.models.vgg19(weights=None).features
    features.to_empty(device="cpu")
    for parameter in features.parameters():
        nn.init.normal_(parameter, std=0.02)
    return {f"features.{name}": value for name, value in features.state_dict().items()}


def write_published(plugins: Plugins, folder: Path, sizes: Mapping[str, int] = FFHQ) -> list[Path]:
    """Write teacher, direction and VGG19 as `recipes/stylegan2_ffhq_age.toml` names them.

    Args:
        plugins: the registry.
        folder: where the recipe stands.
        sizes: of the teacher's network.

    Returns:
        The files.

    Raises:
        GdpError: a file of one of these names is there; nothing is written then.
    """
    paths = [folder / name for name in (TEACHER, DIRECTION, VGG)]
    there = [str(path) for path in paths if path.exists()]
    if there:
        raise GdpError(f"{', '.join(there)}: there already, and may be real weights; name another folder, or move them")
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        write_generator(plugins, "stylegan2", sizes, paths[0])
        write_direction(sizes["w_dim"], paths[1])
        torch.save(vgg19_features(), paths[2])
    return paths
