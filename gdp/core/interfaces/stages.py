"""Stages: the steps of a run, each with a content key, repeated only when the key changes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import Progress

if TYPE_CHECKING:
    import torch


class Run(Protocol):
    """What a stage sees of the run that it is a step of."""

    @property
    def path(self) -> Path:
        """The run's folder, absolute; a stage keeps its output below it."""

    @property
    def keys(self) -> Mapping[str, str]:
        """Content keys of this stage and of those before it, by the stages' names."""

    @property
    def summaries(self) -> Mapping[str, Mapping[str, Any]]:
        """What the finished stages recorded, by name; `summaries["train"]["steps"]`, say."""

    @property
    def student_folder(self) -> Path:
        """Where the stage export leaves the trained student: what `gdp.load` and `gdp.deploy` take."""

    @property
    def device(self) -> torch.device:
        """Where networks run."""

    @property
    def progress(self) -> Progress:
        """Where long work is told."""

    def data(self) -> Mapping[str, Any]:
        """Return the resolved recipe as plain data."""

    @property
    def stop_requested(self) -> Any:
        """Call it between two pieces of work; where it returns True, raise `gdp.Stopped` when all done is durable."""


RunT = TypeVar("RunT")


class Stage(ABC, Generic[RunT]):
    """A step of a run. Registered by `gdp_register_stages`, chosen by `[[stages]]` of a recipe.

    A stage is done when its content key is new, or when its output is gone. Any process may be killed while it works:
    `execute` is called again then, and finds what the killed one left. Write files whole, by
    `gdp.toolbox.write_atomically`, and go on where they end.
    """

    shares: ClassVar[tuple[str, ...]] = ()
    """Names in the content of `key` that are content keys themselves, for later stages."""

    def __init__(self, config: Any, context: BuildContext) -> None:
        self.config = config
        self.context = context

    def applies(self, run: RunT) -> bool:
        """Say whether this run's recipe asks for the stage; for stages that every run could have."""
        return True

    def key(self, run: RunT, keys: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what the outcome depends on, as JSON data; the stage's settings are added to it.

        It may look, and must change nothing. The default is everything before: all keys that are known.

        Args:
            run: the run.
            keys: content keys of the stages before, by their names.
        """
        return dict(keys)

    @abstractmethod
    def execute(self, run: RunT) -> Mapping[str, Any]:
        """Do the work and return a summary: figures as JSON data, kept in stages.json and told at the end.

        Raises:
            Stopped: the user asked to stop, and what is done is durable; `execute` is called again later.
        """

    def is_there(self, run: RunT) -> bool:
        """Say whether the output of a finished stage is still there; a stage whose output is gone is done again."""
        return True

    def leaves(self, run: RunT) -> Iterable[Path]:
        """Return the files below the run's folder that `execute` has left; called when it has finished.

        Their hashes are recorded. Where one is missing or changed later, `gdp run` calls `mend` and does the stage
        again, and `gdp doctor` tells it. The default names none: only `is_there` says then what is lost.
        """
        return ()

    def remakes(self, run: RunT, file: str) -> bool:
        """Say whether a lost file is worth doing the stage again; where it is not, the user is told what does.

        Args:
            run: the run.
            file: relative to the run's folder.
        """
        return True

    def mend(self, run: RunT, files: Sequence[Path]) -> None:
        """Take away what is damaged, so that `execute` makes it again; called before that where a file was lost.

        Args:
            run: the run.
            files: what is missing or changed of `leaves`.
        """
        for file in files:
            file.unlink(missing_ok=True)

    def reset(self, run: RunT, first: str) -> None:
        """Throw away what is kept between runs; called where the user forces the stage.

        Args:
            run: the run.
            first: the stage from which on the user repeats all; this one or one before it.
        """
        return None
