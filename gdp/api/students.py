"""Trained students from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gdp.api.runs import choose_device
from gdp.registry import PluginRegistry

if TYPE_CHECKING:
    from gdp.core.deployment.models import Model
    from gdp.core.training.inference import DeployedStudent


def load(path: str | Path, *, device: str = "auto", registry: PluginRegistry | None = None) -> DeployedStudent:
    """Load a trained student from a run folder or its `student/` folder; call it on pictures.

    Raises:
        MissingResourceError, CorruptFileError: there is no student, or its files are damaged.
    """
    from gdp.core.training.inference import load_student

    place = Path(path)
    folder = place / "student" if (place / "student").is_dir() else place
    return load_student(folder, registry or PluginRegistry.discover(), choose_device(device))


def deploy(
    model: str | Path,
    *,
    engine: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    registry: PluginRegistry | None = None,
) -> Model:
    """Open a trained student by the fastest engine, for 8-bit pictures of any size.

    Call what it returns with (N, H, W, 3) uint8 RGB pictures, and get as many of the same size.

    Args:
        model: a run folder, its `student/` folder, or a file of `gdp export`.
        engine: `torch`, `onnx`, `openvino` or another that is installed; by default the fastest, found by a short trial
            that is remembered beside the student.
        device: `cpu`, `cuda`, `cuda:1`.
        threads: of the processor; by default all.
        registry: the plugins; by default all that are installed.

    Raises:
        MissingResourceError, CorruptFileError: there is no student, or its files are damaged.
    """
    from gdp.core.deployment.models import open_model
    from gdp.core.interfaces.engines import EngineContext

    return open_model(
        registry or PluginRegistry.discover(), Path(model), engine=engine, context=EngineContext(device, threads)
    )
