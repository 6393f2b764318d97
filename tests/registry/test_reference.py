"""Every hook, argument, public name and member of an interface is documented, and the page of them is current."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

import gdp
from gdp import toolbox
from gdp.core import hookspecs
from gdp.registry.hook_checks import HOOK_ARGUMENTS
from gdp.registry.reference import (
    argument_docs,
    data_classes,
    documentation_of,
    field_docs,
    interfaces,
    members_of,
    reference_page,
)

PAGE = Path(__file__).parents[2] / "docs" / "hooks.md"


@pytest.mark.parametrize("hook", HOOK_ARGUMENTS)
def test_every_hook_and_argument_is_documented(hook: str) -> None:
    about, found, arguments = (getattr(hookspecs, hook).__doc__ or "").partition("\n\n    Args:\n")
    assert about.strip().endswith("."), "say in a sentence when the hook is called"
    assert found
    assert set(argument_docs(arguments)) == set(HOOK_ARGUMENTS[hook])


@pytest.mark.parametrize("name", gdp.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    text = documentation_of(name)
    assert text.strip(), f"gdp.{name} has no docstring"
    assert not text.startswith(f"{name}("), "this is the signature that a dataclass gets without a docstring"


@pytest.mark.parametrize("name", toolbox.__all__)
def test_every_name_of_the_toolbox_is_documented(name: str) -> None:
    text = documentation_of(name, toolbox)
    assert text.strip(), f"gdp.toolbox.{name} has no docstring"
    assert not text.startswith(f"{name}("), "this is the signature that a dataclass gets without a docstring"


@pytest.mark.parametrize(("name", "interface"), interfaces(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_member_of_an_interface_is_documented(name: str, interface: type[Any]) -> None:
    assert [member for member, text in members_of(interface) if not text.strip()] == []


@pytest.mark.parametrize(("name", "value"), data_classes(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_field_of_public_data_is_documented_where_help_shows_it(name: str, value: type[Any]) -> None:
    names = value._fields if hasattr(value, "_fields") else [field.name for field in dataclasses.fields(value)]
    assert set(field_docs(value)) == {field for field in names if not field.startswith("_")}


def test_the_interfaces_of_all_kinds_are_public() -> None:
    names = {name for name, _ in interfaces()}
    assert names >= {
        "LatentTeacher", "TranslatorTeacher", "PairSource", "Filter", "ScoringFilter", "CombiningFilter", "Student",
        "Loss", "Evaluator", "Dataset", "UnpairedDataset", "Stage", "DirectionMethod", "Engine", "Aligner",
    }  # fmt: skip


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == reference_page(), "run: python -m gdp.registry.reference > docs/hooks.md"
