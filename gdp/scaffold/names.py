"""What a new plugin and its package are called."""

from __future__ import annotations

import builtins
import importlib.util
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gdp import CORE_STAGES, KINDS, PLAIN_KINDS, Kind, PlainKind, PluginError, UsageError
from gdp.scaffold.kinds import SCAFFOLDS
from gdp.toolbox import did_you_mean

LONGEST_NAME = 24
"""Characters; so that lines of the package stay below 120."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_RESERVED = frozenset({"gdp", "builtin", "none", "all", "name", *KINDS, *PLAIN_KINDS})


@dataclass(frozen=True)
class Names:
    """What everything in the package is called."""

    kind: Kind | PlainKind
    plugin: str
    """As recipes write it."""

    @property
    def article(self) -> str:
        """What stands before the kind in a sentence."""
        return "an" if self.kind[0] in "aeiou" else "a"

    @property
    def distribution(self) -> str:
        """Name of the package for pip, such as `gdp-filter-contrast`."""
        return f"gdp-{self.kind}-{self.plugin}"

    @property
    def module(self) -> str:
        """Name for `import`, such as `gdp_filter_contrast`."""
        return self.distribution.replace("-", "_")

    @property
    def implementation(self) -> str:
        """Name of the module that holds the class, such as `filter`."""
        return SCAFFOLDS[self.kind].implementation or self.kind.replace("-", "_")

    @property
    def stem(self) -> str:
        """The plugin's name as classes carry it, such as `Contrast`."""
        return "".join(word.capitalize() for word in self.plugin.split("-"))

    @property
    def class_name(self) -> str:
        """Name of the class, such as `ContrastFilter`."""
        return self.stem + SCAFFOLDS[self.kind].class_suffix

    @property
    def attribute(self) -> str:
        """What the implementation's module offers: the class, of a command the function, such as `watch`."""
        if SCAFFOLDS[self.kind].class_suffix:
            return self.class_name
        name = self.plugin.replace("-", "_")
        return f"{name}_" if keyword.iskeyword(name) or hasattr(builtins, name) else name


def parse_kind(word: str) -> Kind | PlainKind:
    """Return the kind of that name.

    Raises:
        UsageError: there is none.
    """
    for kind in SCAFFOLDS:
        if word.replace("_", "-") == kind:
            return kind
    raise UsageError(
        f'"{word}" is no kind of plugin that a package can be written for{did_you_mean(word, tuple(SCAFFOLDS))}'
    )


def choose_names(kind: Kind | PlainKind, wanted: str, taken: Sequence[str]) -> Names:
    """Make a plugin's names of what the author typed: `My Contrast` and `gdp-filter-my-contrast` are `my-contrast`.

    Args:
        kind: of the plugin.
        wanted: what the author typed.
        taken: names of the installed plugins of that kind, the broken ones included.

    Raises:
        UsageError: it cannot be a name, is reserved, or is that of a stage of every run.
        PluginError: it is that of an installed plugin or a module.
    """
    name = re.sub(r"[\s_-]+", "-", wanted.strip().lower()).removeprefix(f"gdp-{kind}-")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f'"{wanted}" cannot be the name of a plugin: a name is words of the letters a to z and digits, joined by '
            f"hyphens, and begins with a letter, such as face-attributes"
        )
    if len(name) > LONGEST_NAME:
        raise UsageError(f'"{name}" has {len(name)} characters; a name has {LONGEST_NAME} at most, so choose another')
    if name in _RESERVED:
        raise UsageError(f'"{name}" has a meaning of its own in gdp: choose another name, such as my-{name}')
    if kind == "stage" and name in CORE_STAGES:
        raise UsageError(f'every run has a stage "{name}": choose another name, such as my-{name}')
    names = Names(kind, name)
    if name in taken:
        raise PluginError(
            f'{names.article} {kind} called "{name}" is installed already (gdp list-plugins shows whose), and of two '
            f"plugins of one name only the first is used: choose another name, such as my-{name}"
        )
    if importlib.util.find_spec(names.module) is not None:
        raise PluginError(f"a Python module {names.module} is installed already: choose another name than {name}")
    return names
