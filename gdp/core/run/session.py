"""What the stages of one run share: the recipe, its plugins (built when first needed), the folder, the keys.

What stages write down: settings that stay the same when a project moves, and where a trained teacher is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from gdp.core.answers import AnswerBook
from gdp.core.building import build, class_of, describe_plugin, plugin_errors
from gdp.core.config import Config, content_key
from gdp.core.errors import MissingResourceError, PluginNotFoundError, UnpaidError
from gdp.core.files import file_sha256
from gdp.core.interfaces.context import BuildContext, Deferred
from gdp.core.interfaces.datasets import Dataset, UnpairedDataset
from gdp.core.interfaces.evaluators import Evaluator
from gdp.core.interfaces.filters import PairJudge
from gdp.core.interfaces.losses import Loss
from gdp.core.interfaces.pair_sources import PairSource
from gdp.core.interfaces.students import Student
from gdp.core.interfaces.teachers import Teacher
from gdp.core.memory import MemoryBound
from gdp.core.pairs.store import PairStore
from gdp.core.progress import Progress, ProgressTask, Stopped
from gdp.core.recipe.reading import Choice, Recipe
from gdp.core.records import PluginRecord, Plugins
from gdp.core.run.reduced import ReducedSource
from gdp.core.run_folder import RunFolder
from gdp.core.training.group import Company, Nobody
from gdp.core.training.inference import WEIGHTS, load_generator_weights
from gdp.core.training.objective import WeightedLoss

if TYPE_CHECKING:
    from gdp.core.run.steps import Step


TRAINED = "trained.json"
"""In the folder of a teacher's training: which file holds its weights; there only if the training finished."""


def trained_weights(folder: Path) -> Path | None:
    """Return the weights of a finished training of a teacher, or None."""
    note = folder / TRAINED
    if not note.is_file():
        return None
    weights = folder / str(json.loads(note.read_text(encoding="utf-8"))["weights"])
    return weights if weights.is_file() else None


def portable(value: Any, base: Path) -> Any:
    """Make settings JSON-able, paths below `base` written relative to it: a moved project keeps its keys."""
    if isinstance(value, Path):
        return os.path.relpath(value, base) if value.is_relative_to(base) else str(value)
    if isinstance(value, Mapping):
        return {str(key): portable(item, base) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item, base) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(portable(item, base) for item in value)
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


class NoLimit:
    """Lets every call pass: a command without a limit on money."""

    def admit(self, spent: float, dollars: float) -> None:
        """Let it pass."""


def never() -> bool:
    """Say that nobody asked the run to stop."""
    return False


def plugin_key(record: PluginRecord) -> dict[str, str]:
    """Return what a plugin contributes to a content key: its name, and who supplies it where gdp does not."""
    supplier = {"supplier": record.supplier} if record.supplier else {}
    return {"plugin": record.name, **supplier}


class CostLimit(Protocol):
    """Decides whether a command may pay for one more call; see `gdp.core.ledger.Spending`."""

    def admit(self, spent: float, dollars: float) -> None:
        """Let a call pass, or raise."""


class Crew(Protocol):
    """Other processes that make and judge a run's pairs; `gdp.tools.crew` brings them. The store stays this one's."""

    def make(self, session: Session, store: PairStore, indices: Sequence[int], task: ProgressTask) -> bool:
        """Make pairs and store them, as `PairStore.append` would; False where this process must make them itself."""

    def judged(
        self, session: Session, store: PairStore, choice: Choice[Any], indices: Sequence[int], task: ProgressTask
    ) -> Iterator[Mapping[int, Any]] | None:
        """Yield what a filter says of pairs, by number, each once; None where this process must ask it itself."""

    def rest(self) -> None:
        """Let go of devices and memory until there is work again."""


@dataclass(frozen=True)
class _SessionSpending:
    """Watches over what the plugins of a session spend."""

    session: Session

    def stop_requested(self) -> bool:
        return self.session.stop_requested()

    def admit(self, spent: float, dollars: float) -> None:
        session = self.session
        if session.rehearses and not session.pays:
            raise UnpaidError(f"a call at {dollars:g} $ was about to be made, and nothing is paid here without --pay")
        if session.stop_requested():
            raise Stopped
        session.limit.admit(spent, dollars)


@dataclass
class Session:
    """One process's work on one run."""

    recipe: Recipe
    folder: RunFolder
    plugins: Plugins
    progress: Progress
    device: torch.device
    stop_requested: Callable[[], bool] = never
    rehearses: bool = False
    """Whether this is a pre-flight: a teacher that is still to be trained is stood in for by an untrained one."""
    limit: CostLimit = field(default_factory=NoLimit)
    """Who is asked before each paid call, whatever plugin makes it."""
    pays: bool = False
    """Whether a rehearsal may ask services that cost money; a run always may."""
    only_judges: bool = False
    """Whether the pairs are there and are only judged anew: what they are made of may be gone, so it is not asked."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Content keys of the stages so far, and of the pair store as `store`; never changed in place."""
    home: RunFolder | None = None
    """The run's folder, which holds the pairs, where `folder` is that of one training of a comparison."""
    own_split: bool = False
    """Whether `folder` says which pairs were kept and held out; if not, the pair store does."""
    seed_shift: int = 0
    """What is added to the recipe's seed for the training; a comparison trains with several seeds."""
    company: Company = field(default_factory=Nobody, repr=False, compare=False)
    """Who is called when the run trains."""
    crew: Crew | None = field(default=None, repr=False, compare=False)
    """Who makes and judges pairs in other processes; None where this one does."""
    steps: tuple[Step, ...] | None = field(default=None, repr=False, compare=False)
    """The stages of this run, once `gdp.core.run.steps.steps_of` has built them."""
    _trained: tuple[Path, Student] | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def path(self) -> Path:
        """The run's folder, absolute."""
        return self.folder.path

    @property
    def summaries(self) -> Mapping[str, Mapping[str, Any]]:
        """What the finished stages recorded, by name."""
        return {name: entry["summary"] for name, entry in self.folder.stages().items()}

    @property
    def student_folder(self) -> Path:
        """Where the stage export leaves the trained student."""
        return self.folder.path / "student"

    @property
    def memory(self) -> MemoryBound:
        """How much memory pictures in work may take: what the recipe's `[limits]` say, or a share of what is free."""
        return MemoryBound(self.recipe.limits.memory_bytes, str(self.device))

    def data(self) -> Mapping[str, Any]:
        """Return the resolved recipe as plain data."""
        return self.recipe.to_data()

    @cached_property
    def teacher(self) -> Teacher | None:
        """The teacher, weights loaded; None where the recipe has none."""
        if self.recipe.teacher is None:
            return None
        choice, context = self.recipe.teacher, self.context(dataset=self.dataset)
        training = self.recipe.teacher_training
        if training is None:
            teacher: Teacher = self.build(choice, Teacher, context)
            return teacher
        implementation: type[Teacher] = class_of(self.plugins, choice.record)
        weights = trained_weights(self.teacher_folder)
        if weights is not None:
            settings = {**choice.config.model_dump(), **implementation.trained_settings(weights)}
            with plugin_errors(describe_plugin(choice.record)):
                return implementation(choice.record.config.model_validate(settings), context)
        if self.rehearses:
            return implementation.untrained(choice.config, training, context)
        raise MissingResourceError(
            f"{self.teacher_folder}: the teacher is not trained yet; run the stage teacher first"
        )

    def _deferred_teacher(self, reader: str, without: str = "") -> Deferred | None:
        """Return the teacher for a plugin that may do without it: it is loaded when the plugin reads it.

        Args:
            reader: what an error calls the plugin.
            without: what an error says of doing without the plugin.
        """
        choice = self.recipe.teacher
        if choice is None:
            return None

        def load() -> Teacher | None:
            try:
                return self.teacher
            except (MissingResourceError, PluginNotFoundError) as error:
                told = f"{reader} needs the teacher, which is not here: {error} {without}".rstrip()
                raise MissingResourceError(told) from error

        installed = bool(choice.record.implementation)
        return Deferred(load, lambda: self.plugins.load(choice.record) if installed else None)

    @property
    def teacher_fingerprint(self) -> str:
        """The hash of the teacher's weights; the teacher is not loaded where an earlier run hashed the same files."""
        choice = self.recipe.teacher
        assert choice is not None
        if "teacher" not in vars(self):
            recorded = self.pairs_home.stages().get("teacher", {})
            summary = recorded.get("summary", {})
            fingerprint = str(summary.get("weights_sha256"))
            same_settings = recorded.get("key") == self.teacher_key(fingerprint)
            if same_settings and summary.get("files_sha256") == (self.weight_files_sha256() or ()):
                return fingerprint
        assert self.teacher is not None
        return self.teacher.fingerprint

    def teacher_key(self, fingerprint: str) -> str:
        """Return the content key of the stage teacher for a hash of the weights."""
        assert self.recipe.teacher is not None
        return content_key({"stage": "teacher", **self.settings_key(self.recipe.teacher), "fingerprint": fingerprint})

    def weight_files_sha256(self) -> list[str] | None:
        """Return the hashes of the files that hold the teacher's weights; None where it names none, or one is gone."""
        choice = self.recipe.teacher
        assert choice is not None
        implementation: type[Teacher] = class_of(self.plugins, choice.record)
        files = [Path(file) for file in implementation.weight_files(choice.config)]
        if not files or not all(file.is_file() for file in files):
            return None
        return [file_sha256(file) for file in files]

    @property
    def teacher_folder(self) -> Path:
        """Folder of the teacher's own training."""
        training, choice = self.recipe.teacher_training, self.recipe.teacher
        assert training is not None
        assert choice is not None
        pictures = self.dataset.fingerprint if isinstance(self.dataset, UnpairedDataset) else None
        dataset = None if self.recipe.dataset is None else self.settings_key(self.recipe.dataset)
        key = content_key(
            {
                **plugin_key(choice.record),
                "training": self._portable(training),
                "dataset": dataset,
                "pictures": pictures,
            }
        )
        return self.pairs_home.stage_folder("teacher", key)

    @cached_property
    def dataset(self) -> Dataset | UnpairedDataset | None:
        """The pictures that the teacher translates; None where the recipe has none."""
        if self.recipe.dataset is None:
            return None
        dataset: Dataset | UnpairedDataset = self.build(self.recipe.dataset, (Dataset, UnpairedDataset), self.context())
        return dataset

    @cached_property
    def pair_source(self) -> PairSource:
        """The maker of pairs."""
        teacher = self._deferred_teacher(f"pair source {self.recipe.pairs.record.name}")
        context = self.context(teacher=teacher, dataset=self.dataset)
        source: PairSource = self.build(self.recipe.pairs, PairSource, context)
        resolution = self.recipe.pairs.section.resolution
        return source if resolution is None else ReducedSource(source, resolution)

    @cached_property
    def filters(self) -> list[tuple[Choice[Any], PairJudge]]:
        """The judges in the recipe's order."""
        return [(choice, self.new_filter(choice)) for choice in self.recipe.filters]

    def new_filter(self, choice: Choice[Any]) -> PairJudge:
        """Build one of the judges."""
        without = "Or leave this filter out; of a run that has its pairs by gdp filter RUN --recipe RECIPE."
        teacher = self._deferred_teacher(f"filter {choice.record.name}", without)
        context = self.context(teacher=teacher, pairs=self.recipe.pairs.section.count)
        judge: PairJudge = self.build(choice, PairJudge, context)
        return judge

    def new_student(self) -> Student:
        """Build the student with fresh weights, determined by the training's seed."""
        context = self.context(
            teacher=self.teacher,
            input_channels=self.pair_source.input_channels,
            resolution=self.pair_source.resolution,
            seed=self.training_seed,
        )
        torch.manual_seed(self.training_seed)
        student: Student = self.build(self.recipe.student, Student, context)
        return student

    def trained_student(self) -> Student:
        """Return the student with its trained weights; it is built once for all who look at it.

        Raises:
            MissingResourceError, CorruptFileError: there are no weights for the present keys, or they are damaged.
        """
        weights = self.train_folder / WEIGHTS
        if self._trained is None or self._trained[0] != weights:
            devices = [self.device] if self.device.type == "cuda" else []
            with torch.random.fork_rng(devices):  # the fresh weights are seeded, and who only looks must not move that
                student = self.new_student()
            load_generator_weights(student, weights)
            self._trained = (weights, student)
        return self._trained[1]

    def initialise(self, student: Student) -> Mapping[str, Any]:
        """Let a new student get ready to be trained, and return what it did."""
        return student.initialise(self.teacher)

    def new_losses(self) -> list[WeightedLoss]:
        """Build the terms of the objective."""
        terms = []
        for choice in self.recipe.losses:
            loss = self.build(choice, Loss, self.context(teacher=self.teacher, seed=self.training_seed))
            terms.append(WeightedLoss(choice.record.name, choice.section.weight, loss, choice.section.begins))
        return terms

    def new_evaluators(self) -> list[tuple[str, Evaluator]]:
        """Build the measurements: (name, evaluator)."""
        context = self.context(teacher=self.teacher, dataset=self.dataset)
        return [(choice.record.name, self.build(choice, Evaluator, context)) for choice in self.recipe.evaluators]

    def context(self, seed: int | None = None, **fields: Any) -> BuildContext:
        """Return the surroundings of a plugin of this run; its seed is the recipe's where none is given."""
        seed = self.recipe.seed if seed is None else seed
        answers = AnswerBook.of_run(self.pairs_home, _SessionSpending(self))
        return BuildContext(
            seed=seed, device=self.device, progress=self.progress, answers=answers, memory=self.memory, **fields
        )

    def build(self, choice: Choice[Any], kind: type[Any] | tuple[type[Any], ...], context: BuildContext) -> Any:
        """Import and construct one plugin.

        Raises:
            GdpError: what the plugin itself says is wrong.
            PluginError: it is not of its kind, or its constructor failed in a way that it did not foresee.
        """
        return build(self.plugins, choice.record, choice.config, context, kind=kind)

    def settings_key(self, choice: Choice[Any]) -> dict[str, Any]:
        """Return what a choice contributes to a content key: plugin and settings, paths relative to the recipe."""
        return {**plugin_key(choice.record), "settings": self._portable(choice.config)}

    def _portable(self, config: Config) -> Any:
        return portable(config.model_dump(), self.recipe.path.parent if self.recipe.path else Path.cwd())

    def adopt(self, other: Session) -> None:
        """Use what another session of the same run has built already, as far as the two recipes agree."""
        ours, theirs = self.recipe, other.recipe
        if ours.dataset != theirs.dataset:
            return
        self.dataset = other.dataset
        if (ours.teacher, ours.teacher_training) != (theirs.teacher, theirs.teacher_training):
            return
        self.teacher = other.teacher
        if ours.filters == theirs.filters:
            self.filters = other.filters
        made = [
            (recipe.pairs.record, recipe.pairs.config, recipe.pairs.section.resolution) for recipe in (ours, theirs)
        ]
        if made[0] == made[1]:
            self.pair_source = other.pair_source

    @property
    def training_seed(self) -> int:
        """Seed of the student's fresh weights and of everything random in its training."""
        return (self.recipe.seed + self.seed_shift) % 2**63

    @property
    def pairs_home(self) -> RunFolder:
        """The folder that holds the pair stores."""
        return self.home or self.folder

    @property
    def split_home(self) -> RunFolder:
        """The folder that tells how many pairs were kept."""
        return self.folder if self.own_split else self.pairs_home

    @property
    def store_folder(self) -> Path:
        """Folder of the pair store for the present pairs' key."""
        return self.store_at(self.keys)

    def store_at(self, keys: Mapping[str, str]) -> Path:
        """Return the folder of the pair store for some keys."""
        return self.pairs_home.stage_folder("pairs", keys["store"])

    @property
    def train_folder(self) -> Path:
        """Folder of the training for the present key."""
        return self.folder.stage_folder("train", self.keys["train"])

    def open_store(self, read_only: bool = False, keys: Mapping[str, str] | None = None) -> PairStore:
        """Open the pair store of the present key, or of other keys."""
        return PairStore.open(
            self.store_at(self.keys if keys is None else keys),
            read_only=read_only,
            image_format=self.recipe.pairs.section.image_format,
        )

    def split(self, store: PairStore, name: str) -> list[int]:
        """Return the pairs of a part of the split, ascending."""
        if self.own_split:
            indices: list[int] = self.folder.read_json("split.json", {}).get(name, [])
            return indices
        return store.split(name)

    def set_split(self, store: PairStore, parts: Mapping[str, Sequence[int]]) -> None:
        """Record which kept pairs are in which part."""
        if self.own_split:
            self.folder.write_json("split.json", {name: list(indices) for name, indices in parts.items()})
        else:
            store.set_split({index: name for name, indices in parts.items() for index in indices})
