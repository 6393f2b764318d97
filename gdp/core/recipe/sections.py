"""The sections of a recipe that belong to core; the rest of each section is the chosen plugin's own settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from gdp.core.config import Config
from gdp.core.memory import parse_memory
from gdp.core.recipe.text import KeyPath

VARIANT_NAME = r"^[A-Za-z0-9][A-Za-z0-9 ._,+()/-]*$"


class TeacherSection(Config):
    """`[teacher]`: the heavy model to learn from."""

    plugin: str
    """Name of a teacher plugin."""
    weights_licence: str | None = Field(default=None, min_length=1, max_length=200, examples=["CC-BY-NC-4.0"])
    """Licence of the weights, for the student's card; left out, that of built-in weights, and of others: unknown."""
    train: dict[str, Any] | None = Field(default=None, examples=[{"epochs": 200}])
    """Train the teacher first, on `[dataset]`: the settings that `[train]` has in a recipe of `gdp train-teacher`. Its
    weights are those of this run then."""


class ShownTable(Config):
    """`pairs.shows`: what the source pictures show."""

    words: str = Field(min_length=1, max_length=200, examples=["faces, cut as FFHQ's"])
    """What they show, in some words; the student's card and its warnings tell it."""
    one: str = Field(default="", max_length=40, examples=["face"])
    """Where each shows one thing upright and in one place: what aligners call it; empty for pictures not aligned."""
    frame: str = Field(default="", max_length=40, examples=["ffhq"])
    """Name of the frame in which it stands, as `gdp apply --align-frame` takes it; empty where it has no name."""
    aligner: str = Field(default="", pattern=r"^$|^[a-z][a-z0-9-]*(:builtin:[a-z0-9-]+)?$", max_length=80)
    """What `gdp apply --align` takes to find it, as NAME or NAME:builtin:FILE; empty where any aligner will do."""


class PairsSection(Config):
    """`[pairs]`: how (source, target) pairs are made."""

    plugin: str
    """Name of a pair source plugin."""
    count: int | None = Field(default=None, ge=1, le=10_000_000)
    """How many pairs to make; left out, as many as the source has."""
    held_out: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the kept pairs that is never trained on, in [0, 1); chosen by a hash of the pair's number."""
    resolution: int | None = Field(default=None, ge=8, examples=[512])
    """Height and width in pixels that pairs are reduced to before they are judged and stored, at most what the source
    makes: by area where that is a whole multiple, else bilinear and antialiased. Left out, they stay as they are made.
    A pair source with a setting of this name reads it itself."""
    image_format: Literal["webp", "png"] = "webp"
    """Lossless format of the stored pictures."""
    shows: ShownTable | None = None
    """What the sources show, as { words = "faces, cut as FFHQ's", one = "face", frame = "ffhq" }; left out, what the
    teacher or the dataset says. `gdp apply` warns of pictures that are none of it."""


class FilterSection(Config):
    """`[[filters]]`: one judge of pairs; they are asked in the recipe's order."""

    plugin: str
    """Name of a filter plugin."""
    unknown: Literal["drop", "keep"] = "drop"
    """What becomes of pairs on which the filter cannot decide."""
    not_yet: Literal["stop", "drop"] = "stop"
    """What becomes of pairs that the filter cannot look at yet, for its budget is spent: the run stops there, or goes
    on without them. Either way a later run asks for them again."""
    only_score: bool = False
    """Only measure: every pair goes on, whatever the verdict; for scores that a later `expression` combines."""


class StudentSection(Config):
    """`[student]`: the small network."""

    plugin: str
    """Name of a student plugin."""


class LossSection(Config):
    """`[[losses]]`: one weighted term of the objective."""

    plugin: str
    """Name of a loss plugin."""
    weight: float = Field(default=1.0, ge=0.0)
    """Factor of this term in the generator's objective."""
    begins: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the steps before which this term is left out: an adversary that begins at 0.6 of them costs nothing
    until then, and meets a generator that has learnt what the other terms teach. A discriminator rests with it."""


class EvaluatorSection(Config):
    """`[[evaluators]]`: one measurement of the trained student."""

    plugin: str
    """Name of an evaluator plugin."""


class StageSection(Config):
    """`[[stages]]`: one further step of the run, from a plugin."""

    plugin: str
    """Name of a stage."""


class DatasetSection(Config):
    """`[dataset]`: the pictures that a teacher is trained on or that it translates."""

    plugin: str
    """Name of a dataset plugin."""


class EngineSection(Config):
    """`--set engine....`: how `gdp apply` runs a student."""

    plugin: str
    """Name of an engine, as `--engine` takes it."""


class AlignerSection(Config):
    """`--align`: what `gdp apply` finds in pictures and lets a student translate."""

    plugin: str
    """Name of an aligner, as `--align` takes it."""


class TrackerSection(Config):
    """`--track`: whom `gdp run` tells of the run."""

    plugin: str
    """Name of a tracker, as `--track` takes it."""


class DirectionMethodSection(Config):
    """`--set method....`: how `gdp find-direction` finds a direction."""

    plugin: str
    """Name of a direction method, as `--method` takes it."""


class TrainSection(Config):
    """`[train]`: how the student is trained."""

    steps: int | None = Field(default=None, ge=1)
    """Training steps (batches); give either steps or epochs."""
    epochs: float | None = Field(default=None, gt=0)
    """Passes over the kept training pairs; give either steps or epochs."""
    batch: int = Field(default=16, ge=1)
    """Pairs in a batch."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """Adam's learning rate for the generator and the discriminator."""
    discriminator_learning_rate: float | None = Field(default=None, gt=0)
    """Adam's learning rate for the discriminator; left out, the same as the generator's."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Adam's decay rates of the first and second moments, each in [0, 1)."""
    schedule: Literal["constant", "linear", "cosine"] = "linear"
    """Learning rate over time: constant, or falling to 0 linearly or by a half cosine from `decay_from` on."""
    decay_from: float = Field(default=0.5, ge=0, le=1)
    """Share of the steps after which the learning rate begins to fall, in [0, 1]."""
    warmup_steps: int = Field(default=0, ge=0)
    """Steps over which the learning rate rises linearly from 0."""
    gradient_clip: float | None = Field(default=None, gt=0)
    """Largest L2 norm of the generator's gradient; larger ones are scaled down. Left out: no clipping."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """Arithmetic of the forward passes; auto is bf16 where the processor or GPU computes it natively and no slower than
    float32. A GPU that does not compute it (older than Ampere) takes float16 with a scaled loss for both."""
    channels_last: bool = True
    """Store activations channels-last, which is faster for convolutions on most machines."""
    compile: Literal["auto", "always", "never"] = "auto"
    """Whether pieces of the networks are compiled by torch.compile, where that is faster; auto: if the training has at
    least 1000 steps and there is a C++ compiler."""
    ema_half_life: float = Field(default=1000.0, ge=0)
    """Half-life of the weights' exponential moving average in training pairs seen; 0 keeps the raw weights."""
    flip: bool = False
    """Mirror half of the training pairs, source and target alike."""
    jitter: int | None = Field(default=None, ge=8)
    """Height and width in pixels that training pictures are enlarged to (bicubic) before they are cropped back at a
    random place: 286 for pictures of 256 pixels is CycleGAN's recipe. Left out: no crops."""
    flat_frames: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the training pairs whose pictures are both replaced by one flat frame of a random colour, so that a
    student draws nothing where there is nothing to edit. Needs stored targets."""
    image_pool: int = Field(default=0, ge=0)
    """Earlier predictions from which the discriminator is shown one half of the time; 0 for none."""
    sample_every: int = Field(default=250, ge=1)
    """Steps between sample grids (always of the same held-out pairs)."""
    log_every: int = Field(default=10, ge=1)
    """Steps between lines of statistics."""
    checkpoint_every: int = Field(default=250, ge=1)
    """Steps between checkpoints; a killed run loses at most this many."""

    @model_validator(mode="after")
    def _steps_or_epochs(self) -> TrainSection:
        if self.steps is None and self.epochs is None:
            raise ValueError("give either steps or epochs")
        if self.steps is not None and self.epochs is not None:
            raise ValueError(
                "give either steps or epochs; --set train.epochs= (or train.steps=) takes the recipe's own out"
            )
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas must each be in [0, 1)")
        return self

    def for_key(self) -> dict[str, Any]:
        """Return the settings that a training depends on; without flat frames the same as before there were any."""
        return self.model_dump(mode="json", exclude=None if self.flat_frames else {"flat_frames"})


class LimitsSection(Config):
    """`[limits]`: what the run may take of the machine; nothing that it makes depends on it."""

    memory: str | None = Field(default=None, examples=["4GB"])
    """Memory that pictures may take while they are worked on, beside the networks, as "4GB", "512MB" or "4GiB"; left
    out, a quarter of what is free."""

    @field_validator("memory")
    @classmethod
    def _is_an_amount(cls, text: str | None) -> str | None:
        if text is not None:
            parse_memory(text)
        return text

    @property
    def memory_bytes(self) -> int | None:
        """The memory in bytes; None where it is left to what is free."""
        return None if self.memory is None else parse_memory(self.memory)


class TargetSection(Config):
    """`[targets.quality.held_out.psnr_db]` and its like: a goal for one measured number, by its name in metrics.json.

    The report tells which goals were reached; nothing else depends on them.
    """

    min: float | None = None
    """The smallest value that reaches the goal, in the number's own unit."""
    max: float | None = None
    """The largest value that reaches the goal, in the number's own unit."""
    words: str = Field(default="", max_length=200)
    """What the report calls the number; left out, its name."""

    @model_validator(mode="after")
    def _a_goal(self) -> TargetSection:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not exceed max")
        return self


class CompareSection(Config):
    """`[compare]`: variants of the recipe that are trained and measured beside it, in the same run."""

    seeds: int = Field(default=1, ge=1, le=100)
    """Trainings of each variant and of the recipe itself; training number k begins with the recipe's seed + k, the
    pairs and those held out stay the same."""
    metrics: tuple[str, ...] = Field(min_length=1)
    """Numbers to compare, by their names in metrics.json, such as quality.held_out.psnr_db."""
    unchanged: str = Field(default="everything", pattern=VARIANT_NAME, max_length=60)
    """What the table calls the recipe as it is."""


class VariantSection(Config):
    """`[[compare.variants]]`: the recipe with something taken out or changed."""

    name: str = Field(pattern=VARIANT_NAME, max_length=60)
    """What the table calls it."""
    without: tuple[str, ...] = ()
    """Losses that are taken out, by the names of their plugins."""
    change: dict[str, Any] = Field(default_factory=dict)
    """Tables that are merged over the recipe's sections of the same names. One that names a plugin takes the section's
    place, and an array (filters, losses) that of the whole list."""


def find_targets(tree: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the path of every number that `[targets]` names, with what is said of it.

    A table of tables only is a part of a name, as in metrics.json; anything else ends the name.
    """
    for key, value in tree.items():
        if isinstance(value, Mapping) and value and all(isinstance(inner, Mapping) for inner in value.values()):
            yield from find_targets(value, (*path, key))
        else:
            yield (*path, key), value


def nested_targets(targets: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange what is said of each number, by dotted name, as `find_targets` reads it."""
    tree: dict[str, Any] = {}
    for name, target in targets.items():
        *parents, leaf = name.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = target
    return tree
