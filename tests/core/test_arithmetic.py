import torch
from torch import nn

from gdp.core.arithmetic import count_macs, count_parameters


def test_shared_parameters_count_once_and_buffers_do_not():
    layer = nn.Linear(3, 5)
    assert count_parameters(nn.Sequential(layer, layer, nn.BatchNorm1d(5))) == 3 * 5 + 5 + 2 * 5


def test_macs_follow_the_textbook_formulas():
    picture = torch.zeros(2, 3, 16, 16)
    assert count_macs(nn.Conv2d(3, 8, 3, stride=2, padding=1), picture) == 2 * 8 * 8 * 8 * 3 * 9
    assert count_macs(nn.ConvTranspose2d(3, 8, 4, stride=2, padding=1), picture) == 2 * 16 * 16 * 3 * 8 * 16
    assert count_macs(nn.Linear(16, 5), picture) == 2 * 3 * 16 * 16 * 5


def test_counting_computes_nothing_and_leaves_the_module_as_it_was():
    class Probe(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x, scale):
            assert x.device.type == "meta"
            return self.layer(x) * scale

    module = Probe()
    before = module.layer.weight.clone()
    assert count_macs(module, torch.zeros(1, 4), 2.0) == 16
    assert torch.equal(module.layer.weight, before)
    assert module.layer.weight.device.type == "cpu"
