"""The strings that stand below the attributes of a class or module: their documentation, read from the source."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from types import ModuleType


def attribute_docs(place: type | ModuleType) -> Mapping[str, str]:
    """Return the documentation of the attributes that a class or module itself assigns, by name.

    Nothing is found where there is no source file, as of a class that was made in an interactive session.
    """
    module = place if isinstance(place, ModuleType) else sys.modules.get(place.__module__)
    path = getattr(module, "__file__", None)
    if not isinstance(path, str):
        return {}
    try:
        changed = os.stat(path).st_mtime_ns  # noqa: PTH116 # asked for every settings model at every start
    except OSError:
        return {}
    return _docs_of_file(path, changed).get(place.__qualname__ if isinstance(place, type) else "", {})


@lru_cache(maxsize=256)
def _docs_of_file(path: str, changed: int) -> Mapping[str, Mapping[str, str]]:
    """Return the documentation of a file's attributes by the qualified name of their class, "" for the module."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 # as above
            tree = ast.parse(file.read())
    except (OSError, SyntaxError, ValueError):  # a compiled module, or a file that was changed since
        return {}
    return {"": dict(_of_body(tree.body)), **dict(_classes(tree, ""))}


def _classes(node: ast.AST, owner: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the qualified names of the classes in a piece of source with their attributes' documentation."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.ClassDef):
            yield f"{owner}{inner.name}", dict(_of_body(inner.body))
            yield from _classes(inner, f"{owner}{inner.name}.")
        elif isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _classes(inner, f"{owner}{inner.name}.<locals>.")
        elif isinstance(inner, ast.stmt | ast.excepthandler):
            yield from _classes(inner, owner)


def _of_body(body: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    for statement, below in pairwise(body):
        if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if isinstance(targets[0], ast.Name) and isinstance(below.value.value, str):
            yield targets[0].id, inspect.cleandoc(below.value.value)
