"""What engines promise: an exported network that makes torch's pictures, of any batch and of any fitting size."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from gdp.core.errors import GdpError
from gdp.support.interfaces.engines import CalibratedEngine, Engine, PictureArray, Translate
from gdp.support.interfaces.picture_network import PictureNetwork
from gdp.testing.findings import fail, require
from gdp.testing.subject import Subject

SIZE_MULTIPLE = 4
_LEVELS_MAY_DIFFER = 2
_SHAPES = ((1, 16, 16), (3, 24, 40))


class _Generator(nn.Module):
    """A small network with what students are made of: reflection, strides, normalisation, upsampling, tanh."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(23)
            self.layers = nn.Sequential(
                nn.ReflectionPad2d(1),
                nn.Conv2d(3, 8, 3),
                nn.InstanceNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 8, 3, stride=2, padding=1),
                nn.Upsample(scale_factor=2, mode="nearest"),
                nn.Conv2d(8, 3, 3, padding=1),
                nn.Tanh(),
            )

    def forward(self, source: Tensor) -> Tensor:
        made: Tensor = self.layers(source)
        return made


def _network() -> PictureNetwork:
    return PictureNetwork(_Generator()).eval()


def _pictures(count: int, height: int, width: int) -> PictureArray:
    return numpy.random.default_rng(5).integers(0, 256, (count, height, width, 3), dtype=numpy.uint8)


def _expected(pictures: PictureArray) -> PictureArray:
    with torch.no_grad():
        made: PictureArray = _network()(torch.from_numpy(pictures)).numpy()
    return made


def exercise(subject: Subject, engine: Engine) -> Any:
    """Export the example network, load it and run it."""
    with tempfile.TemporaryDirectory() as folder:
        translate = _opened(engine, Path(folder))
        return torch.from_numpy(translate(_pictures(*_SHAPES[1])).copy())


def _opened(engine: Engine, folder: Path) -> Translate:
    path = folder / engine.file
    if isinstance(engine, CalibratedEngine):
        engine.calibrate(_pictures(8, 16, 16))
    engine.export(_network(), torch.from_numpy(_pictures(2, 16, 16)), SIZE_MULTIPLE, path)
    require(path.is_file(), f"export wrote no {engine.file}", "write to the path that export is given")
    return engine.open(path, _network if engine.runs_from_weights else None)


def exported_networks_make_the_same_pictures(subject: Subject) -> None:
    """An exported network makes torch's pictures, to two levels of 255, for other batches and sizes."""
    engine: Engine = subject.build()
    with tempfile.TemporaryDirectory() as folder:
        translate = _opened(engine, Path(folder))
        for shape in _SHAPES:
            pictures = _pictures(*shape)
            made, expected = translate(pictures), _expected(pictures)
            fits = made.shape == expected.shape and made.dtype == expected.dtype
            require(
                fits,
                f"{made.dtype} pictures of shape {made.shape} came for {pictures.shape}",
                "return (N, H, W, 3) uint8, with batch, height and width free",
            )
            apart = int(numpy.abs(made.astype(int) - expected.astype(int)).max())
            require(
                apart <= max(subject.tolerance, _LEVELS_MAY_DIFFER),
                f"pictures differ from torch's by up to {apart} of 255 levels",
                "compute in float32 by default, or give the check a tolerance (in levels) for lower precision",
            )


def pictures_belong_to_the_caller(subject: Subject) -> None:
    """What came back stays as it is when the engine runs again, and the input is left alone."""
    engine: Engine = subject.build()
    with tempfile.TemporaryDirectory() as folder:
        translate = _opened(engine, Path(folder))
        pictures = _pictures(1, 16, 16)
        given = pictures.copy()
        first = translate(pictures)
        kept = first.copy()
        translate(255 - pictures)
        require(bool((pictures == given).all()), "the engine wrote into its input", "work on a copy")
        require(bool((first == kept).all()), "an earlier result changed when the engine ran again", "return a copy")


def missing_and_damaged_files_are_told(subject: Subject) -> None:
    """A file that is missing or is something else gives a readable error of gdp."""
    engine: Engine = subject.build()
    with tempfile.TemporaryDirectory() as folder:
        damaged = Path(folder) / engine.file
        damaged.write_bytes(b"this is no network")
        for path in (Path(folder) / f"none-{engine.file}", damaged):
            try:
                engine.open(path)
            except GdpError:
                continue
            except Exception as error:  # noqa: BLE001 # whatever it is, it is the finding
                fail(f"opening {path.name} failed with {type(error).__name__}", "raise CorruptFileError instead")
            fail(f"opening {path.name}, which is no network, raised nothing", "raise CorruptFileError")


def engines_tell_on_what_they_run(subject: Subject) -> None:
    """`describe` returns one line that is not empty."""
    told = subject.build().describe()
    require(
        isinstance(told, str) and bool(told.strip()) and told.isprintable(),
        f"describe returned {told!r}",
        "return one line such as `onnxruntime 1.23, 2 threads, float32`",
    )


PROPERTIES = (
    exported_networks_make_the_same_pictures,
    pictures_belong_to_the_caller,
    missing_and_damaged_files_are_told,
    engines_tell_on_what_they_run,
)
