"""`gdp doctor RUN`: every file of a run is looked at, and what can be mended without a training is."""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError

from gdp.core.errors import CorruptFileError, PairStoreError, RunFolderError
from gdp.core.pairs.integrity import MANIFEST_NAME
from gdp.core.pairs.repair import find_damage, is_manifest_whole, mend_store, repair_pairs
from gdp.core.progress import Progress
from gdp.core.run.opening import recorded_keys
from gdp.core.run.session import Session
from gdp.core.run_folder import LOCK, STATE, RunFolder, find_run, is_like_run, require_text
from gdp.core.tensor_file import StoredTensors
from gdp.core.training.checkpoint import STATE as CHECKPOINT_STATE
from gdp.core.training.checkpoint import TENSORS as CHECKPOINT_TENSORS
from gdp.core.training.checkpoint import read_checkpoint_state
from gdp.tools.deploy.cards import card_path, damaged_part, read_card
from gdp.tools.run_recipes import RECIPE, recipe_changed

UNLOOKED = ("log.txt", LOCK)
"""Files that hold nothing which anybody rests on."""
PRUNE = "prune"
_NO_EXPORTS = (".json", ".safetensors", ".bin")
"""Endings of what stands beside exported students: cards, descriptions and weights."""
RETRAIN = "train"
"""The stage whose side products (curves, samples) only another training makes."""


@dataclass(frozen=True)
class Damage:
    """A file of a run that is not as it was left."""

    file: str
    """Relative to the run's folder."""
    problem: str
    mend: str
    """The command that makes it again, or what else helps."""

    def data(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"file": self.file, "problem": self.problem, "mend": self.mend}


def examine(folder: RunFolder, progress: Progress) -> list[Damage]:
    """Look at every file of a run; nothing is changed.

    Files of which a stage recorded the hash are compared with it; others must be readable as what their names say.

    Args:
        folder: of the run.
        progress: where it is shown: all pairs are read, and all files.

    Returns:
        What is wrong, in the order of the files' names; each file once.

    Raises:
        RunFolderError: the folder's name is no UTF-8 text.
    """
    require_text(folder.path)
    found: dict[str, Damage] = {}
    for damage in (
        *_state(folder),
        *_recorded(folder, progress),
        *_stores(folder, progress),
        *_checkpoints(folder),
        *_exports(folder),
        *_readable(folder, progress),
        *_trials(folder),
    ):
        found.setdefault(damage.file, damage)
    return [found[name] for name in sorted(found)]


def find_any_run(run: Path) -> RunFolder:
    """Return the folder of a run, by its path or by its name in `runs/`, even where it lost its run.json.

    Raises:
        MissingResourceError: there is no run.
    """
    for place in (run, Path("runs") / run):
        if is_like_run(place):
            return RunFolder(place.expanduser().absolute())
    return find_run(run)


def repair(folder: RunFolder, progress: Progress) -> None:
    """Mend what needs no training: pair stores are brought into a state that their pairs can be appended to.

    State files, students, numbers and reports are made again by `gdp run`, which finds what is lost by itself.

    Args:
        folder: of the run.
        progress: where it is shown.

    Raises:
        RunLockedError: another process works in the run.
    """
    with folder.locked(lambda _: None):
        for store in _store_folders(folder):
            mend_store(store, progress)


def repair_run(session: Session) -> list[int]:
    """Repair the pair store that a run wrote down last, under the folder's lock; return what `repair_pairs` does.

    Raises:
        RunLockedError: another process works in the run.
        RunFolderError: the run has no pairs.
        CorruptFileError: the manifest itself is damaged.
    """
    with session.folder.locked():
        session.keys = recorded_keys(session.folder)
        if "store" not in session.keys or not session.store_folder.is_dir():
            raise RunFolderError(f"{session.folder.path}: the run has no pairs yet; gdp run makes them.")
        return repair_pairs(session.store_folder, session.progress)


def _again(folder: RunFolder, stage: str = "") -> str:
    return f"gdp run {_quoted(folder)}" + (f" --from {stage}" if stage else "")


def _quoted(folder: RunFolder) -> str:
    return shlex.quote(str(folder.path))


def _state(folder: RunFolder) -> Iterator[Damage]:
    mend = f"{_again(folder)} writes it anew"
    for name in STATE:
        if name == "run.json":
            mend = "gdp run RECIPE, with the recipe that the run was made of, writes it anew"
        if not (folder.path / name).is_file():
            yield Damage(name, "is missing", mend)
            continue
        try:
            folder.read_state(name)
            if name == "keys.json":
                recorded_keys(folder)
        except CorruptFileError as error:
            yield Damage(name, str(error), mend)
    if not (folder.path / RECIPE).is_file():
        yield Damage(RECIPE, "is missing", "gdp run RECIPE, with the run's recipe, writes it anew")
        return
    with suppress(CorruptFileError):  # of run.json, which is told already
        if recipe_changed(folder):
            mend = f"gdp run RECIPE, with the run's recipe, writes it anew; {_again(folder)} goes by it as it is now"
            yield Damage(RECIPE, "was changed since gdp wrote it", mend)


def _recorded(folder: RunFolder, progress: Progress) -> Iterator[Damage]:
    try:
        stages, files = folder.stages(), folder.recorded_files()
    except CorruptFileError:
        return  # which is told already
    sizes = {name: _megabytes(folder.path / name) for name in files}
    with progress.task("comparing with what was left", sum(sizes.values()), "MB") as task:
        for stage in stages:
            for name, problem in folder.damaged_files(stage, lambda name: task.advance(sizes[name])).items():
                kept = stage == RETRAIN and not name.endswith((".safetensors", "initialisation.json"))
                how = "the gdp prune that made the run" if stage == PRUNE else _again(folder, stage if kept else "")
                yield Damage(name, problem, f"{how} makes it again")


def _megabytes(path: Path) -> int:
    return path.stat().st_size // 1_000_000 if path.is_file() else 0


def _store_folders(folder: RunFolder) -> list[Path]:
    return sorted(path for path in folder.path.glob("pairs/*") if path.is_dir())


def _stores(folder: RunFolder, progress: Progress) -> Iterator[Damage]:
    """Read every pair of every store."""
    for store in _store_folders(folder):
        manifest = folder.relative(store / MANIFEST_NAME)
        mend = f"gdp doctor {_quoted(folder)} --repair, then {_again(folder)}"
        if not is_manifest_whole(store):
            yield Damage(manifest, "the manifest is missing or damaged", mend)
            continue
        try:
            for damage in find_damage(store, progress):
                yield Damage(folder.relative(store / f"shard-{damage.shard:06d}.tar"), damage.message, mend)
        except (CorruptFileError, PairStoreError) as error:
            yield Damage(manifest, str(error), mend)


def _checkpoints(folder: RunFolder) -> Iterator[Damage]:
    """Tell of checkpoints of which a file is gone."""
    for place in sorted(folder.path.rglob("checkpoints/step-*/")):
        for name in (CHECKPOINT_STATE, CHECKPOINT_TENSORS):
            if not (place / name).is_file():
                yield Damage(folder.relative(place / name), "is missing", _mend(folder, place / name))


def _exports(folder: RunFolder) -> Iterator[Damage]:
    """Compare exported students with their cards."""
    for path in sorted(folder.path.rglob("student/student*.*")):
        beside = card_path(path)
        if path.suffix not in _NO_EXPORTS and not beside.is_file():
            mend = f"gdp apply {_quoted(folder)} exports it again, once"
            yield Damage(folder.relative(beside), f"is missing: nobody knows how to feed {path.name}", mend)
    for place in sorted(folder.path.rglob("student/*.*.json")):
        path = place.with_suffix("")
        again = f"gdp export {_quoted(folder)} --to "
        mend = " makes it again, and gdp apply where it is run by it"
        try:
            card = read_card(path)
        except CorruptFileError as error:
            yield Damage(folder.relative(place), str(error), f"{again}ENGINE{mend}")
            continue
        part = damaged_part(card, path)
        if part is not None:
            problem = "is missing, or not what was exported: its hash is another"
            yield Damage(folder.relative(part), problem, f"{again}{card.engine}{mend}")


def _readable(folder: RunFolder, progress: Progress) -> Iterator[Damage]:
    files = [path for path in sorted(folder.path.rglob("*")) if path.is_file()]
    with progress.task("reading files", len(files), "files") as task:
        for path in files:
            name = folder.relative(path)
            if name not in (*STATE, *UNLOOKED) and not name.startswith("pairs/") and (problem := _problem(path)):
                yield Damage(name, problem, _mend(folder, path))
            task.advance()


def _mend(folder: RunFolder, path: Path) -> str:
    if path.parent.name.startswith("step-"):
        return f"the training is finished without it; {_again(folder, RETRAIN)} makes it again"
    if path.name == RECIPE:
        return "gdp run RECIPE, with the run's recipe, writes it anew"
    if path.name == "events.jsonl":
        return "nothing rests on it: delete it"
    return f"{_again(folder)} makes it again where a stage left it; else make or export it again"


def _problem(path: Path) -> str | None:
    try:
        match path.suffix:
            case ".json":
                json.loads(path.read_bytes())
                if path.name == CHECKPOINT_STATE and path.parent.name.startswith("step-"):
                    read_checkpoint_state(path.parent)
            case ".jsonl":
                for line in path.read_text(encoding="utf-8").splitlines():
                    json.loads(line)
            case ".toml":
                tomllib.loads(path.read_text(encoding="utf-8"))
            case ".safetensors":
                StoredTensors(path)
            case ".png" | ".webp":
                _decode(path)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SyntaxError, SafetensorError) as error:
        return f"cannot be read ({error or type(error).__name__})"
    return None


def _decode(path: Path) -> None:
    from PIL import Image

    with Image.open(path, formats=("PNG", "WEBP")) as picture:
        picture.load()


def _trials(folder: RunFolder) -> Iterator[Damage]:
    """Look at what each training of a comparison left in its own folder."""
    for place in sorted(folder.path.glob("variants/*/stages.json")):
        trial = RunFolder(place.parent)
        try:
            found = [damage for stage in trial.stages() for damage in trial.damaged_files(stage).items()]
        except CorruptFileError as error:
            yield Damage(folder.relative(place), str(error), f"{_again(folder, 'compare')} writes it anew")
            continue
        for name, problem in found:
            yield Damage(folder.relative(place.parent / name), problem, f"{_again(folder, 'compare')} makes it again")
