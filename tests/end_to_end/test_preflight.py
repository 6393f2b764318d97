"""What the pre-flight takes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy
import pytest
import torch
from tiny_translation import make_tiny_translation
from tiny_world import make_tiny_world

from gdp.api import open_session
from gdp.core.errors import DiskFullError, RecipeError
from gdp.core.progress import SilentProgress
from gdp.core.run.pipeline import Plan, execute
from gdp.plugins.pair_sources.latents import LatentDirectionSource
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent
from gdp.registry import PluginRegistry
from gdp.tools.estimate.magnitude import name_of
from gdp.tools.preflight import Check, preflight


def test_one_pair_and_one_student_serve_all_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    for kind, method in (
        (LatentDirectionSource, "make"),
        (Pix2PixHDStudent, "__init__"),
        (Pix2PixHDStudent, "initialise"),
    ):
        real = getattr(kind, method)

        def counted(self, *given, real=real, name=f"{kind.__name__}.{method}"):  # type: ignore[no-untyped-def]
            made.append(name)
            return real(self, *given)

        monkeypatch.setattr(kind, method, counted)
    checks = list(preflight(open_session(make_tiny_world(tmp_path), device="cpu")))
    assert all(check.good for check in checks), checks
    assert sorted(made) == ["LatentDirectionSource.make", "Pix2PixHDStudent.__init__", "Pix2PixHDStudent.initialise"]


class Told(SilentProgress):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        """Keep a line."""
        self.messages.append(text)


def pairs_line(recipe: Path, *overrides: str) -> Check:
    checks = list(preflight(open_session(recipe, overrides=list(overrides), device="cpu")))
    [line] = [check for check in checks if check.title == "pairs"]
    return line


def test_the_pairs_tell_how_far_directions_go(tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    row = torch.randn(1, 16, generator=torch.Generator().manual_seed(1))
    numpy.save(tmp_path / "age.npy", 0.5 * row.numpy() / float(row.norm()))
    asked = pairs_line(recipe, "pairs.direction=age.npy")
    assert not asked.good
    assert "says neither w nor z" in asked.detail
    assert "--set pairs.space=w" in asked.detail
    told = pairs_line(recipe, "pairs.direction=age.npy", "pairs.space=w", "pairs.strength={ published = 3 }")
    assert told.good
    assert "published 3 (times the file's vector), moves 6 of 6 w's by 1.5 each; strength 1 is " in told.detail
    assert pairs_line(recipe).detail.endswith("above chance)") or pairs_line(recipe).detail.endswith("below chance)")


def test_a_missing_compiler_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", str(tmp_path / "no such compiler"))
    recipe = make_tiny_world(tmp_path)
    checks = list(preflight(open_session(recipe, overrides=["train.compile=always"], device="cpu")))
    assert [check.title for check in checks if not check.good] == ["losses"]
    assert any("C++ compiler" in check.detail for check in checks if not check.good)


def test_the_device_and_the_order_of_magnitude_of_time_are_told(tmp_path: Path) -> None:
    checks = {check.title: check for check in preflight(open_session(make_tiny_world(tmp_path), device="cpu"))}
    assert "on cpu" in checks["time"].detail
    assert "24 steps" in checks["time"].detail
    assert not checks["time"].warns


def test_a_run_of_months_is_warned_of(tmp_path: Path) -> None:
    session = open_session(make_tiny_world(tmp_path), overrides=["train.steps=20000000000"], device="cpu")
    (time,) = [check for check in preflight(session) if check.title == "time"]
    assert time.good
    assert time.warns
    assert "in the order of years" in time.detail or "in the order of months" in time.detail
    assert "gdp estimate" in time.detail


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (5, "seconds"),
        (600, "minutes"),
        (4 * 3600, "hours"),
        (2 * 86400, "days"),
        (12 * 86400, "weeks"),
        (80 * 86400, "months"),
        (400 * 86400, "months"),
        (1000 * 86400, "years"),
    ],
)
def test_times_are_called_as_people_call_them(seconds: float, name: str) -> None:
    assert name_of(seconds) == name


def test_all_files_that_are_not_there_are_named_at_once(tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    settings = ["teacher.weights=g.safetensors", "pairs.direction=pca.pt#3", "evaluators.0.inception_weights=i.pth"]
    checks = list(preflight(open_session(recipe, overrides=settings, device="cpu")))
    files, teacher = (check for check in checks if not check.good)
    assert (files.title, teacher.title) == ("files", "teacher")
    for named in (
        f"3 that settings name are not there: teacher stylegan2: weights = {tmp_path / 'g.safetensors'}, ",
        f"pair-source latent-direction: direction = {tmp_path / 'pca.pt#3'}, ",
        f"evaluator held-out: inception_weights = {tmp_path / 'i.pth'}. ",
    ):
        assert named in files.detail
    [there] = [check for check in preflight(open_session(recipe, device="cpu")) if check.title == "files"]
    assert (there.good, there.warns) == (True, False)


def test_a_file_that_a_foreign_plugin_may_mean_to_make_is_only_warned_of(tmp_path: Path) -> None:
    plugin = tmp_path / "plugins" / "keeping.py"
    plugin.parent.mkdir()
    plugin.write_text(
        "from pathlib import Path\n"
        "import gdp\n"
        "class KeepingConfig(gdp.Config):\n"
        "    cache: Path = Path('answers.db')\n"
        "    'Where answers are kept.'\n"
        "@gdp.hookimpl\n"
        "def gdp_register_filters(register):\n"
        "    register('keeping', config=KeepingConfig, implementation='keeping:Keeping', summary='Keeps.')\n"
        "class Keeping(gdp.Filter):\n"
        "    def judge(self, pairs):\n"
        "        return [gdp.Verdict('keep', {}) for _ in range(len(pairs))]\n"
    )
    registry = PluginRegistry.discover(folders=(plugin.parent,))
    session = open_session(
        make_tiny_world(tmp_path),
        overrides=["filters.0={ plugin = 'keeping', cache = 'a.db' }"],
        device="cpu",
        registry=registry,
    )
    [files] = [check for check in preflight(session) if check.title == "files"]
    assert (files.good, files.warns) == (True, True)
    assert f"1 that settings name is not there: filter keeping: cache = {tmp_path / 'a.db'}" in files.detail


def test_what_a_training_lacks_is_told_once_and_not_again_as_its_time(tmp_path: Path) -> None:
    recipe = make_tiny_world(tmp_path)
    with recipe.open("a", encoding="utf-8") as file:
        file.write('\n[[losses]]\nplugin = "perceptual-vgg"\nweights = "nowhere.pth"\n')
        file.write('\n[[filters]]\nplugin = "photo-attributes"\nweights = "nowhere.safetensors"\n')
    checks = list(preflight(open_session(recipe, device="cpu")))
    assert [check.title for check in checks if not check.good] == ["files", "filters", "losses"]
    assert ["nowhere" in check.detail for check in checks].count(True) == 3
    assert "Make it by `npm pack" in next(check.detail for check in checks if check.title == "filters")
    assert [check.title for check in checks][-2:] == ["disk", "stages"]


def test_flat_frames_without_stored_targets_are_told_before_anything_is_made(tmp_path: Path) -> None:
    session = open_session(make_tiny_translation(tmp_path), overrides=["train.flat_frames=0.1"], device="cpu")
    [losses] = [check for check in preflight(session) if check.title == "losses"]
    assert not losses.good
    assert "train.flat_frames replaces targets as well as sources" in losses.detail


def student_line(recipe: Path, *overrides: str) -> Check:
    checks = list(preflight(open_session(recipe, overrides=list(overrides), device="cpu")))
    [line] = [check for check in checks if check.title == "student"]
    return line


def test_what_a_student_takes_over_is_told_and_nothing_although_it_was_asked_for_is_warned_of(tmp_path: Path) -> None:
    recipe = make_tiny_translation(tmp_path)
    told = student_line(recipe, "student.width=6")
    assert not told.warns
    assert "tensors are copied from the teacher" in told.detail
    for transfer in ("everything", "resampling"):
        warned = student_line(recipe, f"student.transfer={transfer}")
        assert (warned.good, warned.warns) == (True, True)
        assert f'student.transfer = "{transfer}" copies nothing of this teacher, of ' in warned.detail
        assert "shape" in warned.detail or "learnt anew" in warned.detail
        assert "To copy, set student.width = 6, as the teacher has; this student has 4; else " in warned.detail
    assert "copied" not in student_line(recipe, "student.transfer=none").detail


def test_that_nothing_is_copied_is_told_once_by_a_dry_run_and_by_a_run(tmp_path: Path) -> None:
    recipe, told = make_tiny_translation(tmp_path), Told()
    session = open_session(
        recipe, overrides=["student.transfer=everything"], device="cpu", progress=told, folder=tmp_path / "run"
    )
    checks = list(preflight(session))
    words = "copies nothing of this teacher"
    assert [words in check.detail for check in checks].count(True) == 1
    assert not [message for message in told.messages if words in message]
    execute(
        open_session(
            recipe, overrides=["student.transfer=everything"], device="cpu", progress=told, folder=tmp_path / "run"
        ),
        Plan(),
    )
    assert [words in message for message in told.messages].count(True) == 1


def test_more_pairs_than_anybody_makes_are_refused_with_the_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"pairs.count: must be at most 10000000, got 2000000000"):
        open_session(make_tiny_world(tmp_path), overrides=["pairs.count=2000000000"], device="cpu")


def test_pairs_that_the_disk_will_not_hold_are_refused_when_the_first_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = open_session(
        make_tiny_world(tmp_path), folder=tmp_path / "run", overrides=["pairs.count=9000000"], device="cpu"
    )
    usage = shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFullError, match=r"8,999,968 pairs .* need about \d+.* GB, and 1.0 GB are free"):
        execute(session, Plan(until="pairs"))
    assert len(list((tmp_path / "run").rglob("*.tar"))) == 1, "what was made stays"
