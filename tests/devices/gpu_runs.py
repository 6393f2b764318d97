"""Whole runs on the pretended GPU, and work with what they made. Another process imports this and calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from judge_package import package, random_model
from PIL import Image
from safetensors.torch import save_file
from tiny_translation import RECIPE as TRANSLATION
from tiny_translation import make_tiny_translation
from tiny_world import RECIPE as LATENT
from tiny_world import make_tiny_world
from torch import nn
from torchvision.models import alexnet

import gdp
from gdp.api import find_direction, open_session
from gdp.core.run.pipeline import Plan, execute
from gdp.plugins.evaluators.similarity import FeatureStatistics, PerceptualDistance
from gdp.plugins.face_ages.judges import make
from gdp.plugins.pair_sources.latents import LatentDirectionSource
from gdp.plugins.stylegan2.networks import Discriminator, Generator
from gdp.testing.examples import pictures
from gdp.tools.preflight import preflight

FILTERS = """
[[filters]]
plugin = "sharpness"
min_sharpness = 0.0

[[filters]]
plugin = "artifact"
max_blur = 1.0
max_blockiness = 1000.0
max_checkerboard = 1000.0

[[filters]]
plugin = "duplicate"
max_distance = 0

[[filters]]
plugin = "face-attributes"
min_face = 0.0

[[filters]]
plugin = "photo-attributes"
weights = "face-api.safetensors"

[[filters]]
plugin = "identity"
min_similarity = -1.0

[[filters]]
plugin = "discriminator-score"
drop_lowest = 0.0

[[filters]]
plugin = "expression"
keep = "face_attributes.source_age >= -1000"
"""

EVALUATORS = """
[[evaluators]]
plugin = "held-out"

[[evaluators]]
plugin = "st-lpips"

[[evaluators]]
plugin = "speed"
repeats = 3
warmup = 0

[[evaluators]]
plugin = "slow-route"
pictures = 1
steps = 2

[[evaluators]]
plugin = "face-attributes"

[[evaluators]]
plugin = "rendered-faces"
count = 2
years = 20.0

[[evaluators]]
plugin = "flat-frames"

[[evaluators]]
plugin = "photo-ages"
weights = "face-api.safetensors"
"""

EVALUATORS_OF_TRANSLATION = """
[[evaluators]]
plugin = "unpaired-truth"

[[evaluators]]
plugin = "cycle"

[[evaluators]]
plugin = "speed"
repeats = 3
warmup = 0

[[evaluators]]
plugin = "resnet-blocks"
blocks = [1]
width = 4
resolution = 16
"""
SHORT = ["train.steps=2", "train.batch=2", "train.sample_every=2", "train.checkpoint_every=1", "train.log_every=2"]


def latent_run(folder: str) -> dict[str, Any]:
    """System A: StyleGAN2 and a direction, every filter and every evaluator of it."""
    place = Path(folder)
    recipe = make_tiny_world(place)
    before, _, rest = LATENT.partition("[[filters]]")
    student = "[student]" + rest.partition("[student]")[2]
    recipe.write_text(before + FILTERS + student.replace('[[evaluators]]\nplugin = "held-out"\n', EVALUATORS))
    save_file(Discriminator(16, channel_base=128, channel_max=8).state_dict(), place / "discriminator.safetensors")
    make("face-api", package(place / "face-api.tgz", *random_model()[:2]), place / "face-api.safetensors")
    return go(recipe, place / "run", ["pairs.count=12"])


def translation_run(folder: str) -> dict[str, Any]:
    """System B: CycleGAN and a ResNet, taught while it trains."""
    recipe = make_tiny_translation(Path(folder))
    recipe.write_text(TRANSLATION + EVALUATORS_OF_TRANSLATION)
    return go(recipe, Path(folder) / "run", ["dataset.train_count=8", "dataset.test_count=4"])


def go(recipe: Path, folder: Path, overrides: list[str]) -> dict[str, Any]:
    session = open_session(recipe, folder=folder, overrides=[*SHORT, *overrides], device="cuda")
    wrong = [f"{check.title}: {check.detail}" for check in preflight(session) if not check.good]
    outcome = execute(session, Plan())
    recorded = json.loads((folder / "run.json").read_text())["machine"]
    trained = json.loads((folder / "stages.json").read_text())["train"]["summary"]
    metrics = sorted(gdp.FinishedRun(folder, outcome).metrics)
    told = {"machine": recorded, "computed_in": trained["computed_in"]}
    return {"state": outcome.state, "wrong": wrong, "metrics": metrics, **told}


def displaced(folder: str) -> None:
    """System A, whose displacement stays on the processor by mistake."""
    recipe, displacement = make_tiny_world(Path(folder)), vars(LatentDirectionSource)["_displacement"].func
    left_behind = property(lambda source: displacement(source).cpu())
    with mock.patch.object(LatentDirectionSource, "_displacement", left_behind):
        open_session(recipe, folder=Path(folder) / "run", device="cuda").pair_source.make([0])


def trained_where_the_run_is(folder: str) -> None:
    """A teacher whose device is `auto`, in a run that was told to keep to the processor."""
    recipe = make_tiny_translation(Path(folder))
    before, _, after = TRANSLATION.partition('weights = "teacher.safetensors"\n')
    recipe.write_text(f"{before}\n[teacher.train]\nsteps = 1\nwidth = 4\nblocks = 1\n{after}")
    few = ["dataset.train_count=4", "dataset.test_count=2"]
    session = open_session(recipe, folder=Path(folder) / "run", overrides=few, device="cpu")
    assert execute(session, Plan(until="teacher")).done == ("teacher",)


def student_at_work(folder: str) -> list[list[int]]:
    """A student of that run, loaded and by the engine torch, on pictures of its size and of another."""
    run, made = Path(folder) / "run", []
    student = gdp.load(run, device="cuda")
    made.append(list(student(pictures(1, 16)).shape))
    model = gdp.deploy(run, engine="torch", device="cuda")
    for size in ((16, 16), (40, 24)):
        made.append(list(model(Image.new("RGB", size)).size))
    return made


def pruned(folder: str) -> str:
    """The student of the run of system B, with fewer channels, trained on."""
    return gdp.prune(Path(folder) / "run", 0.8, steps=1, device="cuda").outcome.state


def directions(folder: str) -> int:
    """Directions of that run's teacher: of labels, of principal components, of its weights; with pictures of one."""
    recipe, strip, found = Path(folder) / "tiny.toml", Path(folder) / "strip.png", 0
    of_labels = {"method": "ridge", "filter": "sharpness", "labels": ["source"], "samples": 48, "strip": strip}
    for settings in (of_labels, {"method": "pca", "samples": 24}, {"method": "sefa", "samples": 4}):
        output = Path(folder) / f"{settings['method']}.safetensors"
        shared = {"measured": 2, "refine": 1, "components": 1, "rows": 1, "device": "cuda", "output": output}
        found += len(find_direction(recipe, **shared, **settings))
    return found


def other_pair_sources(folder: str) -> list[list[int]]:
    """Pair sources that the runs do not have."""
    recipe, other, shapes = make_tiny_world(Path(folder)), Path(folder) / "other.safetensors", []
    save_file(Generator(16, 16, 16, channel_base=128, channel_max=8, mapping_layers=2).state_dict(), other)
    text = recipe.read_text()
    head, rest = text.partition("[pairs]")[0], text.partition("[[filters]]")[2]
    for source in ('"morph"', '"style-mix"', f'"two-generators"\nweights = "{other}"'):
        recipe.write_text(f"{head}[pairs]\nplugin = {source}\ncount = 4\n\n[[filters]]{rest}")
        session = open_session(recipe, folder=Path(folder) / "run", device="cuda")
        shapes.append(list(session.pair_source.make([0, 1]).source.shape))
    return shapes


def distances_by_networks(folder: str) -> list[str]:
    """LPIPS, and FID and KID by some network that stands in for Inception, which is not here."""
    save_file(alexnet(weights=None).state_dict(), Path(folder) / "alexnet.safetensors")
    lpips = PerceptualDistance("alex", Path(folder) / "alexnet.safetensors").cuda()
    assert lpips(*pictures(2, 64).cuda()[:, None]).device.type == "cuda"
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    shown = pictures(4, 16).cuda()

    class OfLevels(nn.Module):
        def forward(self, levels: torch.Tensor) -> torch.Tensor:
            return network(levels.float())

    network.cuda()
    statistics = FeatureStatistics(OfLevels(), "a network")
    statistics.update(shown, shown.flip(3))
    return sorted(statistics.metrics("quality"))
