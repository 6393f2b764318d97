from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from gdp.core.arithmetic import count_parameters
from gdp.core.interfaces.context import BuildContext
from gdp.plugins.evaluators import ResnetBlocksConfig
from gdp.plugins.evaluators.resnet_blocks import ResnetBlocksEvaluator
from gdp.plugins.resnet.networks import GeneratorChannels, ResnetGenerator

PUBLISHED = {9: 11_378_179, 6: 7_837_699, 3: 4_297_219}


def measure(world: Any, **settings: Any) -> Any:
    return ResnetBlocksEvaluator(ResnetBlocksConfig(**settings), BuildContext()).evaluate(world.context())


def test_published_generators_have_the_published_numbers_of_parameters() -> None:
    assert ResnetBlocksConfig().blocks == tuple(PUBLISHED)
    with torch.device("meta"):
        counts = {
            blocks: count_parameters(ResnetGenerator(GeneratorChannels.uniform(ResnetBlocksConfig().width, blocks)))
            for blocks in PUBLISHED
        }
    assert counts == PUBLISHED


def test_every_number_of_blocks_is_counted_and_timed(world: Any) -> None:
    metrics = measure(world, blocks=(2, 1), width=4, resolution=16).metrics
    width, positions = 16, 4 * 4
    block = 2 * 9 * width * width
    assert metrics["size.blocks_2.macs"].value - metrics["size.blocks_1.macs"].value == block * positions
    assert metrics["size.blocks_2.parameters"].value - metrics["size.blocks_1.parameters"].value == block + 2 * width
    for blocks in (1, 2):
        low, middle, high = (metrics[f"speed.blocks_{blocks}_ms{end}"].value for end in ("_p10", "", "_p90"))
        assert 0 < low <= middle <= high
    ratio = metrics["speed.blocks_2_ms"].value / metrics["speed.blocks_1_ms"].value
    assert metrics["speed.blocks_2_to_1"].value == ratio
    assert "width 4" in metrics["speed.blocks_2_ms"].protocol and "16 px" in metrics["speed.blocks_2_ms"].protocol


def test_one_number_of_blocks_makes_no_ratio(world: Any) -> None:
    metrics = measure(world, blocks=(1, 1), width=4, resolution=16).metrics
    assert not [name for name in metrics if "_to_" in name]


def test_measuring_draws_no_random_numbers_from_the_program(world: Any) -> None:
    context = world.context()
    evaluator = ResnetBlocksEvaluator(ResnetBlocksConfig(blocks=(1,), width=4, resolution=16), BuildContext())
    torch.manual_seed(5)
    evaluator.evaluate(context)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


@pytest.mark.parametrize("settings", [{"blocks": ()}, {"blocks": (3, 0)}, {"resolution": 30}])
def test_networks_that_cannot_be_built_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ResnetBlocksConfig(**settings)
