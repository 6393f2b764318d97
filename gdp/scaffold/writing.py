"""Writing a package: all of it or nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from gdp import API_VERSION, KINDS, RECIPE_KINDS, PluginError, UsageError
from gdp.scaffold.kinds import LICENCES, SCAFFOLDS
from gdp.scaffold.names import Names
from gdp.toolbox import half_written, readable_os_errors

_SHARED = {
    "pyproject.toml": "package/pyproject.toml.j2",
    "README.md": "package/README.md.j2",
    ".gitignore": "package/gitignore.j2",
    ".github/workflows/ci.yml": "package/ci.yml.j2",
}


@dataclass(frozen=True)
class NewPackage:
    """A package that has been written."""

    names: Names
    folder: Path
    files: list[str]
    """Paths in the folder, sorted."""


def write_package(names: Names, parent: Path, author: str, licence: str) -> NewPackage:
    """Write the package of a plugin into a new folder of its name.

    Args:
        names: what everything is called.
        parent: the folder in which the new one is made; made too if it is not there.
        author: goes into pyproject.toml and the licence; empty for "The authors of ...".
        licence: one of `LICENCES`.

    Raises:
        PluginError: the folder is there already, the licence is unknown, or the author's name has a line break.
        RunFolderError, DiskFullError: it cannot be written.
    """
    if licence not in LICENCES:
        raise UsageError(f'the text of the licence "{licence}" is not at hand; there is {", ".join(LICENCES)}')
    if not author.isprintable():
        raise UsageError("the author's name has characters that cannot be printed, such as a line break")
    folder = parent / names.distribution
    if folder.exists() or folder.is_symlink():
        raise PluginError(
            f"{folder} is there already and is left as it is: choose another name, another place with --folder, or "
            f"move it away"
        )
    files = _render(names, author or f"The authors of {names.distribution}", licence)
    with readable_os_errors(folder), half_written(folder) as beside:  # a kill leaves no half package of that name
        for path, text in files.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_text(text, encoding="utf-8")
        beside.rename(folder)
    return NewPackage(names, folder, sorted(files))


def _render(names: Names, author: str, licence: str) -> dict[str, str]:
    """Return path and text of every file."""
    # Python, TOML and YAML are written, no HTML: nothing is escaped but what `_values` quotes.
    environment = Environment(  # noqa: S701 # see above
        loader=PackageLoader("gdp.scaffold"), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True
    )
    templates = _SHARED | {
        "LICENSE": f"licences/{licence}.txt",
        f"{names.module}/__init__.py": "package/record.py.j2",
        f"{names.module}/{names.implementation}.py": f"{names.kind}/implementation.py.j2",
        f"tests/test_{names.module}.py": f"{names.kind}/test.py.j2",
    }
    if names.kind in KINDS:
        templates[f"{names.module}/config.py"] = f"{names.kind}/config.py.j2"
    values = _values(names, author, licence)
    files = {path: environment.get_template(template).render(values) for path, template in templates.items()}
    return files | {f"{names.module}/py.typed": ""}


def _values(names: Names, author: str, licence: str) -> dict[str, object]:
    """Return what the templates may name."""
    scaffold = SCAFFOLDS[names.kind]
    return {
        "names": names,
        "scaffold": scaffold,
        "options": f", settings={scaffold.settings}" if scaffold.settings else "",
        "in_recipe": names.kind in RECIPE_KINDS,
        "has_settings": names.kind in KINDS,
        "usage": scaffold.usage.format(name=names.plugin),
        "author": author,
        "author_quoted": json.dumps(author, ensure_ascii=False),  # of printable text, a TOML string as well
        "licence": licence,
        "licence_name": LICENCES[licence],
        "api_version": API_VERSION,
    }
