"""The trainings of a comparison: the recipe and its variants, each with every seed; each has a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gdp.core.progress import ProgressTask
from gdp.core.recipe.compare import slug
from gdp.core.recipe.reading import Choice, Recipe
from gdp.core.recipe.sections import EvaluatorSection
from gdp.core.run.session import Session
from gdp.core.run_folder import RunFolder

FOLDER = "variants"


@dataclass(frozen=True)
class Trial:
    """One training of a comparison."""

    name: str
    """Of the variant, or what the recipe as it is is called."""
    recipe: Recipe
    shift: int
    """What is added to the recipe's seed."""
    unchanged: bool
    """Whether this is the recipe as it is; its first seed is the run itself."""

    @property
    def is_the_run(self) -> bool:
        """Whether the run itself has trained and measured this already."""
        return self.unchanged and self.shift == 0

    @property
    def label(self) -> str:
        """What a person reads."""
        return f"{self.name}, seed {self.recipe.seed + self.shift}"

    @property
    def place(self) -> str:
        """Name of its folder, and of its numbers where listeners are told: `without-l1-seed0`."""
        return f"{slug(self.name)}-seed{self.shift}"

    def folder(self, run: RunFolder) -> RunFolder:
        """Return where its files are."""
        return run if self.is_the_run else RunFolder(run.path / FOLDER / self.place)


def trials(recipe: Recipe) -> list[Trial]:
    """List a comparison's trainings; every variant's first seed comes before anyone's second."""
    compare = recipe.compare
    if compare is None:
        return []
    recipes = [(compare.section.unchanged, recipe, True)]
    recipes += [(variant.name, variant.recipe, False) for variant in compare.variants]
    return [Trial(name, of, shift, same) for shift in range(compare.section.seeds) for name, of, same in recipes]


def open_trial(
    session: Session, trial: Trial, evaluators: tuple[Choice[EvaluatorSection], ...], like: Session | None = None
) -> Session:
    """Return a session of one training, which shares what the run has built already, and the run's pair stores.

    Args:
        session: of the run.
        trial: what to train.
        evaluators: which of the recipe's measure it.
        like: a session of the same variant, whose plugins it shares too.
    """
    opened = Session(
        recipe=replace(trial.recipe, compare=None, evaluators=evaluators),
        folder=trial.folder(session.folder),
        plugins=session.plugins,
        progress=session.progress,
        device=session.device,
        stop_requested=session.stop_requested,
        rehearses=session.rehearses,
        pays=session.pays,
        limit=session.limit,
        home=session.folder,
        seed_shift=trial.shift,
    )
    opened.adopt(like or session)
    return opened


class _Steps:
    """Forwards the steps of one training to the task of the whole comparison."""

    def __init__(self, outer: ProgressTask, label: str, total: int, expected: int, done: int) -> None:
        self._outer, self._label = outer, label
        self._total, self._expected, self._done, self._told = max(1, total), expected, 0, 0
        if done:
            self.advance(done)

    def advance(self, amount: int = 1, **status: float | str) -> None:
        """Tell that steps are done, scaled to how many of them the whole counts on."""
        self._done += amount
        told = round(self._expected * self._done / self._total)
        self._outer.advance(told - self._told, **{"training": self._label, **status})
        self._told = told


class TrialProgress:
    """Shows what one training does inside the one task of the whole comparison.

    Args:
        outer: the whole comparison, in steps.
        label: of the training.
        expected: steps that the whole counts on for it.
        tell: shows a message.
    """

    def __init__(self, outer: ProgressTask, label: str, expected: int, tell: Callable[[str], None]) -> None:
        self._outer, self._label, self._expected, self._tell = outer, label, expected, tell

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[ProgressTask]:
        """Open a piece of work; only steps of training move the whole on."""
        trains = name == "train"
        self._outer.advance(0, training=self._label if trains else f"{self._label}: {name}")
        yield _Steps(self._outer, self._label, total, self._expected if trains else 0, done)

    def message(self, text: str) -> None:
        """Tell one line, with the training that it is about."""
        self._tell(f"{self._label}: {text}")
