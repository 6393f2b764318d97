"""What residual blocks cost: time, parameters and MACs of CycleGAN's generator with several numbers of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from gdp import Evaluation, EvaluationContext, Evaluator, Metric, Sentence
from gdp.plugins.evaluators import ResnetBlocksConfig
from gdp.plugins.evaluators.speed import timing_metrics
from gdp.plugins.resnet.networks import GeneratorChannels, ResnetGenerator
from gdp.toolbox import Timing, count_macs, count_parameters, describe_machine, plain, time_interleaved, times


class ResnetBlocksEvaluator(Evaluator):
    """Measures published generators with fresh weights, whatever the run's own student and teacher are.

    What a network computes does not depend on its weights, so nothing has to be trained or downloaded.
    """

    config: ResnetBlocksConfig

    def evaluate(self, context: EvaluationContext) -> Evaluation:
        """Count each generator and time all of them in turns, one picture at a time."""
        networks = {blocks: self._network(blocks, context.device) for blocks in dict.fromkeys(self.config.blocks)}
        size = self.config.resolution
        picture = torch.zeros(1, 3, size, size, device=context.device).contiguous(memory_format=torch.channels_last)
        works: dict[str, Callable[[], object]] = {
            str(blocks): partial(_forward, network, picture) for blocks, network in networks.items()
        }
        with context.progress.task("residual blocks", 1, "measurements") as task:
            timings = time_interleaved(works, self.config.repeats, self.config.warmup, context.device)
            task.advance()
        metrics = {
            "size.blocks.width": Metric(self.config.width, "Channels at full resolution of the generators measured."),
            "size.blocks.resolution": Metric(size, "Height and width of the picture that they were given.", "px"),
        }
        for blocks, network in networks.items():
            metrics |= self._metrics(blocks, network, picture, timings[str(blocks)])
        most, fewest = max(networks), min(networks)
        if most != fewest:
            metrics[f"speed.blocks_{most}_to_{fewest}"] = Metric(
                timings[str(most)].median / timings[str(fewest)].median,
                f"speed.blocks_{most}_ms divided by speed.blocks_{fewest}_ms: both medians, measured in turns.",
                "times",
            )
        return Evaluation(metrics)

    @classmethod
    def sentences(cls, numbers: Mapping[str, float]) -> Iterator[Sentence]:
        """Say how many times as long the most blocks take as the fewest."""
        width, resolution = numbers.get("size.blocks.width"), numbers.get("size.blocks.resolution")
        about = "" if width is None or resolution is None else f" of width {plain(width)} at {plain(resolution)} px"
        for name, ratio in numbers.items():
            if match := re.fullmatch(r"speed\.blocks_(\d+)_to_(\d+)", name):
                yield Sentence(
                    f"CycleGAN's generator{about} takes {times(ratio)} times as long with {match[1]} residual blocks "
                    f"as with {match[2]}.",
                    place="speed and size",
                )

    def _network(self, blocks: int, device: torch.device) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            network = ResnetGenerator(GeneratorChannels.uniform(self.config.width, blocks))
        return network.eval().to(device).to(memory_format=torch.channels_last)

    def _metrics(self, blocks: int, network: nn.Module, picture: Tensor, timing: Timing) -> dict[str, Metric]:
        what = f"CycleGAN's generator of width {self.config.width} with {blocks} residual blocks"
        at = f"at {self.config.resolution} px"
        how = (
            f"{what}, float32, fresh weights, one picture at a time {at}, {self.config.repeats} runs in turns with "
            f"other numbers of blocks after {self.config.warmup} unmeasured; {describe_machine(picture.device)}"
        )
        return {
            **timing_metrics(f"blocks_{blocks}", timing, how),
            f"size.blocks_{blocks}.parameters": Metric(count_parameters(network), f"Parameters of {what}."),
            f"size.blocks_{blocks}.macs": Metric(
                count_macs(network, picture),
                f"Multiply-accumulates of one forward of {what}, one picture {at}; a transposed convolution counts for "
                f"each position of its input (counted for each of its output, 9 blocks of width 64 have 56.8 G).",
            ),
        }


@torch.no_grad()
def _forward(network: nn.Module, picture: Tensor) -> object:
    return network(picture)
