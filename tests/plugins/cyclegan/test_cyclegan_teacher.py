"""The CycleGAN teacher on files as users have them: published folders, old layouts, single generators."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gdp.core.errors import CorruptFileError, MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.cyclegan import CycleGANConfig
from gdp.plugins.cyclegan.teacher import CycleGANTeacher
from gdp.plugins.resnet.networks import GeneratorChannels, PatchDiscriminator, ResnetGenerator


def generator(seed: int) -> ResnetGenerator:
    torch.manual_seed(seed)
    return ResnetGenerator(GeneratorChannels.uniform(2, 3)).eval()


def old_layout(seed: int) -> dict[str, Tensor]:
    """The same generator as DataParallel saved it in 2017: a prefix, and statistics of every instance norm."""
    torch.manual_seed(seed)
    network = ResnetGenerator(GeneratorChannels.uniform(2, 3), norm="instance-tracked")
    for name, statistics in network.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(statistics)
    return {f"module.{name}": tensor for name, tensor in network.state_dict().items()}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder as the published program leaves it."""
    for name, seed in (("G_A", 1), ("G_B", 2)):
        torch.save(old_layout(seed), tmp_path / f"latest_net_{name}.pth")
    torch.save(PatchDiscriminator(width=2, layers=2).state_dict(), tmp_path / "latest_net_D_A.pth")
    torch.save(generator(3).state_dict(), tmp_path / "100_net_G_A.pth")
    return tmp_path


def teacher(weights: Path, **settings: object) -> CycleGANTeacher:
    return CycleGANTeacher(CycleGANConfig.model_validate({"weights": weights, **settings}), BuildContext())


PICTURE = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)


def test_a_published_folder_gives_all_networks(published: Path) -> None:
    found = teacher(published)
    torch.testing.assert_close(found.translate(PICTURE), generator(1)(PICTURE).detach(), atol=1e-5, rtol=1e-4)
    assert found.opposite is not None
    torch.testing.assert_close(found.opposite(PICTURE), generator(2)(PICTURE).detach(), atol=1e-5, rtol=1e-4)
    judge, opposite_judge = found.discriminators
    assert judge is not None
    assert opposite_judge is None, "there is no D_B in the folder"


def test_an_epoch_of_a_folder_can_be_chosen(published: Path) -> None:
    torch.testing.assert_close(
        teacher(published, epoch="100").translate(PICTURE), generator(3)(PICTURE).detach(), atol=1e-5, rtol=1e-4
    )
    with pytest.raises(MissingResourceError, match=r"no 7_net_G_A\.pth"):
        teacher(published, epoch="7")


def test_one_file_is_the_generator_that_teaches(published: Path) -> None:
    for direction in ("AtoB", "BtoA"):
        found = teacher(published / "latest_net_G_B.pth", direction=direction)
        torch.testing.assert_close(found.translate(PICTURE), generator(2)(PICTURE).detach(), atol=1e-5, rtol=1e-4)
        assert found.opposite is None


def test_old_statistics_are_dropped_or_used_and_tell_apart(published: Path) -> None:
    dropped, used = (teacher(published, running_statistics=choice) for choice in ("drop", "use"))
    assert dropped.fingerprint != used.fingerprint
    assert not torch.allclose(dropped.translate(PICTURE), used.translate(PICTURE))


def test_the_fingerprint_follows_files_and_direction(published: Path) -> None:
    before = teacher(published).fingerprint
    assert teacher(published).fingerprint == before
    assert teacher(published, direction="BtoA").fingerprint != before
    torch.save(generator(9).state_dict(), published / "latest_net_G_A.pth")
    assert teacher(published).fingerprint != before


def test_missing_and_damaged_weights_are_told(published: Path) -> None:
    with pytest.raises(MissingResourceError, match="there are no such weights"):
        teacher(published / "nowhere")
    broken = published / "latest_net_G_A.pth"
    broken.write_bytes(broken.read_bytes()[:500])
    with pytest.raises(CorruptFileError, match="latest_net_G_A"):
        teacher(published)


@pytest.mark.parametrize(
    "weights", ["builtin:horses", "https://example.org/latest_net_G.pth", "https://example.org/g.safetensors"]
)
def test_weights_that_cannot_be_are_refused_with_the_recipe(weights: str) -> None:
    with pytest.raises(ValidationError, match=r"builtin:scenes64|convert it with gdp convert|#sha256="):
        CycleGANConfig.model_validate({"weights": weights})


def test_the_embedded_teacher_paints() -> None:
    from gdp.plugins.scenes import RenderedScenesConfig
    from gdp.plugins.scenes.renderer import RenderedScenes

    scenes = RenderedScenes(RenderedScenesConfig(train_count=1, test_count=8), BuildContext())
    embedded = CycleGANTeacher(CycleGANConfig(), BuildContext(dataset=scenes))
    photos, paintings = (
        x.float() / 127.5 - 1 for x in (scenes.images("testA", range(8)), scenes.truth("testA", range(8)))
    )

    def distance(pictures: Tensor) -> float:
        return float((pictures - paintings).abs().mean())

    assert embedded.resolution == 64
    assert distance(embedded.translate(photos)) < 0.75 * distance(photos)
    assert None not in (embedded.opposite, *embedded.discriminators)
