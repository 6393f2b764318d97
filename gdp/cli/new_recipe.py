"""`gdp new-recipe`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gdp.cli.common import SetOption, State, quoted_path, with_short_paths
from gdp.cli.completion import plugins_of
from gdp.console import print_json, print_line
from gdp.console.printing import folded, rich_console
from gdp.core.errors import GdpError
from gdp.core.recipe.messages import did_you_mean
from gdp.support.weights import check_weights
from gdp.tools.new_recipe import (
    NO_TEACHER,
    TRANSLATING,
    USUAL_PAIRS,
    USUAL_STUDENT,
    Answers,
    lacking_settings,
    needs_data,
    offered,
    require_place,
    takes_weights,
    write_recipe,
)
from gdp.tools.recipe_list import files_of

if TYPE_CHECKING:
    from gdp.registry import PluginRegistry


def new_recipe(
    context: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path("recipe.toml"),
    teacher: Annotated[
        str | None,
        typer.Option(
            "--teacher", help="A teacher plugin; none where the pairs exist.", autocompletion=plugins_of("teacher")
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", help="The teacher's: a file, or an address with #sha256=. Default: gdp's own."),
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option("--pairs", help="A pair source.", autocompletion=plugins_of("pair-source")),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="The folder of your pictures, seen from the recipe's, where the pairs need some."),
    ] = None,
    student: Annotated[
        str | None, typer.Option("--student", help="A student plugin.", autocompletion=plugins_of("student"))
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the run. Default: the file's.")] = None,
    set_: SetOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what is there.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Ask which teacher, pairs, student and data a recipe is to have, and write it, commented and checked.

    What options answer is not asked, and where nobody can answer nothing is: options say it all then.

    Example: gdp new-recipe --output my_recipe.toml
    """  # fmt: skip
    state: State = context.obj
    require_place(output, force=force)  # before anybody has answered anything
    given = {"teacher": teacher, "weights": weights, "pairs": pairs, "student": student}
    asker = _Asker(state.registry, given, data, sys.stdin.isatty())
    answers = asker.answers(name or output.stem, tuple(set_ or ()))
    write_recipe(output, answers, state.registry, force=force)
    if json_:
        print_json({"recipe": str(output), "name": answers.name})
        return
    print_line(f"wrote {output}")
    for file in files_of(output, state.registry) if output.is_file() else ():
        print_line(with_short_paths(f"{INDENT}{file.words(output)}"))
    print_line(f"Next: gdp run {quoted_path(output)} --dry-run, which checks all that it needs and touches nothing")


INDENT = "    "
HANGING = 5
"""Blanks before further lines of what is offered: below its name, not its number."""


class UnansweredError(GdpError):
    """An option is missing or names nothing, and nobody can be asked."""

    exit_code = 2


class _Asker:
    """Asks for what options do not say, or says which options are missing."""

    def __init__(
        self, registry: PluginRegistry, given: Mapping[str, str | None], data: Path | None, asks: bool
    ) -> None:
        self._registry, self._given, self._data, self._asks = registry, given, data, asks
        self._missing: list[str] = []

    def answers(self, name: str, settings: tuple[str, ...]) -> Answers:
        """Return all answers.

        Raises:
            UnansweredError: an option names no plugin, or options are missing and nobody can be asked.
        """
        teachers = {**offered(self._registry, "teacher"), NO_TEACHER: "The pairs exist already"}
        teacher = self._choose("teacher", "Which teacher?", teachers, "stylegan2")
        weights = self._weights(teacher)
        sources = offered(self._registry, "pair-source")
        pairs = self._choose("pairs", "Where do the pairs come from?", sources, USUAL_PAIRS.get(teacher, ""))
        usual = USUAL_STUDENT.get(pairs, "pix2pixhd")
        student = self._choose("student", "Which student?", offered(self._registry, "student"), usual)
        data = self._folder(pairs, weights) if pairs in sources else self._data
        if self._missing:
            raise UnansweredError(
                f"nobody can be asked here, for standard input is no terminal: give {', '.join(self._missing)}, too. "
                f"gdp list-plugins shows what there is."
            )
        return self._whole(Answers(name, teacher, pairs, student, weights, data, settings))

    def _choose(self, option: str, question: str, offered: Mapping[str, str], usual: str) -> str:
        chosen = self._given[option]
        if chosen is not None:
            if chosen not in offered:
                raise UnansweredError(f"--{option} {chosen}: there is none{did_you_mean(chosen, offered)}")
            return chosen
        if not self._asks:
            self._missing.append(f"--{option}")
            return ""
        _tell(question)
        for number, (name, summary) in enumerate(offered.items(), 1):
            _tell(f"  {number}  {name}: {summary}", HANGING)
        numbered = {str(number): name for number, name in enumerate(offered, 1)}

        def check(answer: str) -> str:
            found = numbered.get(answer, _some(answer))
            if found not in offered:
                raise GdpError(f"{answer}: there is none{did_you_mean(answer, offered)}")
            return found

        return _ask("Name or number", check, usual if usual in offered else "")

    def _weights(self, teacher: str) -> str:
        given = self._given["weights"]
        if given is not None or not self._asks or not takes_weights(teacher, self._registry):
            return given or ""
        return _ask("Its weights, a file of gdp convert or gdp train-teacher; nothing for gdp's own", _weights, "")

    def _folder(self, pairs: str, weights: str) -> Path | None:
        if self._data is not None or not needs_data(pairs, weights, self._registry):
            return self._data
        if not self._asks:
            self._missing.append("--data")
            return None
        parts = "trainA, trainB, testA and testB" if pairs in TRANSLATING else "source and target"
        return Path(_ask(f"The folder of your pictures, with {parts} in it, seen from the recipe's folder", _some, ""))

    def _whole(self, answers: Answers) -> Answers:
        """Ask for what plugins require beside."""
        lacking = lacking_settings(answers, self._registry)
        if lacking and not self._asks:
            options = ", ".join(f"--set {key}=... ({meaning})" for key, meaning, _ in lacking)
            raise UnansweredError(f"nobody can be asked here, for standard input is no terminal: give {options}, too.")
        for key, meaning, suggestion in lacking:
            value = _ask(f"{key}: {meaning}", _some, "" if suggestion is None else str(suggestion))
            answers = replace(answers, settings=(*answers.settings, f"{key}={value}"))
        return answers


def _weights(answer: str) -> str:
    """Return weights that a recipe may name, or nothing; whether a file is there, gdp tells in the end."""
    if answer and not answer.startswith("builtin:"):
        try:
            check_weights(answer if "://" in answer else Path(answer))
        except ValueError as error:
            raise GdpError(f"{answer}: {error}") from None
    return answer


def _some(answer: str) -> str:
    if not answer.strip():
        raise GdpError("an answer is needed here; Ctrl-C ends it, and nothing is written")
    return answer.strip()


def _ask(question: str, check: Callable[[str], str], usual: str) -> str:
    """Ask until the answer is one."""
    while True:
        answer = str(typer.prompt(question, default=usual, show_default=bool(usual), err=True))
        try:
            return check(answer.strip())
        except GdpError as error:
            _tell(str(error))


def _tell(text: str, hanging: int = 0) -> None:
    """Print a line beside the questions; a terminal breaks no words."""
    console = rich_console(sys.stderr)
    typer.echo(text if console is None else folded(text, console.width, hanging), err=True)
