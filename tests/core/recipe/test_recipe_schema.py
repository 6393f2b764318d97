"""The JSON Schema of a recipe agrees with what loading accepts."""

import tomllib
from typing import Any

import pytest
from pydantic import GetCoreSchemaHandler
from pydantic_core import core_schema
from recipe_plugins import VALID, VALID_COMPARE, VALID_STAGE, VALID_TEACHER, FixedPlugins

from gdp.core.config import Config
from gdp.core.records import Kind, PluginRecord
from gdp.tools.schema import recipe_schema

jsonschema = pytest.importorskip("jsonschema")

PLUGINS = FixedPlugins()


def is_valid(text: str) -> bool:
    schema = recipe_schema(PLUGINS)
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(jsonschema.Draft202012Validator(schema).is_valid(tomllib.loads(text)))


@pytest.mark.parametrize("text", [VALID, VALID_COMPARE, VALID_STAGE, VALID_TEACHER])
def test_valid_recipes_fit(text: str) -> None:
    assert is_valid(text)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (VALID, "min_age = 18", "min_agee = 18"),
        (VALID, "min_age = 18", 'min_age = "old"'),
        (VALID, "min_age = 18", "min_age = 200"),
        (VALID, '"band"', '"bnad"'),
        (VALID, "band.low = 0.25", "band.lowest = 0.25"),
        (VALID, "seed = 7", "sead = 7"),
        (VALID, 'direction = "builtin:age"', ""),
        (VALID, "steps = 15", "steps = 0"),
        (VALID, 'weights = "builtin:faces64"', 'api_key = "sk-secret"'),
        (VALID, "[[evaluators]]", "[[nonsense]]"),
        (VALID, "[train]", "[dataset]"),
        (VALID_TEACHER, "images = 500", "imagse = 500"),
        (VALID_COMPARE, "seeds = 3", "seeds = 0"),
        (VALID_COMPARE, 'metrics = ["quality.held_out.psnr_db"]', ""),
        (VALID_COMPARE, 'name = "narrow"', 'name = "narrow"\nseed = 3'),
        (VALID_COMPARE, "width = 4", "widht = 4"),
        (VALID_COMPARE, "width = 4", 'width = "four"'),
        (VALID_COMPARE, "batch = 2", "bacth = 2"),
        (VALID_COMPARE, "change = { student", "change = { evaluators = [], student"),
        (VALID_COMPARE, "high = 0.75", "hihg = 0.75"),
        (VALID_STAGE, "width = 4", "widht = 4"),
        (VALID_STAGE, '"archive"\nwidth = 4', '"report"'),
        (VALID_STAGE, "[[stages]]", "[stages]"),
        (VALID_TEACHER, '"stylegan"', '"untrainable"'),
        (VALID_TEACHER, "[train]", "[student]"),
    ],
)
def test_what_loading_refuses_does_not_fit(text: str, old: str, new: str) -> None:
    assert text.count(old) == 1
    assert not is_valid(text.replace(old, new))


def test_settings_carry_their_help_and_default() -> None:
    definition = recipe_schema(PLUGINS)["$defs"]["filter.face-attributes"]
    assert definition["properties"]["min_age"]["description"] == "Smallest age in years."
    assert definition["properties"]["min_age"]["default"] == 0
    assert definition["properties"]["unknown"]["enum"] == ["drop", "keep"]


class Indescribable:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(lambda value: value)


class IndescribableConfig(Config):
    value: Indescribable


class OnePluginMore(FixedPlugins):
    records = (
        *FixedPlugins.records,
        PluginRecord("filter", "indescribable", "Odd", IndescribableConfig, "nowhere:Nothing"),
    )

    def names(self, kind: Kind) -> list[str]:
        return [name for name in super().names(kind) if kind not in ("dataset", "evaluator")]


def test_a_plugin_that_no_schema_describes_leaves_the_others_described() -> None:
    schema = recipe_schema(OnePluginMore())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "cannot be described" in schema["$defs"]["filter.indescribable"]["$comment"]
    without_evaluators = VALID[: VALID.index("[[evaluators]]")]
    text = without_evaluators.replace('plugin = "band"\nband.low = 0.25', 'plugin = "indescribable"\nvalue = 3')
    assert jsonschema.Draft202012Validator(schema).is_valid(tomllib.loads(text))
    assert not jsonschema.Draft202012Validator(schema).is_valid(tomllib.loads(VALID)), "no evaluator is installed"
