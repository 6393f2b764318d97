"""The trainer's parts, each by itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gdp.core.counters import counter_generator
from gdp.core.errors import NonFiniteError, TrainingError
from gdp.core.interfaces.students import TrainingPhase
from gdp.core.recipe.sections import TrainSection
from gdp.core.training.adversary import ImagePool
from gdp.core.training.checkpoint import Checkpoint, CheckpointFolder
from gdp.core.training.loader import BatchSampler, flatten_some, mirror_half, to_network
from gdp.core.training.objective import Descent
from gdp.core.training.optimizer import WeightAverage, learning_rate_factor, phase_ends, total_steps
from gdp.core.training.precision import autocaster, computes_bf16
from gdp.core.training.statistics import StatisticsFile, Window


@given(count=st.integers(1, 30), batch=st.integers(1, 50), seed=st.integers(0, 5))
def test_an_epoch_deals_out_every_pair_once_and_a_step_needs_no_history(count: int, batch: int, seed: int) -> None:
    pairs = [10 * index for index in range(count)]
    sampler = BatchSampler(pairs, batch, seed)
    steps = -(-2 * count // batch)
    dealt = [index for step in range(steps) for index in sampler.indices(step)]
    assert sorted(dealt[:count]) == sorted(dealt[count : 2 * count]) == pairs
    assert BatchSampler(pairs, batch, seed).indices(steps - 1) == dealt[-batch:]


def test_epochs_and_seeds_have_different_orders() -> None:
    pairs = range(50)
    first, second = BatchSampler(pairs, 50, 0).indices(0), BatchSampler(pairs, 50, 0).indices(1)
    assert first != second
    assert first != BatchSampler(pairs, 50, 1).indices(0)


def test_steps_follow_from_epochs() -> None:
    assert total_steps(TrainSection(epochs=2.5, batch=16), pairs=100) == 16
    assert total_steps(TrainSection(steps=7), pairs=100) == 7


def test_learning_rate_rises_holds_and_falls_to_nearly_zero() -> None:
    settings = TrainSection(steps=100, schedule="linear", decay_from=0.5, warmup_steps=3)
    factors = [learning_rate_factor(settings, step, 100) for step in range(100)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert set(factors[3:50]) == {1.0}
    assert factors[50] == pytest.approx(1 - 1 / 51)
    assert factors[-1] == pytest.approx(1 / 51)
    cosine = settings.model_copy(update={"schedule": "cosine", "decay_from": 0.0, "warmup_steps": 0})
    falling = [learning_rate_factor(cosine, step, 100) for step in range(100)]
    assert falling == sorted(falling, reverse=True)
    assert falling[50] == pytest.approx(0.5, abs=0.01)
    assert 0 < falling[-1] < 0.001
    constant = settings.model_copy(update={"schedule": "constant", "warmup_steps": 0})
    assert learning_rate_factor(constant, 99, 100) == 1.0


def test_phases_share_out_all_steps() -> None:
    phases = [TrainingPhase("a", 1 / 3), TrainingPhase("b", 1 / 3), TrainingPhase("c", 1 / 3)]
    assert phase_ends(phases, 100) == [33, 67, 100]
    with pytest.raises(TrainingError, match=r"a 0.333333, b 0.333333\) do not sum to 1"):
        phase_ends(phases[:2], 100)


def test_average_halves_with_its_half_life_and_forgets_the_start_of_short_runs() -> None:
    average = WeightAverage(nn.Linear(2, 2), half_life=1000.0)
    assert average.decay(pairs_seen=100_000, batch=500) == pytest.approx(0.5**0.5)
    assert average.decay(pairs_seen=160, batch=16) == pytest.approx(0.25)  # half-life 8: two of them pass
    assert WeightAverage(nn.Linear(2, 2), half_life=0.0).decay(100_000, 16) == 0.0


def test_average_copies_buffers_and_lends_its_weights_for_a_while() -> None:
    module = nn.BatchNorm1d(3)
    average = WeightAverage(module, half_life=1e9)
    with torch.no_grad():
        module.weight.fill_(5.0)
    module.running_mean.fill_(2.0)
    average.update(pairs_seen=20, batch=1)  # ramped up: half-life 1
    assert average.tensors["weight"].tolist() == [3.0] * 3
    with average.applied():
        assert module.weight.tolist() == [3.0] * 3
    assert module.weight.tolist() == [5.0] * 3
    assert average.tensors["running_mean"].tolist() == [2.0] * 3
    average.copy_to_module()
    assert module.weight.tolist() == [3.0] * 3


def test_without_averaging_there_is_no_second_copy_of_the_weights() -> None:
    module = nn.BatchNorm1d(3)
    average = WeightAverage(module, half_life=0)
    before = {name: tensor.data_ptr() for name, tensor in module.state_dict().items()}
    assert {name: tensor.data_ptr() for name, tensor in average.tensors.items()} == before
    with torch.no_grad():
        module.weight.fill_(5.0)
    average.update(pairs_seen=20, batch=1)
    with average.applied():
        assert module.weight.tolist() == average.tensors["weight"].tolist() == [5.0] * 3
    average.copy_to_module()
    assert {name: tensor.data_ptr() for name, tensor in module.state_dict().items()} == before


def test_pool_shows_new_pictures_until_it_is_full_and_then_old_ones_half_of_the_time() -> None:
    pool = ImagePool(50)
    pictures = torch.arange(1050.0)[:, None, None, None]
    assert torch.equal(pool.query(pictures[:50], counter_generator(0, "pool", 0)), pictures[:50])
    shown = pool.query(pictures[50:], counter_generator(0, "pool", 1))
    assert 0.4 < (shown != pictures[50:]).double().mean() < 0.6
    assert pool.images is not None
    stored, seen = set(pool.images.flatten().tolist()), set(shown.flatten().tolist())
    assert len(stored) == 50
    assert stored | seen | set(range(50)) == set(pictures.flatten().tolist())
    assert Counter(shown.flatten().tolist()).most_common(1)[0][1] == 1  # a picture is taken out when it is shown


def test_mirroring_keeps_source_and_target_together() -> None:
    source = torch.arange(64 * 3 * 2 * 4, dtype=torch.int32).reshape(64, 3, 2, 4)
    mirrored, target = mirror_half((source, source + 1), seed=3, step=5)
    assert torch.equal(mirrored + 1, target)
    flipped = (mirrored != source).flatten(1).any(1)
    assert 16 < int(flipped.sum()) < 48
    assert torch.equal(mirrored[flipped], source[flipped].flip(3))
    assert torch.equal(mirror_half((source, source), 3, 5)[0], mirrored)


def test_some_pairs_become_flat_frames_that_stay_as_they_are() -> None:
    source, target = torch.rand(400, 6, 4, 4), torch.rand(400, 3, 4, 4)
    flat, same = flatten_some((source, target), 0.25, seed=3, step=5)
    chosen = (flat != source).flatten(1).any(1)
    assert 70 < int(chosen.sum()) < 130
    assert torch.equal(same[~chosen], target[~chosen])
    assert torch.equal(same[chosen], flat[chosen, :3])
    spread = flat[chosen].flatten(2).std(dim=2)
    assert float(spread.max()) < 0.05  # a grain at most
    assert float((spread == 0).float().mean()) > 0.5
    assert {-1.0, 1.0} < set(flat[chosen].mean(dim=(1, 2, 3)).tolist())
    assert torch.equal(flatten_some((source, target), 0.25, 3, 5)[0], flat)
    assert not torch.equal(flatten_some((source, target), 0.25, 3, 6)[0], flat)


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": True}, True),
        ({"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}, False),
        ({"bf16": True}, True),
        ({"cpu_name": "AMD EPYC"}, False),
    ],
)
def test_a_processor_computes_in_bf16_where_that_is_no_slower(
    has: dict[str, Any], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: has)
    assert computes_bf16(torch.device("cpu")) is expected


def test_pictures_reach_the_network_in_its_range_and_layout() -> None:
    image = torch.tensor([0, 255, 255, 0], dtype=torch.uint8).reshape(1, 1, 2, 2).repeat(2, 3, 1, 1)
    full = to_network(image, torch.device("cpu"), torch.channels_last)
    assert full.is_contiguous(memory_format=torch.channels_last)
    assert full[0, 0].tolist() == [[-1.0, 1.0], [1.0, -1.0]]
    half = to_network(image, torch.device("cpu"), torch.channels_last, downscale=2)
    assert half.shape == (2, 3, 1, 1)
    assert half.abs().max() == 0


def test_bf16_computes_in_bf16_and_float32_does_not() -> None:
    product = nn.Conv2d(3, 3, 1)
    for precision, expected in (("bf16", torch.bfloat16), ("float32", torch.float32)):
        with autocaster(precision, torch.device("cpu"))():
            assert product(torch.zeros(1, 3, 2, 2)).dtype == expected


@pytest.mark.training
def test_fused_adam_follows_the_plain_one_in_channels_last() -> None:
    torch.manual_seed(0)
    fused = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3), nn.ConvTranspose2d(8, 4, 3)).to(
        memory_format=torch.channels_last
    )
    plain = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3), nn.ConvTranspose2d(8, 4, 3))
    plain.load_state_dict(fused.state_dict())
    descent = Descent(dict(fused.named_parameters()), 1e-3, (0.5, 0.999))
    adam = torch.optim.Adam(plain.parameters(), lr=5e-4, betas=(0.5, 0.999), foreach=False)
    for _ in range(5):
        picture = torch.randn(2, 3, 8, 8)
        descent.descend(fused(picture.to(memory_format=torch.channels_last)).square().mean(), 0.5)
        adam.zero_grad()
        plain(picture).square().mean().backward()
        adam.step()
    torch.testing.assert_close(fused.state_dict(), plain.state_dict(), rtol=1e-4, atol=1e-5)


@pytest.mark.training
def test_gradient_clipping_reports_the_norm_before() -> None:
    weight = nn.Parameter(torch.zeros(2))
    descent = Descent({"weight": weight}, 1.0, (0.0, 0.0), clip=1.0)
    told = descent.descend((weight * torch.tensor([3.0, 4.0])).sum(), 1.0)
    assert {name: float(value) for name, value in told.items()} == {"gradient_norm": 5.0}
    torch.testing.assert_close(weight.grad, torch.tensor([0.6, 0.8]))


def test_a_number_that_is_not_finite_is_named_with_its_step() -> None:
    window = Window()
    for value in (1.0, float("inf"), 2.0):
        window.add({"l1": torch.tensor(1.0), "lsgan": torch.tensor(value)})
    with pytest.raises(NonFiniteError, match=r"at step 9: lsgan became inf\. Kept\..*gradient_clip"):
        window.check_finite(10, "Kept.")
    window.check_finite(10, "Kept.", newest_only=True)


def test_a_window_averages_over_its_steps() -> None:
    window = Window()
    for value in (1.0, 2.0, 6.0):
        window.add({"l1": torch.tensor(value)})
    assert window.means() == {"l1": 3.0}
    assert window.rows == []


def test_statistics_are_cut_back_to_the_checkpoint_and_torn_lines_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "statistics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste', encoding="utf-8")
    StatisticsFile(path, 2).write({"step": 3, "l1": 0.5})
    assert path.read_text(encoding="utf-8") == '{"step": 1}\n{"step": 2}\n{"step": 3, "l1": 0.5}\n'


def test_two_checkpoints_are_kept_and_leftovers_of_a_kill_are_cleared(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in (1, 2, 3):
        folder.save(Checkpoint(step, {"weight": torch.full((2,), float(step))}, {"phase": 0}))
        (tmp_path / ".unfinished").mkdir()
        (tmp_path / ".unfinished" / "half").write_text("x", encoding="utf-8")
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-00000002", "step-00000003"]
    newest = folder.load_newest(pytest.fail)
    assert newest is not None
    assert (newest.step, newest.tensors["weight"].tolist(), newest.state) == (3, [3.0, 3.0], {"phase": 0})


@pytest.mark.parametrize("damage", ["truncated tensors", "changed tensors", "no state", "torn state", "empty state"])
def test_a_damaged_checkpoint_is_passed_over_with_a_message(tmp_path: Path, damage: str) -> None:
    folder = CheckpointFolder(tmp_path)
    for step in (1, 2):
        folder.save(Checkpoint(step, {"weight": torch.ones(100)}, {}))
    tensors, state = tmp_path / "step-00000002" / "tensors.safetensors", tmp_path / "step-00000002" / "state.json"
    match damage:
        case "truncated tensors":
            tensors.write_bytes(tensors.read_bytes()[:50])
        case "changed tensors":
            tensors.write_bytes(tensors.read_bytes()[:-1] + b"x")
        case "no state":
            state.unlink()
        case "torn state":
            state.write_text(state.read_text(encoding="utf-8")[:20], encoding="utf-8")
        case "empty state":
            state.write_text("[]", encoding="utf-8")
    messages: list[str] = []
    found = folder.load_newest(messages.append)
    assert found is not None
    assert found.step == 1
    assert len(messages) == 1
    assert "step-00000002 is damaged" in messages[0]
