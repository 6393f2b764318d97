"""Of every kind of plugin there is one that cannot be registered, imported or built: a sentence names it each time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import gdp_command
from PIL import Image
from tiny_student import make_tiny_run

from gdp.core.records import KINDS, PLAIN_KINDS
from gdp.testing.examples import RECIPE, pictures
from gdp.toolbox import encode_png

HEAD = """
import gdp


class Settings(gdp.Config):
    pass


class PanicError(BaseException):
    pass


def a_function():
    pass


async def asynchronous():
    pass


def yielding():
    yield


class Unrelated:
    pass


def __getattr__(name):
    if name == "Raising":
        raise ValueError("two\\nlines")
    if name == "Leaving":
        raise SystemExit(3)
    if name == "Panicking":
        raise PanicError("core")
    if name == "Shameless":
        raise type("E", (Exception,), {"__str__": lambda self: 1 / 0})
    if name == "Unfinished":
        return type("Unfinished", (getattr(gdp, INTERFACE),), {})
    raise AttributeError(name)
"""
BASES = {
    "teacher": "LatentTeacher", "pair-source": "PairSource", "filter": "ScoringFilter", "student": "Student",
    "loss": "Loss", "evaluator": "Evaluator", "dataset": "UnpairedDataset", "stage": "Stage", "engine": "Engine",
    "direction-method": "DirectionMethod", "aligner": "Aligner", "tracker": "Tracker", "converter": "Converter",
    "command": "Config",
    "executor": "Executor",
}  # fmt: skip
IMPLEMENTATIONS = {
    "module_that_nobody_has:Thing": "no module named 'module_that_nobody_has'",
    "odd:Nothing": "AttributeError: Nothing",
    "odd:Raising": "ValueError: two lines",
    "odd:Leaving": "SystemExit: 3",
    "odd:Panicking": "PanicError: core",
    "odd:Shameless": "its message cannot be shown",
    "odd:gdp": "is module, not a",
    "odd:Unrelated": "does not derive from gdp.",
    "odd:a_function": "is function, not a class",
    "odd:Unfinished": "does not implement ",
}
OF_COMMANDS = {
    "odd:Unrelated": "is type, not a function",
    "odd:a_function": None,
    "odd:Unfinished": "is ModelMetaclass, not a function",
    "odd:asynchronous": "is asynchronous or a generator",
    "odd:yielding": "is asynchronous or a generator",
}
"""What is otherwise of commands, whose implementations are functions; None where it is right."""
CASES = [
    (kind, implementation, words)
    for kind in (*KINDS, *PLAIN_KINDS)
    for implementation, words in {**IMPLEMENTATIONS, **(OF_COMMANDS if kind == "command" else {})}.items()
    if words is not None
]
REGISTRATIONS = {
    "'Odd One', implementation='odd:A', summary='x'": "lower-case words joined by hyphens",
    "7, implementation='odd:A', summary='x'": "lower-case words joined by hyphens",
    "'odd', implementation='odd.A', summary='x'": "implementation must be text such as",
    "'odd', implementation=Settings, summary='x'": "implementation must be text such as",
    "'odd', implementation='odd:A', summary='a\\nb'": "summary must be one line of text",
    "'odd', implementation='odd:A', summary=None": "summary must be one line of text",
    "'odd', implementation='odd:A', summary='x', needs={'gpu': True}": "needs must be gdp.Needs",
    "'odd', implementation='odd:A', summary='x', licence=''": "licence must be one line of text",
    "'odd', implementation='odd:A', sumary='x'": "unexpected keyword argument 'sumary'",
    "'odd'": "missing",
    "'odd', implementation='odd:A', summary='x', **fail()": "failed on purpose",
}
OF_CONFIG = {
    "'odd', implementation='odd:A', summary='x', config=dict": "must be a class derived from gdp.Config",
    "'odd', implementation='odd:A', summary='x', config=Settings()": "must be a class derived from gdp.Config",
}


def plugins_folder(world: Path, kind: str, call: str) -> str:
    """Write a plugin file that registers something of a kind."""
    hook = f"gdp_register_{kind.replace('-', '_')}{'es' if kind == 'loss' else 's'}"
    source = HEAD.replace("INTERFACE", repr(BASES[kind]))
    source += f"\n\ndef fail():\n    raise LookupError('failed on purpose')\n\n\n@gdp.hookimpl\ndef {hook}(register):\n"
    (world / "plugins").mkdir(exist_ok=True)
    (world / "plugins" / "odd.py").write_text(f"{source}    register({call})\n")
    return "plugins"


def with_config(kind: str, call: str) -> str:
    return call if kind in PLAIN_KINDS or "config=" in call else f"{call}, config=Settings"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny run, pictures, and a file of foreign weights: nothing here gets to be changed."""
    import torch

    folder = tmp_path_factory.mktemp("modules")
    make_tiny_run(folder)
    torch.save({"x": torch.ones(2)}, folder / "x.pt")
    Image.new("RGB", (32, 32)).save(folder / "x.png")
    for seed, name in enumerate(("before", "after")):
        (folder / name).mkdir()
        for number, picture in enumerate(pictures(6, 16, seed=seed)):
            (folder / name / f"{number}.png").write_bytes(encode_png(picture))
    return folder


CHOSEN = 'plugin = "odd"'
"""The line of a recipe that chooses it."""
COMMANDS = {
    "engine": "apply run x.png -o out.png --engine odd",
    "aligner": "apply run x.png -o out.png --engine torch --align odd",
    "direction-method": "find-direction --teacher stylegan2 --method odd -o found.safetensors",
    "converter": "convert x.pt --as odd",
    "executor": "apply run x.png -o out.png --engine torch --executor odd",
    "command": "odd",
}
"""The command that uses a plugin that no recipe chooses."""


def command_of(world: Path, kind: str) -> list[str]:
    """Return the command that uses the plugin odd; of a kind of a recipe, write one that chooses it."""
    if kind in COMMANDS:
        return COMMANDS[kind].split()
    text = RECIPE
    if kind == "tracker":
        (world / "odd.toml").write_text(text)
        return ["run", "odd.toml", "--folder", "made-tracker", "--track", "odd"]
    if kind in ("teacher", "dataset"):
        text += f'\n[{kind}]\nplugin = "odd"\n'
    elif kind in ("student", "pair-source"):
        section = "student" if kind == "student" else "pairs"
        start = text.index(f"[{section}]")
        end = text.index("\n\n", start)
        text = f'{text[:start]}[{section}]\nplugin = "odd"{text[end:]}'
    else:
        section = {"loss": "losses"}.get(kind, f"{kind}s")
        text += f'\n[[{section}]]\nplugin = "odd"\n'
    (world / "odd.toml").write_text(text)
    return ["run", "odd.toml", "--folder", f"made-{kind}"]


@pytest.mark.parametrize(("kind", "implementation", "words"), CASES)
def test_an_implementation_that_cannot_be_used_is_told_with_the_recipes_line(
    shared: Path, kind: str, implementation: str, words: str
) -> None:
    call = with_config(kind, f"'odd', implementation={implementation!r}, summary='x'")
    folder = plugins_folder(shared, kind, call)
    arguments = command_of(shared, kind)
    done = gdp_command(*arguments, "--plugins-dir", folder, cwd=shared)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.exit_code == 1 and len(errors) == 1 and "Traceback" not in done.stderr, done.stderr
    place = ""
    if arguments[0] == "run" and kind != "tracker":
        lines = (shared / "odd.toml").read_text().splitlines()
        place = f"odd.toml:{lines.index(CHOSEN) + 1}: "
    who = f"{place}{kind} odd (plugins/odd.py): "
    assert "finished in" not in done.stderr, "it is told before any work"
    assert who in errors[0] and words in errors[0] and "gdp_file" not in errors[0], errors[0]


@pytest.mark.parametrize("kind", BASES)
def test_a_registration_that_could_not_work_is_a_row_and_a_sentence_where_it_is_used(shared: Path, kind: str) -> None:
    told = {}
    for call, words in {**REGISTRATIONS, **({} if kind in PLAIN_KINDS else OF_CONFIG)}.items():
        folder = plugins_folder(shared, kind, with_config(kind, call))
        done = gdp_command("list-plugins", "--json", "--plugins-dir", folder, cwd=shared)
        (row,) = [row for row in json.loads(done.stdout) if row["package"].endswith("odd.py")]
        assert row["status"] == "broken" and words in row["reason"], row
        assert "--no-plugin odd" in row["mend"] and "\n" not in row["reason"]
        told[call] = row["reason"]
    assert len(told) >= 8
    used = gdp_command(*command_of(shared, kind), "--plugins-dir", folder, cwd=shared)
    assert used.exit_code in (1, 2) and "cannot be used (broken): " in used.stderr, used.stderr
    assert next(reversed(told.values())) in used.stderr


SET = {
    "urls": "['https://example.com/odd.zip']", "size": "100", "parts": "{'trainA': 3}", "summary": "'Mine'",
    "licence": "'CC0'",
}  # fmt: skip
SETS = {
    "urls": {"'https://example.com/odd.zip'": "urls must be a list", "['http://a/b.zip']": "https addresses"},
    "size": {"0": "size must be a number of bytes", "None": "size must be a number of bytes"},
    "parts": {"{}": "parts must map folders", "{'../x': 3}": "parts must map folders", "{'a': -1}": "parts must map"},
    "summary": {"'a\\nb'": "summary must be one line"},
    "licence": {"None": "licence must be one line"},
    "archive_folder": {"'/etc'": "archive_folder must be a plain path"},
    "sha256": {"'abc'": "64 hexadecimal digits"},
    "sha265": {"'abc'": "unexpected keyword argument"},
}


@pytest.mark.parametrize(
    ("word", "value", "reason"),
    [(word, value, reason) for word, values in SETS.items() for value, reason in values.items()],
)
def test_a_set_that_could_not_be_fetched_is_a_sentence_where_it_is_asked_for(
    tmp_path: Path, word: str, value: str, reason: str
) -> None:
    (tmp_path / "plugins").mkdir()
    given = ", ".join(f"{name}={text}" for name, text in {**SET, word: value}.items())
    source = f"import gdp\n\n\n@gdp.hookimpl\ndef gdp_register_downloads(register):\n    register('odd', {given})\n"
    (tmp_path / "plugins" / "odd.py").write_text(source)
    done = gdp_command("fetch-data", "odd", "--json", "--plugins-dir", "plugins", cwd=tmp_path)
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.exit_code == 1 and done.stdout == "" and 'download "odd" cannot be used (broken): ' in error
    assert reason in error, error
