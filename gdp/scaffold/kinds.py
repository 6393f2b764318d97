"""The kinds of plugin that a package can be written for, and what the packages of each kind say of themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gdp import Kind, PlainKind


@dataclass(frozen=True)
class Scaffold:
    """What tells the package of one kind from those of the others; its templates lie in the folder of its name."""

    plural: str
    """The kind's name in `gdp_register_...`."""
    class_suffix: str
    """What the class's name ends in; empty where the implementation is a function."""
    summary: str
    """What the plugin of the template does, in one line."""
    usage: str
    """How a recipe, or else a command, chooses it; `{name}` is the plugin's name."""
    settings: str = ""
    """Settings for the conformance kit, as Python source; empty for the defaults."""
    implementation: str = ""
    """Name of the module that holds the class; empty for the kind's."""
    register: str = "Register"
    """Name in gdp of what the registering hook is given."""


SCAFFOLDS: Mapping[Kind | PlainKind, Scaffold] = {
    "filter": Scaffold(
        "filters",
        "Filter",
        "Drops pairs with a picture that has hardly any contrast",
        '[[filters]]\nplugin = "{name}"\nmin_contrast = 0.05',
    ),
    "teacher": Scaffold(
        "teachers",
        "Teacher",
        "Translates pictures to warmer and softer ones",
        '[teacher]\nplugin = "{name}"\nresolution = 64\nwarmth = 0.2\n\n[pairs]\nplugin = "translate"',
        '{"resolution": 16}',
    ),
    "pair-source": Scaffold(
        "pair_sources",
        "PairSource",
        "Pairs a picture of the teacher with its mirror image",
        '[pairs]\nplugin = "{name}"\ncount = 1000\ntruncation = 0.7',
    ),
    "student": Scaffold(
        "students",
        "Student",
        "A residual network that predicts the change of its source",
        '[student]\nplugin = "{name}"\nwidth = 16\nblocks = 4',
        '{"width": 4, "blocks": 1}',
    ),
    "loss": Scaffold(
        "losses",
        "Loss",
        "Charbonnier distance: L1 that is smooth around 0",
        '[[losses]]\nplugin = "{name}"\nweight = 10\nepsilon = 0.001',
    ),
    "evaluator": Scaffold(
        "evaluators",
        "Evaluator",
        "How far the student's mean colours are from the teacher's",
        '[[evaluators]]\nplugin = "{name}"\npictures = 200',
        '{"pictures": 4}',
    ),
    "dataset": Scaffold(
        "datasets",
        "Dataset",
        "Coloured discs, drawn as they are asked for",
        '[dataset]\nplugin = "{name}"\ncount = 1000\nresolution = 64',
        '{"count": 8, "resolution": 16}',
    ),
    "stage": Scaffold(
        "stages",
        "Stage",
        "Packs the student's files, with their checksums",
        '[[stages]]\nplugin = "{name}"\nlevel = 9',
    ),
    "direction-method": Scaffold(
        "direction_methods",
        "Method",
        "The direction of w that varies most with the label",
        "gdp find-direction RECIPE --filter face-attributes --label source_age --method {name} -o age.safetensors",
        implementation="method",
    ),
    "engine": Scaffold(
        "engines",
        "Engine",
        "Runs students in torch, from weights of half the size",
        "gdp apply RUN PICTURES --engine {name}",
    ),
    "aligner": Scaffold(
        "aligners",
        "Aligner",
        "Finds the brightest spot of each picture",
        "gdp apply RUN PICTURES -o FOLDER --align {name}",
    ),
    "tracker": Scaffold(
        "trackers",
        "Tracker",
        "Writes every number of a run into a table",
        "gdp run RECIPE --track {name}",
    ),
    "executor": Scaffold(
        "executors",
        "Executor",
        "Starts workers that give way to other programs",
        "gdp run RECIPE --executor {name} --workers 4",
        register="RegisterExecutor",
    ),
    "command": Scaffold(
        "commands",
        "",
        "Shows the numbers that a run has measured",
        "gdp {name} runs/faces --of quality",
        register="RegisterCommand",
    ),
}
"""Every kind that `gdp new-plugin` knows; those of `KINDS` have settings of their own."""

LICENCES: Mapping[str, str] = {
    "Apache-2.0": "Apache License, version 2.0",
    "MIT": "MIT licence",
    "BSD-3-Clause": "BSD licence of three clauses",
}
"""SPDX names of the licences whose text can be written into a package."""
