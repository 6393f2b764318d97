"""`gdp prune`: a finished run's student or teacher with fewer channels becomes a run of its own."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import finish, kill_often, kill_when
from tiny_translation import make_tiny_translation
from typer.testing import CliRunner

import gdp
from gdp.cli.app import app
from gdp.core.errors import GdpError, PluginError, RecipeError, RunFolderError, RunLockedError
from gdp.core.progress import SilentProgress
from gdp.core.run.pipeline import Plan, execute
from gdp.core.run.session import Session
from gdp.core.run_folder import RunFolder
from gdp.registry import PluginRegistry
from gdp.support.metrics_files import GIVEN, read_given_metrics
from gdp.tools.prune.opening import open_pruning
from gdp.tools.prune.record import PruningRecord
from gdp.tools.prune.request import PruningRequest, read_request

CPU = torch.device("cpu")
SHORT = ("train.steps=1", "train.sample_every=1")
WIDER = ("student.width=8",)
"""So that there are channels to prune."""


def prune(run: Path, *arguments: str | Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["prune", str(run), *map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def opened(request: PruningRequest) -> tuple[Session, PruningRecord]:
    registry = PluginRegistry.discover()
    return open_pruning(read_request(request, registry), registry, device=CPU, progress=SilentProgress())


def contents(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run; nothing may change it."""
    recipe = make_tiny_translation(tmp_path_factory.mktemp("world"))
    return gdp.run(recipe, folder=recipe.parent / "runs" / "tiny", overrides=WIDER).path


def test_a_pruned_student_becomes_a_run_of_its_own(run: Path) -> None:
    before = contents(run)
    outcome = prune(run, "--macs", "0.5")
    folder = run.parent / "tiny-pruned-0.5"
    assert outcome["state"] == "finished"
    assert Path(outcome["folder"]) == folder
    assert contents(run) == before, "the run stays as it is"

    size, theirs = (json.loads((place / "metrics.json").read_text()) for place in (folder, run))
    assert size["protocols"]["size.before_pruning.macs"]["protocol"]
    card, their_card = (json.loads((place / "student" / "student.json").read_text()) for place in (folder, run))
    assert size["size"]["before_pruning"] == {name: their_card[name] for name in ("parameters", "macs")}
    assert outcome["pruning"]["after"] == {name: card[name] for name in ("parameters", "macs")}
    assert 0.3 * their_card["macs"] < card["macs"] <= 0.5 * their_card["macs"]
    assert "size" not in theirs, "no evaluator of this recipe measures sizes"

    stages = json.loads((folder / "stages.json").read_text())
    assert stages["train"]["summary"]["steps"] == 5, "half of the run's"
    assert stages["pairs"]["summary"]["made_now"] == 0, "the run's pairs are taken over"
    assert "Before and after pruning" in (folder / "report.html").read_text()
    assert gdp.load(folder)(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert prune(run, "--macs", "0.5")["done"] == []


def test_a_pruned_teacher_becomes_a_student(run: Path) -> None:
    outcome = prune(run, "--macs", "0.4", "--of", "teacher", "--steps", "2", "--set", "train.learning_rate=1e-5")
    folder = run.parent / "tiny-teacher-pruned-0.4"
    assert Path(outcome["folder"]) == folder
    stages = json.loads((folder / "stages.json").read_text())
    assert outcome["pruning"]["before"] == {name: stages["teacher"]["summary"][name] for name in ("parameters", "macs")}
    assert stages["train"]["summary"]["steps"] == 2
    resolved = tomllib.loads((folder / "recipe.toml").read_text())
    assert resolved["name"] == "tiny-teacher-pruned-0.4"
    assert resolved["train"]["learning_rate"] == 1e-5
    assert resolved["student"]["blocks"] == len(resolved["student"]["channels"]["middle"]) == 5


def test_a_killed_pruning_ends_in_the_same_bits(run: Path, tmp_path: Path) -> None:
    steps = ("--steps", "12", "--set", "train.checkpoint_every=2", "--set", "evaluators=[]")
    whole, broken = (("prune", run, "--macs", "0.5", *steps, "--folder", tmp_path / name) for name in "ab")
    finish(whole, tmp_path)
    folder = tmp_path / "b"
    chance = random.Random(6)
    assert kill_when(broken, tmp_path, (folder / "pruned.safetensors").is_file, chance, 0.05), "as soon as it is pruned"
    assert kill_when(broken, tmp_path, lambda: any(folder.glob("train/*/checkpoints/step-*")), chance, 0.05)
    finish(broken, tmp_path)
    names = ("pruned.safetensors", "pruning.json", "student/student.safetensors")
    assert [contents(folder)[name] for name in names] == [contents(tmp_path / "a")[name] for name in names]


def test_a_pruned_run_can_be_pruned_again(run: Path, tmp_path: Path) -> None:
    first, record = opened(PruningRequest(run, 0.6, folder=tmp_path / "first", overrides=SHORT))
    execute(first)
    again = PruningRequest(tmp_path / "first", 0.5)
    second, further = opened(again)
    assert second.folder.path == tmp_path / "first-pruned-0.5"
    assert second.recipe.name == "tiny-pruned-0.6-pruned-0.5"
    assert further.before == record.after
    assert second.recipe.student.config.model_dump()["weights"] == second.folder.path / "pruned.safetensors"
    assert second.store_folder.is_dir(), "the pairs of the first run are the same still"


def test_a_teacher_that_the_run_trained_is_not_trained_again(run: Path, tmp_path: Path) -> None:
    recipe = make_tiny_translation(tmp_path)
    training = "train={steps=1, batch=1, width=8, blocks=3, discriminator_width=2, precision='float32'}"
    trained = gdp.run(recipe, folder=tmp_path / "run", overrides=["teacher.weights=", f"teacher.{training}", *SHORT])
    session, _ = opened(PruningRequest(trained.path, 0.5, of="teacher", folder=tmp_path / "pruned"))
    assert session.teacher_folder.is_relative_to(tmp_path / "pruned")
    assert session.teacher is not None
    assert session.store_folder.is_dir()


def test_a_copy_of_pairs_that_was_cut_off_is_made_anew(run: Path, tmp_path: Path) -> None:
    request = PruningRequest(run, 0.5, folder=tmp_path / "pruned")
    store = opened(request)[0].store_folder
    whole = contents(store)
    shutil.move(store, store.with_name(f".{store.name}.copying"))
    next(store.with_name(f".{store.name}.copying").glob("*.tar")).unlink()
    assert contents(opened(request)[0].store_folder) == whole


def test_weights_that_are_lost_are_pruned_again(run: Path, tmp_path: Path) -> None:
    request = PruningRequest(run, 0.5, folder=tmp_path / "pruned")
    opened(request)
    weights = tmp_path / "pruned" / "pruned.safetensors"
    before = weights.read_bytes()
    weights.unlink()
    opened(request)
    assert weights.read_bytes() == before


def test_epochs_are_halved_too_and_steps_replace_them(run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(run, tmp_path / "run")
    text = (copy / "recipe.toml").read_text()
    (copy / "recipe.toml").write_text(text.replace("\nsteps = 10\n", "\nepochs = 3\n"))
    request = PruningRequest(copy, 0.5)
    with pytest.warns(UserWarning, match=r"recipe\.toml: was changed since gdp wrote it; what follows goes by it"):
        assert opened(request)[0].recipe.train.epochs == 1.5
        train = opened(replace(request, steps=4))[0].recipe.train
    assert (train.steps, train.epochs) == (4, None)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_share_outside_of_0_to_1_is_refused(run: Path, tmp_path: Path, share: float) -> None:
    with pytest.raises(GdpError, match="must lie between 0 and 1"):
        opened(PruningRequest(run, share, folder=tmp_path / "pruned"))
    assert not (tmp_path / "pruned").exists()


def test_what_cannot_be_done_leaves_no_folder(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pruned"
    with pytest.raises(GdpError, match=r"cannot be pruned to 0\.10% of its multiply-accumulates"):
        opened(PruningRequest(run, 0.001, folder=folder))
    with pytest.raises(RecipeError, match=r"train\.stepz: unknown key, did you mean steps"):
        opened(PruningRequest(run, 0.5, folder=folder, overrides=["train.stepz=3"]))
    assert not folder.exists()


def test_a_folder_of_something_else_is_kept(run: Path, tmp_path: Path) -> None:
    request = PruningRequest(run, 0.5, folder=tmp_path / "pruned")
    opened(request)
    before = contents(tmp_path / "pruned")
    with pytest.raises(RunFolderError, match=r"another pruning, that of a student to 0\.5"):
        opened(replace(request, share=0.6))
    with pytest.raises(RunFolderError, match=r"another pruning, that of a student to 0\.5"):
        opened(replace(request, of="teacher"))
    with pytest.raises(RunFolderError, match="this is the folder of the run that is to be pruned"):
        opened(replace(request, folder=run))
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(RunFolderError, match="holds another run, not a pruned one"):
        opened(replace(request, folder=other))
    exported = RunFolder(other).stages()["export"]
    another = {**exported["summary"], "weights_sha256": "0" * 64}
    RunFolder(other).finish_stage("export", exported["key"], 0.0, another)
    with pytest.raises(RunFolderError, match="the pruning of another student"):
        opened(replace(request, run=other))
    with RunFolder(tmp_path / "pruned").locked(), pytest.raises(RunLockedError):
        opened(request)
    assert contents(tmp_path / "pruned") == before


def test_only_finished_runs_are_pruned(run: Path, tmp_path: Path) -> None:
    with pytest.raises(GdpError, match="this is no run folder"):
        opened(PruningRequest(tmp_path, 0.5))
    recipe = make_tiny_translation(tmp_path)
    stopped = gdp.run(recipe, folder=tmp_path / "stopped", plan=Plan(until="teacher"))
    with pytest.raises(RunFolderError, match=r"has not finished \(its state is stopped\)"):
        opened(PruningRequest(stopped.path, 0.5))


def test_a_student_that_cannot_be_pruned_is_told(tmp_path: Path) -> None:
    sets = (
        'student={plugin="pix2pixhd", width=4, downsamplings=1, blocks=1, discriminator_width=4}',
        'losses=[{plugin="l1"}]',
        "pairs.live=false",
    )
    other = gdp.run(make_tiny_translation(tmp_path), folder=tmp_path / "run", overrides=[*sets, *SHORT])
    with pytest.raises(PluginError, match="cannot be pruned: it does not say which of its channels depend"):
        opened(PruningRequest(other.path, 0.5))
    with pytest.raises(PluginError, match="cannot hold its teacher's network"):
        opened(PruningRequest(other.path, 0.5, of="teacher"))
    assert not (tmp_path / "run-pruned-0.5").exists()


def test_a_pruning_begun_by_an_older_gdp_gives_its_run_the_sizes_before_when_it_goes_on(
    run: Path, tmp_path: Path
) -> None:
    request = PruningRequest(run, 0.5, folder=tmp_path / "pruned")
    _, record = opened(request)
    (tmp_path / "pruned" / GIVEN).unlink()
    opened(request)
    given = read_given_metrics(RunFolder(tmp_path / "pruned"))
    assert given["size.before_pruning.macs"].value == record.before.macs


def test_a_damaged_record_is_told_and_written_anew(run: Path, tmp_path: Path) -> None:
    request = PruningRequest(run, 0.5, folder=tmp_path / "pruned")
    opened(request)
    weights = (tmp_path / "pruned" / "pruned.safetensors").read_bytes()
    record = (tmp_path / "pruned" / "pruning.json").read_bytes()
    (tmp_path / "pruned" / "pruning.json").write_text('{"of": "student"}')
    with pytest.warns(UserWarning, match=r"pruning\.json: was damaged and is written anew"):
        opened(request)
    assert (tmp_path / "pruned" / "pruning.json").read_bytes() == record
    (tmp_path / "pruned" / "pruning.json").unlink()
    opened(request)
    assert (tmp_path / "pruned" / "pruned.safetensors").read_bytes() == weights
    (tmp_path / "pruned" / "pruning.json").unlink()
    with pytest.raises(RunFolderError, match=r"has lost its pruning\.json"):
        opened(replace(request, share=0.6))


@pytest.mark.soak
def test_prunings_killed_at_any_moment_end_in_the_same_bits(run: Path, tmp_path: Path) -> None:
    steps = ("--steps", "12", "--set", "train.checkpoint_every=2", "--set", "evaluators=[]")
    whole, broken = (("prune", run, "--macs", "0.5", *steps, "--folder", tmp_path / name) for name in "ab")
    started = time.monotonic()
    finish(whole, tmp_path)
    seconds, chance = time.monotonic() - started, random.Random(12)

    def clear() -> None:
        """Begin anew where it has come to its end, or now and then, so that its beginning is met as well."""
        stages = tmp_path / "b" / "student" / "student.json"
        if stages.is_file() or chance.random() < 0.3:
            shutil.rmtree(tmp_path / "b", ignore_errors=True)

    kill_often(broken, tmp_path, 12, seconds, chance, clear)
    finish(broken, tmp_path)
    found, expected = (contents(tmp_path / name) for name in "ba")
    for name in ("pruned.safetensors", "student/student.safetensors"):
        assert found[name] == expected[name]
    hidden = [sorted(path.name for path in (tmp_path / name).rglob(".*")) for name in "ab"]
    assert hidden[0] == hidden[1]
