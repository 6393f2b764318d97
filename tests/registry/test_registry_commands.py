"""Plugins register commands: each is checked, a bad plugin is a row, and the built-in ones need no look at plugins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from gdp.core.errors import GdpError, PluginError, PluginNotFoundError
from gdp.core.records import PlainRecord
from gdp.registry import PluginRegistry
from gdp.registry.commands import build_command, built_in_commands

HOOK = "import gdp\n@gdp.hookimpl\ndef gdp_register_commands(register):\n    register({name!r}, {arguments})\n"
GOOD = {"implementation": "gdp_made_module:gaze", "summary": "Shows a run while it works"}


def source(name: str = "gaze", body: str = "print(how)", **changes: Any) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in (GOOD | changes).items())
    return HOOK.format(name=name, arguments=arguments) + f"import typer\ndef gaze(how: str = 'so'):\n    {body}\n"


def run(registry: PluginRegistry, *arguments: str) -> Any:
    """Call the command gaze as typer would, exceptions as they come."""
    return build_command(registry.get("command", "gaze")).main(list(arguments), standalone_mode=False)


def test_a_third_partys_command_is_registered_and_runs(
    install: Any, make_package: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    install(make_package(source(licence="MIT")))
    registry = PluginRegistry.discover()
    row = next(row for row in registry.rows if row.name == "gaze")
    assert (row.kind, row.status, row.package, row.licence) == ("command", "ok", "gdp-made", "MIT")
    run(registry, "--how", "thus")
    assert capsys.readouterr().out == "thus\n"


def test_a_command_may_have_commands_below_it_and_a_fault_of_each_is_its_packages(
    install: Any, make_package: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    below = "gaze = typer.Typer()\n@gaze.command()\ndef one(): print('one')\n@gaze.command()\ndef two(): 1 / 0\n"
    install(make_package(source() + below))
    registry = PluginRegistry.discover()
    run(registry, "one")
    assert capsys.readouterr().out == "one\n"
    with pytest.raises(PluginError, match=r"command gaze \(gdp-made\): failed with ZeroDivisionError"):
        run(registry, "two")


def test_a_built_in_command_keeps_its_name(install: Any, make_package: Callable[..., Path]) -> None:
    install(make_package(source("pairs")))
    registry = PluginRegistry.discover()
    assert [(row.status, row.package) for row in registry.defects] == [("clash", "gdp-made")]
    assert registry.get("command", "pairs").package == "gdp-distill"


def test_two_packages_with_a_command_of_one_name_clash(install: Any, make_package: Callable[..., Path]) -> None:
    other = source(implementation="gdp_other_module:gaze")
    install(make_package(source()), make_package(other, "other"))
    registry = PluginRegistry.discover()
    assert [row.package for row in registry.defects] == ["gdp-made", "gdp-other"]
    with pytest.raises(PluginNotFoundError, match="plugins of gdp-made and gdp-other"):
        registry.get("command", "gaze")
    assert registry.get("command", "gdp-made:gaze").package == "gdp-made"


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("Watch", {}, "lower-case words"),
        ("--gaze", {}, "lower-case words"),
        ("gaze", {"implementation": "gdp_made_module.gaze"}, "implementation must be text"),
        ("gaze", {"summary": "a\nb"}, "summary must be one line"),
        ("gaze", {"config": 1}, "unexpected keyword argument 'config'"),
    ],
)
def test_a_wrong_registration_is_reported(
    install: Any, make_package: Callable[..., Path], name: str, changes: dict[str, Any], reason: str
) -> None:
    install(make_package(source(name, **changes)))
    (row,) = PluginRegistry.discover().defects
    assert (row.status, row.package) == ("broken", "gdp-made")
    assert reason in row.reason


@pytest.mark.parametrize(
    ("implementation", "reason"),
    [
        ("gdp_nowhere:gaze", "no module named 'gdp_nowhere'"),
        ("gdp_made_module:nothing", "has no attribute 'nothing'"),
        ("gdp_made_module:typer", "is module, not a function"),
        ("pathlib:Path", "is type, not a function"),
        ("asyncio:sleep", "is asynchronous or a generator"),
    ],
)
def test_a_command_that_cannot_be_used_names_itself_and_its_package(
    install: Any, make_package: Callable[..., Path], implementation: str, reason: str
) -> None:
    install(make_package(source(implementation=implementation)))
    with pytest.raises(PluginError) as caught:
        run(PluginRegistry.discover())
    assert str(caught.value).startswith("command gaze (gdp-made): ")
    assert reason in str(caught.value)


def test_parameters_that_typer_does_not_understand_are_the_plugins_fault(
    install: Any, make_package: Callable[..., Path]
) -> None:
    install(make_package(source().replace("how: str", "how: 'Nowhere'")))
    with pytest.raises(PluginError, match=r"command gaze \(gdp-made\): failed with NameError"):
        run(PluginRegistry.discover())


@pytest.mark.parametrize(
    ("body", "raised"),
    [
        ("raise gdp.GdpError('mend it')", GdpError),
        ("raise SystemExit(5)", SystemExit),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
        ("raise typer.Exit(7)", typer.Exit),
        ("raise typer.Abort", typer.Abort),
        ("raise typer.BadParameter('no')", typer.BadParameter),
        ("raise BrokenPipeError", BrokenPipeError),
    ],
)
def test_what_a_command_says_by_an_exception_passes(
    install: Any, make_package: Callable[..., Path], body: str, raised: type[BaseException]
) -> None:
    install(make_package(source(body=body)))
    command = build_command(PluginRegistry.discover().get("command", "gaze"))
    with pytest.raises(raised) as caught:
        command.callback(how="so")
    assert not isinstance(caught.value, PluginError)


@pytest.mark.parametrize("body", ["raise KeyError('oops')", "1 / 0", "open('/nowhere/at/all')"])
def test_any_other_exception_is_told_as_the_plugins_fault(
    install: Any, make_package: Callable[..., Path], body: str
) -> None:
    install(make_package(source(body=body)))
    with pytest.raises(PluginError, match=r"command gaze \(gdp-made\): failed with .* This is a fault of the plugin"):
        run(PluginRegistry.discover())


def test_built_in_commands_are_found_without_a_look_at_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gdp.registry.registry.find_candidates", None)
    found = built_in_commands()
    assert {"run", "list-plugins", "apply"} <= set(found)
    assert all(isinstance(record, PlainRecord) and record.package == "gdp-distill" for record in found.values())


def test_built_in_commands_are_those_of_the_registry() -> None:
    registry = PluginRegistry.discover()
    assert {record.name: record for record in registry.records("command")} == built_in_commands()


def test_a_name_that_is_no_command_is_told_with_the_nearest() -> None:
    registry = PluginRegistry.discover()
    with pytest.raises(PluginNotFoundError, match=r'no command is called "estimat"; did you mean estimate\?'):
        registry.get("command", "estimat")
    with pytest.raises(PluginNotFoundError, match='"sharpness" is a filter, not a command'):
        registry.get("command", "sharpness")
