"""The JSON Schema of a recipe for the installed plugins, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel

from gdp.core.errors import describe_exception
from gdp.core.recipe.choices import LISTED_KINDS, SECTION_KEYS, SECTION_MODELS, choosable
from gdp.core.recipe.compare import CHANGEABLE
from gdp.core.recipe.reading import RUN_KEYS, RecipeHeader
from gdp.core.recipe.sections import CompareSection, LimitsSection, TargetSection, TrainSection, VariantSection
from gdp.core.recipe.values import is_environment_name
from gdp.core.records import RECIPE_KINDS, Kind, PluginRecord, Plugins
from gdp.tools.teacher_recipe import TEACHER_KEYS

Schema = dict[str, Any]


def recipe_schema(plugins: Plugins) -> Schema:
    """Return the JSON Schema (draft 2020-12) of recipes of `gdp run` and of `gdp train-teacher`.

    Each section is one of the installed plugins' settings, told apart by `plugin`; unknown keys are forbidden.

    Args:
        plugins: what is installed.
    """
    nested: Schema = {}
    definitions: Schema = {"train": _model_schema(TrainSection, "train", nested), **_target_definitions(nested)}
    for kind in RECIPE_KINDS:
        for name in choosable(plugins, kind):
            record = plugins.get(kind, name)
            definitions[f"{kind}.{name}"] = _plugin_schema(record, nested)
            if record.training is not None:
                definitions[f"training.{name}"] = _model_schema(record.training, f"training.{name}", nested)
    sections = {SECTION_KEYS[kind]: _section(plugins, kind) for kind in RECIPE_KINDS}
    sections["losses"]["minItems"] = 1
    definitions["compare"] = _compare_schema(plugins, definitions, sections, nested)
    trained = [name for name in plugins.names("teacher") if f"training.{name}" in definitions]
    any_train = [{"$ref": "#/$defs/train"}, *({"$ref": f"#/$defs/training.{name}"} for name in trained)]
    any_teacher = {"anyOf": [sections.pop("teacher"), _trained_teacher(trained)]}
    # What both sorts of recipe may hold stands at the top, where editors look for completions.
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Recipe of gdp",
        "type": "object",
        "properties": {
            **_model_schema(RecipeHeader, "header", nested)["properties"],
            **sections,
            "teacher": any_teacher,
            "train": {"anyOf": any_train},
            "targets": {"anyOf": [{"$ref": "#/$defs/targets"}, {"maxProperties": 0}]},
            "compare": {"$ref": "#/$defs/compare"},
            "limits": _model_schema(LimitsSection, "limits", nested),
        },
        "additionalProperties": False,
        "if": {"required": ["dataset"], "not": {"required": ["student"]}},
        "then": _teacher_recipe(trained),
        "else": _run_recipe(_section(plugins, "teacher")),
        "$defs": {**definitions, **nested},
    }


def _target_definitions(nested: Schema) -> Schema:
    """Describe one goal, and tables of goals, whose keys are the parts of a number's name."""
    goal = {**_model_schema(TargetSection, "target", nested), "anyOf": [{"required": ["min"]}, {"required": ["max"]}]}
    part = {"anyOf": [{"$ref": "#/$defs/target"}, {"$ref": "#/$defs/targets"}]}
    words = "Goals of measured numbers: the parts of a number's name in metrics.json, then min, max and words."
    table = {"type": "object", "description": words, "minProperties": 1, "additionalProperties": part}
    return {"target": goal, "targets": table}


def _compare_schema(plugins: Plugins, definitions: Schema, sections: Schema, nested: Schema) -> Schema:
    """Describe `[compare]`; what a variant changes is a whole section, or some keys of one whatever its plugin."""
    change: Schema = {}
    for kind, key in SECTION_KEYS.items():
        if key in CHANGEABLE:
            parts = [_some_keys(definitions, f"{kind}.{name}") for name in plugins.names(kind)]
            change[key] = sections[key] if kind in LISTED_KINDS else {"anyOf": [sections[key], *parts]}
    change["train"] = _some_keys(definitions, "train")
    variant = _model_schema(VariantSection, "variant", nested)
    about = variant["properties"]["change"].get("description", "")
    variant["properties"]["change"] = {
        "type": "object",
        "description": about,
        "properties": change,
        "additionalProperties": False,
    }
    schema = _model_schema(CompareSection, "compare", nested)
    schema["properties"]["variants"] = {"type": "array", "items": variant}
    schema["anyOf"] = [
        {"required": ["variants"], "properties": {"variants": {"minItems": 1}}},
        {"required": ["seeds"], "properties": {"seeds": {"minimum": 2}}},
    ]
    return schema


def _some_keys(definitions: Schema, name: str) -> Schema:
    """Describe a table of some of a definition's keys, without its plugin."""
    definition = definitions[name]
    keys = [key for key in definition.get("properties", {}) if key != "plugin"]
    pointers = {key: quote(key.replace("~", "~0").replace("/", "~1")) for key in keys}
    return {
        "type": "object",
        "properties": {key: {"$ref": f"#/$defs/{quote(name)}/properties/{pointers[key]}"} for key in keys},
        "additionalProperties": definition.get("additionalProperties", True),
    }


def _run_recipe(teacher: Schema) -> Schema:
    return {
        "properties": {"teacher": teacher, "train": {"$ref": "#/$defs/train"}},
        "required": ["name", "pairs", "student", "losses", "train"],
        "propertyNames": {"enum": list(RUN_KEYS)},
    }


def _teacher_recipe(trained: list[str]) -> Schema:
    choices = [
        {
            "if": {"properties": {"teacher": {"properties": {"plugin": {"const": name}}}}},
            "then": {"properties": {"train": {"$ref": f"#/$defs/training.{name}"}}},
        }
        for name in trained
    ]
    return {
        "properties": {"teacher": _trained_teacher(trained)},
        "required": ["name", "teacher", "dataset"],
        "propertyNames": {"enum": list(TEACHER_KEYS)},
        **({"allOf": choices} if choices else {}),
    }


def _trained_teacher(trained: list[str]) -> Schema:
    return {
        "type": "object",
        "properties": {"plugin": {"enum": trained}},
        "required": ["plugin"],
        "additionalProperties": False,
    }


def _section(plugins: Plugins, kind: Kind) -> Schema:
    one: Schema = {
        "type": "object",
        "description": (SECTION_MODELS[kind].__doc__ or "").strip(),
        "oneOf": [{"$ref": f"#/$defs/{kind}.{name}"} for name in choosable(plugins, kind)],
    }
    if not one["oneOf"]:
        one = {"not": {}, "description": f"No {kind} plugin is installed."}
    return {"type": "array", "items": one} if kind in LISTED_KINDS else one


def _plugin_schema(record: PluginRecord, nested: Schema) -> Schema:
    """Merge core's keys and the plugin's own keys of one section."""
    core = _model_schema(SECTION_MODELS[record.kind], f"section.{record.kind}", nested)
    own = _model_schema(record.config, f"{record.kind}.{record.name}", nested)
    core["properties"]["plugin"] = {"const": record.name, "description": record.summary}
    return {
        "type": "object",
        "title": record.name,
        "description": record.summary,
        "properties": {**core["properties"], **own.get("properties", {})},
        "required": [*core.get("required", []), *own.get("required", [])],
        "additionalProperties": own.get("additionalProperties", True),
        **({"$comment": own["$comment"]} if "$comment" in own else {}),
    }


def settings_schema(model: type[BaseModel], references: str = "#/$defs/{model}") -> Schema:
    """Return the JSON schema of a settings model; one that no schema can describe has nothing but a comment."""
    try:
        return model.model_json_schema(by_alias=True, ref_template=references)
    except Exception as error:  # noqa: BLE001 # a third party's types may have schema methods that raise anything
        return {"$comment": f"These settings cannot be described ({describe_exception(error)})."}


def _model_schema(model: type[BaseModel], prefix: str, nested: Schema) -> Schema:
    """Return a model's schema; models inside it move to `nested` under names that `prefix` makes unique."""
    schema = settings_schema(model, "#/$defs/" + prefix + ".{model}")
    if "properties" not in schema:
        return schema
    for name, definition in schema.pop("$defs", {}).items():
        nested[f"{prefix}.{name}"] = definition
    for name, field in model.model_fields.items():
        if is_environment_name(field):
            schema["properties"][field.alias or name]["pattern"] = "^[A-Z][A-Z0-9_]*$"
    return schema
