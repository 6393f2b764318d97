"""Every kind of plugin that no recipe chooses is wrong in many ways, in a real command: one sentence names it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from commands import gdp_command
from odd_plugins import RAISES
from PIL import Image

ZOO = Path(__file__).parent / "zoo_of_tools"


def square(matrix: str) -> str:
    return f"[[gdp.Square({matrix})] for _ in given[0]]"


def converted(**changes: str) -> str:
    given = {"what": "'zoo'", "tensors": "{'weight': torch.ones(2)}", "use": "'# {file}'", **changes}
    return f"gdp.Converted({', '.join(f'{name}={value}' for name, value in given.items())})"


NUMPY = "__import__('numpy')"
WAYS: dict[str, dict[str, dict[str, str]]] = {
    "engine": {
        "__init__": RAISES,
        "file": {
            "None": "file must be the plain name of the file",
            "'../zoo.bin'": "file must be the plain name of the file",
            "''": "file must be the plain name of the file",
            "'student.safetensors'": "as the student's own",
        },
        "runs_from_weights": {"None": "runs_from_weights must be True or False"},
        "export": {**RAISES, "None": "it exported nothing to zoo.bin", "given[3].mkdir()": "it exported nothing"},
        "open": {
            **RAISES,
            "None": "open must return a function that translates pictures, and returned None",
            "7": "open must return a function that translates pictures, and returned int 7",
            "lambda pictures: None": "it made NoneType of pictures",
            "lambda pictures: [right(pictures)]": "it made list of pictures",
            "lambda pictures: right(pictures).astype('float32')": "it made float32",
            "lambda pictures: right(pictures)[:, :-1]": "it made uint8",
            "lambda pictures: right(pictures)[:0]": "it made uint8 (0, ",
            "lambda pictures: fail(ValueError('in the middle'))": "failed with ValueError: in the middle",
            "lambda pictures: [pictures.fill(0), right(pictures)][1]": "it wrote into the pictures",
        },
        "describe": {**RAISES, "None": "describe must be text, and is None"},
    },
    "calibrated": {"__init__": RAISES, "calibrate": {**RAISES, "[given[0].fill(0)]": "changed what it was given"}},
    "aligner": {
        "__init__": RAISES,
        "finds": {"'face'": "finds must be two words", "None": "finds must be two words", "('a', '')": "finds must be"},
        "regions": {
            **RAISES,
            "None": "must return a list of gdp.Square for each picture, and returned None",
            "right[1:]": "looked at 1 pictures, and returned squares of 0",
            "right[0]": "gave Square",
            "(squares for squares in right)": "and returned generator",
            "[[(0, 0, 8, 8)] for _ in right]": "found tuple (0, 0, 8, 8) in picture 0",
            square(f"{NUMPY}.eye(2, 2)"): "whose matrix must be floats (2, 3), and is float64 (2, 2)",
            square("[[1, 0, 0], [0, 1, 0]]"): "whose matrix must be floats (2, 3), and is list",
            square(f"{NUMPY}.eye(2, 3) * 1e9"): "larger or further away than 8 pictures",
            square(f"{NUMPY}.eye(2, 3) * nan"): "not finite",
            square(f"{NUMPY}.zeros((2, 3))"): "no larger than 0",
            "[given[0].fill(0), right][1]": "changed what it was given",
        },
    },
    "labelled": {
        "__init__": RAISES,
        "find": {
            **RAISES,
            "None": "must return a list of gdp.FoundDirection, and returned None",
            "[]": "must return one direction, and returned 0",
            "[*right, *right]": "must return one direction, and returned 2",
            "[right[0].vector]": "must return a list of gdp.FoundDirection",
            "[gdp.FoundDirection(right[0].vector[:3])]": "must return vectors of ",
            "[gdp.FoundDirection(right[0].vector * 0)]": "that is 0 or not finite",
            "[gdp.FoundDirection(right[0].vector * nan)]": "that is 0 or not finite",
            "[gdp.FoundDirection(right[0].vector.tolist())]": "is list",
            "[gdp.FoundDirection(right[0].vector, {'x': object()})]": "what JSON can hold",
            "(found for found in right)": "and returned generator",
            "[given[0].w.zero_(), right][1]": "changed what it was given",
        },
        "labelled": {"None": "labelled must be True or False"},
        "sampled": {"'no'": "sampled must be True or False"},
        "fewest_samples": {
            **RAISES,
            "None": "fewest_samples must be a whole number of samples, 0 or more, and is None",
            "-1": "must be a whole number of samples, 0 or more",
            "2.5": "must be a whole number of samples, 0 or more",
        },
    },
    "free": {
        "find": {
            **RAISES,
            "[]": "must return 3 directions, or fewer, and returned 0",
            "[*right, *right]": "must return 3 directions, or fewer, and returned 6",
            "[gdp.FoundDirection(each.vector[:, None]) for each in right]": "must return vectors of ",
        },
    },
    "converter": {
        "__init__": RAISES,
        "convert": {
            **RAISES,
            "None": "must return a gdp.Converted, and returned None",
            "{'weight': torch.ones(2)}": "must return a gdp.Converted",
            converted(tensors="{}"): "returned no tensors",
            converted(tensors="{'weight': 1.0}"): "gave weight as float 1.0, and that is no tensor",
            converted(tensors="{7: torch.ones(2)}"): "gave a tensor the name int 7",
            converted(what="None"): "gave as its `what` None",
            converted(use="7"): "gave as its `use` int 7",
            converted(metadata="{'width': 7}"): "that maps no text to text",
            converted(architecture="{'x': object()}"): "what JSON can hold",
            converted(remarks="'one line'"): "that is no list of lines",
            converted(beside="{'../evil': right}"): "names what is beside it",
            converted(beside="{'other': None}"): "must return a gdp.Converted, and returned None",
        },
    },
}  # fmt: skip
CASES = [
    pytest.param(kind, member, answer, words, id=f"{kind}-{member}-{number}")
    for kind, members in WAYS.items()
    for number, (member, answer, words) in enumerate(
        (member, answer, words) for member, answers in members.items() for answer, words in answers.items()
    )
]
NAMES = {"labelled": "direction-method", "free": "direction-method", "calibrated": "engine"}
"""What an error calls the kind, where it has another name here."""


@pytest.fixture
def world(finished_run: Path, tmp_path: Path) -> Path:
    """Return a folder with a finished run, its recipe, a picture, and a file that the converter knows."""
    for name in ("teacher.safetensors", "direction.safetensors", "tiny.toml"):
        shutil.copy(finished_run.parents[1] / name, tmp_path / name)
    shutil.copytree(finished_run, tmp_path / "runs" / "tiny")
    Image.effect_noise((16, 16), 60).convert("RGB").save(tmp_path / "picture.png")
    torch.save({"zoo": torch.ones(2)}, tmp_path / "zoo.pt")
    return tmp_path


COMMANDS = {
    "engine": "apply runs/tiny picture.png -o out.png --engine zoo-engine",
    "calibrated": "export runs/tiny --to zoo-calibrated",
    "aligner": "apply runs/tiny picture.png -o out.png --engine torch --align zoo-aligner",
    "labelled": "find-direction tiny.toml --method zoo-labelled --filter zoo-labels --label brightness --samples 16 "
    "--measured 0 -o found.safetensors",
    "free": "find-direction tiny.toml --method zoo-free --components 3 --samples 16 --measured 0 -o found.safetensors",
    "converter": "convert zoo.pt --as zoo-converter",
}
"""The command that asks each."""


def ask(world: Path, kind: str, member: str, answer: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    monkeypatch.setenv("ZOO", json.dumps({"member": member, "answer": answer}))
    done = gdp_command(*COMMANDS[kind].split(), "--json", "--plugins-dir", ZOO, cwd=world)
    return done.exit_code, done.stdout, done.stderr


def files_of(world: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in world.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"}


@pytest.mark.parametrize(("kind", "member", "answer", "words"), CASES)
def test_a_wrong_plugin_is_one_sentence_that_names_it_and_nothing_is_written(
    world: Path, kind: str, member: str, answer: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(world)
    code, out, err = ask(world, kind, member, answer, monkeypatch)
    (error,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert code == 1 and (out == "" or json.loads(out)) and "Traceback" not in err, err
    assert words in error and f"{NAMES.get(kind, kind)} zoo-{kind} ({ZOO / 'tooled.py'})" in error, error
    assert files_of(world) == before


@pytest.mark.parametrize("kind", WAYS)
def test_the_same_plugin_works_where_all_its_answers_are_right(
    world: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, err = ask(world, kind, "", "right", monkeypatch)
    assert code == 0, err
    assert json.loads(out)


def test_a_converter_that_fails_keeps_the_others_from_nothing(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(torch.ones(1, 16), world / "direction.pt")
    for answer in ("fail(SystemExit(3))", "None"):
        monkeypatch.setenv("ZOO", json.dumps({"member": "recognise", "answer": answer}))
        done = gdp_command("convert", "direction.pt", "--overwrite", "--plugins-dir", ZOO, cwd=world)
        assert done.exit_code == 0, done.stderr
        assert f"left out: converter zoo-converter ({ZOO / 'tooled.py'})" in done.stderr
