"""Runs work in a process of its own that sees the pretended GPU. Imports no torch."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gdp.testing.pretended_gpu.building import CAPABILITY, build_runtime
from gdp.testing.pretended_gpu.notes import Notes

HOPPER, TURING = (9, 0), (7, 5)
"""Compute capabilities: of a GPU with all that there is, and of one without bf16."""


class WorkFailedError(AssertionError):
    """Work on the pretended GPU raised something; the message ends in the traceback there."""


@dataclass(frozen=True)
class Found:
    """What came of a piece of work."""

    value: Any
    """What the function returned, as JSON keeps it; None where it raised."""
    error: str | None
    """The traceback of what it raised; None where it did not."""
    notes: Notes
    """Where it waited, and how many kernels it launched."""

    def require(self) -> Found:
        """Return it as it is.

        Raises:
            WorkFailedError: the work raised something.
        """
        if self.error is not None:
            raise WorkFailedError(f"on the pretended GPU:\n{self.error}")
        return self


def run_on_pretended_gpu(
    work: Callable[..., Any], *arguments: Any, capability: tuple[int, int] = HOPPER, timeout: float = 600.0
) -> Found:
    """Call a function in a process that has one pretended CUDA device.

    Args:
        work: a function of a module's top level; the process imports the module, or its file where it has no place on
            the path, as tests may have none.
        arguments: what JSON can hold, and paths, which arrive as words.
        capability: the device's compute capability, such as `TURING`.
        timeout: seconds.

    Raises:
        WorkFailedError: it raised something, such as for tensors of two devices in one operation.
        NoPretendedGpuError: here no GPU can be pretended, for want of a compiler or of a CUDA build of torch.
    """
    found = run_each_on_pretended_gpu({"work": partial(work, *arguments)}, capability=capability, timeout=timeout)
    return found["work"].require()


def run_each_on_pretended_gpu(
    works: Mapping[str, Callable[..., Any]],
    *,
    capability: tuple[int, int] = HOPPER,
    timeout: float = 600.0,
    children: bool = False,
) -> dict[str, Found]:
    """Call several functions one after the other in one process, which saves the start of the others.

    Args:
        works: name to function, or `functools.partial` of one, as `run_on_pretended_gpu` takes it.
        capability: the device's compute capability.
        timeout: seconds for all of them.
        children: whether Python processes that the works start see a pretended GPU, too; of them nothing is noted.

    Returns:
        By the same names; a function that raised keeps none of the others from being called.

    Raises:
        WorkFailedError: the process died or took too long.
        NoPretendedGpuError: here no GPU can be pretended.
    """
    with tempfile.TemporaryDirectory(prefix="gdp-pretended-gpu-") as name:
        folder = Path(name)
        surroundings = {
            **os.environ,
            **build_runtime(folder),
            CAPABILITY: f"{capability[0]}{capability[1]}",
            "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path),
        }
        kind = "pretend" if children else "ordinary"
        order, answer = folder / "order.json", folder / "answer.json"
        order.write_text(json.dumps({name: _described(work) for name, work in works.items()}, default=_as_word))
        _start([sys.executable, "-m", f"{__package__}.child", str(order), str(answer), kind], surroundings, timeout)
        told = json.loads(answer.read_text())
    return {
        name: Found(told[name]["value"], told[name]["error"], Notes.from_json(told[name]["notes"])) for name in works
    }


def _described(work: Callable[..., Any]) -> dict[str, Any]:
    function, arguments, named = work, (), {}
    if isinstance(work, partial):
        function, arguments, named = work.func, work.args, work.keywords
    if not inspect.isfunction(function) or "." in function.__qualname__:
        raise ValueError(f"only functions of a module's top level can be called in another process: {work!r}")
    place = {"module": function.__module__, "file": inspect.getsourcefile(function), "function": function.__name__}
    return {**place, "arguments": arguments, "named": named}


def _as_word(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"arguments for the pretended GPU must be what JSON can hold, or paths: {value!r}")


def _start(command: list[str], surroundings: Mapping[str, str], timeout: float) -> None:
    try:
        done = subprocess.run(  # noqa: S603 # this Python, and no word of others
            command, env=surroundings, capture_output=True, text=True, check=False, timeout=timeout
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise WorkFailedError(f"on the pretended GPU: not done within {timeout:g} s") from error
    if done.returncode:
        raise WorkFailedError(
            f"the process with the pretended GPU ended with {done.returncode}:\n{done.stderr[-4000:]}"
        )
