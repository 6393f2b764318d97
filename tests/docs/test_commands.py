"""Every command of README and docs is one: gdp's own parser takes its options, and what else it names is there."""

from __future__ import annotations

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from markdown_pages import COMMANDS, DOCS, GUIDES, ROOT, Block, blocks_of, commands_of, told_commands

from gdp.cli.app import app
from gdp.tools.named_recipes import shipped_recipes

UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What the parser that typer brings along refuses a command line with."""
EXECUTED = DOCS / "writing_plugins.md"
"""Its blocks are executed, in a clean environment, by tests/end_to_end/test_writing_plugins.py."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BLOCKS = [block for page in GUIDES if page != EXECUTED for block in blocks_of(page) if block.language in COMMANDS]


def parse(words: list[str]) -> dict[str, Any]:
    """Let the command line parse a command as it would before running it; return its parameters."""
    group = typer.main.get_command(app)
    context = group.make_context("gdp", list(words))
    rest = [*context._protected_args, *context.args]
    while isinstance(group, typer.core.TyperGroup) and rest:
        name, command, rest = group.resolve_command(context, rest)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
        group, rest = command, [*getattr(context, "_protected_args", []), *context.args]
    return context.params


def check(words: list[str]) -> None:
    """Check one command.

    Raises:
        AssertionError: it names what is not there, or nobody knows how to check it.
        UsageError: gdp's parser refuses it.
    """
    program, rest = words[0], words[1:]
    if program == "gdp":
        parse(rest)
    elif program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(rest) <= set(targets), f"the Makefile has {', '.join(targets)}"
    elif program == "pip":
        _check_pip(rest)
    elif program == "python":
        _check_python(rest)
    elif program == "torchrun":
        assert rest[rest.index("-m") + 1] == "gdp"
        parse(rest[rest.index("-m") + 2 :])
    elif program == "npm":
        assert rest[0] == "pack"
        assert re.fullmatch(r"@[\w-]+/[\w-]+@\d+\.\d+\.\d+", rest[1])
    else:
        assert words in ([".", ".venv/bin/activate"], ["source", ".venv/bin/activate"]), f"what is {program!r}?"


def _check_pip(rest: list[str]) -> None:
    assert rest[0] == "install"
    for wanted in rest[1:]:
        name, _, extras = wanted.rstrip("]").partition("[")
        if wanted.startswith("-"):
            assert wanted == "-e"
        elif name in (PROJECT["name"], "."):
            assert set(filter(None, extras.split(","))) <= set(PROJECT["optional-dependencies"])
        else:
            assert (ROOT / name).is_dir() or name in ("./" + path.name for path in ROOT.iterdir()), wanted


def _check_python(rest: list[str]) -> None:
    if rest[0] == "-m":
        assert find_spec(rest[1]) is not None, f"no module {rest[1]}"
        return
    script = ROOT / rest[0]
    assert script.is_file(), f"no file {rest[0]}"
    options = {word.partition("=")[0] for word in rest[1:] if word.startswith("-")}
    unknown = [option for option in options if option not in script.read_text()]
    assert not unknown, f"{rest[0]} has no {', '.join(unknown)}"


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_commands_of_a_block_are_such_as_they_are_written(block: Block) -> None:
    found = list(commands_of(block))
    assert found, f"{block}: a block without a language holds commands"
    for words in found:
        try:
            check(words)
        except UsageError as error:
            pytest.fail(f"{block}: {' '.join(words)}\n{error}")


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_sentences_name_exist_with_their_options(page: Path) -> None:
    for code in told_commands(page):
        words = [word for word in re.split(r"[ |]+", code) if word not in ("...", "")]
        try:
            parse(words[1:])
        except UsageError as error:
            whole = type(error).__name__ not in ("MissingParameter", "BadOptionUsage")
            assert not whole, f"{page.name}: `{code}`: {error}"


def test_recipes_that_commands_name_come_with_gdp_or_are_files_of_yours() -> None:
    own = set(shipped_recipes())
    for block in BLOCKS:
        for words in commands_of(block):
            if words[:2] in (["gdp", "run"], ["gdp", "estimate"], ["gdp", "train-teacher"], ["gdp", "validate"]):
                recipe = parse(words[1:])["recipe"]
                known = str(recipe).replace("_", "-") in own or Path(recipe).suffix == ".toml"
                assert known or str(recipe).startswith("runs/") or recipe == Path("my_recipe"), f"{block}: {recipe}"
