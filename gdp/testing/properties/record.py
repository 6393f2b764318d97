"""What every light record promises; nothing of the implementation is imported but for its contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel

from gdp.core.config import Config
from gdp.core.recipe.choices import resolved_text
from gdp.core.recipe.messages import flatten, recipe_keys
from gdp.testing.findings import fail, require, require_same
from gdp.testing.subject import AnySubject, Subject

LONGEST_SUMMARY = 120
_HEAVY = ("torch", "torchvision", "numpy", "scipy", "sklearn", "pandas", "matplotlib", "cv2", "onnxruntime", "boto3",
          "tensorflow", "jax")  # fmt: skip
_WRONG_VALUES: Sequence[Any] = ("wrong", "", -1, 10**30, -0.5, True, [], ["wrong", -1], {}, {"wrong": 1})
_LOADER = """
import sys, json
from pathlib import Path
from gdp.registry.candidates import find_candidates
from gdp.registry.file_plugins import find_file_plugins
package, entry_point = json.loads(sys.argv[1])
candidates, _ = find_candidates()
if package == entry_point:  # a plugin of one file
    candidates += find_file_plugins([Path(package).parent])
candidate = next(found for found in candidates if (found.package, found.entry_point) == (package, entry_point))
before = set(sys.modules)
candidate.load()
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def registering_imports_nothing_heavy(subject: AnySubject) -> None:
    """The module that registers imports no torch, or every command waits for it."""
    loaded = frozenset(_modules_loaded_by(subject.row.package, subject.row.entry_point))
    heavy = heavy_ones(loaded)
    require(
        not heavy,
        f"importing what {subject.row.entry_point} registers imports {', '.join(heavy)}",
        "import it inside functions, or in the module that `implementation` names and that nothing else imports",
    )


def heavy_ones(modules: Collection[str]) -> list[str]:
    """Return which of some modules take long to import."""
    return [module for module in _HEAVY if module in modules]


@cache
def _modules_loaded_by(package: str, entry_point: str) -> Sequence[str]:
    return modules_loaded_by(_LOADER, [package, entry_point], entry_point)


def modules_loaded_by(program: str, argument: object, what: str) -> Sequence[str]:
    """Run a program in a fresh process that prints as JSON which modules it loads; `what` is what it imports.

    Raises:
        NotConformantError: it fails.
    """
    command = [sys.executable, "-c", program, json.dumps(argument)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 # our own program
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        fail(f"a fresh process cannot import {what}: {last}", "install the package, or put its folder on the path")
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def the_summary_fits_a_line(subject: AnySubject) -> None:
    """The summary says what it is for in one line of `gdp list-plugins`."""
    summary = subject.record.summary
    require(
        len(summary) <= LONGEST_SUMMARY and summary.casefold() not in (subject.name, subject.name.replace("-", " ")),
        f"the summary is {summary!r}",
        f"say in at most {LONGEST_SUMMARY} characters what the plugin does, not only its name",
    )


def every_setting_is_documented(subject: Subject) -> None:
    """Every setting has a line of docstring that says what it is, with its unit or range."""
    bare = [
        f"{model.__name__}.{key}"
        for model in _models(subject)
        for key, field in recipe_keys(model).items()
        if not (field.description or "").strip()
    ]
    require(
        not bare,
        f"without a docstring: {', '.join(bare)}",
        'write """..."""" under each field: what it is, with its unit or range'.replace('""""', '"""'),
    )


def settings_are_closed_and_frozen(subject: Subject) -> None:
    """Settings and tables in them refuse unknown keys and cannot be changed."""
    for model in _models(subject):
        require(
            issubclass(model, Config) and model.model_config.get("extra") == "forbid"
            and model.model_config.get("frozen") is True,
            f"{model.__name__} accepts unknown keys or changes",
            f"derive {model.__name__} from gdp.Config and leave its model_config alone",
        )  # fmt: skip
    choice, _ = subject.choose({**subject.settings, "an_unknown_key": 1})
    require(choice is None, "an unknown key was accepted", "take no validator that drops keys")


def _models(subject: Subject) -> list[type[BaseModel]]:
    record = subject.record
    found: list[type[BaseModel]] = []
    for model in (record.config, *([record.training] if record.training is not None else [])):
        found += [inner for inner in _nested(model) if inner not in found]
    return found


def _nested(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        yield from (inner for part in _parts(field.annotation) for inner in _nested(part))


def _parts(annotation: Any) -> Iterator[type[BaseModel]]:
    for member in flatten(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            yield member
        for argument in get_args(member):
            if not isinstance(argument, str | int):
                yield from _parts(argument)


def settings_survive_toml_and_json(subject: Subject) -> None:
    """What a run writes into its folder reads back as the same settings."""
    data = subject.choice.to_data()
    toml = tomllib.loads(resolved_text(data, "a recipe's section"))
    for words, read in (("TOML", toml), ("JSON", json.loads(json.dumps(data)))):
        again, mistakes = subject.choose({key: value for key, value in read.items() if key != "plugin"})
        mend = "let None be the default of every setting that may be None, and let validators accept their own results"
        if again is None:
            told = "; ".join(f"{mistake.where}: {mistake.message}" for mistake in mistakes)
            fail(f"written as {words} and read again, the settings are refused: {told}", mend)
        require_same(
            dict(subject.config), dict(again.config), f"written as {words} and read again, the settings differ", mend
        )


def wrong_settings_are_explained(subject: Subject) -> None:
    """A wrong value of any setting is a mistake of the recipe, never another exception."""
    _ = subject.choice  # the given settings must be valid first
    for key in recipe_keys(subject.record.config):
        for value in _WRONG_VALUES:
            _, mistakes = subject.choose({**subject.settings, key: value})
            broken = [mistake.message for mistake in mistakes if "failed to check its settings" in mistake.message]
            require(
                not broken,
                f"{key} = {value!r}: {broken[:1]}",
                "let validators raise ValueError with a message for people, whatever they are given",
            )


def the_implementation_keeps_its_contract(subject: AnySubject) -> None:
    """The implementation can be imported, is what its kind asks for, and says what it does."""
    implementation: Any = subject.implementation
    own = vars(implementation).get("__doc__") if isinstance(implementation, type) else implementation.__doc__
    require(
        bool((own or "").strip()),
        f"{getattr(implementation, '__name__', subject.name)} has no docstring",
        "say in one line what it does, and below what it raises",
    )


PLAIN_PROPERTIES = (
    registering_imports_nothing_heavy,
    the_summary_fits_a_line,
    the_implementation_keeps_its_contract,
)
"""What holds of kinds without settings, too."""

PROPERTIES = (
    registering_imports_nothing_heavy,
    the_summary_fits_a_line,
    every_setting_is_documented,
    settings_are_closed_and_frozen,
    settings_survive_toml_and_json,
    wrong_settings_are_explained,
    the_implementation_keeps_its_contract,
)
