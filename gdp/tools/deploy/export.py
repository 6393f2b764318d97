"""Export a trained student: write the file of an engine, run it on real pictures, and keep what differs beside it."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from gdp.core.building import describe_plugin
from gdp.core.errors import GdpError, MissingResourceError, PluginError, readable_os_errors
from gdp.core.files import file_sha256
from gdp.core.records import PluginRecord, Plugins
from gdp.core.run.versions import versions
from gdp.core.run_folder import RunFolder
from gdp.support.half_written import half_written, written
from gdp.support.interfaces.engines import CalibratedEngine, Engine, PictureArray
from gdp.support.interfaces.picture_network import PictureNetwork
from gdp.tools.deploy.cards import Card, card_path, files_of, write_card
from gdp.tools.deploy.limits import own_file
from gdp.tools.deploy.models import open_engine
from gdp.tools.deploy.pictures import (
    CALIBRATION_COUNT,
    COUNT,
    calibration_pictures_of_run,
    compare,
    pictures_of_folder,
    pictures_of_run,
    reference,
)
from gdp.tools.deploy.student import DeployedStudent, load_student
from gdp.tools.deploy.student_folder import StudentFolder

WORST_PSNR_DB = 40.0
"""An export whose pictures are further than this from torch's is refused."""


def picture_network(student: DeployedStudent) -> PictureNetwork:
    """Return a student's network as engines take it: on the CPU, contiguous, in evaluation mode."""
    generator = student.student.generator.to("cpu").to(memory_format=torch.contiguous_format)
    return PictureNetwork(generator).eval()


def export_student(
    student: DeployedStudent,
    engine: Engine,
    record: PluginRecord,
    pictures: PictureArray,
    folder: Path,
    worst_psnr_db: float,
) -> Card:
    """Write a student for an engine, into a folder where an earlier file of that name is replaced.

    Args:
        student: the trained student.
        engine: writes and runs the file.
        record: of the engine.
        pictures: (N, H, W, C) real ones to compare on.
        folder: gets the file and a card `<file>.json` beside it.
        worst_psnr_db: refuse the file where its pictures are further from torch's.

    Raises:
        GdpError: the network cannot be exported, or what it makes is too far from torch; nothing is written then.
        PluginError: the engine fails.
        DiskFullError, RunFolderError: the folder cannot be written.
    """
    name, who = record.name, describe_plugin(record)
    network = picture_network(student)
    expected = reference(network, pictures)
    example = _example(student)
    own_file(card_path(folder / engine.file))
    with readable_os_errors(folder), half_written(folder / engine.file) as made:
        with readable_os_errors(folder):
            engine.export(network, example, student.size_multiple, made)
        if not made.is_file():
            raise PluginError(f"{who}: it exported nothing to {engine.file}; tell the plugin's author")
        translate = open_engine(engine, made, (lambda: network) if engine.runs_from_weights else None)
        difference = compare(translate, pictures, expected)
        if difference.psnr_db is not None and difference.psnr_db < worst_psnr_db:
            raise GdpError(
                f"{name}: the exported student differs too much from torch ({difference.describe()}), and at least "
                f"{worst_psnr_db:g} dB are asked for. Nothing was written. To take it all the same: gdp export RUN "
                f"--to {name} --worst-psnr {math.floor(difference.psnr_db)}"
            )
        compared_on = engine.describe()
        del translate  # some systems do not move a file that is open
        for part in written(made):
            part.replace(folder / part.name)
    path = folder / engine.file
    card = Card(
        engine=name,
        compared_on=compared_on,
        size_multiple=student.size_multiple,
        input_channels=student.input_channels,
        resolution=student.resolution,
        weights_sha256=student.weights_sha256,
        bytes=sum(part.stat().st_size for part in files_of(path)),
        sha256=file_sha256(path),
        difference=difference,
        versions=versions(),
        trained_on=student.said_of_training,
        parts={part.name: file_sha256(part) for part in files_of(path) if part != path},
    )
    write_card(card, path)
    return card


def _example(student: DeployedStudent) -> Tensor:
    """Return (2, H, W, C) uint8: no side is 1 multiple long nor as long as the other, or tracing takes it for fixed."""
    rows = max(2, -(-32 // student.size_multiple))
    height, width = rows * student.size_multiple, (rows + 1) * student.size_multiple
    return torch.zeros(2, height, width, student.input_channels, dtype=torch.uint8)


def open_student(plugins: Plugins, folder: Path) -> DeployedStudent:
    """Load a trained student from its folder, on the CPU."""
    return load_student(folder, plugins, torch.device("cpu"))


def export_run(
    plugins: Plugins,
    folder: Path,
    engine: Engine,
    name: str,
    *,
    output: Path | None = None,
    pictures: Path | None = None,
    worst_psnr_db: float = WORST_PSNR_DB,
) -> tuple[Path, Card]:
    """Export the student of a `student/` folder, compared on the run's own pairs or on a folder of pictures.

    Args:
        plugins: the registry.
        folder: of the student; the run's folder is around it.
        engine: writes and runs the file.
        name: of the engine.
        output: folder of the exported file; by default beside the student's weights.
        pictures: folder of pictures to compare on; by default the run's held-out pairs.
        worst_psnr_db: refuse the file where its pictures are further from torch's.

    Returns:
        The file and its card.

    Raises:
        MissingResourceError: there is no trained student, or there are no pictures to compare on.
        CorruptFileError: an exported file that is there is damaged, and there are no pictures to compare another on.
        GdpError: the network cannot be exported, or what it makes is too far from torch; nothing is written then.
    """
    student = open_student(plugins, folder)
    real = pictures_of_folder(pictures, student) if pictures else pictures_of_run(RunFolder(folder.absolute().parent))
    if real is None:
        damage = StudentFolder(folder).damage(engine.file)
        if damage is not None:  # an export of somebody else's, which nobody can make again unasked
            raise damage
        raise MissingResourceError(
            f"{folder}: there are no pairs of a run beside this student to compare the exported one on. Name a folder "
            f"of pictures such as it will see: --pictures FOLDER"
        )
    record = plugins.get("engine", name)
    if isinstance(engine, CalibratedEngine):
        calibration = _calibration(folder, pictures, student)
        engine.calibrate(calibration)
    card = export_student(student, engine, record, real, output or folder, worst_psnr_db)
    return (output or folder) / engine.file, card


def _calibration(folder: Path, pictures: Path | None, student: DeployedStudent) -> PictureArray:
    """Return pictures to calibrate on: the run's training pairs, or those of a folder that nothing is compared on."""
    found = calibration_pictures_of_run(RunFolder(folder.absolute().parent))
    if found is None and pictures is not None:
        found = pictures_of_folder(pictures, student, COUNT + CALIBRATION_COUNT)[COUNT:]
    if found is None or not len(found):
        raise MissingResourceError(
            f"{folder}: to round a student to few bits takes pictures to calibrate on, and there are no pairs of a run "
            f"beside it. Name a folder of more than {COUNT} pictures: --pictures FOLDER ({COUNT} are compared on, the "
            f"others are for the calibration)"
        )
    return found
