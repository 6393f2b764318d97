"""What commands promise: help that explains them, and nothing heavy imported before they work."""

from __future__ import annotations

import sys
from typing import Any

from gdp.registry.commands import build_command
from gdp.testing.findings import DoesNotApplyError, require
from gdp.testing.properties.record import heavy_ones, modules_loaded_by
from gdp.testing.subject import PlainSubject

_LOADER = """
import sys, json, importlib
importlib.import_module(json.loads(sys.argv[1]))
print(json.dumps(sorted(sys.modules)))
"""


def importing_it_imports_nothing_heavy(subject: PlainSubject) -> None:
    """Its module imports no torch, so that its help and a user's mistakes are told at once."""
    module = subject.record.implementation.partition(":")[0]
    if getattr(sys.modules.get(module), "__file__", None) == subject.row.entry_point:
        raise DoesNotApplyError("it stands in the file that registers it")
    heavy = heavy_ones(modules_loaded_by(_LOADER, module, module))
    require(
        not heavy,
        f"importing {module} imports {', '.join(heavy)}",
        "import it inside the function, when all that can be said without it is said",
    )


def every_parameter_is_explained(subject: PlainSubject) -> None:
    """Typer understands every parameter, of commands below it, too, and each has a line of help."""
    whole: Any = build_command(subject.record)
    commands = [whole, *getattr(whole, "commands", {}).values()]
    bare = [
        each.name for command in commands for each in command.params if not (getattr(each, "help", "") or "").strip()
    ]
    require(
        not bare,
        f"without help: {', '.join(map(str, bare))}",
        'write Annotated[Path, typer.Argument(help="...")] or Annotated[int, typer.Option("--name", help="...")]',
    )


def the_help_has_an_example(subject: PlainSubject) -> None:
    """The docstring, which is the help, shows how to call it."""
    text = " ".join((build_command(subject.record).help or "").split())
    require(
        f"Example: gdp {subject.name}" in text,
        f"the help has no example of gdp {subject.name}",
        f"end the docstring with a line such as: Example: gdp {subject.name} runs/faces",
    )


PROPERTIES = (importing_it_imports_nothing_heavy, every_parameter_is_explained, the_help_has_an_example)
