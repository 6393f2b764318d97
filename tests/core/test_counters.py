from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from gdp.core.counters import (
    counter_fraction,
    counter_generator,
    counter_keys,
    counter_normal,
    counter_uniform,
    keyed_uniform,
)

INDICES = torch.arange(1000)
SEEDS = (0, 1, -3, 2**64 + 3)


def test_the_numbers_of_stored_pairs_and_rendered_worlds_stay_as_they_are() -> None:
    """Pairs, splits and pictures that exist were drawn of these."""
    assert counter_generator(7, "epoch", 2).initial_seed() == 9822890685161998561
    assert counter_fraction(7, "split", 2) == 0.01017974379380184
    assert counter_normal(3, 7, 2).tolist() == [-1.9525822401046753, 0.0219472274184227, 0.9009624123573303]
    assert counter_uniform(7, torch.tensor([2]), 1).tolist() == [0.4150870727131851]
    assert counter_keys(7, torch.tensor([2])).tolist() == [-5362818766108327698]
    keyed = keyed_uniform(counter_keys(7, torch.tensor([2])), 1, 2)
    assert keyed.tolist() == [[0.7929539680480957, 0.14656716585159302]]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_number_does_not_depend_on_those_beside_it(seed: int) -> None:
    together, keys = counter_uniform(seed, INDICES, 3), counter_keys(seed, INDICES)
    many = keyed_uniform(keys, 3, 7)
    for index in (0, 1, 500, 999):
        alone = INDICES[index : index + 1]
        assert torch.equal(counter_uniform(seed, alone, 3), together[alone])
        assert torch.equal(keyed_uniform(counter_keys(seed, alone), 3, 4), many[alone, :4])


@pytest.mark.parametrize("seed", SEEDS)
def test_numbers_are_uniform_and_other_seeds_streams_and_counters_give_others(seed: int) -> None:
    uniform = counter_uniform(seed, INDICES, 0)
    keyed = keyed_uniform(counter_keys(seed, INDICES), 0, 5)
    for numbers in (uniform, keyed):
        assert 0 <= numbers.min() < 0.02
        assert 0.98 < numbers.max() < 1
        assert abs(float(numbers.mean()) - 0.5) < 0.05
    assert len(uniform.unique()) == len(counter_keys(seed, INDICES).unique()) == 1000
    for other in (counter_uniform(seed + 1, INDICES, 0), counter_uniform(seed, INDICES, 1), uniform.roll(1)):
        assert abs(float(torch.corrcoef(torch.stack([uniform, other]))[0, 1])) < 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_every_part_of_what_is_asked_for_counts(seed: int) -> None:
    asked = [(seed, "a", 0), (seed + 1, "a", 0), (seed, "b", 0), (seed, "a", 1)]
    assert len({counter_fraction(*each) for each in asked}) == 4
    assert len({counter_generator(*each).initial_seed() for each in asked}) == 4
    assert len({float(counter_normal(1, *each)) for each in [(seed, 0), (seed + 1, 0), (seed, 1), (seed, 0, 1)]}) == 4


@pytest.mark.process
def test_importing_the_module_imports_no_torch() -> None:
    code = "import sys, gdp.core.counters; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
