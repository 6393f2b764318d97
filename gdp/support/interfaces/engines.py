"""Engines: what runs a trained student outside of training. Importing this module imports no torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy
from numpy.typing import NDArray

from gdp.core.contracts.asking import Asked, Rule, WrongAnswerError, shown, text, yes_or_no

if TYPE_CHECKING:
    from torch import Tensor

    from gdp.support.interfaces.picture_network import PictureNetwork

PictureArray = NDArray[numpy.uint8]
"""(N, H, W, C) levels 0 to 255 in RGB order; C is 3 for each input picture."""

Translate = Callable[[PictureArray], PictureArray]
"""Pictures (N, H, W, C) to pictures (N, H, W, 3); H and W are multiples of the student's `size_multiple`."""


@dataclass(frozen=True)
class EngineContext:
    """The surroundings of an engine; plain data, for an engine need not import torch.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`.
        threads: Processor threads to compute with; None for the engine's own default.
    """

    device: str = "cpu"
    threads: int | None = None


def _file(answer: Any, asked: Asked) -> Any:
    good = isinstance(answer, str) and answer not in ("", ".", "..") and answer.isprintable() and "\\" not in answer
    if not (good and "/" not in answer):
        raise WrongAnswerError(f"must be the plain name of the file that it writes, and is {shown(answer)}")
    return answer


def _callable(answer: Any, asked: Asked) -> Any:
    if not callable(answer):
        raise WrongAnswerError(f"must return a function that translates pictures, and returned {shown(answer)}")
    return answer


class Engine(ABC):
    """Writes a student's network to a file of its own format, and runs it from there.

    The network takes and gives 8-bit pictures (see `PictureNetwork`), so the ranges and the order of colours are part
    of the file. The batch size, the height and the width are free. Where `open` needs no torch, its module should
    import none, so that a picture is translated within a second of the start.
    """

    _contract: ClassVar[Mapping[str, Rule]] = {
        "file": _file,
        "runs_from_weights": yes_or_no,
        "open": _callable,
        "describe": text,
    }

    file: ClassVar[str]
    """Name of the file that `export` writes, such as `student.onnx`."""
    runs_from_weights: ClassVar[bool] = False
    """Whether `open` takes the student's own weights, so that nothing need be exported to run it."""

    def __init__(self, config: Any, context: EngineContext) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def export(self, network: PictureNetwork, example: Tensor, size_multiple: int, path: Path) -> None:
        """Write the network.

        Args:
            network: on the CPU, in evaluation mode.
            example: (2, H, W, C) uint8.
            size_multiple: H and W may be any multiples of it.
            path: the file to write.

        Raises:
            GdpError: the network cannot be written in this format; the message says why.
        """

    @abstractmethod
    def open(self, path: Path, network: Callable[[], PictureNetwork] | None = None) -> Translate:
        """Load a file that `export` wrote, ready to run on the context's device.

        Args:
            path: the file.
            network: makes the network from the student's weights, for engines that run from these; None where only
                the file is there.

        Raises:
            MissingResourceError: the file is not there.
            CorruptFileError: it is damaged, or of another format.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return on what it computes, with versions, threads and precision: `onnxruntime 1.23, 2 threads, float32`."""


class CalibratedEngine(Engine):
    """An engine that rounds the network to few bits, and so must see pictures before it writes the file.

    What such a file makes is measurably worse than what the student makes, so only a user who names the engine gets it:
    the trial of `gdp apply` and the engines of `gdp bench` leave it out.
    """

    @abstractmethod
    def calibrate(self, pictures: PictureArray) -> None:
        """Keep pictures for the `export` that follows; it finds the ranges of the network's values on them.

        Args:
            pictures: (N, H, W, C) uint8 such as the student was trained on; not those that the file is measured on.
        """
