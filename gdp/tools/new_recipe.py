"""A recipe to begin with, from a few answers: commented, and checked as any other before it is written.

Imports no torch.
"""

from __future__ import annotations

import os
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gdp.core.errors import GdpError, Mistake, RecipeError
from gdp.core.files import write_atomically
from gdp.core.recipe.choices import LISTED_KINDS, SECTION_KEYS, SECTION_MODELS
from gdp.core.recipe.messages import flatten, recipe_keys
from gdp.core.recipe.overrides import apply_overrides
from gdp.core.recipe.reading import load_recipe
from gdp.core.recipe.sections import TrainSection
from gdp.core.records import Kind, Plugins
from gdp.core.written_through import is_special
from gdp.tools.named_recipes import shipped_recipes

NO_TEACHER = "none"
USUAL_PAIRS: Mapping[str, str] = {"stylegan2": "latent-direction", "cyclegan": "translate", NO_TEACHER: "folder"}
"""The pair source that is offered first, by teacher."""
USUAL_STUDENT: Mapping[str, str] = {"translate": "resnet"}
"""The student that is offered first, by pair source; of others pix2pixhd."""
TRANSLATING = ("translate",)
"""Pair sources that have a teacher translate the pictures of a dataset."""
COUNTED = ("latent-direction", "morph", "style-mix", "two-generators")
"""Pair sources that make as many pairs as they are asked for."""
_ADVERSARIAL = {"plugin": "lsgan", "weight": 1}
_LIKE_ITS_TEACHER = {"blocks": 3, "transfer": "everything"}
_WIDTH = 100
"""Columns of comments."""


@dataclass(frozen=True)
class Answers:
    """What a new recipe is made of."""

    name: str
    teacher: str
    """A teacher plugin, or `NO_TEACHER`."""
    pairs: str
    student: str
    weights: str = ""
    """Of the teacher: a file or an address; empty for those that come with gdp."""
    data: Path | None = None
    """The folder of the user's pictures, relative to the recipe's folder or absolute; None where none are needed."""
    settings: Sequence[str] = field(default_factory=tuple)
    """Further settings, `KEY=VALUE` as of `--set`."""


def takes_weights(teacher: str, plugins: Plugins) -> bool:
    """Say whether a teacher may be given weights, and does without: those of gdp are taken then."""
    about = recipe_keys(plugins.get("teacher", teacher).config).get("weights") if teacher != NO_TEACHER else None
    return about is not None and not about.is_required()


def needs_data(pairs: str, weights: str, plugins: Plugins) -> bool:
    """Say whether a pair source works on pictures of the user's: those of the embedded world it may have instead."""
    if pairs in TRANSLATING:
        return bool(weights)
    return bool(_folders_required(plugins.get("pair-source", pairs).config))


def _folders_required(model: type[BaseModel]) -> list[str]:
    return [
        key
        for key, about in recipe_keys(model).items()
        if about.is_required() and key.endswith("folder") and Path in flatten(about.annotation)
    ]


def lacking_settings(answers: Answers, plugins: Plugins) -> list[tuple[str, str, Any]]:
    """Return what plugins require and the answers do not give: the key, what it is, and a suggestion or None."""
    data = recipe_data(answers, plugins)
    found: list[tuple[str, str, Any]] = []
    for place, section in _sections(data):
        kind = next(kind for kind in SECTION_KEYS if SECTION_KEYS[kind] == place.partition("[")[0])
        for key, about in recipe_keys(plugins.get(kind, str(section["plugin"])).config).items():
            if about.is_required() and key not in section:
                suggestion = about.examples[0] if about.examples else None
                found.append((f"{place}.{key}", _first_sentence(about.description), suggestion))
    return found


def _sections(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the tables of a recipe that name a plugin, by the places that `--set` takes."""
    for key, value in data.items():
        tables = value if isinstance(value, list) else [value]
        for number, table in enumerate(tables):
            if isinstance(table, Mapping) and "plugin" in table:
                yield (f"{key}[{number}]" if isinstance(value, list) else key), table


def recipe_data(answers: Answers, plugins: Plugins) -> dict[str, Any]:
    """Return the recipe as plain data.

    Raises:
        RecipeError: a further setting cannot be written into it.
    """
    data: dict[str, Any] = {"name": answers.name, "seed": 7}
    if answers.teacher != NO_TEACHER:
        data["teacher"] = {"plugin": answers.teacher, **_weights(answers, plugins)}
    live = answers.pairs in TRANSLATING
    if live:
        data["dataset"] = _dataset(answers)
    data["pairs"] = {"plugin": answers.pairs, **_pairs(answers, plugins)}
    if not live:
        data["filters"] = [{"plugin": "artifact"}, {"plugin": "duplicate"}]
    data["student"] = {"plugin": answers.student, **_student(answers)}
    data["losses"] = _losses(answers)
    data["train"] = {"steps": 2000, "batch": 4, "learning_rate": 4e-4}
    data["evaluators"] = [{"plugin": "held-out"}, {"plugin": "speed"}]
    _, mistakes = apply_overrides(data, answers.settings)
    if mistakes:
        raise RecipeError("--set", mistakes)
    return data


def _weights(answers: Answers, plugins: Plugins) -> dict[str, Any]:
    about = recipe_keys(plugins.get("teacher", answers.teacher).config).get("weights")
    if answers.weights:
        return {"weights": answers.weights}
    return {"weights": about.default} if about is not None and isinstance(about.default, str) else {}


def _dataset(answers: Answers) -> dict[str, Any]:
    if answers.data is not None:
        return {"plugin": "unpaired-folder", "folder": str(answers.data), "resolution": 256}
    return {"plugin": "rendered-scenes", "train_count": 1000, "test_count": 200}


def _pairs(answers: Answers, plugins: Plugins) -> dict[str, Any]:
    settings: dict[str, Any] = {"count": 3000} if answers.pairs in COUNTED else {}
    if answers.pairs == "latent-direction":
        settings |= {"direction": "builtin:age", "strength": 1.0}
    if answers.pairs in TRANSLATING:
        settings["live"] = answers.student == "resnet"
    if answers.data is not None and answers.pairs not in TRANSLATING:
        folders = _folders_required(plugins.get("pair-source", answers.pairs).config)
        settings |= {key: str(answers.data / _part(key, len(folders))) for key in folders}
    if answers.pairs == "folder":
        settings["resolution"] = 256
    return settings


def _part(key: str, folders: int) -> str:
    """Name the folder of one part of the pairs: `source_folder` is `source` in the user's folder."""
    return key.removesuffix("_folder") if folders > 1 else ""


def _student(answers: Answers) -> dict[str, Any]:
    if answers.student == "pix2pixhd" and _is_small(answers):
        student: dict[str, Any] = _of_recipe("stylegan-age", "student")
        return student
    if answers.student != "resnet":
        return {}
    if answers.pairs in TRANSLATING and answers.teacher == "cyclegan":
        student = _of_recipe("cyclegan-painting", "student") if _is_small(answers) else dict(_LIKE_ITS_TEACHER)
        return student
    return {"blocks": 3, "transfer": "none", "opposite": "none"}


def _of_recipe(name: str, section: str) -> Any:
    """Return what a recipe that comes with gdp has in a section; of a plugin its settings."""
    found = tomllib.loads(shipped_recipes()[name].read_text(encoding="utf-8"))[section]
    return {key: found[key] for key in found if key != "plugin"} if isinstance(found, dict) else found


def _is_small(answers: Answers) -> bool:
    """Say whether pictures are those of the embedded world, of 64 pixels."""
    return answers.teacher != NO_TEACHER and not answers.weights


def _losses(answers: Answers) -> list[dict[str, Any]]:
    if answers.student == "resnet" and answers.pairs in TRANSLATING and answers.teacher == "cyclegan":
        losses: list[dict[str, Any]] = _of_recipe("cyclegan-painting", "losses")
        return losses
    if answers.student == "pix2pixhd" and _is_small(answers):
        losses = _of_recipe("stylegan-age", "losses")
        return losses
    if answers.student == "pix2pixhd":
        return [dict(_ADVERSARIAL), {"plugin": "feature-matching", "weight": 10}, {"plugin": "l1", "weight": 20}]
    if answers.student == "resnet":
        return [dict(_ADVERSARIAL), {"plugin": "l1", "weight": 10}]
    return [{"plugin": "l1", "weight": 1}]


def recipe_text(answers: Answers, plugins: Plugins) -> str:
    """Return the recipe as TOML, each section with what its plugin does and each setting with what it means."""
    data = recipe_data(answers, plugins)
    lines = [
        f"# {answers.name}: begun by gdp new-recipe. gdp describe KIND NAME shows all that a plugin can be set to."
    ]
    lines += [f"{key} = {_toml(data[key])}" for key in ("name", "seed")]
    told: set[str] = set()
    for kind, key in SECTION_KEYS.items():
        if key == "evaluators":
            lines += ["", *_table("[train]", data["train"], TrainSection, TrainSection, "", told)]
        value = data.get(key)
        for table in value if isinstance(value, list) else [value] if value is not None else []:
            record = plugins.get(kind, str(table["plugin"]))
            header = f"[[{key}]]" if kind in LISTED_KINDS else f"[{key}]"
            lines += ["", *_table(header, table, SECTION_MODELS[kind], record.config, record.summary, told)]
    return "\n".join(lines) + "\n"


def _table(
    header: str, table: Mapping[str, Any], shared: type[BaseModel], own: type[BaseModel], summary: str, told: set[str]
) -> Iterator[str]:
    """Write a section; what a setting means is told once in a recipe, and noted in `told`."""
    known = {**recipe_keys(shared), **recipe_keys(own)}
    yield f"{header} # {summary}" if summary else header
    for key, value in table.items():
        meaning = _first_sentence(known[key].description) if key in known and key != "plugin" else ""
        if meaning not in told:
            yield from textwrap.wrap(meaning, _WIDTH, initial_indent="# ", subsequent_indent="# ")
            told.add(meaning)
        yield f"{key} = {_toml(value)}"


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split()).partition(". ")[0].rstrip(".")


def _toml(value: Any) -> str:
    import tomlkit

    return str(tomlkit.item(value).as_string())


def require_place(path: Path, *, force: bool = False) -> None:
    """Make sure that a new recipe can be written there.

    Raises:
        GdpError: the file is there already and not to be overwritten, or its folder is not there.
    """
    if not path.parent.is_dir():
        raise GdpError(f"{path.parent}: there is no such folder. Make it, or name another file with -o.")
    if path.exists() and not force and not is_special(path):
        raise GdpError(f"{path}: is there already. Name another file with -o, or overwrite it with --force.")


def write_recipe(path: Path, answers: Answers, plugins: Plugins, *, force: bool = False) -> None:
    """Check a new recipe as every other is checked, and write it.

    Args:
        path: the file.
        answers: what it is made of.
        plugins: what is installed.
        force: whether a file that is there is overwritten.

    Raises:
        RecipeError: what the answers make is no valid recipe; nothing is written.
        GdpError: the file is there already, or its folder is not.
    """
    require_place(path, force=force)
    text = recipe_text(answers, plugins)
    handle, name = tempfile.mkstemp(suffix=".toml")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        load_recipe(path, plugins, file=Path(name))
    except RecipeError as error:  # its lines are those of a file that nobody sees
        mistakes = [replace(mistake, line=None) for mistake in error.mistakes]
        raise RecipeError(str(path), [Mistake("", "not written, for it would be wrong"), *mistakes]) from None
    finally:
        Path(name).unlink()
    write_atomically(path, text.encode())


def offered(plugins: Plugins, kind: Kind) -> dict[str, str]:
    """Return the plugins of a kind that can be chosen, with what each does."""
    return {record.name: record.summary for record in plugins.records(kind)}
