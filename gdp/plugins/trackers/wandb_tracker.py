"""Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from gdp import TrackedRun, Tracker
from gdp.plugins.trackers import WandbConfig


class WandbTracker(Tracker):
    """Logs `train/generator.l1` over `train/step`; what is measured once goes into the run's summary."""

    config: WandbConfig

    def begin(self, run: TrackedRun) -> str:
        """Open the run; one that goes on has its identity again."""
        settings = wandb.Settings(console="off", silent=True, root_dir=str(run.folder), disable_git=True)
        self._run = wandb.init(
            project=self.config.project,
            entity=self.config.entity,
            mode=self.config.mode,
            name=run.name,
            id=run.known,
            resume=None if run.known is None else "allow",
            reinit="create_new",
            config=dict(run.recipe),
            settings=settings,
        )
        self._run.define_metric("train/step")
        self._run.define_metric("train/*", step_metric="train/step")
        return str(self._run.id)

    def metrics(self, stage: str, step: int, metrics: Mapping[str, float]) -> None:
        """Log numbers of the training over its steps, others once."""
        numbers = {f"{stage}/{name}": value for name, value in metrics.items()}
        if step > 0:
            self._run.log({f"{stage}/step": step, **numbers})
        else:
            self._run.summary.update(numbers)

    def image(self, stage: str, step: int, path: Path) -> None:
        """Log a picture."""
        self._run.log({f"{stage}/step": step, f"{stage}/samples": wandb.Image(str(path))})

    def summary(self, stage: str, summary: Mapping[str, Any]) -> None:
        """Put it into the run's summary."""
        self._run.summary.update({f"{stage}.{name}": value for name, value in summary.items()})

    def end(self, outcome: str, artifacts: Sequence[Path]) -> None:
        """Hand over the files as one artifact of the type model, and close."""
        if artifacts:
            artifact = wandb.Artifact(f"student-{self._run.id}", type="model")
            for path in artifacts:
                artifact.add_dir(str(path), path.name) if path.is_dir() else artifact.add_file(str(path))
            self._run.log_artifact(artifact)
        self._run.finish(exit_code=int(outcome == "failed"))
