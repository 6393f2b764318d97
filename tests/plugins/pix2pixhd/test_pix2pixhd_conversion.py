"""pix2pixHD's published state dicts are recognised, and the student begins with them."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_files import save_legacy
from safetensors.torch import load_file

from gdp.core.errors import CorruptFileError
from gdp.core.interfaces.context import BuildContext
from gdp.core.progress import SilentProgress
from gdp.plugins.pix2pixhd import Pix2PixHDConfig
from gdp.plugins.pix2pixhd.networks import GlobalGenerator, LocalEnhancer, MultiscaleDiscriminator
from gdp.plugins.pix2pixhd.student import Pix2PixHDStudent
from gdp.registry import PluginRegistry
from gdp.tools.convert import Conversion, convert

GENERATORS = {
    "global": GlobalGenerator(width=4, downsamplings=3, blocks=2),
    "global-batch": GlobalGenerator(width=4, downsamplings=1, blocks=2, norm="batch"),
    "local": LocalEnhancer(width=2, downsamplings=2, blocks=2, enhancers=1, enhancer_blocks=3),
    "local-2": LocalEnhancer(width=2, downsamplings=1, blocks=1, enhancers=2, enhancer_blocks=2),
}


def converted(state: dict[str, torch.Tensor], folder: Path, layout: str | None = None) -> Conversion:
    path = folder / "latest_net_G.pth"
    save_legacy(state, path)
    (written,) = convert(path, PluginRegistry.discover(), SilentProgress(), layout=layout, overwrite=True)
    return written


def settings_of(written: Conversion) -> dict[str, Any]:
    settings = tomllib.loads(written.card["use"])["student"]
    assert settings.pop("plugin") == "pix2pixhd"
    return {**settings, "weights": written.path}


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_student_of_the_cards_settings_makes_the_same_pictures(name: str, prefix: str, tmp_path: Path) -> None:
    generator = GENERATORS[name].eval()
    state = {f"{prefix}{key}": tensor for key, tensor in generator.state_dict().items()}
    if not name.endswith("batch"):  # as torch of 2017 had them in norms without weights
        state |= {f"{prefix}model.2.running_mean": torch.ones(4), f"{prefix}model.2.running_var": torch.ones(4)}
    written = converted(state, tmp_path)
    assert written.card["converter"]["name"] == "pix2pixhd"
    assert load_file(written.path).keys() == generator.state_dict().keys()
    student = Pix2PixHDStudent(Pix2PixHDConfig(**settings_of(written)), BuildContext(resolution=32))
    assert student.initialise(None) == {"weights": "latest_net_G.safetensors"}
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        assert torch.equal(student.generator.eval()(x), generator(x))


def test_a_generator_that_could_be_cyclegans_is_taken_for_it_unless_told_otherwise(tmp_path: Path) -> None:
    state = GlobalGenerator(width=4, downsamplings=2, blocks=2).state_dict()
    assert converted(state, tmp_path).card["converter"]["name"] == "cyclegan"
    assert converted(state, tmp_path, "pix2pixhd").card["architecture"]["downsamplings"] == 2


@pytest.mark.parametrize("features", [True, False])
def test_a_discriminator_is_recognised(features: bool, tmp_path: Path) -> None:
    made = MultiscaleDiscriminator(in_channels=6, width=4, layers=3, scales=2, features=features)
    written = converted(made.state_dict(), tmp_path)
    assert written.card["what"] == "pix2pixHD discriminator, 2 scales, width 4"
    assert written.card["architecture"]["layers"] == 3


def test_other_tensors_are_named(tmp_path: Path) -> None:
    state = {**GENERATORS["global"].state_dict(), "extra.weight": torch.ones(2)}
    with pytest.raises(CorruptFileError, match=r"as pix2pixhd: it is no network of pix2pixHD: 1 tensors are not known"):
        converted(state, tmp_path)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    written = converted(GENERATORS["global"].state_dict(), tmp_path)
    settings = {**settings_of(written), "blocks": 3}
    with pytest.raises(CorruptFileError, match="these weights are another network's"):
        Pix2PixHDStudent(Pix2PixHDConfig(**settings), BuildContext(resolution=32)).initialise(None)
