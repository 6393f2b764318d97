"""Every error that gdp raises for a person to read, in one tree.

GdpError
├── RecipeError              a recipe is wrong; carries all its mistakes at once
├── UsageError               an option or argument has a value that it cannot have
├── PluginError              a plugin is missing, broken, or breaks its contract
│   └── PluginNotFoundError  no plugin of that kind and name
│       └── UnknownPluginError   not even one that is broken, or that two packages have
├── MissingResourceError     a file, key, extra or weight that the run needs is not there
├── CorruptFileError         a file is there and cannot be used (truncated, wrong format, hash differs)
├── ShapeError               tensors or pictures do not fit together
├── OutOfDepthError          pictures are not as those that a student was trained on, and that was not to be let through
├── PairStoreError           the pair store was used wrongly or refuses an operation
├── DiskFullError            no space is left (or a quota is reached)
├── OutOfMemoryError         the memory does not suffice
├── BudgetError              the budget for a paid service is spent
├── ServiceError             a service refuses, or cannot be reached
├── WorkersError             workers that share a work were lost again and again
├── RunFolderError           the run folder cannot be used
│   └── RunLockedError       another process works in it
└── TrainingError            training cannot go on
    ├── NonFiniteError       a loss or gradient became NaN or infinite
    └── RankLostError        another of the processes that train together has ended

OutOfDepthWarning warns of the same where nothing was asked.

A message says what is wrong, where, what was expected or is there, and what to do. The command line prints it as
one paragraph and exits with `exit_code`; any other exception is a bug of gdp and keeps its traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


class GdpError(Exception):
    """Base of all errors that a user can mend; `str(error)` is one readable paragraph."""

    exit_code = 1
    told_of: str = ""
    """Which plugin the message names already; empty for none."""

    def blame(self, where: str) -> None:
        """Put a plugin's name before the message, unless it names one already: the innermost is the one to blame."""
        if not self.told_of:
            self.told_of = where
            self.args = (f"{where}: {self}",)


@dataclass(frozen=True)
class Mistake:
    """One mistake in a recipe: where it is and what to do about it."""

    where: str
    """Dotted path in the recipe, such as `filters[0].min_age`; empty for the file as a whole."""
    message: str
    line: int | None = None
    """Line of the recipe file, counted from 1; None for an override or where the file has no such line."""

    def render(self, file: str) -> str:
        """Format as `recipe.toml:12: filters[0].min_agee: unknown key, did you mean min_age?`."""
        place = file if self.line is None else f"{file}:{self.line}"
        return f"{place}: {self.where}: {self.message}" if self.where else f"{place}: {self.message}"


class RecipeError(GdpError):
    """A recipe is wrong. `mistakes` holds every one that was found, in file order."""

    exit_code = 2

    def __init__(self, file: str, mistakes: Sequence[Mistake]) -> None:
        self.file = file
        self.mistakes = sorted(mistakes, key=lambda mistake: (mistake.line or 0, mistake.where))
        super().__init__("\n".join(mistake.render(file) for mistake in self.mistakes))


class UsageError(GdpError):
    """An option or an argument of a command has a value that it cannot have, or does not go with another."""

    exit_code = 2


class PluginError(GdpError):
    """A plugin is missing, broken, or breaks its contract."""


class PluginNotFoundError(PluginError):
    """No plugin of that kind and name is installed."""


class UnknownPluginError(PluginNotFoundError):
    """No plugin of that kind is called so, not even one that is broken or that several packages have."""


@contextmanager
def named_by_option() -> Iterator[None]:
    """Let a name that no plugin has be told as wrong usage: an option or an argument holds it, no recipe and no run."""
    try:
        yield
    except UnknownPluginError as error:
        error.exit_code = UsageError.exit_code
        raise


class MissingResourceError(GdpError):
    """A file, key, extra or weight that the run needs is not there."""


class CorruptFileError(GdpError):
    """A file is there and cannot be used: truncated, of another format, or not the file that was hashed."""


class ShapeError(GdpError):
    """Tensors or pictures do not fit together."""


class OutOfDepthError(GdpError):
    """Pictures are not as those that a student was trained on, and such were to be refused."""


class OutOfDepthWarning(UserWarning):
    """Pictures are not as those that a student was trained on; they are translated all the same."""


class PairStoreError(GdpError):
    """The pair store was used wrongly or refuses an operation."""


class DiskFullError(GdpError):
    """No space is left on the disk, or a quota is reached. What was committed before is intact."""


class OutOfMemoryError(GdpError):
    """The memory, or a GPU's own, does not suffice; the message says what did not fit and what to lower."""


class BudgetError(GdpError):
    """The budget of a run for a paid service is spent; every answer that was paid for is kept.

    A plugin raises it where it could not ask any more. It is no failure: a filter's pairs and an evaluator's numbers
    are "not yet" then, a pair source's or a teacher's run stops, and a later run asks again.
    """


class UnpaidError(BudgetError):
    """A dry run or an estimate met a call that costs money, and nobody told it to pay."""


class ServiceError(GdpError):
    """A service refuses what it is asked, or cannot be reached; every answer so far is kept."""


class WorkersError(GdpError):
    """Workers that share a work cannot do it: they were lost again and again, or cannot be started."""


class RunFolderError(GdpError):
    """The run folder cannot be used."""


class RunLockedError(RunFolderError):
    """Another process works in the run folder."""


class TrainingError(GdpError):
    """Training cannot go on."""


class NonFiniteError(TrainingError):
    """A loss or a gradient became NaN or infinite; the last good checkpoint is kept."""


class RankLostError(TrainingError):
    """Another of the processes that train together has ended; the last checkpoint is kept."""


NAME_OF = "_gdp_name"
"""Attribute of a plugin's watched class: what errors call the plugin."""
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the operating system says where a disk is full, a quota is reached, or a file is as large as it may be."""


def printable(text: str) -> str:
    """Escape line breaks, control characters, bidirectional marks and lone surrogates; the rest stays."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def is_text(name: str) -> bool:
    """Say whether a name is text: names on Unix are bytes, and what is no UTF-8 of them Python keeps as surrogates.

    TOML, SQLite and the libraries that read weights take text alone.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def describe_exception(error: BaseException) -> str:
    """Return `KeyError: 'x'` on one printable line, even where the exception cannot be turned to text."""
    try:
        text = printable(" ".join(str(error).split()))
    except Exception:  # noqa: BLE001 # a third party's __str__ may raise anything
        text = "its message cannot be shown"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def readable_os_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's write errors at `path` into errors that say what to do.

    Raises:
        DiskFullError: no space left, quota reached or file-size limit.
        RunFolderError: no permission, read-only file system, or something else that the system refused.
    """
    try:
        yield
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFullError(
                f"{path}: no space left to write ({error.strerror}). Everything written before is intact: "
                f"free some space and run the same command again to go on."
            ) from error
        reason = error.strerror or str(error)
        raise RunFolderError(
            f"{path}: cannot be written ({reason}). Check that the folder exists and that you may write to it, "
            f"or choose another place."
        ) from error
