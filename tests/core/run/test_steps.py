"""Stages that plugins add: where they stand, what repeats them, and who is named where one fails."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

from gdp.api import open_session
from gdp.core.errors import GdpError, MissingResourceError, PluginError
from gdp.core.records import CORE_STAGES
from gdp.core.run.pipeline import Plan, execute
from gdp.core.run.session import Session
from gdp.core.run.steps import stages_to_do, steps_of
from gdp.registry import PluginRegistry
from gdp.testing import examples
from gdp.tools.preflight import preflight

HEAD = '''
import gdp

class Settings(gdp.Config):
    """Settings for a test."""

    word: str = "a"
    """Goes into the summary."""

class Stage(gdp.Stage):
    """Counts how often it is done, and fails where a file says so."""

    def __init__(self, config, context):
        super().__init__(config, context)
        if config.word == "folder":
            raise gdp.MissingResourceError("one: there is no such folder")

    def _at(self, run, place):
        if (run.path / "fail.txt").is_file() and (run.path / "fail.txt").read_text() == place:
            raise (SystemExit if place == "execute" else RuntimeError)("as the file says")

    def applies(self, run):
        self._at(run, "applies")
        return True

    def key(self, run, keys):
        self._at(run, "key")
        return {"filter": keys["filter"], **self._odd(run, "key")}

    def execute(self, run):
        self._at(run, "execute")
        return {"word": self.config.word, **self._odd(run, "execute")}

    def _odd(self, run, place):
        file = run.path / f"odd-{place}.txt"
        return eval(file.read_text()) if file.is_file() else {}

    def is_there(self, run):
        self._at(run, "is_there")
        return True

    def reset(self, run, first):
        self._at(run, "reset")
        (run.path / "reset.txt").write_text(first)

@gdp.hookimpl
def gdp_register_stages(register):
'''
Added = Sequence[tuple[str, str]]
"""Names of stages, each with the one behind which it stands."""


def registry(folder: Path, added: Added, every_run: Sequence[str] = ()) -> PluginRegistry:
    """Return the plugins, with one of a file `added.py` that has these stages."""
    calls = [
        f'    register({name!r}, config=Settings, implementation="added:Stage", summary="For a test", after={after!r}, '
        f"every_run={name in every_run})"
        for name, after in added
    ]
    plugins = folder / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "added.py").write_text(HEAD + "\n".join(calls) + "\n")
    return PluginRegistry.discover(folders=[plugins])


Open = Callable[..., Session]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Return what opens a run whose recipe chooses some stages."""
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        for number in range(4):
            Image.new("RGB", (16, 16), (60 * number, 90, 90)).save(tmp_path / folder / f"{number}.png")

    def open_run(plugins: PluginRegistry, *chosen: str, settings: str = "") -> Session:
        sections = "".join(f'\n[[stages]]\nplugin = "{name}"\n{settings}\n' for name in chosen)
        recipe = tmp_path / "tiny.toml"
        recipe.write_text(examples.RECIPE.replace('["1", "4"]', '["1"]') + sections)
        return open_session(recipe, folder=tmp_path / "run", registry=plugins, device="cpu")

    return open_run


EXPORTED = "teacher pairs filter train evaluate export"


@pytest.mark.parametrize(
    ("added", "chosen", "expected"),
    [
        ("", "", f"{EXPORTED} compare report"),
        ("one export", "one", f"{EXPORTED} one compare report"),
        ("one export", "", f"{EXPORTED} compare report"),
        ("one filter", "one", "teacher pairs filter one train evaluate export compare report"),
        ("one compare", "one", f"{EXPORTED} compare one report"),
        ("one report", "one", f"{EXPORTED} compare report one"),
        ("one export, two export", "two one", f"{EXPORTED} two one compare report"),
        ("one export, two one", "two one", f"{EXPORTED} one two compare report"),
        ("a b, b c, c pairs", "a b c", "teacher pairs c b a filter train evaluate export compare report"),
        ("one export, two one, three export", "one two three", f"{EXPORTED} one two three compare report"),
    ],
)
def test_a_chosen_stage_stands_behind_the_one_that_it_names(
    opened: Open, tmp_path: Path, added: str, chosen: str, expected: str
) -> None:
    pairs = [(name, after) for name, after in (words.split() for words in added.split(",") if words)]
    session = opened(registry(tmp_path, pairs), *chosen.split())
    assert " ".join(step.name for step in steps_of(session)) == expected


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_stage_of_every_run_needs_no_recipe_and_stands_before_the_report(
    opened: Open, tmp_path: Path, name: str
) -> None:
    session = opened(registry(tmp_path, [("one", "export"), (name, "export")], every_run=[name]), "one")
    assert " ".join(step.name for step in steps_of(session)) == f"{EXPORTED} one {name} compare report"


@pytest.mark.parametrize("added", [[("one", "exprot")], [("one", "two"), ("two", "one")], [("one", "one")]])
def test_a_stage_that_stands_nowhere_is_told_with_its_plugin(opened: Open, tmp_path: Path, added: Added) -> None:
    session = opened(registry(tmp_path, added), *(name for name, _ in added))
    with pytest.raises(PluginError) as caught:
        execute(session)
    message = str(caught.value)
    assert message.startswith(f"stage one ({tmp_path / 'plugins' / 'added.py'}): it wants to stand after the stage")
    assert "this run has teacher, pairs, filter, train, evaluate, export, compare, report" in message
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", CORE_STAGES)
def test_a_stage_cannot_have_the_name_of_one_of_core(tmp_path: Path, name: str) -> None:
    (row,) = [row for row in registry(tmp_path, [(name, "export")]).rows if row.package.endswith("added.py")]
    assert (row.status, row.kind) == ("broken", "")
    assert f"register('{name}'): every run has a stage of that name; choose another" in row.reason


def test_a_stage_of_the_name_of_a_built_in_one_is_a_clash(tmp_path: Path) -> None:
    (row,) = [row for row in registry(tmp_path, [("report", "export")]).rows if row.package.endswith("added.py")]
    assert row.status == "clash"


def test_places_are_for_stages_alone(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    text = HEAD.replace("gdp_register_stages", "gdp_register_losses")
    for word in ('after="filter"', "every_run=True"):
        (plugins / "added.py").write_text(
            f'{text}    register("x", config=Settings, implementation="a:B", summary="X", {word})\n'
        )
        (row,) = [row for row in PluginRegistry.discover(folders=[plugins]).rows if row.package.endswith("added.py")]
        assert "after and every_run are for stages, this is a loss" in row.reason


ONE: Added = [("one", "filter")]
UNTIL = Plan(until="one")


def test_only_a_changed_key_repeats_a_stage(opened: Open, tmp_path: Path) -> None:
    plugins = registry(tmp_path, ONE)
    assert execute(opened(plugins, "one"), UNTIL).done == ("teacher", "pairs", "filter", "one")
    assert execute(opened(plugins, "one"), UNTIL).done == ()
    assert execute(opened(plugins, "one", settings='word = "b"'), UNTIL).done == ("one",)
    assert json.loads((tmp_path / "run" / "stages.json").read_text())["one"]["summary"] == {"word": "b"}
    assert stages_to_do(opened(plugins, "one", settings='word = "b"'))[0] == "train"
    assert stages_to_do(opened(plugins, "one", settings='word = "c"'))[0] == "one"


def test_a_forced_stage_is_told_from_where_on_all_is_repeated(opened: Open, tmp_path: Path) -> None:
    plugins = registry(tmp_path, ONE)
    execute(opened(plugins, "one"), UNTIL)
    for name, done in (("one", ("one",)), ("filter", ("filter", "one"))):
        assert execute(opened(plugins, "one"), Plan(repeat_from=name, until="one")).done == done
        assert (tmp_path / "run" / "reset.txt").read_text() == name


@pytest.mark.parametrize("place", ["applies", "key", "execute", "is_there", "reset"])
def test_a_stage_that_fails_is_named_wherever_it_fails(opened: Open, tmp_path: Path, place: str) -> None:
    plugins = registry(tmp_path, ONE)
    if place in ("is_there", "reset"):
        execute(opened(plugins, "one"), UNTIL)
    (tmp_path / "run").mkdir(exist_ok=True)
    (tmp_path / "run" / "fail.txt").write_text(place)
    plan = Plan(repeat_from="one" if place == "reset" else None, until="one")
    with pytest.raises(PluginError) as caught:
        execute(opened(plugins, "one"), plan)
    kind = "SystemExit" if place == "execute" else "RuntimeError"
    where = f"{tmp_path / 'tiny.toml'}:28: stage one ({tmp_path / 'plugins' / 'added.py'})"
    assert str(caught.value).startswith(f"{where}: failed with {kind}: as the file says.")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"
    (tmp_path / "run" / "fail.txt").unlink()
    assert execute(opened(plugins, "one"), UNTIL).done in (("one",), ()), "what was done is kept"


def test_what_a_late_stage_lacks_is_told_first_and_hinders_nobody_who_stops_before_it(
    opened: Open, tmp_path: Path
) -> None:
    plugins = registry(tmp_path, ONE)
    with pytest.raises(MissingResourceError, match="one: there is no such folder"):
        execute(opened(plugins, "one", settings='word = "folder"'))
    assert not (tmp_path / "run").exists()
    *_, stages = preflight(opened(plugins, "one", settings='word = "folder"'))
    assert (stages.title, stages.good) == ("stages", False)
    assert re.fullmatch(r".*tiny\.toml:28: stage one \(.*added\.py\): one: there is no such folder", stages.detail)
    before = Plan(until="filter")
    assert execute(opened(plugins, "one", settings='word = "folder"'), before).done == ("teacher", "pairs", "filter")


ODD = {"{'a': object()}": "type object", "{'a': float('nan')}": "Out of range float", "{'a': '\\udcff'}": "surrogates"}


@pytest.mark.parametrize("place", ["key", "execute"])
@pytest.mark.parametrize("odd", ODD)
def test_a_stage_is_named_whose_key_or_summary_is_no_json(opened: Open, tmp_path: Path, place: str, odd: str) -> None:
    plugins = registry(tmp_path, ONE)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f"odd-{place}.txt").write_text(odd)
    with pytest.raises(PluginError) as caught:
        execute(opened(plugins, "one"), UNTIL)
    where = f"{tmp_path / 'tiny.toml'}:28: stage one ({tmp_path / 'plugins' / 'added.py'})"
    assert str(caught.value).startswith(f"{where}: {place} must return what JSON can hold")
    assert ODD[odd] in str(caught.value)
    (tmp_path / "run" / f"odd-{place}.txt").unlink()
    assert execute(opened(plugins, "one"), UNTIL).done == ("one",)


def test_a_summary_is_told_as_it_is_recorded(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "odd-execute.txt").write_text("{1: 2}")
    session = opened(registry(tmp_path, ONE), "one")
    execute(session, UNTIL)
    assert session.summaries["one"] == {"word": "a", "1": 2}


def test_pairs_that_are_made_anew_are_split_anew(opened: Open, tmp_path: Path) -> None:
    plugins = registry(tmp_path, ())
    execute(opened(plugins), Plan(until="filter"))
    shutil.rmtree(tmp_path / "run" / "pairs")
    assert execute(opened(plugins), Plan(until="filter")).done == ("pairs", "filter")
    assert execute(opened(plugins), Plan(until="filter")).done == ()


def test_a_lost_manifest_is_made_from_the_shards_and_no_pair_is_made_twice(opened: Open, tmp_path: Path) -> None:
    plugins = registry(tmp_path, ())
    execute(opened(plugins), Plan(until="filter"))
    (manifest,) = (tmp_path / "run" / "pairs").glob("*/manifest.sqlite")
    manifest.unlink()
    session = opened(plugins)
    assert execute(session, Plan(until="filter")).done == ("pairs", "filter")
    assert session.summaries["pairs"]["made_now"] == 0


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(until="exprot"), "--until exprot: there is no such stage, did you mean export?"),
        (Plan(repeat_from="onne"), "--from onne: there is no such stage, did you mean one?"),
        (
            Plan(until="xyz"),
            "--until xyz: there is no such stage; there is teacher, pairs, filter, one, train, evaluate, export, "
            "compare, report",
        ),
    ],
)
def test_a_stage_that_is_not_there_is_told_before_anything_is_done(
    opened: Open, tmp_path: Path, plan: Plan, words: str
) -> None:
    with pytest.raises(GdpError) as caught:
        execute(opened(registry(tmp_path, ONE), "one"), plan)
    assert words in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_stage_of_a_plugin_that_cannot_be_imported_is_told(opened: Open, tmp_path: Path) -> None:
    plugins = registry(tmp_path, ONE)
    source = tmp_path / "plugins" / "added.py"
    source.write_text(source.read_text().replace('"added:Stage"', '"added:Settings"'))
    session = opened(PluginRegistry.discover(folders=[tmp_path / "plugins"]), "one")
    with pytest.raises(
        PluginError, match=r"tiny\.toml:28: stage one \(.*added\.py\): .* does not derive from gdp\.Stage"
    ):
        execute(session, UNTIL)
    assert "one" in plugins.names("stage")
