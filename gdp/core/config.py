"""The base of every settings model, core's and plugins' alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Base of a plugin's settings: unknown keys are refused, values are frozen, field docstrings become help.

    Write one docstring line under each field that says what it is, with its unit or range.
    A field of type `pathlib.Path` is resolved against the folder of the recipe that names it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True, allow_inf_nan=False
    )


def content_key(content: Mapping[str, Any]) -> str:
    """Hash JSON-able content to 64 hexadecimal digits (sha256 of its canonical JSON); equal content, equal key."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
