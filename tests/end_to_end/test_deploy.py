"""`gdp export` and `gdp apply`: a trained student leaves gdp, and translates people's files."""

from __future__ import annotations

import json
import shutil
import subprocess
import venv
from pathlib import Path

import numpy
import pytest
from commands import gdp_command, succeed
from PIL import Image

import gdp

RANDOM = numpy.random.default_rng(11)


def write_picture(path: Path, height: int, width: int, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = RANDOM.integers(0, 256, (height, width, len(mode)), dtype=numpy.uint8)
    Image.fromarray(levels).save(path)
    return path


def levels_of(path: Path) -> numpy.ndarray:
    with Image.open(path) as picture:
        return numpy.asarray(picture)


@pytest.fixture(scope="module")
def world(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run `runs/tiny`."""
    return Path(shutil.copytree(finished_run.parents[1], tmp_path_factory.mktemp("deploy") / "world"))


@pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
def test_an_export_is_compared_with_torch_on_held_out_pairs(world: Path, engine: str, tmp_path: Path) -> None:
    printed = succeed("export", "tiny", "--to", engine, "-o", tmp_path, "--json", cwd=world)
    card = json.loads(printed)
    difference = card["difference_to_torch"]
    assert difference["pictures"] >= 8
    assert difference["largest"] <= 2
    assert difference["psnr_db"] is None or difference["psnr_db"] > 50
    assert Path(card["path"]).stat().st_size > 0
    assert json.loads((tmp_path / f"{card['file']}.json").read_text())["engine"] == engine


def test_a_file_that_is_too_far_from_torch_is_refused(world: Path, tmp_path: Path) -> None:
    finished = gdp_command("export", "tiny", "--to", "onnx", "-o", tmp_path, "--worst-psnr", "1000", cwd=world)
    refused = finished.exit_code == 1 and "Nothing was written" in finished.stderr
    assert refused or json.loads((tmp_path / "student.onnx.json").read_text())["difference_to_torch"]["largest"] == 0
    assert refused == (not (tmp_path / "student.onnx").exists())


def test_the_engine_is_tried_once_and_remembered(world: Path, tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "a.png", 16, 16)
    first = gdp_command("apply", "tiny", picture, "-o", tmp_path / "out", cwd=world)
    assert first.exit_code == 0, first.stderr
    assert "from now on" in first.stderr
    choice = json.loads((world / "runs/tiny/student/engine.json").read_text())
    assert set(choice["milliseconds"]) == {"onnx", "openvino", "torch"}
    assert choice["engine"] == min(choice["milliseconds"], key=choice["milliseconds"].get)
    second = gdp_command("apply", "tiny", picture, "-o", tmp_path / "out", "--json", cwd=world)
    assert "from now on" not in second.stderr
    assert json.loads(second.stdout)["engine"] == choice["engine"]


def test_every_engine_makes_the_pictures_that_the_student_makes_in_python(world: Path, tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "a.png", 24, 40)
    expected = numpy.asarray(gdp.load(world / "runs/tiny")(picture)).astype(int)
    for engine in ("torch", "onnx", "openvino"):
        succeed("apply", "tiny", picture, "-o", tmp_path / f"{engine}.png", "--engine", engine, cwd=world)
        assert numpy.abs(levels_of(tmp_path / f"{engine}.png") - expected).max() <= 2, engine


def test_python_takes_three_lines(world: Path) -> None:
    model = gdp.deploy(world / "runs/tiny")
    pictures = RANDOM.integers(0, 256, (3, 21, 30, 3), dtype=numpy.uint8)
    assert model(pictures).shape == (3, 21, 30, 3)


def test_folders_of_mixed_sizes_come_back_and_damaged_files_are_told_at_the_end(world: Path, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    sizes = {"a.png": (16, 16), "deep/b.png": (33, 18), "deep/c.webp": (16, 16), "d.jpg": (70, 50), "e.png": (5, 90)}
    for name, (height, width) in sizes.items():
        write_picture(source / name, height, width)
    write_picture(source / "alpha.png", 20, 20, "RGBA")
    (source / "broken.png").write_bytes(b"no picture")
    finished = gdp_command("apply", "tiny", source, "-o", target, "--tile", "32", "--overlap", "8", cwd=world)
    assert finished.exit_code == 1
    assert "1 of the inputs could not be read" in finished.stderr and "broken.png" in finished.stderr
    for name, (height, width) in sizes.items():
        assert levels_of(target / name).shape == (height, width, 3)
    assert numpy.array_equal(levels_of(target / "alpha.png")[..., 3], levels_of(source / "alpha.png")[..., 3])
    assert not (target / "broken.png").exists()


def test_compare_puts_the_original_at_the_left(world: Path, tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "a.png", 16, 24)
    succeed("apply", "tiny", picture, "-o", tmp_path / "both.png", "--compare", cwd=world)
    both = levels_of(tmp_path / "both.png")
    assert both.shape == (16, 48, 3)
    assert numpy.array_equal(both[:, :24], levels_of(picture))


def test_a_video_keeps_its_frames_rate_and_sound(world: Path, tmp_path: Path) -> None:
    import av

    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 48, 32, "yuv420p"
        sound = container.add_stream("aac", rate=16000)
        for number in range(20):
            frame = av.VideoFrame.from_ndarray(numpy.full((32, 48, 3), number * 12, numpy.uint8), format="rgb24")
            container.mux(pictures.encode(frame))
        tone = numpy.sin(numpy.arange(32000) / 20).astype(numpy.float32)[None]
        samples = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        samples.sample_rate = 16000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
        container.mux(pictures.encode(None))
    succeed("apply", "tiny", path, "-o", tmp_path / "out.mp4", cwd=world)
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 10
        assert len(container.streams.audio) == 1
        frames = list(container.decode(video=0))
    assert [(frame.height, frame.width) for frame in frames] == [(32, 48)] * 20


def test_mistakes_are_told_in_one_paragraph(world: Path, tmp_path: Path) -> None:
    picture = write_picture(tmp_path / "a.png", 16, 16)
    for arguments, told in (
        (("apply", "none", picture, "-o", tmp_path / "out"), "there is no trained student"),
        (("apply", "tiny", "none/*.png", "-o", tmp_path / "out"), "there is no such file or folder"),
        (("apply", "tiny", picture, "-o", tmp_path / "out", "--engine", "onx"), "did you mean onnx?"),
        (("apply", "tiny", picture, "-o", tmp_path), "over one of the inputs"),
        (("apply", picture, picture, "-o", tmp_path / "out"), "no card"),
        (("export", "tiny", "--to", "tensorrt"), "no engine plugin is called"),
    ):
        finished = gdp_command(*arguments, cwd=world)
        assert finished.exit_code == (2 if "onx" in arguments or "tensorrt" in arguments else 1), arguments
        assert finished.stderr.startswith("error: ") and told in finished.stderr, finished.stderr
        assert "Traceback" not in finished.stderr


PLAIN = """
import json, sys
import numpy, onnxruntime
for name in ("gdp", "torch"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{name} is there, so nothing is shown")
session = onnxruntime.InferenceSession(sys.argv[1])
pictures = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], session.run(None, {"pictures": pictures})[0])
"""


def test_the_exported_file_runs_where_there_is_no_gdp(world: Path, tmp_path: Path) -> None:
    """In an environment of its own that holds onnxruntime and numpy alone."""
    venv.create(tmp_path / "plain", with_pip=False)
    (packages,) = (tmp_path / "plain" / "lib").glob("python*/site-packages")
    installed = Path(numpy.__file__).parents[1]
    for name in ("numpy", "numpy.libs", "onnxruntime", "flatbuffers", "packaging", "google", "sympy", "mpmath"):
        if (installed / name).exists():
            (packages / name).symlink_to(installed / name)
    succeed("export", "tiny", "--to", "onnx", "-o", tmp_path, cwd=world)
    pictures = RANDOM.integers(0, 256, (2, 24, 40, 3), dtype=numpy.uint8)
    numpy.save(tmp_path / "in.npy", pictures)
    python = tmp_path / "plain" / "bin" / "python"
    places = [tmp_path / name for name in ("student.onnx", "in.npy", "out.npy")]
    finished = subprocess.run([python, "-I", "-c", PLAIN, *places], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    expected = gdp.deploy(world / "runs/tiny", engine="torch")(pictures)
    assert numpy.abs(numpy.load(tmp_path / "out.npy").astype(int) - expected).max() <= 2
