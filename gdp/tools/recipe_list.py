"""What can be told of the recipes that come with gdp, and copies of them. Imports no torch."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gdp.core.errors import GdpError, MissingResourceError, Mistake, RecipeError
from gdp.core.files import write_atomically
from gdp.core.recipe.choices import LISTED_KINDS, SECTION_KEYS, Choice
from gdp.core.recipe.messages import did_you_mean
from gdp.core.recipe.reading import Recipe, load_recipe
from gdp.core.recipe.text import KeyPath, format_path, read_recipe_text
from gdp.core.recipe.values import paths_in
from gdp.core.records import Plugins
from gdp.core.written_through import is_special
from gdp.tools.named_recipes import plain_name, shipped_recipes
from gdp.tools.teacher_recipe import is_teacher_recipe, load_teacher_recipe

SCHEMA = "recipe.schema.json"
LONGEST = 130
"""Characters of a recipe's summary."""
_HEAD = re.compile(r"(?:#.*\n)+")
_SCHEMA_LINE = re.compile(r"#:schema [^\n]*\n")
_NAME_LINE = re.compile(r'^name = ".*"$', re.MULTILINE)
_RECIPE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{,99}")
_FACT = re.compile(r"# (Takes|Needs): (.+)")
_SENTENCE_END = re.compile(r"\.(?= [A-Z`])|\.$")


@dataclass(frozen=True)
class About:
    """What the head of a recipe's file says of it."""

    summary: str
    """One sentence."""
    takes: str
    """How long, and on what; empty where it does not say."""
    needs: str
    """What neither its plugins nor its paths tell; mostly empty."""


@dataclass(frozen=True)
class ListedRecipe:
    """A recipe that comes with gdp."""

    name: str
    file: Path
    about: About
    command: str
    """`run` or `train-teacher`."""
    install: tuple[str, ...] = ()
    """Extras of gdp, or packages, that its plugins need, as pip takes them."""
    environment: tuple[str, ...] = ()
    """Environment variables that its plugins need."""
    yours: Mapping[str, str] | None = None
    """Paths that lead to the user's own files, relative to the present folder, by the keys that `--set` takes; None
    where the recipe cannot be read with the plugins that are here."""

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "name": self.name,
            "file": str(self.file),
            "command": self.command,
            "summary": self.about.summary,
            "takes": self.about.takes,
            "needs": self.about.needs,
            "install": list(self.install),
            "environment": list(self.environment),
            "yours": None if self.yours is None else dict(self.yours),
        }


def read_about(text: str) -> About:
    """Read the comments at the head of a recipe: its first sentence, and its lines `Takes:` and `Needs:`."""
    head = _HEAD.match(text)
    lines = [line for line in (head[0] if head else "").splitlines() if not line.startswith("#:")]
    facts = {found[1]: found[2] for line in lines if (found := _FACT.fullmatch(line))}
    told = " ".join(line.removeprefix("#").strip() for line in lines if not _FACT.fullmatch(line))
    end = _SENTENCE_END.search(told)
    return About(_shortened(told[: end.start()] if end else told), facts.get("Takes", ""), facts.get("Needs", ""))


def _shortened(sentence: str) -> str:
    """Leave out what stands behind a colon or semicolon of a sentence that is too long for a list."""
    cut = max(sentence.rfind(sign, 0, LONGEST) for sign in (": ", "; "))
    return sentence if len(sentence) <= LONGEST or cut < 0 else sentence[:cut]


def listed_recipes(plugins: Plugins) -> list[ListedRecipe]:
    """Return what is known of every recipe that comes with gdp, those first that need nothing of the user's."""
    found = [listed_recipe(name, file, plugins) for name, file in shipped_recipes().items()]
    return sorted(found, key=lambda recipe: (bool(_asked_for(recipe)), recipe.command, recipe.name != "stylegan-age"))


def _asked_for(recipe: ListedRecipe) -> object:
    return recipe.yours is None or recipe.yours or recipe.environment or recipe.about.needs


def listed_recipe(name: str, file: Path, plugins: Plugins) -> ListedRecipe:
    """Return what is known of the recipe of such a file; its paths count from the present folder."""
    about = read_about(file.read_text(encoding="utf-8"))
    command = "train-teacher" if is_teacher_recipe(file) else "run"
    try:
        chosen = chosen_plugins(Path(file.name), file, plugins)
    except RecipeError:  # which gdp validate tells
        return ListedRecipe(name, file, about, command)
    needs = [choice.record.needs for choice in chosen.values()]
    return ListedRecipe(
        name,
        file,
        about,
        command,
        install=_each(need.install or " ".join(need.modules) for need in needs if need.modules),
        environment=_each(variable for need in needs for variable in need.environment),
        yours={format_path(key): os.path.relpath(path) for key, path in own_files(chosen)},
    )


def _each(words: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def chosen_plugins(path: Path, file: Path, plugins: Plugins) -> dict[KeyPath, Choice[Any]]:
    """Return the plugins that a recipe of either sort chooses, by the place of their sections.

    Args:
        path: in whose folder the recipe's paths begin.
        file: that holds its text.
        plugins: what is installed.

    Raises:
        RecipeError: with all mistakes of the recipe.
    """
    if is_teacher_recipe(file):
        return {("dataset",): load_teacher_recipe(file, plugins).dataset}
    return dict(_places(load_recipe(path, plugins, file=file)))


def _places(recipe: Recipe) -> Iterator[tuple[KeyPath, Choice[Any]]]:
    lists: Mapping[str, Sequence[Choice[Any]]] = {
        SECTION_KEYS[kind]: [choice for choice in recipe.choices() if choice.record.kind == kind]
        for kind in SECTION_KEYS
    }
    for kind, key in SECTION_KEYS.items():
        for number, choice in enumerate(lists[key]):
            yield ((key, number) if kind in LISTED_KINDS else (key,)), choice


def own_files(chosen: Mapping[KeyPath, Choice[Any]]) -> list[tuple[KeyPath, Path]]:
    """Return the files and folders of the user's that plugins are to read, each with the place of its setting."""
    return [
        ((*place, *path), found)
        for place, choice in chosen.items()
        for path, found in paths_in(choice.config.model_dump(by_alias=True))
    ]


@dataclass(frozen=True)
class OwnFile:
    """A file or folder of the user's that a recipe names."""

    key: str
    """As `--set` takes it."""
    line: int | None
    """Of the recipe; None where it leaves the setting at its default."""
    path: Path

    def data(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"key": self.key, "line": self.line, "path": str(self.path), "is_there": self.path.exists()}

    def words(self, recipe: Path) -> str:
        """Return in words where the recipe names it, and whether it is there."""
        where = recipe if self.line is None else f"{recipe}:{self.line}"
        there = "which is there" if self.path.exists() else "which is not there: name your own"
        return f"{where}: {self.key} is {self.path}, {there}"


def files_of(recipe: Path, plugins: Plugins, text: Path | None = None) -> tuple[OwnFile, ...]:
    """Return the files and folders of the user's that a recipe names; `text` is where it is read, if elsewhere.

    Raises:
        RecipeError: with all mistakes of the recipe.
    """
    file = text or recipe
    own, read = own_files(chosen_plugins(recipe, file, plugins)), read_recipe_text(recipe, file)
    return tuple(OwnFile(format_path(key), read.line(key), path) for key, path in own)


@dataclass(frozen=True)
class Copied:
    """What `copy_recipe` wrote."""

    recipe: Path
    schema: Path | None
    """None beside a device or a pipe, into which the recipe went."""
    name: str
    """Of the copy, by which its run's folder is called: its file's, where that is a name; else the recipe's own."""
    command: str
    """That takes the recipe: `run` or `train-teacher`."""
    yours: tuple[OwnFile, ...]


def copy_recipe(
    name: str, output: Path | None, plugins: Plugins, schema: Mapping[str, Any], *, force: bool = False
) -> Copied:
    """Copy a recipe that comes with gdp, with the schema of recipes beside it, which its first line names.

    A copy of another file name is named by it, so that its run does not train anew in the folder of the original's.
    Devices and pipes are written through, and have nothing beside them.

    Args:
        name: of the recipe.
        output: the file, or a folder to put it into; None for a file of the recipe's name in the present folder.
        plugins: what is installed.
        schema: the JSON Schema of recipes for these plugins.
        force: whether files that are there are overwritten.

    Raises:
        RecipeError: there is no such recipe, or plugins that it names are left out.
        MissingResourceError: there is no such folder.
        GdpError: a file is there already.
    """
    source = _source(name)
    target = output or Path(source.name)
    target = target / source.name if target.is_dir() else target
    if not target.parent.is_dir():
        raise MissingResourceError(f"{target.parent}: there is no such folder. Make it, or name another file with -o.")
    beside = None if is_special(target) else target.parent / SCHEMA
    for file in () if beside is None or force else (target, beside):
        if file.exists() and not (file == beside and _is_like(file, schema)):
            raise GdpError(f"{file}: is there already. Name another file with -o, or overwrite it with --force.")
    command = "train-teacher" if is_teacher_recipe(source) else "run"
    own = files_of(target, plugins, source)
    text = _SCHEMA_LINE.sub("", source.read_text(encoding="utf-8"), count=1)
    is_renamed = beside is not None and plain_name(target.stem) != plain_name(source.stem)
    if is_renamed and _RECIPE_NAME.fullmatch(target.stem):
        text = _NAME_LINE.sub(f'name = "{target.stem}"', text, count=1)
    if beside is not None:
        write_atomically(beside, (json.dumps(schema, indent=2, ensure_ascii=False) + "\n").encode())
    write_atomically(target, f"#:schema {SCHEMA}\n{text}".encode())
    return Copied(target, beside, tomllib.loads(text)["name"], command, own)


def _source(name: str) -> Path:
    """Return the shipped recipe of a name; a user's own file of that name is not meant here."""
    shipped = shipped_recipes()
    plain = plain_name(name.removeprefix("recipes/"))
    if plain not in shipped:
        raise RecipeError(name, [Mistake("", f"no such recipe comes with gdp{did_you_mean(plain, shipped)}")])
    return shipped[plain]


def _is_like(file: Path, schema: Mapping[str, Any]) -> bool:
    """Say whether a file is such a schema, of other plugins maybe, which this one may replace."""
    try:
        data = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and data.get("title") == schema["title"]
