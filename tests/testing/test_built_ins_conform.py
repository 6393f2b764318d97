"""Every built-in plugin passes the conformance kit that third parties are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from embedded_people import in_range, make_scene
from PIL import Image
from safetensors.torch import save_file

from gdp.core.interfaces.context import BuildContext
from gdp.core.records import KINDS, PlainRecord
from gdp.plugins.cyclegan import CycleGANConfig
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.student import ResnetStudent
from gdp.plugins.stylegan2 import StyleGAN2Config
from gdp.plugins.stylegan2.networks import Generator
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.registry import PluginRegistry
from gdp.testing import conformance, examples

pytestmark = [pytest.mark.process, pytest.mark.training]

REGISTRY = PluginRegistry.discover(folders=[])
BUILT_INS = [
    (kind, record.name) for kind in KINDS for record in REGISTRY.records(kind) if record.package == "gdp-distill"
]

RECORD_ONLY: Mapping[tuple[str, str], dict[str, Any]] = {
    # They ask services or read models that are not here; their own tests run them against local servers and files.
    ("filter", "azure-face"): {"endpoint": "http://127.0.0.1:9"},
    ("filter", "rekognition"): {"region": "eu-west-1"},
    ("filter", "onnx-classifier"): {"weights": "model.onnx", "preset": "fairface"},
    ("filter", "onnx-face-detector"): {"weights": "model.onnx"},
    ("filter", "photo-attributes"): {"weights": "face-api.safetensors"},
    ("evaluator", "photo-ages"): {"weights": "face-api.safetensors"},
    ("loss", "perceptual-vgg"): {"weights": "vgg19.pth"},
}

TIMED = {"varying": ("*speed*", "*_ms*", "*seconds*", "*_s", "*faster*", "*images_per*", "*time*")}

COMPARED = """
[[evaluators]]
plugin = "held-out"

[compare]
metrics = ["quality.held_out.l1_to_teacher"]

[[compare.variants]]
name = "longer"
change.train.steps = 3
"""

SMALL_RESNET = {"width": 4, "blocks": 1, "discriminator_width": 4, "discriminator_layers": 1}
SMALL_PIX2PIXHD = {"width": 4, "downsamplings": 2, "blocks": 1, "discriminator_width": 4, "num_discriminators": 1}


def save_tiny_generator(path: Path, seed: int) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        save_file(Generator(16, 16, 16, channel_base=128, channel_max=8, mapping_layers=2).state_dict(), path)
    return path


def two_generators(folder: Path) -> dict[str, Any]:
    first, second = (save_tiny_generator(folder / f"{seed}.safetensors", seed) for seed in (0, 1))
    world = replace(examples.latent_world(16), teacher=StyleGAN2Teacher(StyleGAN2Config(weights=first), BuildContext()))
    return {"settings": {"weights": str(second)}, "world": world}


def stylegan2() -> StyleGAN2Teacher:
    return StyleGAN2Teacher(StyleGAN2Config(), BuildContext())


def direction(folder: Path) -> dict[str, Any]:
    from gdp.support.directions import Direction, normalised, save_direction

    vectors = normalised(torch.arange(8.0).reshape(1, 8))
    save_direction(Direction("tilt", vectors, scale=1.0), folder / "tilt.safetensors")
    return {"settings": {"direction": str(folder / "tilt.safetensors")}}


def save_pictures(folder: Path, count: int = 4) -> None:
    folder.mkdir()
    for number, picture in enumerate(examples.as_uint8(examples.pictures(count))):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{number}.png")


def folder_of_pairs(folder: Path) -> dict[str, Any]:
    save_pictures(folder / "faces")
    save_pictures(folder / "older")
    names = {"source_folder": str(folder / "faces"), "target_folder": str(folder / "older")}
    return {"settings": {**names, "resolution": 16, "held_out_names": ["1"]}}


def folder_of_pictures(folder: Path) -> dict[str, Any]:
    save_pictures(folder / "pictures")
    return {"settings": {"folder": str(folder / "pictures"), "resolution": 16}}


def folders_of_two_domains(folder: Path) -> dict[str, Any]:
    for part in ("trainA", "trainB", "testA", "testB"):
        save_pictures(folder / part)
    return {"settings": {"folder": str(folder), "resolution": 16}}


def hidden_states(folder: Path) -> dict[str, Any]:
    def student(context: BuildContext) -> ResnetStudent:
        return ResnetStudent(ResnetConfig(**SMALL_RESNET), context)

    teacher = CycleGANTeacher(CycleGANConfig(), BuildContext())
    return {"world": replace(examples.translation_world(), teacher=teacher, student=student)}


def people(folder: Path) -> dict[str, Any]:
    """Pictures with people in them."""
    pairs = examples.pairs(4, 160)
    scenes = numpy.stack([make_scene(seed, (160, 160), [90.0]).picture for seed in range(4)])
    pairs = replace(pairs, source=in_range(scenes))
    return {"settings": {"file": "builtin:faces64"}, "world": replace(examples.latent_world(), pairs=pairs)}


Options = Mapping[str, Any] | Callable[[Path], Mapping[str, Any]]

OPTIONS: Mapping[tuple[str, str], Options] = {
    ("pair-source", "latent-direction"): direction,
    ("pair-source", "two-generators"): two_generators,
    ("pair-source", "translate"): {"world": examples.translation_world()},
    ("pair-source", "folder"): folder_of_pairs,
    ("filter", "expression"): {
        "settings": {"keep": "age >= 18"},
        "world": replace(
            examples.latent_world(),
            scores={0: {"face-attributes": {"source_age": 30.0}}, 1: {"face-attributes": {"source_age": 12.0}}},
        ),
    },
    ("student", "pix2pixhd"): {"settings": SMALL_PIX2PIXHD},
    ("student", "resnet"): {
        "settings": {**SMALL_RESNET, "width": 8, "opposite": "trained"}, "world": examples.translation_world(),
    },
    ("loss", "feature-l2"): hidden_states,
    ("evaluator", "speed"): {"settings": {"repeats": 3, "warmup": 0}, **TIMED},
    ("evaluator", "slow-route"): {"settings": {"pictures": 1, "steps": 2, "student_repeats": 1}, **TIMED},
    ("evaluator", "resnet-blocks"): {"settings": {"blocks": [1], "width": 4, "resolution": 16}, **TIMED},
    ("evaluator", "rendered-faces"): {"settings": {"count": 4, "years": 20.0}},
    ("evaluator", "unpaired-truth"): {"world": examples.translation_world()},
    ("dataset", "image-folder"): folder_of_pictures,
    ("dataset", "unpaired-folder"): folders_of_two_domains,
    ("dataset", "rendered-faces"): {"settings": {"count": 8, "resolution": 16}},
    ("dataset", "rendered-scenes"): {"settings": {"resolution": 32}},
    ("aligner", "landmarks"): people,
    ("stage", "compare"): {
        "world": replace(examples.latent_world(), recipe=examples.RECIPE + COMPARED),
        "varying": ("variants/*", "variants.json"),
        "without": {"the-global-random-state-is-left-alone": "it trains students, which begins with seeding it"},
    },
    ("direction-method", "sefa"): {"world": replace(examples.latent_world(), teacher=stylegan2())},
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), BUILT_INS, ids=lambda word: word)
def test_a_built_in_keeps_what_its_kind_promises(kind: Any, name: str, tmp_path: Path) -> None:
    # The own tests of engines do the exporting, which takes a minute; those of trackers ask servers.
    if kind in ("engine", "tracker") or (kind, name) in RECORD_ONLY:
        settings = RECORD_ONLY.get((kind, name), {})
        conformance.check(kind, name, settings=settings, registry=REGISTRY, record_only=True)
        return
    options = OPTIONS.get((kind, name), {})
    conformance.check(kind, name, registry=REGISTRY, **(options(tmp_path) if callable(options) else options))


@pytest.mark.parametrize("record", REGISTRY.records("command"), ids=lambda record: record.name)
def test_a_built_in_command_keeps_what_commands_promise(record: PlainRecord) -> None:
    conformance.check("command", record.name, registry=REGISTRY)


@pytest.mark.parametrize("name", ["processes", pytest.param("ray", marks=pytest.mark.soak)])
def test_a_built_in_executor_keeps_what_executors_promise(name: str) -> None:
    if name == "ray":
        pytest.importorskip("ray")
    remarks = conformance.check("executor", name, registry=REGISTRY)
    assert not any(remarks.values())


def test_every_special_setting_is_of_a_plugin_that_there_is() -> None:
    assert set(OPTIONS) | set(RECORD_ONLY) <= set(BUILT_INS)
