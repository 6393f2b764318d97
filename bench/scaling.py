"""What a million pairs and a student of 512 px take on 1, 8 and 64 GPUs: docs/scaling.md, reckoned from unit costs.

    python bench/scaling.py                     # writes the tables of docs/scaling.md anew
    python bench/scaling.py --measure FOLDER    # before, times the codec on pictures (bench/results/scaling.json)

Counted are the operators of a training step (`TRAINING_STEP`) and of a synthesis; how fast machines do them is
`gdp estimate`'s (data sheets, and for the T4 the published time of a step). Nothing here was run on several GPUs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

import numpy
from PIL import Image

from gdp.core.files import write_atomically
from gdp.core.pairs.layout import decode, encode
from gdp.tools.estimate.arithmetic import HOUR
from gdp.tools.estimate.instances import TRAINING_STEP, read_prices
from gdp.tools.estimate.works import Arithmetic

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "scaling.md"
RESULT = PROJECT / "bench" / "results" / "scaling.json"
BEGIN, END = "<!-- made by bench/scaling.py -->", "<!-- end of it -->"
PAIRS, KEPT, SHOWN, BATCH = 1_000_000, 0.86, 20_000_000, 8
"""Kept pairs; the published share that is kept; pictures shown in the training; pictures a GPU computes in a step."""
SYNTHESIS = Arithmetic(kernels=435, macs=75.3e9, bytes=4.9e9)
"""Of StyleGAN2 config-f at 1024 px; `tests/bench/test_scaling.py` counts it."""
WEIGHTS = 182_443_267 + 5_530_000
"""Of the generator and, about, of the discriminator: what is exchanged in a step, in float32."""
SIDE = 512
GB = 1e9
COUNTS = (1, 8, 64)


@dataclass(frozen=True)
class Cluster:
    """Machines of one kind, and what lies between their GPUs.

    Attributes:
        instance: its name in the price list.
        inside: bytes a second from each GPU to others of the machine, as its maker states it (not looked up again); 0
            where it has one.
        between: bytes a second from each machine to others, likewise.
        cores: of a machine.
    """

    instance: str
    inside: float
    between: float
    cores: int


CLUSTERS = (
    Cluster("g4dn.xlarge", 0.0, 25e9 / 8, 4),
    Cluster("p4d.24xlarge", 300 * GB, 400e9 / 8, 96),
    Cluster("p5.48xlarge", 450 * GB, 3200e9 / 8, 192),
)


@dataclass(frozen=True)
class Plan:
    """What a job takes on so many GPUs; seconds, and dollars for the whole."""

    cluster: Cluster
    gpus: int
    making: float
    computing: float
    exchanging: float
    decoding: float
    dollars: float

    @property
    def training(self) -> float:
        """Seconds of the training: pictures are decoded while others are computed, gradients travel behind them."""
        return max(self.computing + self.exchanging, self.decoding)

    @property
    def bottleneck(self) -> str:
        """What takes most of the training."""
        parts = {"arithmetic": self.computing, "gradients": self.exchanging}
        return "decoding" if self.decoding > self.computing + self.exchanging else max(parts, key=lambda k: parts[k])


def plan(cluster: Cluster, gpus: int, decode_seconds: float, encode_seconds: float) -> Plan:
    """Reckon the job.

    Args:
        cluster: which machines.
        gpus: how many GPUs in all.
        decode_seconds: processor time of decoding one picture.
        encode_seconds: the same of encoding one.
    """
    prices = read_prices()
    instance = next(found for found in prices.instances if found.name == cluster.instance)
    speeds = prices.speeds(instance)
    step = Arithmetic(TRAINING_STEP.kernels, bytes=TRAINING_STEP.bytes * BATCH)
    step += Arithmetic(macs=TRAINING_STEP.macs * BATCH)
    gpu = prices.gpu_of(instance)
    step = step.in_half() if gpu is not None and gpu.tflops_half is not None else step
    measured = instance.measured.get("training")
    slower = 1.0 if measured is None else measured[1] / speeds.seconds(measured[0])
    steps = SHOWN / (BATCH * gpus)
    machines = -(-gpus // instance.gpus)
    cores = cluster.cores * machines * min(1.0, gpus / instance.gpus)
    made = PAIRS / KEPT
    making = max(made * 2 * speeds.seconds(SYNTHESIS) / gpus, made * 2 * encode_seconds / cores)
    computing, exchanging = steps * speeds.seconds(step, slower), steps * _exchange(cluster, gpus, machines)
    decoding = SHOWN * 2 * decode_seconds / cores
    price = (instance.share_dollars_per_hour or 0.0) * gpus / HOUR
    spent = making + max(computing + exchanging, decoding)
    return Plan(cluster, gpus, making, computing, exchanging, decoding, price * spent)


def _exchange(cluster: Cluster, gpus: int, machines: int) -> float:
    """Return the seconds of averaging all gradients once around a ring, 2 (n - 1) / n of their bytes (as NCCL does)."""
    if gpus == 1:
        return 0.0
    slowest = cluster.between if machines > 1 else cluster.inside
    return 2 * (gpus - 1) / gpus * WEIGHTS * 4 / slowest


def measure(folder: Path) -> dict[str, object]:
    """Time gdp's lossless encoding and decoding of pictures, reduced to `SIDE` pixels; processor time of one core."""
    sizes, encoding, decoding = [], [], []
    for path in sorted(folder.glob("*.jpg")):
        with Image.open(path) as file:
            pixels = numpy.asarray(file.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX))
        start = process_time()
        data = encode(pixels, "webp")
        middle = process_time()
        decode(data)
        encoding.append(middle - start)
        decoding.append(process_time() - middle)
        sizes.append(len(data))
    return {
        "protocol": f"Pictures reduced to {SIDE} px by area, each encoded once to lossless WebP and decoded once, as "
        "the pair store does; processor time of one core, medians.",
        "pictures": len(sizes),
        "bytes": int(median(sizes)),
        "encode_seconds": round(median(encoding), 4),
        "decode_seconds": round(median(decoding), 5),
    }


def tables(found: dict[str, float]) -> Iterator[str]:
    """Yield the lines between the marks of the page."""
    yield from (
        "| | GPUs | pairs, h | training, h | of it exchange | bottleneck | $ |",
        "|---|---|---|---|---|---|---|",
    )
    for cluster in CLUSTERS:
        for gpus in COUNTS:
            planned = plan(cluster, gpus, found["decode_seconds"], found["encode_seconds"])
            share = planned.exchanging / planned.training
            yield (
                f"| {cluster.instance} | {gpus} | {planned.making / HOUR:,.3g} | {planned.training / HOUR:,.4g} | "
                f"{share:.0%} | {planned.bottleneck} | {planned.dollars:,.0f} |"
            )
    yield from (
        "",
        f"Bytes: a 512 px picture is {found['bytes'] / 1e6:.2f} MB as lossless WebP (median of {found['pictures']:.0f} "
        f"faces by StyleGAN2), so {PAIRS:,} pairs are {PAIRS * 2 * found['bytes'] / 1e12:.2f} TB; it takes one core "
        f"{found['encode_seconds'] * 1000:.0f} ms to encode and {found['decode_seconds'] * 1000:.1f} ms to decode.",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", type=Path, metavar="FOLDER", help="of photographs, .jpg; timed first")
    given = parser.parse_args(arguments)
    if given.measure is not None:
        from plain.turns import conditions

        write_atomically(RESULT, (json.dumps({**measure(given.measure), **conditions()}, indent=1) + "\n").encode())
    before, _, rest = PAGE.read_text().partition(f"{BEGIN}\n")
    _, _, after = rest.partition(END)
    lines = "\n".join(tables(json.loads(RESULT.read_text())))
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n{END}{after}")


if __name__ == "__main__":
    main()
