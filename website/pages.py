"""What mkdocs asks while it builds the docs site: pages made of the program itself, and links that lead nowhere there.

- `commands.md`: the help of every command, at 80 columns.
- `plugins.md`: every built-in plugin with its settings, and the sections of a recipe that belong to none.
- `changelog.md`, `contributing.md`: the files of the repository's root.

A page of docs/ may ask for a section of the README (`<!-- README: Two systems -->`). It may also link to files outside
of docs/, which readers of the repository follow; on the site such a link becomes its words and the file's path.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.cli.describe import SECTIONS
from gdp.cli.settings_help import Setting, describe_settings, toml_value
from gdp.core.records import DISTRIBUTION, KINDS, PluginRecord
from gdp.plugins.commands import PURPOSES
from gdp.registry import PluginRegistry
from gdp.registry.commands import built_in_commands

ROOT = Path(__file__).parents[1]
BESIDE = {name: Path(__file__).with_name(name) for name in ("style.css", "access.js")}
FROM_THE_ROOT = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
_SECTION = re.compile(r"^<!-- README: (.+) -->$", re.MULTILINE)
_OUTWARD = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])+)\]\(((?:\.\./|gdp/|bench/|examples/|recipes/)[^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand in no file of docs/."""
    made = {"commands.md": commands_page(), "plugins.md": plugins_page()}
    made |= {name: path.read_text() for name, path in BESIDE.items()}
    for name, source in FROM_THE_ROOT.items():
        made[name] = from_the_root((ROOT / source).read_text())
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put sections of the README where a page asks for them, and turn links out of docs/ into words."""
    return _OUTWARD.sub(_words_and_path, _SECTION.sub(_section_of_readme, markdown))


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the corner of a table that has nothing to say be no heading, and a picture lead to its full size."""
    content = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", content)
    return re.sub(r'(<img [^>]*src="([^"]+)"[^>]*>)', r'<a href="\2">\1</a>', content)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Name the dialog of the search, which the theme leaves without a name."""
    return re.sub(r'(class="md-search"[^>]*role="dialog")', r'\1 aria-label="Search"', output)


def _section_of_readme(mark: re.Match[str]) -> str:
    """Return a section of the README, with its heading: its figures stand in one place."""
    found = re.search(
        rf"^## {re.escape(mark[1])}\n.*?(?=^## )", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    if found is None:
        raise PluginError(f"the README has no section {mark[1]!r}")
    return from_the_root(found[0])


def _words_and_path(link: re.Match[str]) -> str:
    words, path = link[1], link[2].removeprefix("../").partition("#")[0]
    return words if words.strip("`") == path.rstrip("/") else f"{words} (`{path}`)"


def from_the_root(text: str) -> str:
    """Let what stood in the repository's root find the pages of docs/ beside it."""
    return re.sub(r"\]\(docs/", "](", text)


def commands_page() -> str:
    """Return the page of commands: each one's help, by purpose."""
    lines = [
        "# Commands",
        "",
        "What `gdp --help` and `gdp COMMAND --help` tell, made from them when this site is built. Commands of plugins "
        "stand in the help of those who have them installed.",
        "",
        *_fenced(_help()),
    ]
    for purpose, names in PURPOSES.items():
        lines += ["", f"## {purpose}"]
        for name in names:
            lines += ["", f"### gdp {name}", "", built_in_commands()[name].summary + ".", "", *_fenced(_help(name))]
    return "\n".join(lines) + "\n"


def _help(*command: str) -> str:
    result = CliRunner().invoke(app, [*command, "--help"], prog_name="gdp", catch_exceptions=False)
    if result.exit_code:
        raise RuntimeError(f"gdp {' '.join(command)} --help failed:\n{result.output}")
    return result.stdout.strip("\n")


def _fenced(text: str) -> list[str]:
    return ["```text", text, "```"]


def plugins_page() -> str:
    """Return the page of built-in plugins with their settings, and of the sections that belong to none."""
    lines = [
        "# Plugins and their settings",
        "",
        "Made from the plugins' own descriptions when this site is built; `gdp describe KIND NAME` shows the same of "
        "every installed plugin, with an example. Which sections a recipe has is told in [Recipes](recipes.md).",
    ]
    registry = PluginRegistry.discover()
    for kind in KINDS:
        found = [record for record in registry.records(kind) if record.package == DISTRIBUTION]
        lines += ["", f"## {kind[0].upper()}{kind[1:].replace('-', ' ')}"]
        for record in sorted(found, key=lambda record: record.name):
            lines += ["", *_plugin(record)]
    lines += ["", "## Sections of no plugin"]
    for tables in SECTIONS.values():
        for header, model in tables.items():
            about = " ".join((model.__doc__ or "").split())
            lines += ["", f"### `{header}`", "", about, "", *_settings(describe_settings(model))]
    return "\n".join(lines) + "\n"


def _plugin(record: PluginRecord) -> Iterator[str]:
    yield from (f"### {record.kind} `{record.name}`", "", f"{record.summary}.", "")
    needs = record.needs.describe()
    if needs:
        yield from (f"Needs {needs}.", "")
    yield from _settings(describe_settings(record.config))
    if record.training is not None:
        yield from ("", "In `[train]` of `gdp train-teacher`:", "", *_settings(describe_settings(record.training)))


def _settings(settings: Iterable[Setting]) -> list[str]:
    """Return a list, which can be read on narrow screens, too."""
    lines = [line for setting in settings for line in _lines(setting)]
    return lines or ["It has no settings of its own."]


def _lines(setting: Setting, depth: int = 0) -> Iterator[str]:
    default = "required" if setting.required else _default(setting.default)
    facts = "; ".join(filter(None, (_told(setting.type), default)))
    yield f"{'    ' * depth}- `{setting.key}`, {facts}<br>{_told(setting.help)}"
    for inner in setting.inner:
        yield from _lines(inner, depth + 1)


def _default(value: Any) -> str:
    if value is None or (isinstance(value, Mapping) and None in value.values()):
        return ""
    return f"default <code>{_told(toml_value(value))}</code>"


def _told(text: str) -> str:
    """Escape what would be taken for HTML; code stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else html.escape(part, quote=False) for part in parts)
