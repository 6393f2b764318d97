"""A world small enough to run system B from start to end in seconds: a random CycleGAN on 32 px scenes."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from gdp.plugins.cyclegan.bundle import bundle
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator

RECIPE = """\
name = "tiny"
seed = 3

[teacher]
plugin = "cyclegan"
weights = "teacher.safetensors"

[dataset]
plugin = "rendered-scenes"
train_count = 40
test_count = 8
resolution = 32

[pairs]
plugin = "translate"

[student]
plugin = "resnet"
width = 4
blocks = 2
opposite = "trained"

[[losses]]
plugin = "lsgan"

[[losses]]
plugin = "cycle-l1"
weight = 10

[[losses]]
plugin = "identity-l1"
weight = 5

[[losses]]
plugin = "feature-l2"

[[losses]]
plugin = "output-l1"
weight = 10

[train]
steps = 10
batch = 2
precision = "float32"
image_pool = 4
flip = true
jitter = 36
checkpoint_every = 5
sample_every = 5

[[evaluators]]
plugin = "held-out"
"""

TEACHER_RECIPE = """\
name = "tiny-teacher"

[teacher]
plugin = "cyclegan"

[dataset]
plugin = "rendered-scenes"
train_count = 20
test_count = 4
resolution = 32

[train]
steps = 24
batch = 2
width = 4
blocks = 2
discriminator_width = 4
discriminator_layers = 2
image_pool = 4
jitter = 36
checkpoint_every = 3
sample_every = 12
precision = "float32"
"""


def write_random_teacher(folder: Path, blocks: int = 5) -> Path:
    """Write all four networks of a random CycleGAN into a folder and return their file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        channels = GeneratorChannels.uniform(6, blocks)
        networks = {
            "G_A": ResnetGenerator(channels),
            "G_B": ResnetGenerator(channels),
            "D_A": PatchDiscriminator(width=4, layers=2),
            "D_B": PatchDiscriminator(width=4, layers=2),
        }
    save_file(bundle(networks, half=False), folder / "teacher.safetensors")
    return folder / "teacher.safetensors"


def make_tiny_translation(folder: Path) -> Path:
    """Write a random teacher and the recipe into a folder and return the recipe."""
    write_random_teacher(folder)
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE)
    return recipe


def make_tiny_teacher_recipe(folder: Path) -> Path:
    """Write the recipe of a teacher's training into a folder and return it."""
    recipe = folder / "teacher.toml"
    recipe.write_text(TEACHER_RECIPE)
    return recipe
