"""The base of every settings model, core's and plugins' alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from gdp.core.attribute_docs import attribute_docs


class Config(BaseModel):
    """Base of a plugin's settings: unknown keys are refused, values are frozen, field docstrings become help.

    Write one docstring line under each field that says what it is, with its unit or range.
    A field of type `pathlib.Path` is resolved against the folder of the recipe that names it.

    Pydantic builds the model when it is first used, for every command imports the settings of all plugins and uses
    few. The docstrings are read when help is asked for: by `described_fields`, and for the JSON schema.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False, defer_build=True)

    @classmethod
    def migrate_settings(cls, settings: Mapping[str, Any], version: str) -> Mapping[str, Any]:
        """Return settings that another version of the plugin's package wrote, as this version has them.

        Override it where a setting was renamed or means something else: a student that an older version trained is
        opened with what this returns. The default returns them as they are.

        Args:
            settings: by name, as they were written; not to be changed.
            version: of the package that wrote them.
        """
        return settings

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the JSON schema, the fields' docstrings its descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, field in described_fields(cls).items():
            key = field.alias or name
            if key in properties and field.description is not None:
                properties[key].setdefault("description", field.description)
        return schema


def described_fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Return a model's fields by name, the docstrings below them as their descriptions.

    This is `use_attribute_docstrings` of pydantic, which reads the source of every model as soon as its class is made
    and so takes as long as all the rest of a light command.
    """
    fields = model.model_fields
    for base in model.__mro__:
        if issubclass(base, Config) and any(field.description is None for field in fields.values()):
            for name, text in attribute_docs(base).items():
                if name in fields and fields[name].description is None:
                    fields[name].description = text
    return fields


CHECK = "check"
"""What the hash of JSON data is called in a file that holds both."""


def check_of(data: Mapping[str, Any]) -> str:
    """Return the hash of JSON data as it is read back, without an earlier hash."""
    try:
        return content_key(json.loads(json.dumps({name: value for name, value in data.items() if name != CHECK})))
    except ValueError:  # an infinite number: nothing that was written here has one, and no hash is empty
        return ""


def content_key(content: Mapping[str, Any]) -> str:
    """Hash JSON-able content to 64 hexadecimal digits (sha256 of its canonical JSON); equal content, equal key."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # A path that is no text holds lone surrogates, which count as what JSON writes for them.
    return hashlib.sha256(canonical.encode(errors="backslashreplace")).hexdigest()
