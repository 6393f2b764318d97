"""Overrides as people write them in Python mean what they mean on the command line."""

from pathlib import Path
from typing import Any

import pytest

from gdp.core.errors import GdpError
from gdp.core.recipe.overrides import apply_overrides, written_overrides


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("train.steps=5", {"train": {"steps": 5}}),
        (["train.steps=5", "name=b"], {"train": {"steps": 5}, "name": "b"}),
        (("train.steps=5",), {"train": {"steps": 5}}),
        ({"train.steps": 5}, {"train": {"steps": 5}}),
        ({"train": {"steps": 5, "betas": [0.5, 0.9]}}, {"train": {"steps": 5, "betas": [0.5, 0.9]}}),
        ({"name": "5"}, {"name": "5"}),
        ({"name": 'say "x"'}, {"name": 'say "x"'}),
        ({"teacher.weights": Path("a/b")}, {"teacher": {"weights": "a/b"}}),
        ({"on": True, "share": 1e-6}, {"on": True, "share": 1e-6}),
        ((), {}),
    ],
)
def test_every_way_of_writing_them_means_the_same(given: Any, expected: dict[str, Any]) -> None:
    data: dict[str, Any] = {}
    _, mistakes = apply_overrides(data, written_overrides(given))
    assert (data, mistakes) == (expected, [])


def test_none_takes_a_key_out() -> None:
    data: dict[str, Any] = {"train": {"steps": 5, "batch": 2}}
    apply_overrides(data, written_overrides({"train.steps": None}))
    assert data == {"train": {"batch": 2}}


@pytest.mark.parametrize("given", [5, None, [5], [("train.steps", 5)], {"train.steps": object()}, {"a": 1 + 2j}])
def test_anything_else_is_told_in_a_sentence(given: Any) -> None:
    with pytest.raises(GdpError, match=r"^overrides"):
        written_overrides(given)
