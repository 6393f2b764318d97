"""What can be told about a settings model: keys, types, defaults, help, and an example value for each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from gdp.core.config import Config
from gdp.core.recipe.messages import recipe_keys
from gdp.core.recipe.values import is_environment_name
from gdp.tools.schema import settings_schema

_TYPE_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "array": "array",
    "object": "table",
}
_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


@dataclass(frozen=True)
class Setting:
    """One key of a section."""

    key: str
    type: str
    """In words, with its limits: `whole number >= 1`."""
    required: bool
    default: Any
    """As plain data; None for "not set"."""
    help: str
    example: Any
    """A value that fits the type; the default where there is one."""
    suggested: Any = None
    """The value that the field's own `examples` give."""
    inner: tuple[Setting, ...] = ()
    """The keys of the table that it is, or of each table in it."""


def describe_settings(model: type[BaseModel]) -> list[Setting]:
    """Describe every key of a model, in the model's order."""
    schema = settings_schema(model)
    properties, definitions = schema.get("properties", {}), schema.get("$defs", {})
    return [_setting(key, field, properties.get(key, {}), definitions) for key, field in recipe_keys(model).items()]


def _setting(key: str, field: FieldInfo, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Setting:
    kind = _type_words(schema, definitions) or str(field.annotation)
    if is_environment_name(field):
        kind = "name of an environment variable"
    default = None if field.is_required() else _default(field)
    suggested = field.examples[0] if field.examples else None
    example = default
    if field.is_required():
        example = _sample(schema, definitions, is_environment_name(field)) if suggested is None else suggested
    help_text = " ".join((field.description or "").split())
    inner = _inner_model(field.annotation)
    keys = () if inner is None else tuple(describe_settings(inner))
    return Setting(key, kind, field.is_required(), default, help_text, example, suggested, keys)


def _inner_model(annotation: Any) -> type[Config] | None:
    """Return the settings model that a key's table has, optional, or in a list or a dictionary of such tables."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return annotation
    return next((found for part in get_args(annotation) if (found := _inner_model(part)) is not None), None)


def _default(field: FieldInfo) -> Any:
    try:
        return to_jsonable_python(field.get_default(call_default_factory=True))
    except (ValueError, TypeError):  # no plain data; or made from other settings, and none of its own
        return None


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        target: Mapping[str, Any] = definitions.get(str(schema["$ref"]).rsplit("/", 1)[-1], {})
        return target
    return schema


def _type_words(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    schema = _resolve(schema, definitions)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "anyOf" in schema:
        words = [_type_words(member, definitions) for member in schema["anyOf"] if member.get("type") != "null"]
        return " | ".join(dict.fromkeys(words))
    kind = _TYPE_WORDS.get(str(schema.get("type", "")), "")
    if schema.get("format") in ("path", "file-path", "directory-path"):
        kind = "path"
    if schema.get("type") == "array":
        items = [schema["items"]] if isinstance(schema.get("items"), dict) else schema.get("prefixItems", [])
        inner = " and ".join(dict.fromkeys(_type_words(item, definitions) for item in items))
        kind = f"array of {inner}" if inner else kind
    limits = [f"{sign} {schema[name]}" for name, sign in _LIMITS.items() if name in schema]
    return " ".join([kind, " and ".join(limits)]).strip()


def _sample(schema: Mapping[str, Any], definitions: Mapping[str, Any], names_variable: bool = False) -> Any:
    """Make up a value for a key that has no default."""
    schema = _resolve(schema, definitions)
    kind = schema.get("type")
    sample: Any = "PUT_IT_HERE" if names_variable else "put-it-here"
    if "const" in schema or "enum" in schema:
        sample = schema.get("const", schema.get("enum", [None])[0])
    elif "anyOf" in schema:
        sample = _sample(schema["anyOf"][0], definitions)
    elif kind in ("integer", "number"):
        sample = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    elif kind == "boolean":
        sample = False
    elif kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})] * schema.get("minItems", 1)
        sample = [_sample(item, definitions) for item in items]
    elif kind == "object":
        required = schema.get("required", [])
        sample = {key: _sample(schema.get("properties", {}).get(key, {}), definitions) for key in required}
    return sample


def toml_value(value: Any) -> str:
    """Write plain data as a TOML value on one line."""
    if isinstance(value, Mapping):
        items = (f"{json.dumps(str(key))} = {toml_value(item)}" for key, item in value.items() if item is not None)
        return "{" + ", ".join(items) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(toml_value(item) for item in value if item is not None) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower()  # true, false, 1, 0.5, 1e-05, and JSON has nothing else
