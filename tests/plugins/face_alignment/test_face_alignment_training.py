"""The finder's training: true landmarks, targets where the faces are, and going on after a kill."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import load_file

from gdp.plugins.face_alignment import FACES64
from gdp.plugins.face_alignment import train as train_module
from gdp.plugins.face_alignment.crowds import make_crowd, make_pool, rendered_landmarks
from gdp.plugins.face_alignment.finder import LandmarkFinder
from gdp.plugins.face_alignment.network import STRIDE, LandmarkModel, LandmarkNetwork, settings, write_onnx
from gdp.plugins.face_alignment.train import targets
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render

pytestmark = pytest.mark.training


def test_the_eyes_are_where_the_renderer_drew_them() -> None:
    """The eyes of two renderings differ where nothing but their colour does."""
    attributes = sample_attributes(8, range(12)).with_age(30.0)
    attributes.glasses.zero_()
    attributes.eye_colour.fill_(0)
    before = render(attributes, 128)
    attributes.eye_colour.fill_(3)
    change = (render(attributes, 128) - before).abs().sum(dim=1)  # (N, H, W)
    weight = change / change.sum(dim=(1, 2), keepdim=True)
    places = (torch.arange(128) + 0.5) / 128
    middle = torch.stack([(weight.sum(dim=1) * places).sum(dim=1), (weight.sum(dim=2) * places).sum(dim=1)], dim=1)
    assert (middle - rendered_landmarks(attributes)[:, :2].mean(dim=1)).abs().max() < 1.5 / 64


def test_targets_stand_at_the_faces_and_upside_down_ones_are_none() -> None:
    crowd = make_crowd(make_pool(4, 8, 4), 12, 160, torch.Generator().manual_seed(1), upside_down=0.5)
    bell, owner, near = targets(crowd, 20, 20)
    assert 0 < (crowd.sides > 0).sum() < 30
    assert torch.equal((bell > 0.99).flatten(1).any(dim=1), (crowd.sides > 0).any(dim=1))
    which, rows, columns = near.nonzero(as_tuple=True)
    face = owner[near]
    middle = crowd.landmarks[which, face].mean(dim=1)
    place = (torch.stack([columns, rows], dim=1) + 0.5) * STRIDE
    assert (crowd.sides[which, face] > 0).all()
    assert ((middle - place).norm(dim=1) <= (0.06 * crowd.sides[which, face]).clamp_min(6)).all()


def test_a_broken_training_goes_on_to_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    shape = {"faces": 4, "steps": 4, "batch": 2, "learning_rate": 1e-3, "seed": 5}
    monkeypatch.setattr(train_module, "_SAVE_EVERY", 1)
    train_module.train(whole, **shape)
    calls = []

    def broken_off(*arguments: object, **named: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return make_crowd(*arguments, **named)

    monkeypatch.setattr(train_module, "make_crowd", broken_off)
    with pytest.raises(KeyboardInterrupt):
        train_module.train(broken, **shape)
    assert load_file(broken)["step"] == 2
    train_module.train(broken, **shape)
    first, second = load_file(whole), load_file(broken)
    assert all(torch.equal(first[name], second[name]) for name in first if name != "seconds")


def test_the_exported_file_says_what_it_is_and_tells_what_torch_does(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = LandmarkNetwork().eval()
    write_onnx(network, 7, tmp_path / "m.onnx")
    finder = LandmarkFinder(tmp_path / "m.onnx", threads=1)
    assert finder.settings == settings(7)
    pictures = numpy.random.default_rng(1).uniform(-1, 1, (3, 3, 96, 64)).astype(numpy.float32)
    with torch.no_grad():
        expected = LandmarkModel(network)(torch.from_numpy(pictures))
    for made, wanted in zip(finder._run(pictures), expected, strict=True):
        assert numpy.allclose(made, wanted.numpy(), atol=1e-4)


def test_the_shipped_finder_is_small_and_knows_the_renderers_frame() -> None:
    assert FACES64.stat().st_size < 1_000_000
    frame = LandmarkFinder(FACES64, threads=1).frame
    mean = rendered_landmarks(sample_attributes(3000, range(512))).mean(dim=0).double().numpy()
    assert numpy.abs(frame.landmarks - mean).max() < 0.01
