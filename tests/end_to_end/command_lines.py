"""Command lines nobody would type, and some that one would: the real commands and options, with odd values."""

from __future__ import annotations

import shlex
from enum import Enum
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies

from gdp.registry.commands import build_command, built_in_commands

WORDS = (
    "", " ", "-", "--", "-1", "0", "1", "-0", "3.5", "1e308", "-1e400", "nan", "inf", "99999999999999999999", "0x10",
    "١٢", "ö", "日本", "\U0001f600", "\udcff", "caf\udce9", "a\nb", "a\tb", "'", '"', "[", "{", "=", "a=b", "a=", "=b",
    "a.b=c", "train.steps=5", "train.steps=nan", "train.steps=99999999999999999999", "pairs.count=2000000000",
    "train.batch=-1", "filters=[]", "filters.0.min_age=[1", "losses.9.weight=1", "student.width=1e9", "seed=true",
    "teacher.plugin=nope", "x" * 5000, "x/" * 2000, "../x.png", "..", ".", "/proc", "~", "~nobody/x", "$HOME", "*",
    "**", "[!", "?", "a*b/c", "/dev/null", "/dev/full", "/proc/self/mem", "nowhere/at/all", "folder",
    "empty", "link", "circle", "pipe-less", "bad.json", "bad.toml", "list.json", "nul.toml", "good.toml", "run",
    "picture.png", "cut.png", "text.png", "bad.safetensors", "secret", "cuda", "cuda:0,1", "gpu", "CPU", "auto", "4GB",
    "-4GB", "0GB", "1e99GB", "GB", "png", "jpg", "gif", ".png", "onnx", "torch", "openvino", "nope", "stylegan2",
    "filter", "sharpness", "teacher", "http://[::1", "https://localhost:1/x", "file:///etc/passwd", "ftp://x",
    "data:,x",
    "1,2", "1-3", "3-1", "0-99999999999", ",", ",,", "a,b", "auto:x", "landmarks:", ":", "a:b:c",
)  # fmt: skip
"""Of anything."""
NUMBERS = ("0", "1", "2", "16", "0.5", "100000", "-1", "nan", "inf", "1e300", "99999999999999999999")
PLACES = (
    "good.toml", "tiny.toml", "teacher.toml", "run", "runs/tiny", "student", "student/student.onnx", "folder", "photos",
    "picture.png", "cut.png", "bad.json", "bad.safetensors", "link", "circle", "nowhere", "/dev/null", "caf\udce9",
    "new.png", "new.html", "new/deep/x.json", "list.json", "~nobody/x",
)  # fmt: skip
"""Of files; half of them are there."""
BENCH = "bench runs/tiny --engines torch --slow-steps 0 --repeats 1"
SENSIBLE = [
    shlex.split(line)
    for line in (
        "apply runs/tiny photos -o new",
        "apply student photos/0.png -o new.png --engine torch --compare",
        "apply student/student.onnx 'photos/*.png' --output new --format jpg",
        "azure-face-emulator --port 0 --judge measures",
        BENCH,
        "convert age.npy -o new.safetensors",
        "convert --list",
        "demo runs/tiny --only-server --port 0",
        "demo student/student.onnx --only-server --samples photos --port 0",
        "describe filter sharpness",
        "describe teacher stylegan2",
        "describe train",
        "doctor",
        "doctor runs/tiny",
        "doctor runs/tiny --repair",
        "estimate tiny.toml --seconds 0.1",
        "export runs/tiny --to torch -o new",
        "export student --to onnx -o new --pictures photos",
        "fetch-data --list",
        "filter runs/tiny --set filters.0.min_sharpness=0.1",
        "filter runs/tiny --dry-run",
        "find-direction --method sefa --components 1 --set teacher.weights=teacher.safetensors -o new.safetensors",
        "find-direction tiny.toml --filter sharpness --label source --samples 32 --measured 8 --refine 1",
        "find-direction --describe direction.safetensors --set teacher.weights=teacher.safetensors",
        "list-plugins",
        "make-judge --list",
        "new-plugin filter contrast -f new",
        "new-plugin loss softness",
        "new-recipe -o new.toml --teacher stylegan2 --pairs latent-direction --student pix2pixhd",
        "pairs runs/tiny --csv new.csv",
        "pairs runs/tiny --sheet new.html --limit 4",
        "pairs runs/tiny --where \"decision == 'keep'\" --sort=-sharpness.source",
        "prune scenes/runs/tiny --macs 0.8 --steps 2 -f pruned",
        "push runs/tiny ada/tiny --dry-run",
        "push runs/tiny ada/tiny --dry-run --with onnx --samples",
        "recipes",
        "recipes copy face-detector",
        "recipes copy stylegan-age -o new.toml",
        "report runs/tiny",
        "run tiny.toml",
        "run tiny.toml --set train.steps=2 --set pairs.count=12 -f new",
        "run tiny.toml --until filter --set pairs.count=12 -f new",
        "run tiny.toml --from train --set train.steps=2",
        "run tiny.toml --dry-run",
        "runs",
        "runs --root .",
        "schema",
        "schema -o new.json",
        "train-teacher teacher.toml -f new",
        "validate stylegan-age",
        "validate tiny.toml",
        "validate teacher.toml --set seed=2",
    )
]
"""Lines that reach real work in the world of `lines_world`."""
NEVER = {"demo": ["--open"], "report": ["--open"]}
"""Options that open a window."""


@cache
def commands() -> dict[str, Any]:
    """Return the built-in commands as click has them."""
    return {name: build_command(record) for name, record in built_in_commands().items()}


@strategies.composite
def command_lines(draw: strategies.DrawFn) -> list[str]:
    """Draw a command line: six of ten a sensible one with a little more, else any command with anything."""
    chance = draw(strategies.randoms(use_true_random=True))
    if chance.random() < 0.6:
        line = _more(chance.choice(SENSIBLE), chance)
    else:
        name = chance.choice([*commands()])
        line = [name, *_arguments(name, chance)]
    return [chance.choice(WORDS), *line] if chance.random() < 0.02 else line


def _more(line: list[str], chance: Random) -> list[str]:
    """Return a sensible line as it is, or with options, one in three of them with any value at all."""
    line, name = [*line], line[0]
    asks_json = any("--json" in parameter.opts for parameter in commands()[name].params)
    if asks_json and chance.random() < 0.5:
        line.append("--json")
    options = [parameter for parameter in commands()[name].params if parameter.param_type_name == "option"]
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        option = _option(chance.choice(options), chance)
        line += option if option[0] not in NEVER.get(name, ()) else []
    return line


def _arguments(name: str, chance: Random) -> list[str]:
    options, positional = [], []
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            positional += [_value(parameter, chance) for _ in range(chance.choice((0, 1, 1, 1, 1, 2)))]
        elif chance.random() < 3 / len(commands()[name].params):
            options += [_option(parameter, chance) for _ in range(chance.choice((1, 1, 1, 2)))]
    given = [word for option in options if option[0] not in NEVER.get(name, ()) for word in option]
    if chance.random() < 0.3:
        given.append("--json")
    if chance.random() < 0.03:
        given.append(chance.choice(("--help", "--no-plugin", "--plugins-dir", "--nope", "-z")))
    return [*positional, *given] if chance.random() < 0.5 else [*given, *positional]


def _option(parameter: Any, chance: Random) -> list[str]:
    names = [*parameter.opts, *parameter.secondary_opts]
    written = chance.choice(names)
    if parameter.is_flag:
        return [written]
    value = _value(parameter, chance)
    return [f"{written}={value}"] if written.startswith("--") and chance.random() < 0.3 else [written, value]


def _value(parameter: Any, chance: Random) -> str:
    kind = parameter.bare_type
    choices = [str(choice.value) for choice in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []
    if choices and chance.random() < 0.7:
        return chance.choice(choices)
    fitting = {int: NUMBERS, float: NUMBERS, Path: PLACES}.get(kind, ())
    return chance.choice(fitting) if fitting and chance.random() < 0.7 else chance.choice(WORDS)
