"""Training runs, resumes to the bit, and stops with a reason."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from known_pictures import InterruptingProgress, KnownPictures
from pydantic import ValidationError
from torch import Tensor

from gdp.core.errors import NonFiniteError, ShapeError, TrainingError
from gdp.core.progress import Progress, SilentProgress, Stopped
from gdp.plugins.stylegan2 import TrainingSettings, training_step
from gdp.plugins.stylegan2.loading import load_generator
from gdp.plugins.stylegan2.training import train as train_on
from gdp.plugins.stylegan2.training_step import AdversarialStep, learning_rate_factor

pytestmark = pytest.mark.training

TINY = TrainingSettings(
    images=96,
    batch=8,
    shards=1,
    z_dim=8,
    w_dim=8,
    mapping_layers=2,
    channel_base=64,
    channel_max=8,
    r1_interval=4,
    path_length_interval=3,
    checkpoint_every=32,
    samples_every=48,
    statistics_every=16,
    mirror=True,
)


@pytest.fixture
def pictures() -> Tensor:
    return torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def train(pictures: Tensor, settings: TrainingSettings, folder: Path, progress: Progress | None = None) -> Path:
    return train_on(KnownPictures(pictures), settings, folder, progress or SilentProgress())


def interrupt_at(images: int, by: type[BaseException] = KeyboardInterrupt) -> Progress:
    return InterruptingProgress(images, by)


def lines(folder: Path) -> list[dict[str, float]]:
    kept = [json.loads(line) for line in (folder / "statistics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in kept]


def test_an_interrupted_training_ends_in_the_same_bits(pictures: Tensor, tmp_path: Path) -> None:
    whole = train(pictures, TINY, tmp_path / "whole")
    for images in (16, 48, 80):  # before the first checkpoint, between two, after the second
        with pytest.raises(KeyboardInterrupt):
            train(pictures, TINY, tmp_path / "broken", interrupt_at(images))
    resumed = train(pictures, TINY, tmp_path / "broken")
    assert resumed.read_bytes() == whole.read_bytes()
    newest = [sorted((tmp_path / name / "checkpoints").iterdir())[-1] for name in ("whole", "broken")]
    tensors = [safetensors.torch.load_file(folder / "tensors.safetensors") for folder in newest]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(torch.equal(tensor, tensors[1][name]) for name, tensor in tensors[0].items())
    assert [line["images"] for line in lines(tmp_path / "whole")] == [16, 32, 48, 64, 80, 96]
    assert [line["step"] for line in lines(tmp_path / "broken")] == [2, 4, 6, 8, 10, 12]
    assert lines(tmp_path / "whole")[-1] == lines(tmp_path / "broken")[-1]


def test_a_stopped_training_writes_a_checkpoint_first_and_its_numbers_go_on(pictures: Tensor, tmp_path: Path) -> None:
    whole = train(pictures, TINY, tmp_path / "whole")
    with pytest.raises(Stopped):  # in the middle of a window of statistics, far from any checkpoint's place
        train(pictures, TINY, tmp_path / "stopped", interrupt_at(24, Stopped))
    assert [path.name for path in (tmp_path / "stopped" / "checkpoints").iterdir()] == ["step-00000003"]
    assert train(pictures, TINY, tmp_path / "stopped").read_bytes() == whole.read_bytes()
    assert lines(tmp_path / "stopped") == lines(tmp_path / "whole")


def test_pictures_that_do_not_fit_into_memory_are_read_ahead_and_give_the_same_bits(
    pictures: Tensor, tmp_path: Path
) -> None:
    kept, streamed = KnownPictures(pictures), KnownPictures(pictures, memory=1, seconds=0.01)
    files = [
        train_on(each, TINY, tmp_path / str(number), SilentProgress()) for number, each in enumerate((kept, streamed))
    ]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert kept.asked == [1, 20], "all of them once, after the one whose size was looked at"
    assert streamed.asked == [1, *[8] * 12], "a batch at a time, and none twice"
    assert "MainThread" not in streamed.threads[1:]


def test_the_discriminator_may_learn_at_a_rate_of_its_own() -> None:
    rates = []
    for settings in (TINY, TINY.model_copy(update={"discriminator_learning_rate": 0.5})):
        step = AdversarialStep(settings, 8)
        rates.append(
            [optimizer.param_groups[0]["lr"] for optimizer in (step.generator_optimizer, step.discriminator_optimizer)]
        )
        step.close()
    lazy = TINY.r1_interval / (TINY.r1_interval + 1)
    assert rates[0][1] == pytest.approx(TINY.learning_rate * lazy)
    assert rates[1] == [rates[0][0], pytest.approx(0.5 * lazy)]


def test_the_learning_rate_falls_in_a_line_to_what_is_left_at_the_end(pictures: Tensor, tmp_path: Path) -> None:
    falling = TINY.model_copy(update={"learning_rate_end": 0.1, "learning_rate_falls_from": 32})
    factors = [learning_rate_factor(falling, seen) for seen in (0, 32, 64, 96, 200)]
    assert factors == pytest.approx([1, 1, 0.55, 0.1, 0.1])
    train(pictures, falling, tmp_path)
    assert lines(tmp_path)[-1]["learning_rate"] == pytest.approx(falling.learning_rate * (1 - 0.9 * 56 / 64))
    assert [learning_rate_factor(TINY, seen) for seen in (0, 96)] == [1, 1]


def test_the_size_of_checkpoints_is_told_once(pictures: Tensor, tmp_path: Path) -> None:
    progress = InterruptingProgress()
    train(pictures, TINY, tmp_path, progress)
    (told,) = progress.told
    assert "a checkpoint every 32 pictures" in told
    assert "MB each; the newest two are kept" in told


def test_the_outcome_is_a_generator_that_loads(pictures: Tensor, tmp_path: Path) -> None:
    file = train(pictures, TINY, tmp_path)
    generator = load_generator(file)
    assert generator(torch.randn(2, 8)).shape == (2, 3, 8, 8)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    names = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert names == ["images-00000048.png", "images-00000096.png"]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    last = lines(tmp_path)[-1]
    assert {"loss_generator", "loss_discriminator", "logit_real", "logit_fake"} <= last.keys()


def test_two_shards_resume_to_the_bit_too(pictures: Tensor, tmp_path: Path) -> None:
    sharded = TINY.model_copy(update={"shards": 2, "images": 48, "samples_every": 1000})
    whole = train(pictures, sharded, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(pictures, sharded, tmp_path / "broken", interrupt_at(32))
    assert train(pictures, sharded, tmp_path / "broken").read_bytes() == whole.read_bytes()


def test_the_discriminators_gradient_is_the_mean_over_the_shards(pictures: Tensor) -> None:
    real = pictures[:8].float() / 127.5 - 1
    weights = []
    for shards in (1, 2):
        step = AdversarialStep(TINY.model_copy(update={"shards": shards, "learning_rate": 0.1}), 8)
        step._r1_phase(real.chunk(shards))
        step.close()
        weights.append(torch.cat([parameter.grad.flatten() for parameter in step.discriminator.parameters()]))
    # Groups of four: whole batches and halves have other neighbours, so only the mean over both agrees roughly.
    assert torch.nn.functional.cosine_similarity(*weights, dim=0) > 0.9


def test_the_generator_learns_the_pictures() -> None:
    settings = {"learning_rate": 0.01, "style_mixing": 0.0, "path_length_weight": 0.0, "seed": 1}
    step = AdversarialStep(TINY.model_copy(update=settings), 8)
    real = torch.full((8, 3, 8, 8), 0.9)
    z = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))

    @torch.no_grad()
    def error() -> float:
        return float((step.generator(z) - 0.9).square().mean())

    before = error()
    for number in range(40):
        step.run(real, number)
    step.close()
    assert error() < before / 3


def test_without_noise_its_strength_is_never_learned(pictures: Tensor) -> None:
    step = AdversarialStep(TINY.model_copy(update={"noise": False}), 8)
    step.run(pictures[:8].float() / 127.5 - 1, 0)
    step.close()
    strengths = [value for name, value in step.generator.named_parameters() if name.endswith("noise_strength")]
    assert strengths
    assert all(float(strength.detach()) == 0 for strength in strengths)


def test_other_settings_in_the_same_folder_are_refused(pictures: Tensor, tmp_path: Path) -> None:
    train(pictures, TINY, tmp_path)
    with pytest.raises(TrainingError, match=r"other settings \(r1_gamma\)"):
        train(pictures, TINY.model_copy(update={"r1_gamma": 3.0}), tmp_path)
    longer = train(pictures, TINY.model_copy(update={"images": 112}), tmp_path)
    assert lines(tmp_path)[-1]["images"] == 112
    assert longer.exists()


def test_divergence_stops_with_the_phase_and_keeps_the_weights(pictures: Tensor) -> None:
    step = AdversarialStep(TINY, 8)
    before = [parameter.clone() for parameter in step.generator.parameters()]
    step.discriminator.b4.out.weight.data.fill_(float("nan"))
    with pytest.raises(NonFiniteError, match="generator phase"):
        step.run(pictures[:8].float(), 1)
    step.close()
    assert all(torch.equal(*pair) for pair in zip(before, step.generator.parameters(), strict=True))


def test_divergence_on_a_gpu_is_told_at_the_next_look_and_no_checkpoint_is_written(
    pictures: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, whose numbers are not looked at in a step: there no phase asks whether its gradients are finite."""
    look, asks = AdversarialStep.check_finite, set[str]()

    def look_outside_of_steps(step: AdversarialStep) -> None:
        caller = sys._getframe(1).f_code.co_name
        if caller != "_descend":
            asks.add(caller)
            look(step)

    monkeypatch.setattr(AdversarialStep, "check_finite", look_outside_of_steps)
    train(pictures, TINY.model_copy(update={"images": 32, "checkpoint_every": 16}), tmp_path)
    assert asks == {"_report", "_draw_samples", "_save_checkpoint"}
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    monkeypatch.setattr(training_step, "discriminator_loss", lambda real, fake: (real + fake) * float("nan"))
    with pytest.raises(NonFiniteError, match="discriminator phase"):
        train(pictures, TINY.model_copy(update={"images": 64, "checkpoint_every": 16}), tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == kept


def test_pictures_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match="power of two"):
        train(torch.zeros(4, 3, 12, 12, dtype=torch.uint8), TINY, tmp_path)


def edit_settings(folder: Path, change: dict[str, Any]) -> None:
    """Let a training's checkpoints tell other settings, as those of another version do."""
    for place in (folder / "checkpoints").iterdir():
        content = json.loads((place / "state.json").read_text())
        content["state"]["settings"] |= change
        del content["check"]  # which an older gdp did not write
        (place / "state.json").write_text(json.dumps(content))


def test_a_checkpoint_of_the_old_objective_says_what_to_do_and_its_networks_go_on(
    pictures: Tensor, tmp_path: Path
) -> None:
    train(pictures, TINY, tmp_path / "old")
    edit_settings(tmp_path / "old", {"reconstruction_weight": 20.0, "reconstruction_images": 80})
    with pytest.raises(TrainingError, match=r"earlier version of gdp.*--folder NEW --from ") as refused:
        train(pictures, TINY, tmp_path / "old")
    named = Path(str(refused.value).rpartition("--from ")[2])
    again = TINY.model_copy(update={"from_weights": named, "learning_rate": 1e-9})
    first = tmp_path / "old" / "generator.safetensors"
    went_on = train(pictures, again, tmp_path / "new")
    z = torch.randn(2, 8)
    torch.testing.assert_close(load_generator(went_on)(z), load_generator(first)(z), atol=1e-2, rtol=0)


def test_a_checkpoint_of_an_old_plain_game_goes_on(pictures: Tensor, tmp_path: Path) -> None:
    train(pictures, TINY, tmp_path)
    edit_settings(tmp_path, {"reconstruction_weight": 0.0, "reconstruction_images": 0})
    train(pictures, TINY.model_copy(update={"images": 112}), tmp_path)
    assert lines(tmp_path)[-1]["images"] == 112


def test_a_batch_that_cannot_be_grouped_is_refused() -> None:
    with pytest.raises(ValidationError, match="shards"):
        TrainingSettings(batch=12, shards=2)
    with pytest.raises(ValidationError, match="extra"):
        TrainingSettings.model_validate({"learning_rte": 1})
