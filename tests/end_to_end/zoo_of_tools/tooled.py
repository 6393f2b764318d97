"""Plugins that no recipe chooses, right in all but the answer that $ZOO tells: `{"member": ..., "answer": ...}`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
from odd_plugins import odd

import gdp

GDP_API = 1


class ToolConfig(gdp.Config):
    """No settings."""


def _wrong(plugin: Any) -> tuple[str, str]:
    told = json.loads(os.environ.get("ZOO", "{}"))
    return told.get("member", ""), told.get("answer", "right")


@gdp.hookimpl
def gdp_register_engines(register: gdp.Register) -> None:
    """Register two engines."""
    for name in ("engine", "calibrated"):
        place = f"tooled:make_{name}"
        register(f"zoo-{name}", config=ToolConfig, implementation=place, summary="One of the zoo")


@gdp.hookimpl
def gdp_register_aligners(register: gdp.Register) -> None:
    """Register an aligner."""
    register("zoo-aligner", config=ToolConfig, implementation="tooled:make_aligner", summary="One of the zoo")


@gdp.hookimpl
def gdp_register_direction_methods(register: gdp.Register) -> None:
    """Register a method with labels and one without."""
    for name in ("labelled", "free"):
        place = f"tooled:make_{name}"
        register(f"zoo-{name}", config=ToolConfig, implementation=place, summary="One of the zoo")


@gdp.hookimpl
def gdp_register_filters(register: gdp.Register) -> None:
    """Register what gives labels."""
    register("zoo-labels", config=ToolConfig, implementation="tooled:Labels", summary="Measures how bright it is")


@gdp.hookimpl
def gdp_register_converters(register: gdp.RegisterConverter) -> None:
    """Register a converter."""
    register("zoo-converter", implementation="tooled:make_converter", summary="One of the zoo")


class _Engine(gdp.Engine):
    file = "zoo.bin"

    def export(self, network: Any, example: Any, size_multiple: int, path: Path) -> None:
        import torch

        torch.save(network, path)

    def open(self, path: Path, network: Any = None) -> Callable[[Any], Any]:
        import torch

        module = torch.load(path, weights_only=False)

        @torch.no_grad()
        def translate(pictures: Any) -> Any:
            return module(torch.from_numpy(pictures)).numpy()

        return translate

    def describe(self) -> str:
        return "torch, in a test"


class _Calibrated(_Engine, gdp.CalibratedEngine):
    def calibrate(self, pictures: Any) -> None:
        assert pictures.dtype == numpy.uint8


class _Aligner(gdp.Aligner):
    finds = ("picture", "pictures")

    def regions(self, pictures: Any) -> list[list[gdp.Square]]:
        side = min(pictures.shape[1:3])
        return [[gdp.Square(side * numpy.eye(2, 3))] for _ in pictures]


class _Labelled(gdp.DirectionMethod):
    def find(self, search: gdp.DirectionSearch) -> Sequence[gdp.FoundDirection]:
        assert search.label is not None
        return [gdp.FoundDirection(search.w.T @ search.label, {"how": "by covariance"})]


class _Free(gdp.DirectionMethod):
    labelled = False

    def find(self, search: gdp.DirectionSearch) -> Sequence[gdp.FoundDirection]:
        return [gdp.FoundDirection(search.w[number].clone()) for number in range(search.components)]


class Labels(gdp.ScoringFilter):
    """Measures how bright the target is."""

    def score(self, pairs: gdp.PairBatch) -> list[gdp.Scores]:
        """Return the mean of each target."""
        return [{"brightness": float(target.mean())} for target in pairs.target]

    def decide(self, scores: Any) -> dict[int, gdp.Verdict]:
        """Keep all."""
        return {index: gdp.Verdict.keep() for index in scores}


def __getattr__(name: str) -> Any:
    """Make the implementation that is asked for."""
    made = {
        "make_engine": lambda: odd(_Engine, _wrong, "file", "export", "open", "describe", "runs_from_weights"),
        "make_calibrated": lambda: odd(_Calibrated, _wrong, "calibrate"),
        "make_aligner": lambda: odd(_Aligner, _wrong, "finds", "regions"),
        "make_labelled": lambda: odd(_Labelled, _wrong, "find", "labelled", "sampled", "fewest_samples"),
        "make_free": lambda: odd(_Free, _wrong, "find"),
        "make_converter": _converter,
    }
    if name not in made:
        raise AttributeError(name)
    return made[name]()


def _converter() -> type[gdp.Converter]:
    class Halves(gdp.Converter):
        def recognise(self, file: Any) -> bool:
            return isinstance(file.content, dict) and "zoo" in file.content

        def convert(self, file: Any, progress: gdp.Progress) -> gdp.Converted:
            return gdp.Converted("zoo", {"weight": file.content["zoo"] / 2}, "# {file}")

    return odd(Halves, _wrong, "recognise", "convert")
