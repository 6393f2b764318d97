import itertools

import pytest
import torch

from gdp.core.arithmetic import count_macs
from gdp.core.errors import ShapeError
from gdp.plugins.cyclegan.conversion import generator_from_state
from gdp.plugins.resnet.networks import GeneratorChannels, ResnetGenerator
from gdp.plugins.resnet.pruning import SMALLEST_GROUP, prune_generator

KINDS = list(
    itertools.product(
        ["deconvolution", "resize"], ["instance", "batch", "instance-tracked"], [False, True], [None, 0.0]
    )
)


def make(channels=None, **settings):
    torch.manual_seed(0)
    return ResnetGenerator(channels or GeneratorChannels.uniform(8, 2), **settings).eval()


def pictures(count=1):
    return torch.rand(count, 3, 16, 32) * 2 - 1


def run(generator, x):
    with torch.no_grad():
        return generator(x)


@pytest.mark.parametrize(("upsampling", "norm", "separable", "dropout"), KINDS)
def test_a_share_of_one_changes_nothing(upsampling, norm, separable, dropout):
    generator = make(upsampling=upsampling, norm=norm, separable=separable, dropout=dropout)
    pruned, x = prune_generator(generator, 1.0, pictures()), pictures(2)
    assert pruned.channels == generator.channels
    torch.testing.assert_close(run(pruned, x), run(generator, x), rtol=0, atol=0)


@pytest.mark.parametrize(("upsampling", "norm", "separable", "dropout"), KINDS)
def test_the_arithmetic_stays_below_the_target_and_close_to_it(upsampling, norm, separable, dropout):
    settings = {"upsampling": upsampling, "norm": norm, "separable": separable, "dropout": dropout}
    generator = make(GeneratorChannels.uniform(16, 2), **settings)
    pruned, x = prune_generator(generator, 0.4, pictures()), pictures(2)
    share = count_macs(pruned, pictures()) / count_macs(generator, pictures())
    assert 0.35 < share <= 0.4  # one channel is up to 4 % of so small a network
    assert run(pruned, x).shape == (2, 3, 16, 32)
    assert generator_from_state(pruned.state_dict()).channels == pruned.channels


def test_a_generator_of_changes_stays_one():
    generator, x = make(predicts="change"), pictures(2)
    torch.nn.init.normal_(generator.head.weight, std=0.1)
    torch.testing.assert_close(run(prune_generator(generator, 1.0, pictures()), x), run(generator, x), rtol=0, atol=0)
    assert prune_generator(generator, 0.4, pictures()).predicts == "change"


def test_in_a_network_of_the_published_kind_the_target_is_met_closely():
    generator = make(GeneratorChannels.uniform(32, 9))
    for share in (0.75, 0.25, 0.05):
        pruned = prune_generator(generator, share, pictures())
        assert 0.98 * share < count_macs(pruned, pictures()) / count_macs(generator, pictures()) <= share


def silence(generator, path, channels, transposed=False):
    with torch.no_grad():
        weight = generator.get_parameter(f"{path}.weight")
        if transposed:
            weight[channels] = 0
        else:
            weight[:, channels] = 0


@pytest.mark.parametrize("norm", ["instance", "batch", "instance-tracked"])
@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("upsampling", ["deconvolution", "resize"])
def test_taking_out_channels_that_nothing_reads_changes_nothing(norm, separable, upsampling):
    generator = make(norm=norm, separable=separable, upsampling=upsampling)
    pointwise = ".conv.2" if separable else ""
    transposed = upsampling == "deconvolution"
    silence(generator, "model.4", [1])  # reads the stem
    silence(generator, "model.7", [0, 5])  # reads the first downsampling
    for block in ("model.10", "model.11"):
        silence(generator, f"{block}.conv_block.1{pointwise}", [3, 31])  # read the residual stream
    silence(generator, "model.12", [3, 31], transposed)  # reads it, too
    silence(generator, "model.11.conv_block.5" + pointwise, [7, 8, 9])  # reads the middle of the second block
    silence(generator, "model.15", [15], transposed)  # reads the first upsampling
    silence(generator, "model.19", [2])  # reads the head
    wanted = GeneratorChannels(7, 14, 30, (32, 29), 15, 7)
    goal = ResnetGenerator(wanted, norm=norm, separable=separable, upsampling=upsampling)
    pruned = prune_generator(generator, count_macs(goal, pictures()) / count_macs(generator, pictures()), pictures())
    assert pruned.channels == wanted
    x = pictures(2)
    torch.testing.assert_close(run(pruned, x), run(generator, x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("path", ["model.4", "model.10.conv_block.1", "model.11.conv_block.5"])
def test_how_strongly_a_channel_is_written_does_not_count(path):
    generator, louder, x = make(), make(), pictures()
    with torch.no_grad():
        louder.get_parameter(f"{path}.weight")[::2] *= 128
        louder.get_parameter(f"{path}.bias")[::2] *= 128
    # Instance norm takes the factor out again (but for its epsilon), so both networks compute the same.
    torch.testing.assert_close(run(louder, x), run(generator, x), rtol=0, atol=0.02)
    first, second = (prune_generator(network, 0.5, x).state_dict() for network in (generator, louder))
    for name, tensor in first.items():
        if not name.startswith(path):
            assert torch.equal(tensor, second[name])


def test_the_same_generator_is_pruned_the_same_way_without_chance_and_left_as_it_is():
    generator = make()
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    x, random_state = pictures(), torch.get_rng_state()
    first, second = (prune_generator(generator, 0.5, x).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_a_pruned_generator_trains_and_shares_no_weights():
    generator = make().train()
    pruned = prune_generator(generator, 1.0, pictures())
    assert pruned.training
    pruned(pictures()).sum().backward()
    assert all(parameter.grad is not None for parameter in pruned.parameters())
    with torch.no_grad():
        pruned.get_parameter("model.1.bias").add_(1)
    assert not torch.equal(pruned.get_parameter("model.1.bias"), generator.get_parameter("model.1.bias"))


def test_groups_keep_a_few_channels_and_smaller_ones_all_of_theirs():
    generator = make(GeneratorChannels(3, 16, 32, (32, 2), 16, 8))
    least = GeneratorChannels(3, *[SMALLEST_GROUP] * 2, (SMALLEST_GROUP, 2), *[SMALLEST_GROUP] * 2)
    share = count_macs(ResnetGenerator(least), pictures()) / count_macs(generator, pictures())
    assert prune_generator(generator, share, pictures()).channels == least


def test_a_target_out_of_reach_is_refused_with_what_is_within():
    with pytest.raises(ShapeError, match=r"cannot be pruned to 0\.10% .* with 4 channels everywhere, the fewest, \d+"):
        prune_generator(make(), 0.001, pictures())
