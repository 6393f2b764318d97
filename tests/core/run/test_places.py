"""Paths are cut down to names in what is published, and nothing else is touched."""

from __future__ import annotations

import pytest

from gdp.core.run.places import find_places, without_places, without_places_in


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ('weights = "/home/ada/My Files/w.safetensors"', 'weights = "w.safetensors"'),
        ('folder = "/home/ada/faces/"', 'folder = "faces"'),
        ('"C:\\\\Users\\\\ada\\\\w.safetensors"', '"w.safetensors"'),
        ("no file /srv/models/vgg.pth: set lpips_trunk", "no file vgg.pth: set lpips_trunk"),
        ("plugin /home/ada/my_plugin.py sha256 0f", "plugin my_plugin.py sha256 0f"),
        ("https://ada:word@example.org/w.safetensors?sig=abc#sha256=0f", "https://example.org/w.safetensors#sha256=0f"),
    ],
)
def test_paths_are_cut_down_to_names(text: str, cut: str) -> None:
    assert without_places(text) == cut
    assert not list(find_places(cut))


@pytest.mark.parametrize(
    "text",
    [
        "[gdp](https://example.org/gdp) and `gdp apply THIS_FOLDER photos/ -o translated/`",
        "PSNR = 10 log10(255^2 / mean squared difference), 3 pairs/s, and/or, 1/2/3, datasets/faces/train",
        "/verify of the service; [-1, 1]; </details></summary>",
    ],
)
def test_what_is_no_path_of_a_machine_stays(text: str) -> None:
    assert without_places(text) == text
    assert not list(find_places(text))


def test_data_is_cut_at_every_depth() -> None:
    data = {"config": {"weights": "/home/ada/x y/w.safetensors", "width": 4}, "/srv/plugins/mine.py": ["a", None]}
    assert without_places_in(data) == {"config": {"weights": "w.safetensors", "width": 4}, "mine.py": ["a", None]}
