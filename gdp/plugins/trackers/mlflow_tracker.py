"""MLflow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from gdp import TrackedRun, Tracker
from gdp.plugins.trackers import MlflowConfig

_LONGEST = 6000
"""Characters of a parameter that MLflow takes; the whole recipe is among the artifacts."""
_PARAMETERS = 100
"""That MLflow takes at once."""
_IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""A server that is not there is told within seconds, not after minutes; what the user has set is kept."""
_ENDS = {"finished": "FINISHED", "failed": "FAILED"}


class MlflowTracker(Tracker):
    """Logs `train/generator.l1` over the steps, the recipe as parameters, sample grids and the student as artifacts."""

    config: MlflowConfig

    def begin(self, run: TrackedRun) -> str:
        """Open the run; one that goes on is the same."""
        for name, value in _IMPATIENT.items():
            os.environ.setdefault(name, value)
        self._client = MlflowClient(self.config.uri)
        if run.known is None:
            found = self._client.get_experiment_by_name(self.config.experiment)
            experiment = found.experiment_id if found else self._client.create_experiment(self.config.experiment)
            self._id = str(self._client.create_run(experiment, tags={MLFLOW_RUN_NAME: run.name}).info.run_id)
            params = [Param(name, value[:_LONGEST]) for name, value in _flat(run.recipe)]
            for first in range(0, len(params), _PARAMETERS):
                self._client.log_batch(self._id, params=params[first : first + _PARAMETERS])
            self._client.log_dict(self._id, dict(run.recipe), "recipe.json")
        else:
            self._id = run.known
            self._client.update_run(self._id, status="RUNNING")
        return self._id

    def metrics(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Log numbers."""
        moment = int(time.time() * 1000)
        numbers = [Metric(f"{stage}/{name}", value, moment, step) for name, value in metrics.items()]
        self._client.log_batch(self._id, metrics=numbers)

    def image(self, stage: str, step: int, path: Path) -> None:
        """Log a picture."""
        self._client.log_artifact(self._id, str(path), f"{stage}/samples")

    def summary(self, stage: str, summary: Mapping[str, Any]) -> None:
        """Log it as a file."""
        self._client.log_dict(self._id, dict(summary), f"{stage}/summary.json")

    def end(self, outcome: str, artifacts: Sequence[Path]) -> None:
        """Hand over the files, and close."""
        for path in artifacts:
            self._client.log_artifact(self._id, str(path))
        self._client.set_terminated(self._id, _ENDS.get(outcome, "KILLED"))


def _flat(tree: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every value of the recipe under its dotted name, as text."""
    if isinstance(tree, Mapping | list):
        items = tree.items() if isinstance(tree, Mapping) else enumerate(tree)
        for key, value in items:
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, str(tree)
