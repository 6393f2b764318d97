"""An MLflow server holds the numbers of `statistics.jsonl`; one that goes away ends no training."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from mlflow import MlflowClient
from tracked_runs import metrics_of, require_equal, tracked_run
from typer.testing import CliRunner

from gdp.cli.app import app


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of an MLflow server."""
    port = free_port()
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
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


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
