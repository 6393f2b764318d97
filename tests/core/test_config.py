"""Settings models: built when they are used, and as pydantic's own in all else."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Generic, TypeVar

import pytest
from pydantic import BaseModel, Field, ValidationError

from gdp.core.attribute_docs import attribute_docs
from gdp.core.config import Config, described_fields
from gdp.core.recipe.messages import recipe_keys

Item = TypeVar("Item")

LIMIT = 3
"""How many."""
UNDOCUMENTED = 4


class Inner(Config):
    """A table."""

    size: int = Field(default=2, ge=1)
    """Size in pixels."""


class Outer(Config):
    """Settings with a table, an alias and a description of its own."""

    weight: float = 1.0
    """Factor, at least 0;
    of two lines."""
    inner: Inner = Inner.model_construct()
    """The table."""
    lambda_: float = Field(default=0.5, alias="lambda")
    """Named by its alias."""
    told: int = Field(default=1, description="Said by hand.")
    """Not this."""
    bare: int = 0


class Derived(Outer):
    """One field more, and one changed."""

    more: str = ""
    """Words."""
    weight: float = 2.0
    """Another factor."""


class Listed(Config, Generic[Item]):
    """A generic model."""

    items: tuple[Item, ...] = ()
    """What is listed."""


DESCRIPTIONS = {
    "weight": "Factor, at least 0;\nof two lines.",
    "inner": "The table.",
    "lambda": "Named by its alias.",
    "told": "Said by hand.",
    "bare": None,
}


@pytest.mark.process
def test_no_model_is_built_before_it_is_used() -> None:
    program = """
from gdp.core.config import Config
from gdp.registry import PluginRegistry

def derived(model):
    for each in model.__subclasses__():
        yield each
        yield from derived(each)

PluginRegistry.discover(folders=[])
built = [model.__name__ for model in derived(Config) if model.__pydantic_complete__]
assert built == [], built
record = PluginRegistry.discover(folders=[]).get("filter", "sharpness")
record.config(min_sharpness=3)
assert record.config.__pydantic_complete__
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


def test_docstrings_below_fields_are_their_descriptions() -> None:
    assert {key: field.description for key, field in recipe_keys(Outer).items()} == DESCRIPTIONS
    schema = Outer.model_json_schema()
    assert {key: part.get("description") for key, part in schema["properties"].items()} == DESCRIPTIONS
    assert schema["$defs"]["Inner"]["properties"]["size"]["description"] == "Size in pixels."
    assert {name: field.description for name, field in described_fields(Derived).items()} == {
        **{name: DESCRIPTIONS[name] for name in ("inner", "told", "bare")},
        "weight": "Another factor.",
        "lambda_": "Named by its alias.",
        "more": "Words.",
    }


def test_a_class_that_is_made_in_a_function_has_its_docstrings() -> None:
    class Local(Config):
        inside: int = 0
        """Found, too."""

    assert described_fields(Local)["inside"].description == "Found, too."


def test_models_without_source_and_of_pydantic_alone_are_left_as_they_are() -> None:
    namespace: dict[str, object] = {"__name__": "nowhere"}
    exec('from gdp.core.config import Config\nclass Made(Config):\n    key: int = 0\n    """Lost."""\n', namespace)
    assert described_fields(namespace["Made"])["key"].description is None

    class Plain(BaseModel):
        key: int = 0
        """Not asked for."""

    assert described_fields(Plain)["key"].description is None


def test_values_are_checked_frozen_and_closed() -> None:
    settings = Outer.model_validate({"inner": {"size": 5}, "lambda": 2})
    assert (settings.inner.size, settings.lambda_, settings.weight) == (5, 2.0, 1.0)
    for wrong in ({"inner": {"size": 0}}, {"unknown": 1}, {"weight": float("nan")}, {"weight": "much"}):
        with pytest.raises(ValidationError):
            Outer.model_validate(wrong)
    with pytest.raises(ValidationError, match="frozen"):
        settings.weight = 3.0
    assert hash(Inner(size=4)) == hash(Inner(size=4))


@pytest.mark.process
def test_settings_can_be_pickled_and_copied() -> None:
    settings = Derived(more="x", inner=Inner(size=7))
    for again in (pickle.loads(pickle.dumps(settings)), copy.deepcopy(settings), settings.model_copy()):
        assert again == settings
        assert again.model_dump() == settings.model_dump()
    program = (
        "import pickle, sys; settings = pickle.load(sys.stdin.buffer); print(type(settings).__name__, settings.share)"
    )
    from gdp.plugins.directions import ClassMeansConfig

    content = pickle.dumps(ClassMeansConfig(share=0.25))
    told = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True, check=True).stdout
    assert told.split() == [b"ClassMeansConfig", b"0.25"]


def test_generic_models_are_built_for_their_arguments() -> None:
    assert Listed[int].model_validate({"items": [1, 2]}).items == (1, 2)
    with pytest.raises(ValidationError):
        Listed[int].model_validate({"items": ["a"]})
    assert Listed[int].model_json_schema()["properties"]["items"]["description"] == "What is listed."


def test_attributes_of_a_module_are_documented_by_the_string_below() -> None:
    found = attribute_docs(sys.modules[__name__])
    assert found["LIMIT"] == "How many."
    assert "UNDOCUMENTED" not in found


def test_docstrings_of_a_file_that_was_changed_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "changing_settings.py"
    source = 'from gdp.core.config import Config\nclass Changing(Config):\n    key: int = 0\n    """{}"""\n'
    path.write_text(source.format("One."))
    import changing_settings

    assert attribute_docs(changing_settings.Changing) == {"key": "One."}
    path.write_text(source.format("Two."))
    os.utime(path, (1, 1))
    assert attribute_docs(changing_settings.Changing) == {"key": "Two."}
    path.unlink()
    assert attribute_docs(changing_settings.Changing) == {}
