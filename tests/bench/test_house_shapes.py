"""Whether a measure of houses tells kept ones from spoilt ones."""

from __future__ import annotations

import json

import torch
from house_shapes import (
    NEITHER,
    RESULT,
    ROOF,
    SPOILT,
    UNSEEN_SEED,
    WALL,
    WEIGHTS,
    HouseNetwork,
    figures_of,
    house_parts,
    kept_houses,
    scenes_with_houses,
    sheet,
    spoilt,
)

from gdp.plugins.scenes.renderer import render, render_materials
from gdp.toolbox import file_sha256


def test_the_parts_of_a_house_are_where_the_renderer_paints_them() -> None:
    scenes = scenes_with_houses(UNSEEN_SEED, 12)
    photos, parts = render(scenes, "photo"), house_parts(scenes)
    by_day = scenes.number("daytime").flatten() < 0.8  # windows are lit by night
    for photo, part in zip(photos[by_day], parts[by_day], strict=True):
        red = photo[0] - photo[2]
        assert red[part == ROOF].mean() > red[part == WALL].mean(), "tiles are redder than plaster"
        rows = [(part == which).nonzero()[:, 0].float().mean() for which in (ROOF, WALL)]
        assert rows[0] < rows[1], "roofs are above walls"
    assert torch.allclose(render_materials(scenes).sum(dim=1), torch.ones(12, 64, 64), atol=1e-4)
    assert (parts != NEITHER).flatten(1).any(dim=1).all()


def test_true_paintings_keep_their_houses_and_spoilt_ones_do_not() -> None:
    scenes, network = scenes_with_houses(123, 24), HouseNetwork.load()
    kept = {words: figures_of(network, scenes, pictures)["kept"] for words, pictures in spoilt(scenes)}
    assert kept[SPOILT[0]] >= 0.9
    assert all(kept[words] < 0.25 for words in SPOILT[1:]), kept


def test_a_sheet_frames_the_houses_that_are_lost() -> None:
    scenes, network = scenes_with_houses(123, 6), HouseNetwork.load()
    pictures = dict(spoilt(scenes))
    assert not kept_houses(network, scenes, pictures[SPOILT[3]]).all()
    assert sheet(network, scenes, pictures[SPOILT[0]]) != sheet(network, scenes, pictures[SPOILT[3]])


def test_the_committed_figures_are_those_of_the_committed_network() -> None:
    results = json.loads(RESULT.read_text())
    assert results["network"]["sha256"] == file_sha256(WEIGHTS)
    assert set(results["renderings"]) == set(SPOILT)
    assert results["translators"]["shipped"]["houses"] >= 50
