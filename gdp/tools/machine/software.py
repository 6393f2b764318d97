"""Versions, extras and plugins: what is installed, what is missing, and what is there and cannot be imported."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Protocol

from gdp.core.errors import describe_exception
from gdp.core.records import DISTRIBUTION, is_installed
from gdp.core.run.versions import versions
from gdp.tools.machine.facts import Fact


@dataclass(frozen=True)
class Extra:
    """One of gdp's extras, `pip install 'gdp-distill[NAME]'`."""

    name: str
    purpose: str
    modules: tuple[str, ...]
    read_only: bool = False
    """Whether nothing of it is imported, for only files of it are read."""


EXTRAS = (
    Extra("onnx", "runs and exports students by onnxruntime; filters in ONNX", ("onnxruntime", "onnx", "onnxscript")),
    Extra("openvino", "runs and exports students by OpenVINO, fast on Intel's processors", ("openvino", "onnxscript")),
    Extra("int8", "students rounded to 8 bits", ("nncf", "openvino", "onnxscript")),
    Extra("faces", "gdp apply --align on photographs", ("onnxruntime",)),
    Extra("video", "gdp apply on videos", ("av",)),
    Extra("hub", "gdp push", ("huggingface_hub",)),
    Extra("directions", "directions by linear-svm and logistic-regression", ("sklearn",)),
    Extra("perceptual", "the weights of ST-LPIPS and LPIPS", ("stlpips_pytorch",), read_only=True),
    Extra("tensorboard", "gdp run --track tensorboard", ("tensorboard",)),
    Extra("wandb", "gdp run --track wandb", ("wandb",)),
    Extra("mlflow", "gdp run --track mlflow", ("mlflow",)),
    Extra("ray", "gdp run --executor ray: pairs made and judged on several machines", ("ray",)),
    Extra("rekognition", "pairs judged by Amazon Rekognition", ("boto3",)),
    Extra("emulator", "gdp azure-face-emulator", ("aiohttp",)),
)
"""All of `pyproject.toml` but those for gdp's own developers; a test compares."""


_IMPORTED = ("torch", "torchvision")
"""Packages of which not the version alone is looked at."""


class _Row(Protocol):
    """What is asked of a row of the registry."""

    @property
    def name(self) -> str: ...
    @property
    def package(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def mend(self) -> str: ...


def version_facts() -> Iterator[Fact]:
    """Tell the versions of Python, gdp and what numbers depend on; what is not there or not importable is a problem."""
    for name, version in versions().items():
        lacks = version == "not installed"
        if lacks and name == DISTRIBUTION:
            yield Fact(name, "run from its source, not installed", mend=f"pip install {DISTRIBUTION}")
            continue
        reason = why_broken(name) if name in _IMPORTED and not lacks else ""
        value = f"{version}, and cannot be imported ({reason})" if reason else version
        yield Fact(name, value, lacks or bool(reason), f"pip install {name}" if lacks or reason else "")


def extra_facts() -> Iterator[Fact]:
    """Tell of every extra whether it is there, what it is for, and what brings it. Imports what is there."""
    for extra in EXTRAS:
        missing = [module for module in extra.modules if not is_installed(module)]
        install = f"pip install '{DISTRIBUTION}[{extra.name}]'"
        if missing:
            there = "" if len(missing) == len(extra.modules) else f" ({', '.join(missing)})"
            yield Fact(extra.name, f"missing{there}: {extra.purpose}", mend=install)
            continue
        broken = {} if extra.read_only else {module: why_broken(module) for module in extra.modules}
        told = [f"{module} cannot be imported ({reason})" for module, reason in broken.items() if reason]
        if told:
            yield Fact(extra.name, f"{'; '.join(told)}: {extra.purpose}", True, install)
        else:
            yield Fact(extra.name, f"installed: {extra.purpose}")


def why_broken(module: str) -> str:
    """Import a module; return what keeps it from being imported, empty where nothing does. What it prints is lost."""
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            warnings.simplefilter("ignore")
            importlib.import_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 # a foreign library may raise anything
        return describe_exception(error)
    return ""


def plugin_facts(rows: int, packages: Sequence[str], defects: Sequence[_Row]) -> Iterator[Fact]:
    """Tell how many plugins there are, and which of them cannot work.

    Args:
        rows: how many there are.
        packages: that they come from.
        defects: rows of those that cannot be used though nobody left them out.
    """
    yield Fact("plugins", f"{rows} of {', '.join(packages)}")
    for row in defects:
        yield Fact(row.name, f"of {row.package} cannot be used: {row.reason}", True, row.mend)
