"""Plugins register foreign layouts of weights: each is checked, a bad plugin is a row and breaks nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gdp.core.errors import CorruptFileError, PluginError, PluginNotFoundError
from gdp.core.progress import SilentProgress
from gdp.registry import PluginRegistry
from gdp.tools.convert import convert

HOOK = "import gdp\n@gdp.hookimpl\ndef gdp_register_converters(register):\n    register({name!r}, {arguments})\n"
CONVERTER = """
class Halves(gdp.Converter):
    def recognise(self, file):
        return isinstance(file.content, dict) and "halves" in file.content

    def convert(self, file, progress):
        return gdp.Converted("halves", {"weight": file.content["halves"] / 2}, "# {file}")


class Raises(gdp.Converter):
    def recognise(self, file):
        raise KeyError("oops")

    def convert(self, file, progress):
        raise KeyError("oops")
"""
GOOD = {"implementation": "gdp_good_module:Halves", "summary": "Halves"}


def source(name: str, **changes: Any) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in (GOOD | changes).items())
    return HOOK.format(name=name, arguments=arguments) + CONVERTER


def test_a_third_partys_layout_is_converted(install: Any, make_package: Callable[..., Path], tmp_path: Path) -> None:
    install(make_package(source("halves"), "good"))
    registry = PluginRegistry.discover()
    assert registry.get("converter", "halves").package == "gdp-good"
    row = next(row for row in registry.rows if row.name == "halves")
    assert (row.kind, row.status) == ("converter", "ok")
    torch.save({"halves": torch.ones(2)}, tmp_path / "file.pt")
    (written,) = convert(tmp_path / "file.pt", registry, SilentProgress())
    assert written.card["converter"] == {"name": "halves", "package": "gdp-good", "version": "1.0"}


def test_a_converter_that_raises_keeps_no_other_from_working(
    install: Any, make_package: Callable[..., Path], tmp_path: Path
) -> None:
    install(make_package(source("broken", implementation="gdp_good_module:Raises"), "good"))
    torch.save(torch.ones(1, 16), tmp_path / "direction.pt")
    (written,) = convert(tmp_path / "direction.pt", PluginRegistry.discover(), SilentProgress())
    assert written.card["converter"]["name"] == "direction"
    with pytest.raises(PluginError, match=r"converted by converter broken \(gdp-good\): failed with KeyError: 'oops'"):
        convert(tmp_path / "direction.pt", PluginRegistry.discover(), SilentProgress(), layout="broken", overwrite=True)


def test_two_layouts_that_fit_are_both_named(install: Any, make_package: Callable[..., Path], tmp_path: Path) -> None:
    install(make_package(source("halves"), "good"))
    registry = PluginRegistry.discover()
    one = registry.get("converter", "halves")

    class Twice:
        def records(self, kind: str) -> list[Any]:
            return [one, one]

        def get(self, kind: str, name: str) -> Any:
            return one

        def load(self, record: Any) -> type:
            return registry.load(record)

    torch.save({"halves": torch.ones(2)}, tmp_path / "file.pt")
    with pytest.raises(CorruptFileError, match="say which it is, with --as halves or --as halves"):
        convert(tmp_path / "file.pt", Twice(), SilentProgress())


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("Halves", {}, "a name is lower-case words"),
        ("halves", {"implementation": "nowhere"}, "implementation must be text"),
        ("halves", {"summary": ""}, "summary must be one line"),
        ("halves", {"needs": 5}, "needs must be gdp.Needs"),
        ("cyclegan", {}, "the converter cyclegan of gdp-good has the name of that of gdp-distill"),
    ],
)
def test_a_registration_that_could_not_work_is_a_row(
    name: str, changes: dict[str, Any], reason: str, install: Any, make_package: Callable[..., Path]
) -> None:
    install(make_package(source(name, **changes), "good"))
    registry = PluginRegistry.discover()
    (row,) = registry.defects
    assert reason in row.reason


def test_an_unknown_layout_is_told_with_the_nearest() -> None:
    with pytest.raises(
        PluginNotFoundError, match=r'no converter plugin is called "stylegan2-adda"; did you mean stylegan2-ada'
    ):
        PluginRegistry.discover().get("converter", "stylegan2-adda")
