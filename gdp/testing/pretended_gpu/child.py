"""The process that sees the pretended GPU: does what an order asks for and writes an answer."""

from __future__ import annotations

import atexit
import gc
import importlib
import importlib.util
import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from gdp.core.contracts import asking
from gdp.support import devices
from gdp.testing.pretended_gpu.device import PretendedGpu


def main(order: Path, answer: Path, children: str) -> None:
    """Call the functions of an order, each on the pretended GPU, and write what came of them.

    Args:
        order: the file of the order.
        answer: the file that is written.
        children: `pretend` where processes that this one starts shall see the GPU, too.
    """
    if children == "pretend":
        path = [str(Path(__file__).with_name("in_children")), os.environ["PYTHONPATH"]]
        os.environ["PYTHONPATH"] = os.pathsep.join(path)
    else:
        for name in ("LD_PRELOAD", "LD_LIBRARY_PATH"):
            os.environ.pop(name, None)
    with _pretended_gpu() as gpu:
        told = {name: _call(gpu, work) for name, work in json.loads(order.read_text()).items()}
    answer.write_text(json.dumps(told))


def stay_on_pretended_gpu() -> None:
    """Let this process work on the pretended GPU to its end."""
    stack = ExitStack()
    stack.enter_context(_pretended_gpu())
    atexit.register(stack.close)


@contextmanager
def _pretended_gpu() -> Iterator[PretendedGpu]:
    # Whoever copies a module asks torch whether its parameters have memory.
    warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
    with (
        # It looks for the files of a driver before it asks torch.
        mock.patch.object(devices, "_GPU_FILES", (os.devnull,)),
        # It does not check the numbers of tensors that have none. Of these it shall: a real GPU is waited for there.
        mock.patch.object(asking, "_is_computed", lambda tensor: not tensor.is_meta),
        PretendedGpu() as gpu,
    ):
        yield gpu


def _call(gpu: PretendedGpu, work: dict[str, Any]) -> dict[str, Any]:
    value, error = None, None
    with gpu.noting() as notes:
        try:
            function = getattr(_imported(work["module"], work["file"]), work["function"])
            value = json.loads(json.dumps(function(*work["arguments"], **work["named"])))
        except Exception:  # noqa: BLE001 # whatever it is, it is told to whoever asked
            error = traceback.format_exc()
    gc.collect()
    return {"value": value, "error": error, "notes": notes.as_json()}


def _imported(name: str, file: str) -> ModuleType:
    """Import a module by name, or from its file where it cannot be found by that."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # it was found, and lacks another
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
