"""Variants of a recipe: each is a whole recipe, and its mistakes stand where they were written."""

import os
from pathlib import Path

import pytest
from recipe_plugins import VALID_COMPARE, FixedPlugins

from gdp.core.errors import RecipeError
from gdp.core.recipe.reading import Compare, Recipe, load_recipe
from gdp.core.recipe.sections import VARIANT_NAME

PLUGINS = FixedPlugins()


def load(folder: Path, text: str, *overrides: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(text)
    return load_recipe(path, PLUGINS, overrides)


def compare_of(recipe: Recipe) -> Compare:
    assert recipe.compare is not None
    return recipe.compare


def mistakes(folder: Path, text: str, *overrides: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        load(folder, text, *overrides)
    return str(caught.value).replace(str(folder) + os.sep, "").splitlines()


def changed(old: str, new: str) -> str:
    assert VALID_COMPARE.count(old) == 1
    return VALID_COMPARE.replace(old, new)


def line_of(text: str, part: str) -> int:
    """Return the number of the last line that holds a text."""
    return max(number for number, line in enumerate(text.splitlines(), 1) if part in line)


def test_a_variant_is_the_recipe_with_its_changes(tmp_path: Path) -> None:
    recipe = load(tmp_path, VALID_COMPARE)
    compare = compare_of(recipe)
    assert (compare.section.seeds, compare.section.unchanged) == (3, "everything")
    without, narrow, other = (variant.recipe for variant in compare.variants)
    assert [choice.record.name for choice in without.losses] == ["feature-matching"]
    assert (without.student, without.train, without.filters) == (recipe.student, recipe.train, recipe.filters)
    assert (narrow.student.config.model_dump(), narrow.train.batch) == ({"width": 4, "predicts": "change"}, 2)
    assert narrow.train.steps == recipe.train.steps, "a table is merged over the section"
    assert other.teacher is not None
    assert other.teacher.record.name == "untrainable", "a named plugin takes the section's place"
    assert [choice.config.model_dump()["band"] for choice in other.filters] == [{"low": 0.0, "high": 0.75}]
    assert [variant.recipe.compare for variant in compare.variants] == [None] * 3


def test_the_resolved_recipe_makes_the_same_variants_from_any_folder(tmp_path: Path) -> None:
    text = changed("[compare.variants.change]", '[compare.variants.change]\ndataset = { plugin = "image-folder" }')
    recipe = load(tmp_path, text)
    (tmp_path / "elsewhere").mkdir()
    again = load(tmp_path / "elsewhere", recipe.to_toml())
    assert again.to_data() == recipe.to_data()
    moved = [variant.recipe.to_data() for variant in compare_of(again).variants]
    assert moved == [variant.recipe.to_data() for variant in compare_of(recipe).variants]


def test_mistakes_of_variants_stand_where_they_were_written(tmp_path: Path) -> None:
    text = (
        VALID_COMPARE.replace('without = ["l1"]', 'without = ["l2", "feature-matchin"]')
        .replace("student = { width = 4 }", 'student = { widht = 4 }, pairs = { plugin = "latent-direction" }')
        .replace('name = "other filters"', 'name = "Narrow!"\nseed = 3')
        .replace("high = 0.75", "high = true")
    )
    expected = [
        ("matchin", 'without[0]: the recipe has no loss "l2"; there is feature-matching, l1', 0),
        ("matchin", 'without[1]: the recipe has no loss "feature-matchin", did you mean feature-matching?', 0),
        ("widht", "change.pairs.direction: missing: Which edit.", 1),
        ("widht", "change.student.widht: unknown key, did you mean width?", 1),
        ("Narrow!", f"name: string should match pattern '{VARIANT_NAME}', got \"Narrow!\"", 2),
        ("seed = 3", "seed: unknown key; there is change, name, without", 2),
        ("high = true", "change.filters[0].band.high: expected a number, without quotes", 2),
    ]
    assert mistakes(tmp_path, text) == [
        f"recipe.toml:{line_of(text, part)}: compare.variants[{number}].{message}" for part, message, number in expected
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seeds = 3", "seeds = 0", "compare.seeds: must be at least 1, got 0"),
        ("seeds = 3", "sedes = 3", "compare.sedes: unknown key, did you mean seeds?"),
        ('metrics = ["quality.held_out.psnr_db"]', "", "compare.metrics: missing: Numbers to compare"),
        ('name = "narrow"', 'name = "without-L1"', '"without-L1" is the name of another variant already'),
        ('name = "narrow"', 'name = "Everything"', '"Everything" is the name of the recipe as it is'),
        ("{ student = {", "{ studnet = {", "change.studnet: a variant cannot change this, did you mean student?"),
        ("change = { student", "change = { seed = 3, student", "change.seed: a variant cannot change this"),
        ("student = { width = 4 }", "student = 4", "compare.variants[1].change.student: expected a table, got 4"),
        ("width = 4", "width = 0", "compare.variants[1].change.student.width: must be at least 1, got 0"),
        ("batch = 2", "epochs = 2", "compare.variants[1].change.train: give either steps or epochs"),
        ("high = 0.75", "high = 0.75, low = 1", "change.filters[0].band: low must not exceed high"),
        (
            'plugin = "untrainable"',
            'plugin = "stylegna"',
            "change.teacher.plugin: no teacher plugin is called stylegna",
        ),
        ('without = ["l1"]', "", "compare.variants[0]: changes nothing"),
        ('without = ["l1"]', 'without = ["l1", "feature-matching"]', "without: takes every loss out"),
        ('without = ["l1"]', "change.losses = []", "compare.variants[0].change.losses: missing: add [[losses]]"),
        (
            'without = ["l1"]',
            'without = ["l1"]\nchange.losses = [{ plugin = "l1" }]',
            "without: change.losses gives the whole list already",
        ),
        ("change = { student", "chagne = { student", "compare.variants[1].chagne: unknown key, did you mean change?"),
    ],
)
def test_each_sort_of_mistake_says_what_to_do(tmp_path: Path, old: str, new: str, expected: str) -> None:
    found = mistakes(tmp_path, changed(old, new))
    assert [line for line in found if expected in line], found
    assert len(found) == 1 or ("chagne" in new or "sedes" in new), found


def test_what_is_wrong_in_the_recipe_itself_is_told_once(tmp_path: Path) -> None:
    found = mistakes(tmp_path, changed("min_age = 18", "min_agee = 18"))
    assert len(found) == 1
    assert "filters[0].min_agee: unknown key" in found[0]


def test_a_loss_that_is_left_keeps_its_line(tmp_path: Path) -> None:
    text = VALID_COMPARE.replace('plugin = "feature-matching"', 'plugin = "feature-matching"\nweight = -1')
    (found,) = mistakes(tmp_path, text)
    line = text.splitlines().index("weight = -1") + 1
    assert found.startswith(f"recipe.toml:{line}: losses[1].weight: ")


def test_overrides_reach_the_recipe_and_its_variants(tmp_path: Path) -> None:
    recipe = load(tmp_path, VALID_COMPARE, "train.steps=3", "compare.variants[1].change.student.width=9")
    widths = [variant.recipe.student.config.model_dump()["width"] for variant in compare_of(recipe).variants]
    assert widths == [8, 9, 8]
    assert {variant.recipe.train.steps for variant in compare_of(recipe).variants} == {3}
    assert load(tmp_path, VALID_COMPARE, "compare=").compare is None
    (found,) = mistakes(tmp_path, VALID_COMPARE, "compare.variants[1].change.student.width=0")
    assert found.endswith("got 0 (given by --set)")


def test_seeds_alone_are_something_to_compare(tmp_path: Path) -> None:
    head = VALID_COMPARE[: VALID_COMPARE.index("[[compare.variants]]")]
    assert compare_of(load(tmp_path, head)).variants == ()
    (found,) = mistakes(tmp_path, head, "compare.seeds=1")
    assert "compare: nothing to compare" in found
