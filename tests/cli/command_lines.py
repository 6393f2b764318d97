"""Command lines nobody would type: real commands and options, walked from the app, with odd values."""

from __future__ import annotations

import random
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from gdp.registry.commands import build_command, built_in_commands

WORDS = (
    "", " ", "-", "--", "-1", "0", "1", "-0", "3.5", "1e308", "-1e400", "nan", "inf", "99999999999999999999999", "0x10",
    "١٢", "ö", "日本", "\U0001f600", "\udcff", "caf\udce9", "a\nb", "a\tb", "'", '"', "[", "{", "=", "a=b", "a=", "=b",
    "a.b=c", "train.steps=5", "train.steps=nan", "train.steps=99999999999999999999", "pairs.count=2000000000",
    "train.batch=-1", "filters=[]", "filters.0.min_age=[1", "losses.9.weight=1", "student.width=1e9", "seed=true",
    "teacher.plugin=nope", "x" * 5000, "x/" * 2000, "../x.png", "..", ".", "/", "~", "~nobody/x", "$HOME", "*", "**",
    "[!", "?", "a*b/c", "/dev/null", "/dev/full", "/proc/self/mem", "nowhere/at/all", "folder",
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
    "good.toml",
    "tiny.toml",
    "run",
    "tiny",
    "student",
    "folder",
    "picture.png",
    "bad.json",
    "bad.safetensors",
    "link",
    "circle",
    "nowhere",
    "/dev/null",
    "caf\udce9",
    "new.png",
    "new.html",
    "new/deep/x.json",
    "list.json",
    "~nobody/x",
)
"""Of files; half of them are there."""
NOT_TO_BE_RUN = {"azure-face-emulator": ("--port", "odd"), "bench": ("--repeats", "odd")}
"""Commands that work until they are stopped, or for minutes, with a mistake: only that and their help are tried."""
SAFE = {"report": ["--open"]}
"""Options that open a window."""


@cache
def commands() -> dict[str, Any]:
    """Return the built-in commands as click has them."""
    return {name: build_command(record) for name, record in built_in_commands().items()}


def make_odd_files(folder: Path) -> None:
    """Make what the words name."""
    (folder / "folder").mkdir()
    (folder / "folder" / "text.txt").write_text("x")
    (folder / "empty").write_bytes(b"")
    (folder / "link").symlink_to("nowhere")
    (folder / "circle").symlink_to("circle")
    (folder / "bad.json").write_text("{")
    (folder / "list.json").write_text("[1, 2]")
    (folder / "bad.toml").write_text("a = [")
    (folder / "nul.toml").write_bytes(b"a = 1\x00\xff")
    (folder / "good.toml").write_text('name = "good"\n[teacher]\nplugin = "stylegan2"\n')
    (folder / "text.png").write_text("no picture")
    (folder / "bad.safetensors").write_bytes(b"\xff" * 100)
    (folder / "secret").write_text("x")
    (folder / "run").mkdir()
    (folder / "run" / "run.json").write_text("[]")
    from PIL import Image

    Image.new("RGB", (20, 20)).save(folder / "picture.png")
    content = (folder / "picture.png").read_bytes()
    (folder / "cut.png").write_bytes(content[: len(content) // 2])


def command_lines(seed: int, count: int) -> Iterator[list[str]]:
    """Yield command lines; the same for the same seed."""
    chance = random.Random(seed)
    names = [*commands()]
    for number in range(count):
        name = names[number % len(names)]
        line = [name, *_arguments(name, chance)]
        yield [chance.choice(WORDS), *line] if chance.random() < 0.02 else line


def _arguments(name: str, chance: random.Random) -> list[str]:
    options, positional = [], []
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            positional += [_value(parameter, chance) for _ in range(chance.choice((0, 1, 1, 1, 1, 2)))]
        elif chance.random() < 3 / len(commands()[name].params):
            options += [_option(parameter, chance) for _ in range(chance.choice((1, 1, 1, 2)))]
    given = [word for option in options if option[0] not in SAFE.get(name, ()) for word in option]
    if name in NOT_TO_BE_RUN:
        given += NOT_TO_BE_RUN[name]
    elif chance.random() < 0.3:
        given.append("--json")
    if chance.random() < 0.03:
        given.append(chance.choice(("--help", "--no-plugin", "--plugins-dir", "--nope", "-z")))
    parts = [*positional, *given] if chance.random() < 0.5 else [*given, *positional]
    return parts


def _option(parameter: Any, chance: random.Random) -> list[str]:
    names = [*parameter.opts, *parameter.secondary_opts]
    written = chance.choice(names)
    if parameter.is_flag:
        return [written]
    value = _value(parameter, chance)
    return [f"{written}={value}"] if written.startswith("--") and chance.random() < 0.3 else [written, value]


def _value(parameter: Any, chance: random.Random) -> str:
    kind = parameter.bare_type
    choices = [str(choice.value) for choice in kind] if isinstance(kind, type) and issubclass(kind, Enum) else []
    if choices and chance.random() < 0.7:
        return chance.choice(choices)
    fitting = {int: NUMBERS, float: NUMBERS, Path: PLACES}.get(kind, ())
    return chance.choice(fitting) if fitting and chance.random() < 0.7 else chance.choice(WORDS)
