"""Which convolution trains fastest on a CPU for which shape: torch's own, Winograd's, or a product of matrices.

    python bench/convolutions.py
    python bench/convolutions.py --shape 1,128,128,64,3,1 --shape 1,512,512,16,3,1 --rounds 6 --output some.json

Writes bench/results/convolutions.json: the thresholds of gdp/support/networks/convolution.py come from it. For a
machine with nothing else to do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gdp.cli.common import prepare_processor
from gdp.console import choose_progress, print_table
from gdp.core.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    Convolve = Callable[[], Tensor]


class Shape(NamedTuple):
    """A convolution of `pictures` with `channels` and `side` pixels, padded by half a kernel, to `outputs` channels."""

    pictures: int
    channels: int
    outputs: int
    side: int
    kernel: int = 3
    stride: int = 1

    @property
    def padded(self) -> int:
        """Height and width with the padding."""
        return self.side + 2 * (self.kernel // 2)

    @property
    def output_side(self) -> int:
        """Height and width of the output."""
        return (self.padded - self.kernel) // self.stride + 1

    @property
    def label(self) -> str:
        """In words, such as `1 x 256->256 at 64`."""
        kernel = "" if (self.kernel, self.stride) == (3, 1) else f", {self.kernel}x{self.kernel} stride {self.stride}"
        return f"{self.pictures} x {self.channels}->{self.outputs} at {self.side}{kernel}"


SHAPES = (
    # channels around the fewest for Winograd
    Shape(1, 64, 64, 128),
    Shape(1, 96, 96, 128),
    Shape(1, 128, 128, 128),
    Shape(1, 256, 256, 64),
    Shape(1, 512, 512, 32),
    # tiles around the fewest for Winograd
    Shape(1, 256, 256, 28),
    Shape(1, 256, 256, 32),
    Shape(8, 96, 96, 16),
    Shape(8, 128, 128, 16),
    Shape(2, 128, 128, 16),
    # weights around the fewest for a product of matrices
    Shape(1, 256, 256, 16),
    Shape(1, 336, 336, 16),
    Shape(1, 352, 352, 16),
    # pixels a channel around the most for a product of matrices
    Shape(1, 1024, 1024, 16),
    Shape(1, 512, 512, 24),
    Shape(1, 512, 1024, 32, stride=2),
    Shape(4, 512, 512, 16),
    Shape(5, 512, 512, 16),
    Shape(1, 256, 512, 33, kernel=4, stride=2),
)
RESULT = Path(__file__).parent / "results" / "convolutions.json"
TOLERANCE = 1e-3
"""Largest difference to torch's output or gradient, against its largest value, that rounding explains."""
GDP_TAKES = {
    "WinogradConvolutionBackward": "winograd",
    "MatrixConvolutionBackward": "matrix",
    "ConvolutionBackward0": "torch",
}
"""What computes in a training, by the name of its backward pass."""
PROTOCOL = (
    "One process; the ways take turns. Each does the forward pass and the backward pass to input, weight and bias of "
    "pictures that are padded already; float32, channels_last, gradients into .grad of a channels_last "
    "parameter. torch: its own kernel. winograd: F(4x4, 3x3), its transforms as products of matrices; winograd "
    "compiled: they are compiled, as in trainings from 1000 steps. matrix: one product of matrices. milliseconds: "
    "median and quartiles; ratio: torch by the other, of each turn, above 1 is faster than torch; two turns of warm-up "
    "are not timed, compiling is before them. largest_difference: of output and gradients to torch's, against its "
    "largest value. gdp_takes: what a layer of this shape is computed by in gdp's trainings."
)


def measure(shape: Shape, rounds: int, compiles: bool, progress: Progress) -> dict[str, Any]:
    """Time the ways that can compute a shape and return what was found, as JSON data."""
    import torch
    from plain.turns import take_turns, told

    from gdp.core.training.precision import FEWEST_STEPS, compilation
    from gdp.support.networks.convolution import Convolution

    torch.manual_seed(0)
    layer = Convolution(shape.channels, shape.outputs, shape.kernel, shape.stride).to(memory_format=torch.channels_last)
    x = torch.randn(shape.pictures, shape.channels, shape.padded, shape.padded)
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    gradient = torch.randn(shape.pictures, shape.outputs, shape.output_side, shape.output_side)
    gradient = gradient.to(memory_format=torch.channels_last)
    leaves = (x, *layer.parameters())

    def trained(convolve: Convolve, choice: Any) -> Callable[[], list[Tensor]]:
        def work() -> list[Tensor]:
            for leaf in leaves:
                leaf.grad = None
            with compilation(choice, FEWEST_STEPS):
                y = convolve()
                torch.autograd.backward(y, gradient)
            return [y.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]

        return work

    choices = {"winograd compiled": "always"}
    convolves = ways(layer, x, compiles)
    works = {name: trained(convolve, choices.get(name, "never")) for name, convolve in convolves.items()}
    differences = compare(shape, works)
    with progress.task(shape.label, rounds + 2, "turns") as task:
        times = take_turns(works, rounds, task)
    torch.compiler.reset()  # a function is compiled for eight shapes only
    backward = layer(x).grad_fn
    assert backward is not None
    return {
        **shape._asdict(),
        "tiles": shape.pictures * (-(-shape.output_side // 4)) ** 2,
        "weights": layer.weight.numel(),
        "pixels_per_channel": shape.pictures * shape.output_side**2 / shape.outputs,
        "gdp_takes": GDP_TAKES[backward.name()],
        "largest_difference": differences,
        **told(times, "torch"),
    }


def ways(layer: Any, x: Tensor, compiles: bool) -> dict[str, Convolve]:
    """Return what can compute a layer's output of x, by name; torch's own comes first."""
    import torch.nn.functional as F

    from gdp.support.networks.convolution import MatrixConvolution
    from gdp.support.networks.winograd import WinogradConvolution

    stride = layer.stride[0]
    found: dict[str, Convolve] = {"torch": lambda: F.conv2d(x, layer.weight, layer.bias, stride)}
    if layer.kernel_size == (3, 3) and stride == 1:
        for name in ("winograd", "winograd compiled") if compiles else ("winograd",):
            found[name] = lambda: WinogradConvolution.apply(x, layer.weight, layer.bias)
    found["matrix"] = lambda: MatrixConvolution.apply(x, layer.weight, layer.bias, stride)
    return found


def compare(shape: Shape, works: dict[str, Callable[[], list[Tensor]]]) -> dict[str, float]:
    """Return how far the output and the gradients of each way are from torch's, against torch's largest value.

    Raises:
        SystemExit: further than rounding explains.
    """
    reference = works["torch"]()
    found = {}
    for name, work in works.items():
        if name != "torch":
            pairs = zip(work(), reference, strict=True)
            found[name] = max(float((own - theirs).abs().max() / theirs.abs().max()) for own, theirs in pairs)
            if not found[name] < TOLERANCE:
                raise SystemExit(
                    f"{shape.label}: the numbers of {name} differ from torch's by {found[name]:.2g} of the largest, "
                    f"where rounding makes less than {TOLERANCE:g}. Nothing was written."
                )
    return found


def show(shapes: Sequence[dict[str, Any]]) -> None:
    """Print a row for each shape: torch's milliseconds, and how many times faster the others are."""
    ways_seen = [
        way for way in ("winograd", "winograd compiled", "matrix") if any(way in row["ratio"] for row in shapes)
    ]
    table = []
    for row in shapes:
        facts = [str(row["tiles"]), str(row["weights"]), f"{row['pixels_per_channel']:.3g}"]
        times = [f"{row['milliseconds']['torch']['median']:.3g}"]
        for way in ways_seen:
            known = way in row["ratio"]
            text = f"{row['milliseconds'][way]['median']:.3g} x{row['ratio'][way]['median']:.2f}" if known else "-"
            times.append(text)
        label = Shape(*(row[name] for name in Shape._fields)).label
        table.append([label, *facts, *times, row["gdp_takes"]])
    print("milliseconds, and torch's by them: medians")
    print_table(["shape", "tiles", "weights", "pixels/channel", "torch", *ways_seen, "gdp takes"], table)


def shape_of(text: str) -> Shape:
    """Read `pictures,channels,outputs,side,kernel,stride`."""
    numbers = [int(number) for number in text.split(",")]
    if len(numbers) != len(Shape._fields) or min(numbers) < 1:
        raise ValueError(text)
    return Shape(*numbers)


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--shape",
        action="append",
        type=shape_of,
        metavar="N,C,K,SIDE,KERNEL,STRIDE",
        help=f"repeatable; default: {len(SHAPES)} around the thresholds",
    )
    parser.add_argument("--rounds", type=int, default=15, help="timed turns of each shape; default: 15")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled transforms out")
    parser.add_argument("--threads", type=int, help="processor threads; default: torch's own choice")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be 1 or more")
    return options


def main(arguments: list[str] | None = None) -> None:
    """Measure the shapes one after another, write what was found and print a table."""
    options = options_of(arguments)
    prepare_processor()
    import torch
    from plain.turns import conditions, write_results

    from gdp.core.training.precision import find_compiler

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    compiles = not options.no_compile and find_compiler() is not None
    progress, start = choose_progress(), conditions()
    found = [measure(shape, options.rounds, compiles, progress) for shape in options.shape or SHAPES]
    write_results(options.output, PROTOCOL, {**start, "shapes": found})
    show(found)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
