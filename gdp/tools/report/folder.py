"""Read what a run folder holds, whole or not: a report of an unfinished run says what is missing."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gdp.core.building import class_of
from gdp.core.errors import CorruptFileError
from gdp.core.files import file_sha256
from gdp.core.interfaces.evaluators import Evaluator, Headline, Place, Sentence
from gdp.core.locks import is_held
from gdp.core.records import CORE_STAGES, Plugins
from gdp.core.run_folder import LOCK, RunFolder
from gdp.support.finished_stages import outdated, present_keys
from gdp.support.metrics_files import VERDICT, finite, verdict_document
from gdp.support.pages.pictures import PNG_SIGNATURE
from gdp.tools.run_recipes import recipe_changed

PRUNING = "pruning.json"

STAGES = (*CORE_STAGES, "evaluate", "export", "compare", "report")
"""The stages that gdp itself has, in order; others are told after them."""
State = Literal["finished", "not finished", "at work", "failed"]


@dataclass(frozen=True)
class Number:
    """One measured number of metrics.json."""

    name: str
    value: float
    protocol: str = ""
    unit: str = ""
    better: str = ""
    judge: str = ""
    """Fingerprint of the network or service whose answers it is made of; empty for what pixels tell."""


@dataclass(frozen=True)
class Pruning:
    """What pruning.json holds of a network that was pruned before this run trained it on."""

    of: str
    """`student` or `teacher`."""
    run: str
    """The folder of the run whose network it was."""
    share: float
    """Share of the multiply-accumulates that was to be kept, in (0, 1)."""
    sizes: dict[str, tuple[float, float]]
    """`parameters` and `macs`, before and after."""
    channels: dict[str, tuple[float, float]]
    """Part of the network to its channels before and after."""


@dataclass
class RunData:
    """Everything that a report is made of; parts that the folder does not have are empty and named in `missing`."""

    folder: Path
    run: dict[str, Any] = field(default_factory=dict)
    """Content of run.json."""
    recipe_text: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    """Content of recipe.toml."""
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Finished stages, name to content key, seconds and summary."""
    begun: str = ""
    """The stage that was begun last and has not finished; empty where there is none."""
    recorded: dict[str, str] = field(default_factory=dict)
    """Hashes of the files that the stages left, by relative path."""
    numbers: dict[str, Number] = field(default_factory=dict)
    """The finite numbers of metrics.json by dotted name."""
    absent: dict[str, str] = field(default_factory=dict)
    """Numbers that could not be measured, name to reason."""
    sentences: list[Sentence] = field(default_factory=list)
    """What the evaluators say of the numbers, in the order of the recipe."""
    headlines: list[tuple[str, Headline]] = field(default_factory=list)
    """The figures that they would head the report with, each with the evaluator's name."""
    funnel: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Entries of pictures/rows.json."""
    rejects: list[dict[str, Any]] = field(default_factory=list)
    """Entries of pictures/rejects.json."""
    statistics: list[dict[str, float]] = field(default_factory=list)
    """Lines of the training's statistics, then those of its distance on held-out pairs."""
    samples: list[Path] = field(default_factory=list)
    """Sample grids of the training, the first step first."""
    initialisation: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, Any] = field(default_factory=dict)
    """Content of variants.json; empty where the recipe compares none."""
    pruning: Pruning | None = None
    missing: list[str] = field(default_factory=list)
    """What is not there or cannot be read, a line each."""

    @property
    def name(self) -> str:
        """The run's name: as run.json or the recipe has it, else the folder's."""
        return str(self.run.get("name") or self.recipe.get("name") or self.folder.resolve().name)

    @property
    def wanted(self) -> list[str]:
        """Stages of gdp that the recipe asks for, this report's own aside."""
        left_out = {"report"} if self.section("compare") else {"report", "compare"}
        return [stage for stage in STAGES if stage not in left_out]

    @property
    def unfinished(self) -> list[str]:
        """Those that have not finished."""
        return [stage for stage in self.wanted if stage not in self.stages]

    @property
    def state(self) -> State:
        """How the run stands: a stage of another package may have failed though all of gdp's have finished."""
        recorded = self.run.get("state")
        if recorded == "failed":
            return "failed"
        if not self.unfinished:
            return "finished"
        return "at work" if recorded == "running" and is_held(self.folder / LOCK) else "not finished"

    def value(self, name: str) -> float | None:
        """Return a measured number by its dotted name, or None."""
        number = self.numbers.get(name)
        return None if number is None else number.value

    @property
    def filtering_judges(self) -> dict[str, str]:
        """Fingerprint of each model or service that chose among the pairs, to the name of the filter that asked it."""
        rows = [row for row in mappings(self.funnel.get("filters")) if row.get("only_score") is not True]
        return {str(row["fingerprint"]): str(row.get("filter", "")) for row in rows if row.get("fingerprint")}

    def filtered_by_its_judge(self, name: str) -> str:
        """Return the filter that chose the pairs by the same judge that a number is made of; empty for none."""
        number = self.numbers.get(name)
        return "" if number is None else self.filtering_judges.get(number.judge, "")

    def section(self, name: str) -> dict[str, Any]:
        """Return a table of the recipe, empty where there is none."""
        return mapping(self.recipe.get(name))

    def picture(self, relative: Any) -> bytes | None:
        """Return a PNG file of this folder; None for anything else, be it outside, missing or no PNG."""
        path = self.inside(relative)
        content = b"" if path is None or not self.is_whole(path) or not path.is_file() else path.read_bytes()
        return content if content.startswith(PNG_SIGNATURE) else None

    def is_whole(self, path: Path) -> bool:
        """Say whether a file is what its stage left, as far as that is recorded; one that is not is named in `missing`.

        One that was not left yet is whole: whoever reads it tells.
        """
        name = path.resolve().relative_to(self.folder.resolve()).as_posix()
        digest = self.recorded.get(name)
        if digest is None or (path.is_file() and file_sha256(path) == digest):
            return True
        problem = "was damaged: it is not what was written here" if path.exists() else "is lost: it was written here"
        told = f"{name} {problem}; gdp run makes it again"
        if told not in self.missing:
            self.missing.append(told)
        return False

    def was_left(self, name: str) -> bool:
        """Say whether a file is there, or was left by a stage."""
        return name in self.recorded or (self.folder / name).exists()

    def inside(self, relative: Any, *parts: str) -> Path | None:
        """Return a path that a file of this folder names; None where it leads outside or is no path."""
        if not isinstance(relative, str) or "\0" in relative:
            return None
        path = self.folder.joinpath(relative, *parts).resolve()
        return path if path.is_relative_to(self.folder.resolve()) else None


def read_folder(folder: Path, find_plugins: Callable[[], Plugins] | None = None) -> RunData:
    """Read a run folder as far as it goes; whatever its files hold, nothing is raised for it.

    Args:
        folder: of the run.
        find_plugins: called where the folder holds no words of its evaluators, because an older gdp measured it, to
            ask them now; None leaves their words out.
    """
    data = RunData(folder)
    try:
        data.recorded = RunFolder(folder.absolute()).recorded_files()
    except CorruptFileError as error:
        data.missing.append(str(error))
    data.run = mapping(_read_json(data, "run.json"))
    try:
        if changed := recipe_changed(RunFolder(folder.absolute())):
            data.missing.append(changed)
    except CorruptFileError as error:
        data.missing.append(str(error))
    data.stages = {name: mapping(entry) for name, entry in mapping(_read_json(data, "stages.json")).items()}
    data.begun = _begun_stage(folder / "events.jsonl")
    keys = present_keys(RunFolder(folder.absolute()))  # an older gdp wrote none
    left_out = outdated(data.stages, keys) if keys else []
    data.stages = {name: entry for name, entry in data.stages.items() if name not in left_out}
    _read_recipe(data)
    begun_anew = keys and "evaluate" not in data.stages and (folder / "metrics.json").exists()
    if begun_anew:  # an evaluation is forgotten when it begins, and its files stay until the next are written
        data.missing.append(
            "numbers and pictures of the student that the recipe asks for: what was measured is of an earlier one"
        )
    else:
        _read_metrics(data)
        _read_verdict(data, find_plugins)
        data.rows = mappings(_read_json(data, "pictures/rows.json"))
    _read_pruning(data)
    data.funnel = mapping(_read_json(data, "funnel.json"))
    data.rejects = mappings(_read_json(data, "pictures/rejects.json"))
    _read_training(data)
    if data.section("compare"):
        data.variants = mapping(_read_json(data, "variants.json"))
    return data


def _read_json(data: RunData, name: str, folder: Path | None = None) -> Any:
    path = (folder or data.folder) / name
    if not data.is_whole(path):
        return None
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        data.missing.append(f"{name} is not there (yet)")
    except (OSError, ValueError, RecursionError) as error:
        data.missing.append(f"{name} cannot be read: {error}")
    return None


def _read_recipe(data: RunData) -> None:
    try:
        data.recipe_text = (data.folder / "recipe.toml").read_text(encoding="utf-8")
        data.recipe = tomllib.loads(data.recipe_text)
    except FileNotFoundError:
        data.missing.append("recipe.toml is not there (yet)")
    except (OSError, ValueError, RecursionError) as error:
        data.missing.append(f"recipe.toml cannot be read: {error}")


def _read_metrics(data: RunData) -> None:
    metrics = mapping(_read_json(data, "metrics.json"))
    protocols, absent = mapping(metrics.pop("protocols", None)), mapping(metrics.pop("absent", None))
    for name, value in _flatten(metrics):
        about = mapping(protocols.get(name))
        texts = (str(about.get(part) or "") for part in ("protocol", "unit", "better", "judge"))
        data.numbers[name] = Number(name, value, *texts)
    data.absent = {name: str(reason) for name, reason in absent.items()}


def _read_verdict(data: RunData, find_plugins: Callable[[], Plugins] | None) -> None:
    """Read what the evaluators said when they measured; of runs from before they could, ask them now."""
    if data.was_left(VERDICT):
        verdict = mapping(_read_json(data, VERDICT))
    elif find_plugins is not None and data.numbers:
        verdict = _ask_evaluators(data, find_plugins())
    else:
        return
    for entry in mappings(verdict.get("sentences")):
        place: Place = "speed and size" if entry.get("place") == "speed and size" else "verdict"
        data.sentences.append(Sentence(str(entry.get("text") or ""), _rank(entry), place))
    for entry in mappings(verdict.get("headlines")):
        value, words, number = (str(entry.get(part) or "") for part in ("value", "words", "number"))
        headline = Headline(value, words, _rank(entry), number)
        data.headlines.append((str(entry.get("evaluator") or ""), headline))
    failed = verdict.get("failed")
    data.missing += [str(line) for line in failed] if isinstance(failed, list) else []


def _ask_evaluators(data: RunData, plugins: Plugins) -> dict[str, Any]:
    names = dict.fromkeys(str(entry.get("plugin")) for entry in mappings(data.recipe.get("evaluators")))
    numbers = {name: number.value for name, number in data.numbers.items()}
    return verdict_document([(name, partial(_evaluator, plugins, name)) for name in names], numbers)


def _evaluator(plugins: Plugins, name: str) -> type[Evaluator]:
    implementation: type[Evaluator] = class_of(plugins, plugins.get("evaluator", name))
    return implementation


def _rank(entry: Mapping[str, Any]) -> int:
    rank = finite(entry.get("rank"))
    return Sentence.rank if rank is None else int(rank)


def _read_pruning(data: RunData) -> None:
    if not data.was_left(PRUNING):
        return
    record = mapping(_read_json(data, PRUNING))
    before, after = (mapping(record.get(when)) for when in ("before", "after"))
    pairs = {part: (before.get(part), after.get(part)) for part in ("parameters", "macs")}
    sizes = _finite_pairs(pairs)
    channels = {part: mapping(row) for part, row in mapping(record.get("channels")).items()}
    widths = _finite_pairs({part: (row.get("before"), row.get("after")) for part, row in channels.items()})
    share = finite(record.get("share"))
    if share is None or len(sizes) < len(pairs) or len(widths) < len(channels):
        data.missing.append(f"{PRUNING}: this is not what gdp wrote")
        return
    data.pruning = Pruning(str(record.get("of")), str(record.get("run")), share, sizes, widths)


def _finite_pairs(pairs: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[float, float]]:
    """Return those pairs of which both are numbers."""
    numbers = {name: (finite(first), finite(second)) for name, (first, second) in pairs.items()}
    return {
        name: (first, second) for name, (first, second) in numbers.items() if first is not None and second is not None
    }


def _read_training(data: RunData) -> None:
    """Read the training's statistics and samples; of an unfinished training, those of its newest folder."""
    summary = mapping(data.stages.get("train", {}).get("summary"))
    folder = data.folder / str(summary.get("folder", ""))
    if "folder" not in summary or not folder.resolve().is_relative_to(data.folder.resolve()):
        found = sorted(data.folder.glob("train/*/statistics.jsonl"), key=lambda path: path.stat().st_mtime)
        if not found:
            data.missing.append("there are no training statistics (yet)")
            return
        folder = found[-1].parent
    curves = [folder / name for name in ("statistics.jsonl", "held_out.jsonl")]
    data.statistics = [line for file in curves if data.is_whole(file) for line in read_lines(file)]
    if data.was_left((folder / "initialisation.json").relative_to(data.folder).as_posix()):
        data.initialisation = mapping(_read_json(data, "initialisation.json", folder))
    samples = folder / "samples"
    left = {data.folder / name for name in data.recorded if (data.folder / name).parent == samples}
    data.samples = sorted(filter(data.is_whole, left | set(samples.glob("*.png"))), key=step_of)
    if not data.statistics:
        data.missing.append("there are no training statistics (yet)")


def _begun_stage(events: Path) -> str:
    begun = ""
    for event in _objects(events):
        if event.get("event") == "stage-begins":
            begun = str(event.get("stage") or "")
        elif event.get("event") == "stage" or event.get("state") == "running":
            begun = ""
    return begun


def _objects(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what stands in a file of JSON lines; a last line that a kill cut short is left out."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []:
        with suppress(ValueError, RecursionError):
            yield mapping(json.loads(line))


def read_lines(path: Path) -> Iterator[dict[str, float]]:
    """Yield the finite numbers of each line that has a step."""
    for entry in _objects(path):
        numbers = dict(_flatten(entry))
        if "step" in numbers:
            yield numbers


def step_of(path: Path) -> int:
    """Return the training step that a sample grid's file name ends in, 0 where there is none."""
    match = re.search(r"(\d+)\D*$", path.stem)
    return int(match.group(1)) if match else 0


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield every finite number of a nested mapping under its dotted name."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        elif finite(value) is not None:
            yield f"{prefix}{name}", value


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping from a JSON file, empty where the file holds something else."""
    return dict(value) if isinstance(value, Mapping) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """Return a list of mappings from a JSON file, empty where the file holds something else."""
    return [mapping(item) for item in value] if isinstance(value, list) else []
