"""CycleGAN's published state dicts become files that the teacher loads, and it makes the same pictures."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_files import save_legacy, tag_as_cuda

from gdp.core.errors import CorruptFileError
from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import SilentProgress
from gdp.plugins.cyclegan import CycleGANConfig
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator
from gdp.registry import PluginRegistry
from gdp.tools.convert import Conversion, convert

SHARED = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[3].parent / "shared" / "golden").parent
COMPRESSED = SHARED / "real" / "cyclegan_h2z_compressed"


def converted(path: Path, target: Path | None = None) -> Conversion:
    (written,) = convert(path, PluginRegistry.discover(), SilentProgress(), target=target)
    return written


@pytest.mark.training
@pytest.mark.parametrize("norm", ["instance", "instance-tracked", "batch"])
def test_a_checkpoint_of_any_age_teaches_the_same(norm: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(GeneratorChannels.uniform(4, 3), norm=norm).eval()
    path = tmp_path / "latest_net_G_A.pth"
    save_legacy({f"module.{name}": tensor for name, tensor in generator.state_dict().items()}, path)
    tag_as_cuda(path)
    written = converted(path)
    teacher = CycleGANTeacher(CycleGANConfig(weights=written.path), BuildContext())
    published = CycleGANTeacher(CycleGANConfig(weights=path), BuildContext())
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    assert torch.equal(teacher.translate(x), published.translate(x))
    assert written.card["architecture"]["blocks"] == 3
    assert bool(written.card["dropped"]) == (norm == "instance-tracked")


def test_a_discriminator_is_recognised(tmp_path: Path) -> None:
    torch.save(PatchDiscriminator(width=4).state_dict(), tmp_path / "latest_net_D_A.pth")
    assert converted(tmp_path / "latest_net_D_A.pth").card["what"] == "CycleGAN patch discriminator, width 4"


def test_other_state_dicts_are_not_taken_for_one(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "net.pth")
    with pytest.raises(CorruptFileError, match=r"a dictionary of weight, bias\. That is no layout that is known"):
        converted(tmp_path / "net.pth")


@pytest.mark.skipif(not COMPRESSED.is_dir(), reason=f"no published compressed network at {COMPRESSED}")
def test_a_published_compressed_network_reproduces_its_pictures(tmp_path: Path) -> None:
    written = converted(COMPRESSED / "latest_net_G.pth", tmp_path / "horse2zebra.safetensors")
    teacher = CycleGANTeacher(CycleGANConfig(weights=written.path), BuildContext())
    with np.load(COMPRESSED / "reference_io.npz") as reference:
        x, y = torch.from_numpy(reference["x"]), torch.from_numpy(reference["y"])
    torch.testing.assert_close(teacher.translate(x), y, rtol=0, atol=1e-4, check_stride=False)
