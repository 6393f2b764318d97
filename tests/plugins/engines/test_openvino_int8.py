"""`openvino-int8`: rounded where it costs little, measured, refused where it costs much, and taken only by name."""

from __future__ import annotations

from pathlib import Path

import numpy
import openvino
import pytest
import torch
from tiny_student import SIZE, make_tiny_student

from gdp.core.errors import GdpError, MissingResourceError
from gdp.core.pairs import PairBatch, PairRecord, PairStore
from gdp.core.records import Needs
from gdp.core.run_folder import RunFolder
from gdp.plugins.engines import openvino_engine as openvino_int8
from gdp.registry import PluginRegistry
from gdp.support.interfaces.engines import CalibratedEngine, EngineContext
from gdp.tools.deploy.cards import read_card
from gdp.tools.deploy.export import export_run
from gdp.tools.deploy.models import build_engine
from gdp.tools.deploy.opening import open_model
from gdp.tools.deploy.trial import installed_engines
from gdp.tools.publish.leaks import find_leaks

pytestmark = pytest.mark.process  # OpenVINO's converter forks, for its telemetry

REGISTRY = PluginRegistry.discover()


def pictures(count: int, seed: int) -> torch.Tensor:
    """Smooth ones: (N, 3, SIZE, SIZE) in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 4, 4, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=SIZE, mode="bilinear", align_corners=True)


def write_pairs(folder: Path) -> None:
    """24 pairs, 8 of them held out."""
    source = pictures(24, seed=1)
    records = [PairRecord(index, index, {}, "ab" * 32, None, None, None, {}) for index in range(24)]
    with PairStore.open(folder) as store:
        store.append(PairBatch(list(range(24)), source, source, records))
        store.set_split({index: "held_out" if index < 8 else "train" for index in range(24)})


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `student/` folder of a run with pairs; its weights are random."""
    run = tmp_path_factory.mktemp("int8") / "runs" / "tiny"
    folder = make_tiny_student(run)
    write_pairs(run / "pairs" / "abc")
    RunFolder(run).finish_stage("pairs", "abc", 1.0, {"folder": "pairs/abc"})
    return folder


def int8_engine() -> CalibratedEngine:
    engine = build_engine(REGISTRY, "openvino-int8", EngineContext(threads=1), {})
    assert isinstance(engine, CalibratedEngine)
    return engine


@pytest.fixture(scope="module")
def exported(student: Path) -> Path:
    """The file beside the float one."""
    build = build_engine(REGISTRY, "openvino", EngineContext(threads=1), {})
    export_run(REGISTRY, student, build, "openvino")
    path, _ = export_run(REGISTRY, student, int8_engine(), "openvino-int8")
    return path


def test_its_pictures_are_near_those_of_torch_and_its_file_is_smaller(student: Path, exported: Path) -> None:
    card = read_card(exported)
    assert exported.name == "student-int8.xml"
    assert card.difference.pictures == 8
    assert card.difference.psnr_db is not None and card.difference.psnr_db >= 40
    float_bytes, int8_bytes = ((student / f"student{part}.bin").stat().st_size for part in ("", "-int8"))
    assert int8_bytes < 0.5 * float_bytes


def test_all_convolutions_but_the_ends_have_8_bit_weights(exported: Path) -> None:
    operations = openvino.Core().read_model(exported).get_ordered_ops()
    convolutions = [each for each in operations if each.get_type_name().startswith("Convolution")]
    rounded = [has_rounded_weights(each) for each in convolutions]
    assert rounded == [False, *[True] * (len(rounded) - 2), False]


def has_rounded_weights(convolution: openvino.Node) -> bool:
    """Whether the weights' constant is of 8 bits: it is scaled by a few operations on its way."""
    node = convolution.input(1).get_source_output().get_node()
    while node.get_type_name() != "Constant":
        node = node.input(0).get_source_output().get_node()
    return node.get_element_type() in (openvino.Type.i8, openvino.Type.u8)


def test_any_batch_and_size_goes_through_the_file_that_is_named(student: Path, exported: Path) -> None:
    model = open_model(REGISTRY, student, engine="openvino-int8", context=EngineContext(threads=1))
    expected = open_model(REGISTRY, student, engine="openvino", context=EngineContext(threads=1))
    given = numpy.tile(((pictures(2, seed=5) + 1) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).numpy(), (1, 1, 2, 1))
    apart = model(given).astype(float) - expected(given)
    assert apart.shape == (2, SIZE, 2 * SIZE, 3)
    assert numpy.square(apart).mean() < 255**2 * 1e-4  # 40 dB
    assert "int8" in model.runs_on


def test_what_is_too_far_from_torch_is_refused_with_the_way_to_take_it(student: Path, tmp_path: Path) -> None:
    with pytest.raises(GdpError, match=r"\d+\.\d dB PSNR.*Nothing was written.*--to openvino-int8 --worst-psnr \d+"):
        export_run(REGISTRY, student, int8_engine(), "openvino-int8", output=tmp_path, worst_psnr_db=200)
    assert not list(tmp_path.iterdir())


def test_the_trial_never_takes_it() -> None:
    assert "openvino-int8" in [record.name for record in REGISTRY.records("engine")]
    assert "openvino-int8" not in [record.name for record in installed_engines(REGISTRY)]


def test_the_exported_file_tells_nothing_of_this_machine(exported: Path) -> None:
    for file in (exported, exported.with_suffix(".bin")):
        assert not list(find_leaks(file.name, file.read_bytes(), {}))


def test_what_is_lacking_is_told(student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, example = torch.nn.Identity(), torch.zeros(2, 8, 12, 3, dtype=torch.uint8)
    with pytest.raises(MissingResourceError, match="gdp export RUN --to openvino --int8"):
        int8_engine().export(network, example, 4, tmp_path / "student-int8.xml")
    alone = tmp_path / "student"
    alone.mkdir()
    for name in ("student.safetensors", "student.json"):
        (alone / name).write_bytes((student / name).read_bytes())
    with pytest.raises(MissingResourceError, match="--pictures FOLDER"):
        export_run(REGISTRY, alone, int8_engine(), "openvino-int8")
    monkeypatch.setattr(openvino_int8, "EXPORT_NEEDS", Needs(modules=("no_nncf",), install="gdp-distill[int8]"))
    with pytest.raises(MissingResourceError, match=r"pip install 'gdp-distill\[int8\]'"):
        int8_engine().export(network, example, 4, tmp_path / "student-int8.xml")
