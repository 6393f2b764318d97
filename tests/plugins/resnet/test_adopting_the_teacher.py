"""The ResNet student as its teacher's own network, which `gdp prune --of teacher` prunes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdp.core.errors import PluginError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.teachers import TranslatorTeacher
from gdp.plugins.resnet import ResnetConfig
from gdp.plugins.resnet.networks import GeneratorChannels, ResnetGenerator
from gdp.plugins.resnet.student import ResnetStudent

CONTEXT = BuildContext(resolution=32)
CHANNELS = GeneratorChannels(stem=9, down=15, hidden=18, middle=(12, 21, 6), up=15, head=12)


class HoldsAnyNetwork(TranslatorTeacher):
    """A teacher with a given network."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(None, CONTEXT)
        self.network = network

    @property
    def fingerprint(self) -> str:
        return "0"

    @property
    def resolution(self) -> int:
        return 32

    @property
    def module(self) -> nn.Module:
        return self.network

    def example_inputs(self) -> tuple[Tensor]:
        return (torch.zeros(1, 3, 32, 32),)

    def translate(self, images: Tensor) -> Tensor:
        translated: Tensor = self.network(images)
        return translated


def student(**settings: Any) -> ResnetStudent:
    return ResnetStudent(ResnetConfig.model_validate({"width": 4, **settings}), CONTEXT)


@pytest.mark.parametrize("upsampling", ["deconvolution", "resize"])
@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("dropout", [None, 0.0])
@pytest.mark.parametrize("predicts", ["image", "change"])
def test_the_adopted_network_translates_as_the_teacher_does(
    upsampling: Any, separable: bool, dropout: float | None, predicts: Any
) -> None:
    torch.manual_seed(0)
    kind = {"upsampling": upsampling, "separable": separable, "dropout": dropout, "predicts": predicts}
    network = ResnetGenerator(CHANNELS, **kind).eval()
    torch.nn.init.normal_(network.head.weight, std=0.02)
    adopted = student().adopt(HoldsAnyNetwork(network))
    whole = student(**adopted.settings)
    whole.generator.load_state_dict(adopted.weights)
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    torch.testing.assert_close(whole.generator.eval()(pictures), network(pictures))
    smaller = whole.pruned(0.8, pictures[:1])
    assert smaller.channels["middle of block 1"][0] == 21
    assert sum(after for _, after in smaller.channels.values()) < sum(before for before, _ in smaller.channels.values())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"norm": "batch"}, "normalisation of the kind 'batch' and convolutions without biases"),
        ({"norm": "instance-tracked"}, "normalisation of the kind 'instance-tracked'"),
        ({"in_channels": 6}, "6 input channels"),
        ({"out_channels": 1}, "1 output channels"),
    ],
)
def test_what_the_student_cannot_be_is_named(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(PluginError, match=complaint):
        student().adopt(HoldsAnyNetwork(ResnetGenerator(CHANNELS, **settings)))


def test_a_teacher_of_another_kind_is_not_adopted() -> None:
    with pytest.raises(PluginError, match="the teacher is a Conv2d"):
        student().adopt(HoldsAnyNetwork(nn.Conv2d(3, 3, 1)))
