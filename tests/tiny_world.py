"""A world small enough to run system A from start to end in seconds: a random 16 px StyleGAN2 and a direction."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from gdp.plugins.stylegan2.networks import Generator
from gdp.support.directions import Direction, normalised, save_direction

RECIPE = """\
name = "tiny"
seed = 3

[teacher]
plugin = "stylegan2"
weights = "teacher.safetensors"

[pairs]
plugin = "latent-direction"
count = 96
held_out = 0.2
direction = "direction.safetensors"
strength = 1.0

[[filters]]
plugin = "sharpness"
min_sharpness = 0.0

[[filters]]
plugin = "duplicate"
max_distance = 0

[student]
plugin = "pix2pixhd"
width = 4
downsamplings = 1
blocks = 1
discriminator_width = 4
num_discriminators = 1
discriminator_layers = 2

[[losses]]
plugin = "lsgan"

[[losses]]
plugin = "feature-matching"
weight = 10

[[losses]]
plugin = "l1"

[train]
steps = 24
batch = 4
precision = "float32"
image_pool = 8
checkpoint_every = 5
sample_every = 12

[[evaluators]]
plugin = "held-out"
"""


def make_tiny_world(folder: Path) -> Path:
    """Write teacher, direction and recipe into a folder and return the recipe."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(16, 16, 16, channel_base=128, channel_max=8, mapping_layers=2)
        save_file(generator.state_dict(), folder / "teacher.safetensors")
        vectors = normalised(torch.randn(1, 16))
    save_direction(Direction("tilt", vectors, scale=1.0), folder / "direction.safetensors")
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE)
    return recipe
