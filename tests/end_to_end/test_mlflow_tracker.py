"""An MLflow server holds the numbers of `statistics.jsonl`; one that goes away ends no training."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient
from tiny_world import make_tiny_world
from tracked_runs import SMALL, metrics_of, require_equal, tracked_run
from typer.testing import CliRunner

import gdp
from gdp.cli.app import app
from gdp.core.run_folder import RunFolder
from gdp.tools.watch import look


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An MLflow server, and its address."""
    port, tmp_path = free_port(), tmp_path_factory.mktemp("mlflow")
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/mlflow.db",
        "--artifacts-destination",
        str(tmp_path / "a"),
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            while process.poll() is None:
                try:
                    urlopen(f"http://127.0.0.1:{port}/health").close()
                    break
                except OSError:
                    time.sleep(0.2)
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            process.wait()


@pytest.fixture
def server(process: tuple[str, subprocess.Popen[bytes]]) -> str:
    """The server's address."""
    return process[0]


def test_the_server_holds_the_statistics_of_a_run_that_broke_off(server: str, tmp_path: Path) -> None:
    run = tracked_run(tmp_path, {"mlflow": {"uri": server, "experiment": "faces"}})
    client = MlflowClient(server)
    experiment = client.get_experiment_by_name("faces")
    assert experiment is not None
    (there,) = client.search_runs([experiment.experiment_id])
    found: dict[int, dict[str, float]] = {}
    measured: dict[str, float] = {}
    for name in there.data.metrics:
        for point in client.get_metric_history(there.info.run_id, name):
            stage, _, number = name.partition("/")
            place = found.setdefault(point.step, {}) if stage == "train" else measured
            assert number not in place, "told twice"
            place[number] = point.value
    require_equal(found, run)
    assert measured == metrics_of(run)
    assert there.info.status == "FINISHED"
    assert there.data.params["train.steps"] == "16"
    assert there.data.tags["mlflow.runName"] == "tiny"
    files = {file.path for file in client.list_artifacts(there.info.run_id)}
    assert {"recipe.json", "recipe.toml", "metrics.json", "report.html", "student", "train"} <= files
    shown = {Path(file.path).name for file in client.list_artifacts(there.info.run_id, "train/samples")}
    assert shown == {"step-000008.png", "step-000016.png"}


def test_a_server_that_is_not_there_is_told_before_anything_is_made(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    command = ["run", str(finished_run.parents[1] / "tiny.toml"), "--folder", str(tmp_path / "run")]
    command += ["--track", f"mlflow:uri=http://127.0.0.1:{free_port()}"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 1
    assert "error: tracker mlflow could not begin, so the run did not" in done.stderr
    assert not (tmp_path / "run" / "pairs").exists()


class _Ends:
    """Progress that nobody sees, of a training in whose midst the server goes away."""

    def __init__(self, server: subprocess.Popen[bytes]) -> None:
        self.server = server
        self.messages: list[str] = []

    @contextmanager
    def task(self, name: str, total: int, unit: str, done: int = 0) -> Iterator[gdp.ProgressTask]:
        self.name, self.done = name, done
        yield self

    def advance(self, amount: int = 1, **status: float | str) -> None:
        self.done += amount
        if self.name == "train" and self.done == 5:
            self.server.terminate()
            self.server.wait()

    def message(self, text: str) -> None:
        self.messages.append(text)


def test_a_server_that_goes_away_ends_no_training_and_is_told(
    process: tuple[str, subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address, server = process
    progress, run = _Ends(server), tmp_path / "run"
    small = [*SMALL, "train.steps=8"]
    made = gdp.run(
        make_tiny_world(tmp_path), folder=run, overrides=small, track=[f"mlflow:uri={address}"], progress=progress
    )
    assert made.outcome.state == "finished" and made.report.is_file()
    (said,) = [text for text in progress.messages if text.startswith("tracker mlflow: ")]
    assert "failed: " in said and "--track mlflow tells the rest" in said
    sight = look(RunFolder(run))
    assert "failed: " in sight.trackers["mlflow"]
    assert json.loads((run / "trackers" / "mlflow.json").read_text())["last"] in range(1, 7)
