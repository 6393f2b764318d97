"""Train the finder of landmarks on rendered faces: `python -m gdp.plugins.face_alignment.train --help`."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from gdp.plugins.face_alignment import FACES64
from gdp.plugins.face_alignment.crowds import Crowd, make_crowd, make_pool
from gdp.plugins.face_alignment.measure import measure, model_card
from gdp.plugins.face_alignment.network import SIZE, STRIDE, LandmarkNetwork, middles, write_onnx
from gdp.toolbox import write_tensors

_SAVE_EVERY = 50
_POSITIVE = 0.06
"""Places as near to a face's middle as this share of its side learn where its landmarks are."""
_WEIGHT = 8.0
"""Of the landmarks' loss, in shares of the face's side, beside the scores'."""


def main() -> None:
    """Parse the command line, train, measure on faces never seen, and write the model, its figures and its card.

    An interrupted training goes on at its last checkpoint.
    """
    parser = argparse.ArgumentParser(description="Train the finder of faces and landmarks of the embedded world.")
    parser.add_argument("--weights", type=Path, required=True, help="checkpoint to write, and to go on from")
    parser.add_argument("--out", type=Path, default=FACES64, help="ONNX file to write")
    parser.add_argument("--faces", type=int, default=1_500, help="rendered faces to train on")
    parser.add_argument("--steps", type=int, default=2_200, help="optimizer steps")
    parser.add_argument("--batch", type=int, default=20, help="pictures in a step")
    parser.add_argument("--learning-rate", type=float, default=4e-3, help="peak learning rate of AdamW")
    parser.add_argument("--seed", type=int, default=3000, help="seed of faces and training")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    parser.add_argument("--remark", default="", help="what else the card should say of the training")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network, seconds = train(
        options.weights, options.faces, options.steps, options.batch, options.learning_rate, options.seed
    )
    write_onnx(network, options.seed, options.out)
    training = {name: getattr(options, name) for name in ("faces", "steps", "batch", "learning_rate", "seed")}
    training |= {
        "processor_seconds": round(seconds),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "bytes": options.out.stat().st_size,
        "remark": options.remark,
    }
    metrics = {"seed": options.seed + 1, **measure(options.out, options.seed + 1), "training": training}
    options.out.with_suffix(".figures.json").write_text(json.dumps(metrics, indent=2) + "\n")
    options.out.with_suffix(".md").write_text(model_card(metrics))
    print(json.dumps(metrics, indent=2))


def train(
    weights: Path, faces: int, steps: int, batch: int, learning_rate: float, seed: int
) -> tuple[LandmarkNetwork, float]:
    """Train a network on faces 0 to `faces` - 1 of `seed`, from the last checkpoint in `weights` where there is one.

    Returns:
        The network, and the seconds of processor time that its training took in all.
    """
    torch.manual_seed(seed)
    network = LandmarkNetwork().train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
    done, spent = _resume(weights, network, optimizer)
    begin = time.process_time() - spent
    pool = make_pool(seed, faces) if done < steps else None
    for step in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * _schedule((step + 1) / steps)
        assert pool is not None
        crowd = make_crowd(pool, batch, SIZE, torch.Generator().manual_seed(seed + step))
        scores, landmarks = losses(network, crowd)
        optimizer.zero_grad(set_to_none=True)
        (scores + _WEIGHT * landmarks).backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimizer.step()
        if (step + 1) % _SAVE_EVERY == 0 or step + 1 == steps:
            spent = time.process_time() - begin
            _save(weights, network, optimizer, {"step": step + 1, "seconds": spent})
            told = {"step": step + 1, "scores": round(scores.item(), 4), "landmarks": round(landmarks.item(), 4)}
            print(json.dumps({**told, "processor_seconds": round(spent)}), flush=True)
    return network.eval(), spent


def _schedule(share: float) -> float:
    """Rise over the first twentieth of the training, then fall along a line."""
    return min(share / 0.05, (1.0 - share) / 0.95 + 0.002)


def losses(network: LandmarkNetwork, crowd: Crowd) -> tuple[Tensor, Tensor]:
    """Return the losses of scores and of landmarks (the latter in shares of the faces' sides).

    The scores' is the focal loss of Zhou et al., Objects as Points (2019), equation 1, with a bell around each middle.
    """
    logits, offsets = network(crowd.pictures.contiguous(memory_format=torch.channels_last))
    bell, owner, near = targets(crowd, *logits.shape[1:])
    probability = logits.sigmoid().clamp(1e-5, 1.0 - 1e-5)
    hit = (1.0 - probability).square() * probability.log() * (bell > 0.99)
    miss = (1.0 - bell).pow(4) * probability.square() * (1.0 - probability).log() * (bell <= 0.99)
    scores = -(hit + miss).sum() / (bell > 0.99).sum().clamp_min(1)
    which, rows, columns = near.nonzero(as_tuple=True)
    face = owner[near]
    truth = crowd.landmarks[which, face] - middles(*logits.shape[1:])[rows, columns][:, None]  # (P, 5, 2)
    side = crowd.sides[which, face][:, None, None]
    made = offsets[which, :, :, rows, columns]
    landmarks = functional.smooth_l1_loss(made / side, truth / side, beta=0.02)
    return scores, landmarks


def targets(crowd: Crowd, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return for each place (N, rows, columns) the bell in [0, 1], the nearest face, and whether it is near that."""
    middle = crowd.landmarks.mean(dim=2)  # (N, F, 2)
    places = middles(rows, columns)
    apart = (places[None, None] - middle[:, :, None, None]).norm(dim=-1)  # (N, F, rows, columns)
    there = (crowd.sides > 0)[:, :, None, None]
    sides = crowd.sides[:, :, None, None]
    reach = (_POSITIVE * sides).clamp_min(0.71 * STRIDE)  # at least the place that the middle lies in
    apart = torch.where(there, apart, torch.inf)
    spread = (0.05 * sides).clamp_min(0.6 * STRIDE)
    bell = torch.exp(-0.5 * (apart / spread).square())
    nearest = torch.where(apart.flatten(2) == apart.flatten(2).amin(dim=2, keepdim=True), 1.0, 0.0).view_as(apart)
    bell = torch.where(there & (nearest > 0), 1.0, bell).amax(dim=1)
    owner = apart.argmin(dim=1)
    near = (apart <= reach).any(dim=1)
    return bell, owner, near


def _resume(weights: Path, network: LandmarkNetwork, optimizer: torch.optim.AdamW) -> tuple[int, float]:
    """Load the last checkpoint, and return how many steps and seconds it has seen."""
    if not weights.is_file():
        return 0, 0.0
    tensors = load_file(weights)
    network.load_state_dict({name: tensors[f"network.{name}"] for name in network.state_dict()})
    for number, parameter in enumerate(network.parameters()):
        moments = {name: tensors[f"optimizer.{number}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
        optimizer.state[parameter] = moments
    return int(tensors["step"]), float(tensors["seconds"])


def _save(weights: Path, network: LandmarkNetwork, optimizer: torch.optim.AdamW, counts: Mapping[str, float]) -> None:
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for number, parameter in enumerate(network.parameters()):
        tensors |= {f"optimizer.{number}.{name}": value for name, value in optimizer.state[parameter].items()}
    write_tensors(weights, tensors | {name: torch.tensor(value) for name, value in counts.items()})


if __name__ == "__main__":
    main()
