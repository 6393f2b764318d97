"""A trained student comes back from its files and works on pictures of any kind and size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tiny_training import CPU
from torch import Tensor, nn

from gdp.core.config import Config
from gdp.core.errors import CorruptFileError, MissingResourceError, PluginError, PluginNotFoundError, ShapeError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.students import Student
from gdp.core.records import Kind, PluginRecord
from gdp.core.training.inference import deployed_predict
from gdp.tools.deploy.student import DeployedStudent, find_size_multiple, load_student


class FourfoldConfig(Config):
    width: int = 4


class Fourfold(nn.Module):
    """Darkens by 0.5; takes heights and widths that are multiples of four."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(channels, width, 4, stride=4)
        self.up = nn.ConvTranspose2d(width, 3, 4, stride=4)
        nn.init.zeros_(self.up.weight)
        nn.init.constant_(self.up.bias, -0.5)

    def forward(self, image: Tensor) -> Tensor:
        change: Tensor = self.up(self.down(image))
        return image[:, :3] + change


class FourfoldStudent(Student):
    def __init__(self, config: FourfoldConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._generator = Fourfold(context.input_channels, config.width)

    @property
    def generator(self) -> nn.Module:
        return self._generator


class OnePlugin:
    def get(self, kind: Kind, name: str) -> PluginRecord:
        if (kind, name) != ("student", "fourfold"):
            raise PluginNotFoundError(f"no {kind} {name}")
        return PluginRecord(kind, name, "", FourfoldConfig, "here:FourfoldStudent")

    def load(self, record: PluginRecord) -> Any:
        return FourfoldStudent


def export(folder: Path, channels: int = 3, **changes: Any) -> Path:
    student = FourfoldStudent(FourfoldConfig(width=6), BuildContext(input_channels=channels))
    save_file(student.generator.state_dict(), folder / "student.safetensors")
    card = {"plugin": "fourfold", "config": {"width": 6}, "input_channels": channels, "resolution": 64}
    card |= {"precision": "float32", **changes}
    (folder / "student.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def load(folder: Path) -> DeployedStudent:
    return load_student(folder, OnePlugin(), CPU)


@pytest.mark.parametrize("place", [".", "student.safetensors", "student.json"])
def test_a_student_is_loaded_from_its_folder_or_files(tmp_path: Path, place: str) -> None:
    student = load(export(tmp_path) / place)
    assert (student.input_channels, student.resolution, student.size_multiple) == (3, 64, 4)
    weights = student.student.generator.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in load_file(tmp_path / "student.safetensors").items())


@pytest.mark.parametrize("size", [(64, 64), (37, 50), (5, 3)])
def test_pictures_of_any_size_come_back_in_kind(tmp_path: Path, size: tuple[int, int]) -> None:
    student = load(export(tmp_path))
    image = Image.effect_noise(size, 60).convert("RGB")
    image.save(tmp_path / "face.png")
    pixels = torch.tensor(list(image.tobytes())).view(size[1], size[0], 3).permute(2, 0, 1)
    expected = ((pixels / 127.5 - 1 - 0.5).clamp(-1, 1) + 1) * 127.5
    for picture in (image, tmp_path / "face.png", str(tmp_path / "face.png")):
        translated = student(picture)
        assert isinstance(translated, Image.Image)
        assert translated.size == size
        found = torch.tensor(list(translated.tobytes())).view(size[1], size[0], 3).permute(2, 0, 1)
        assert (found - expected).abs().max() <= 0.51
    tensor = pixels / 127.5 - 1
    translated = student(tensor)
    assert translated.shape == tensor.shape
    torch.testing.assert_close(translated, (tensor - 0.5).clamp(-1, 1))
    assert student(tensor[None].expand(2, -1, -1, -1)).shape == (2, *tensor.shape)
    assert not translated.requires_grad
    several = student([image, image.resize((20, 24))])
    assert [one.size for one in several] == [size, (20, 24)]


def test_a_student_of_two_inputs_takes_two_pictures(tmp_path: Path) -> None:
    student = load(export(tmp_path, channels=6))
    one, two = Image.new("RGB", (16, 16), "white"), Image.new("RGB", (16, 16), "black")
    assert student(one, two).getpixel((0, 0)) == (191, 191, 191)
    assert student([one], [two])[0].size == (16, 16)
    assert student(torch.zeros(2, 6, 16, 16)).shape == (2, 3, 16, 16)
    with pytest.raises(ShapeError, match=r"takes 2 picture\(s\)"):
        student(one)
    with pytest.raises(ShapeError, match="of one size"):
        student(one, two.resize((12, 16)))


def test_what_is_no_picture_for_the_student_is_refused(tmp_path: Path) -> None:
    student = load(export(tmp_path))
    for wrong in (torch.zeros(16, 16), torch.zeros(4, 16, 16), torch.zeros(1, 1, 3, 16, 16), torch.zeros(3, 0, 16)):
        with pytest.raises(ShapeError, match=r"takes 1 picture\(s\)"):
            student(wrong)
    with pytest.raises(ShapeError, match="floating-point"):
        student(torch.zeros(3, 16, 16, dtype=torch.uint8))
    with pytest.raises(ShapeError, match=r"takes 1 picture\(s\)"):
        student()
    with pytest.raises(MissingResourceError, match="no such picture"):
        student(tmp_path / "absent.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(CorruptFileError, match="no picture that can be read"):
        student(tmp_path / "broken.png")


def test_files_that_cannot_be_used_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(MissingResourceError, match="no trained student here"):
        load(tmp_path)
    export(tmp_path, plugin="absent")
    with pytest.raises(PluginNotFoundError, match="no student absent"):
        load(tmp_path)
    export(tmp_path, config={"width": "wide"})
    with pytest.raises(PluginError, match="does not take these settings"):
        load(tmp_path)
    export(tmp_path, config={"width": 8})
    with pytest.raises(CorruptFileError, match=r"3 tensors differ; down\.bias is \(6,\) in the file and \(8,\)"):
        load(tmp_path)
    export(tmp_path, resolution="large")
    with pytest.raises(CorruptFileError, match="description is damaged"):
        load(tmp_path)
    weights = export(tmp_path) / "student.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(CorruptFileError, match="truncated"):
        load(tmp_path)
    weights.unlink()
    with pytest.raises(MissingResourceError, match="no student weights"):
        load(tmp_path)


def test_a_deployed_prediction_is_float32_in_range_without_gradient() -> None:
    student = FourfoldStudent(FourfoldConfig(), BuildContext())
    predicted = deployed_predict(student, "bf16", CPU)(-torch.ones(1, 3, 8, 8))
    assert predicted.dtype == torch.float32
    assert float(predicted.min()) == -1.0
    assert not predicted.requires_grad
    assert not student.generator.training


def test_a_network_that_takes_only_its_training_size_is_found_out() -> None:
    def only_48(image: Tensor) -> Tensor:
        if image.shape[2] != 48:
            raise ValueError("48 pixels only")
        return image

    assert find_size_multiple(only_48, 3, 48) == 48


def test_a_network_that_refuses_sizes_with_an_error_of_gdp_is_found_out() -> None:
    def by_eights(image: Tensor) -> Tensor:
        if image.shape[2] % 8:
            raise ShapeError("multiples of 8 only")
        return image

    assert find_size_multiple(by_eights, 3, 48) == 8


def test_the_multiple_of_a_network_for_tiny_pictures_is_found() -> None:
    def by_twos(image: Tensor) -> Tensor:
        if image.shape[2] % 2:
            raise ShapeError("multiples of 2 only")
        return image

    assert find_size_multiple(by_twos, 3, 16) == 2


def test_a_network_of_any_size_needs_no_padding() -> None:
    assert find_size_multiple(lambda image: image, 3, 48) == 1
