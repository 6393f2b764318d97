"""Strengths and directions as recipes and `--set` write them, with the built-in plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdp.core.errors import RecipeError
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.plugins.directions import PublishedStrength
from gdp.plugins.pair_sources import LatentDirectionConfig
from gdp.registry import PluginRegistry
from gdp.tools.schema import recipe_schema

TEXT = """\
name = "published"
[teacher]
plugin = "stylegan2"
[pairs]
plugin = "latent-direction"
count = 20
direction = "age.pt"
strength = { published = 3 }
layers = [0, 1]
space = "w"
[[pairs.more_directions]]
direction = "ffhq_pca.npz#54"
strength = { published = -20.0 }
layers = "3-5"
[[pairs.more_directions]]
direction = "builtin:smile"
strength = -1
[student]
plugin = "pix2pixhd"
[[losses]]
plugin = "l1"
[train]
steps = 10
[compare]
metrics = ["quality.held_out.psnr_db"]
[[compare.variants]]
name = "deviations"
change = { pairs = { strength = 1.5 } }
[[compare.variants]]
name = "further"
change = { pairs = { strength = { published = 5 } } }
"""


@pytest.fixture(scope="module")
def plugins() -> PluginRegistry:
    return PluginRegistry.discover()


def loaded(folder: Path, plugins: PluginRegistry, *overrides: str, text: str = TEXT) -> Recipe:
    (folder / "recipe.toml").write_text(text)
    return load_recipe(folder / "recipe.toml", plugins, overrides)


def settings(recipe: Recipe) -> LatentDirectionConfig:
    assert isinstance(recipe.pairs.config, LatentDirectionConfig)
    return recipe.pairs.config


def test_published_factors_stand_beside_strengths(tmp_path: Path, plugins: PluginRegistry) -> None:
    recipe = loaded(tmp_path, plugins)
    steps = settings(recipe).steps
    assert [step.strength for step in steps] == [
        PublishedStrength(published=3),
        PublishedStrength(published=-20),
        -1.0,
    ]
    assert [step.space for step in steps] == ["w", None, None]
    assert [step.layers for step in steps] == [(0, 1), (3, 4, 5), None]
    assert recipe.compare is not None
    changed = [settings(variant.recipe).strength for variant in recipe.compare.variants]
    assert changed == [1.5, PublishedStrength(published=5)]
    jsonschema = pytest.importorskip("jsonschema")
    data = {
        "strength": {"published": 3},
        "layers": "3-5",
        "space": "w",
        "more_directions": [{"direction": "a.npy", "strength": 1}],
    }
    schema = recipe_schema(plugins)
    inner = {"$ref": "#/$defs/pair-source.latent-direction", "$defs": schema["$defs"]}
    jsonschema.validate({"plugin": "latent-direction", **data}, inner)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"plugin": "latent-direction", "strength": {"publishd": 3}}, inner)


def test_the_resolved_recipe_says_the_same(tmp_path: Path, plugins: PluginRegistry) -> None:
    recipe = loaded(tmp_path, plugins)
    (tmp_path / "resolved.toml").write_text(recipe.to_toml())
    assert settings(load_recipe(tmp_path / "resolved.toml", plugins)) == settings(recipe)


@pytest.mark.parametrize(
    ("override", "strength"),
    [
        ("pairs.strength={ published = 0.5 }", PublishedStrength(published=0.5)),
        ("pairs.strength.published=7", PublishedStrength(published=7)),
        ("pairs.strength=2", 2.0),
    ],
)
def test_set_takes_both(override: str, strength: object, tmp_path: Path, plugins: PluginRegistry) -> None:
    assert settings(loaded(tmp_path, plugins, override)).strength == strength


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "pairs.strength={ published = 1, publishd = 3 }",
            "pairs.strength.publishd: unknown key, did you mean published?",
        ),
        ("pairs.strength={}", "pairs.strength.published: missing: The direction's file is added this many times"),
        ('pairs.strength="3"', "pairs.strength: expected a number, without quotes"),
        ('pairs.strength={ published = "3" }', "pairs.strength.published: expected a number, without quotes"),
        ("pairs.strength={ published = x }", "pairs.strength: "),
        ("pairs.strength={ published = inf }", "pairs.strength.published: expected a finite number, got inf"),
        ("pairs.strength=far", 'pairs.strength: expected a number, got "far", or expected a table'),
        ("pairs.more_directions[0].strength.published=true", "strength.published: expected a number"),
        ("pairs.layers=5-3", 'pairs.layers: write layers as [3, 4, 5], as "3-5" with the first one first'),
        ("pairs.layers=coarse", 'pairs.layers: write layers as [3, 4, 5], as "3-5" with the first one first'),
        ("pairs.space=z", 'pairs.space: must be "w", got "z"'),
    ],
)
def test_a_wrong_strength_is_told_in_one_sentence(
    override: str, expected: str, tmp_path: Path, plugins: PluginRegistry
) -> None:
    text = TEXT[: TEXT.index("[compare]")]
    with pytest.raises(RecipeError) as caught:
        loaded(tmp_path, plugins, override, text=text)
    [told] = [f"{mistake.where}: {mistake.message}" for mistake in caught.value.mistakes]
    assert expected in told
