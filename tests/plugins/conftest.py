"""A tiny StyleGAN2 with random weights: two of one family, as files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gdp.core.interfaces.context import BuildContext
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.networks import Generator
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher


def write_tiny_generator(path: Path, seed: int) -> Path:
    """Write a generator of 16 px pictures whose noise, biases and mean w are not 0."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        generator = Generator(16, 24, 16, channels={4: 16, 8: 12, 16: 8}, mapping_layers=2)
        state = generator.state_dict()
        for name, tensor in state.items():
            if name.endswith(("noise_strength", "bias", "w_avg")) and "affine" not in name:
                tensor.add_(0.1 * torch.randn(tensor.shape))
    save_file(state, path)
    return path


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_generator(tmp_path_factory.mktemp("weights") / "tiny.safetensors", seed=1)


@pytest.fixture(scope="session")
def other_tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_generator(tmp_path_factory.mktemp("weights") / "other.safetensors", seed=2)


@pytest.fixture(scope="session")
def tiny_teacher(tiny_weights: Path) -> StyleGAN2Teacher:
    return StyleGAN2Teacher(StyleGAN2Config(weights=tiny_weights), BuildContext(seed=3))
