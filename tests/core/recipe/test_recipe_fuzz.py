"""Whatever a recipe holds, loading it ends in a recipe or in a RecipeError, never in a traceback."""

import random
from pathlib import Path

import pytest
from fuzzing import fuzzed
from hypothesis import given, settings
from hypothesis import strategies as st
from recipe_plugins import VALID, VALID_COMPARE, VALID_TEACHER, FixedPlugins

from gdp.core.errors import RecipeError
from gdp.core.recipe.reading import load_recipe
from gdp.tools.teacher_recipe import is_teacher_recipe, load_teacher_recipe

PLUGINS = FixedPlugins()

VALUES = st.one_of(
    st.sampled_from(
        [
            "nan",
            "-inf",
            "1e999",
            "true",
            '""',
            "[]",
            "{}",
            "[[]]",
            "[{}]",
            "{a = 1}",
            "1979-05-27T07:32:00Z",
            "07:32:00",
        ]
    ),
    st.sampled_from(
        ['"builtin:"', '"~nobody/x"', '"\\u0000"', '"\\u202e"', "0xffffffffffffffffffffffff", "-1", "9" * 400]
    ),
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.text(max_size=10).map(lambda text: "'" + text.replace("'", "").replace("\n", "") + "'"),
)
NAMES = st.sampled_from(
    [
        "name",
        "seed",
        "plugin",
        "weights",
        "api_key",
        "count",
        "held_out",
        "min_age",
        "mode",
        "references",
        "band",
        "bands",
        "value",
        "anything",
        "width",
        "weight",
        "steps",
        "epochs",
        "betas",
        "images",
        "folder",
        "unknown",
    ]
)
LINES = st.one_of(
    st.tuples(NAMES, VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.tuples(NAMES, NAMES, VALUES).map(lambda triple: f"{triple[0]}.{triple[1]} = {triple[2]}"),
    st.sampled_from(
        [
            "teacher",
            "pairs",
            "filters",
            "student",
            "losses",
            "train",
            "evaluators",
            "dataset",
            "compare",
            "targets",
            "nonsense",
        ]
    ).flatmap(lambda section: st.sampled_from([f"[{section}]", f"[[{section}]]", f"[{section}.deeper]"])),
    st.sampled_from(PLUGINS.records).map(lambda record: f'plugin = "{record.name}"'),
    st.text(max_size=20),
)


def load_or_refuse(path: Path, overrides: list[str]) -> None:
    for load in (load_recipe, load_teacher_recipe):
        try:
            recipe = load(path, PLUGINS, overrides)
        except RecipeError as error:
            assert error.mistakes
            str(error).encode()
            assert "\x1b" not in str(error)
        else:
            resolved = path.with_name("resolved.toml")
            resolved.write_text(recipe.to_toml())
            assert load(resolved, PLUGINS).to_data() == recipe.to_data()
    try:
        is_teacher_recipe(path, overrides)
    except RecipeError as error:
        assert error.mistakes


@fuzzed(150)
def test_any_bytes(tmp_path: Path, fuzz: settings) -> None:
    @fuzz
    @given(st.binary(max_size=300))
    def hold(content: bytes) -> None:
        path = tmp_path / "recipe.toml"
        path.write_bytes(content)
        load_or_refuse(path, [])

    hold()


@fuzzed(150)
def test_any_lines_in_a_valid_recipe(tmp_path: Path, fuzz: settings) -> None:
    @fuzz
    @given(
        st.sampled_from([VALID, VALID_COMPARE, VALID_TEACHER]),
        st.lists(st.tuples(LINES, st.booleans(), st.randoms()), max_size=4),
    )
    def hold(text: str, edits: list[tuple[str, bool, random.Random]]) -> None:
        lines = text.splitlines()
        for line, replaces, chance in edits:
            place = chance.randrange(len(lines))
            lines[place : place + replaces] = [line]
        path = tmp_path / "recipe.toml"
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
        load_or_refuse(path, [])

    hold()


@fuzzed(150)
def test_any_overrides(tmp_path: Path, fuzz: settings) -> None:
    @fuzz
    @given(
        st.lists(
            st.one_of(
                st.text(max_size=30),
                st.tuples(
                    st.sampled_from(
                        [
                            "train.steps",
                            "filters.0.min_age",
                            "filters[1]",
                            "losses",
                            "teacher",
                            "a.b.c",
                            "pairs",
                            "compare.variants[0]",
                        ]
                    ),
                    st.one_of(VALUES, st.text(max_size=10)),
                ).map("=".join),
            ),
            max_size=3,
        )
    )
    def hold(overrides: list[str]) -> None:
        path = tmp_path / "recipe.toml"
        path.write_text(VALID)
        load_or_refuse(path, overrides)

    hold()


@pytest.mark.parametrize("text", [VALID, VALID_COMPARE, VALID_TEACHER])
def test_a_recipe_cut_anywhere(tmp_path: Path, text: str) -> None:
    path = tmp_path / "recipe.toml"
    for length in range(0, len(text), 3):
        path.write_text(text[:length])
        load_or_refuse(path, [])
