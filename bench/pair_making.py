"""How long making pairs takes beside the synthesis of their pictures alone.

    python bench/pair_making.py
    python bench/pair_making.py --case 1024 --width 64 --pairs 4 --device cuda --output pairs.json

Writes bench/results/pair_making.json. It fails where the ways make other pairs.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from gdp.cli.common import prepare_processor
from gdp.console import choose_progress, print_table
from gdp.core.progress import Progress
from gdp.support.devices import resolve_device

if TYPE_CHECKING:
    from gdp.core.run.session import Session

CASES = {"64": 128, "1024": 6}
"""Pixels, and pairs of a turn."""
WAYS = ("alone", "stage", "in turn")
RESULT = Path(__file__).parent / "results" / "pair_making.json"
PROTOCOL = (
    "One process; the ways take turns, each making all pairs of a turn anew. alone: the teacher maps and synthesizes "
    "the two pictures of each pair, in the stage's batches, and they are thrown away. stage: gdp's stage pairs, whose "
    "pictures are edited, rounded, hashed, encoded, written and committed, in another thread while the next are made. "
    "in turn: the same, each batch stored before the next is made. seconds: median and quartiles of the turns after "
    "one of warm-up; ratio: by the time of synthesis alone, turn by turn; processor: the same of the processor's time "
    "in all threads, which a busy machine disturbs less and which hides nothing behind anything. 64: the embedded "
    "teacher, ageing; 1024: config-f with random weights and up to `width` channels, one direction. All ways' shards "
    "have the same bytes."
)
RECIPE = """\
name = "pair-making"
seed = 1

[teacher]
plugin = "stylegan2"
{teacher}

[pairs]
plugin = "latent-direction"
count = {count}
{pairs}

[student]
plugin = "pix2pixhd"

[[losses]]
plugin = "l1"

[train]
steps = 1
"""


def write_recipe(size: int, width: int, count: int, folder: Path) -> Path:
    """Write a recipe, and what it needs, into the folder."""
    recipe, teacher, pairs = folder / "pairs.toml", "", ""
    if size != 64:
        import torch
        from safetensors.torch import save_file

        from gdp.plugins.stylegan2.networks import Generator
        from gdp.support.directions import Direction, normalised, save_direction

        torch.manual_seed(0)
        save_file(
            Generator(512, 512, size, channel_base=64 * width, channel_max=width).state_dict(),
            folder / "teacher.safetensors",
        )
        save_direction(Direction("tilt", normalised(torch.randn(1, 512)), scale=1.0), folder / "direction.safetensors")
        teacher, pairs = 'weights = "teacher.safetensors"', 'direction = "direction.safetensors"'
    recipe.write_text(RECIPE.format(teacher=teacher, pairs=pairs, count=count), encoding="utf-8")
    return recipe


@contextmanager
def one_after_another() -> Iterator[None]:
    """Store each batch before the next is made."""
    from unittest.mock import patch

    from gdp.core.pairs.writer import PairWriter

    put = PairWriter.put

    def put_and_wait(self: PairWriter, batch: Any) -> int:
        return put(self, batch) + self.wait()

    with patch.object(PairWriter, "put", put_and_wait):
        yield


def synthesize(session: Session, count: int) -> None:
    """Synthesize the pictures of all pairs and throw them away."""
    import torch

    from gdp.core.run.stages.pairs import pairs_together

    teacher, together = session.teacher, pairs_together(session)
    for start in range(0, count, together):
        numbers = range(start, min(start + together, count))
        ws = teacher.map(teacher.sample_z(session.recipe.seed, numbers, 0).to(session.device), 1.0, None)
        teacher.synthesize(torch.cat([ws, ws]))
    if session.device.type == "cuda":
        torch.cuda.synchronize()


def make(session: Session) -> str:
    """Make all pairs by the stage, and return the digest of the shards."""
    from gdp.core.pairs.shards import shard_files
    from gdp.core.run.steps import steps_of

    (stage,) = (step.stage for step in steps_of(session) if step.name == "pairs")
    shutil.rmtree(session.store_folder, ignore_errors=True)
    stage.execute(session)
    digest = hashlib.sha256()
    for _, path in sorted(shard_files(session.store_folder)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def measure(recipe: Path, device: str, count: int, rounds: int, progress: Progress) -> dict[str, Any]:
    """Let the ways take turns."""
    from plain.measuring import spread
    from plain.time_left import is_over
    from plain.turns import numbers_are_real

    from gdp.api import open_session
    from gdp.core.run.steps import keys_until

    times: dict[str, list[float]] = {way: [] for way in WAYS}
    worked: dict[str, list[float]] = {way: [] for way in WAYS}
    digests: set[str] = set()
    session = open_session(recipe, folder=recipe.parent / "run", device=device)
    session.keys = keys_until(session, "pairs")

    def in_turn() -> None:
        with one_after_another():
            digests.add(make(session))

    works: dict[str, Callable[[], Any]] = {
        "alone": lambda: synthesize(session, count),
        "stage": lambda: digests.add(make(session)),
        "in turn": in_turn,
    }
    with progress.task(f"{recipe.parent.name}", 1 + rounds, "turns") as task:
        for turn in range(1 + rounds):
            for name, work in works.items():
                start, before = perf_counter(), process_time()
                work()
                if turn:
                    times[name].append(perf_counter() - start)
                    worked[name].append(process_time() - before)
            task.advance(1)
            if turn and is_over():
                break
    if numbers_are_real() and len(digests) != 1:
        raise SystemExit("the ways made different pairs. Nothing was written.")
    return {
        "seconds": {name: spread(values) for name, values in times.items()},
        "ratio": _ratios(times),
        "processor": {"seconds": {name: spread(values) for name, values in worked.items()}, "ratio": _ratios(worked)},
    }


def _ratios(times: Mapping[str, list[float]]) -> dict[str, Any]:
    from plain.measuring import spread

    return {
        way: spread([own / alone for own, alone in zip(times[way], times["alone"], strict=True)]) for way in WAYS[1:]
    }


def show(cases: Mapping[str, Any]) -> None:
    """Print a row for each case."""
    rows = []
    for name, found in cases.items():
        each = [f"{found['seconds'][way]['median'] / found['pairs']:.3g}" for way in WAYS]
        ratios = [f"{of['ratio']['stage']['median']:.3f}" for of in (found, found["processor"])]
        rows.append([f"{name} px", str(found["pairs"]), *each, *ratios])
    print_table(
        ["case", "pairs", "synthesis alone, s a pair", "stage", "stage, in turn", "stage / alone", "of processor time"],
        rows,
    )


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES, help="which; repeatable; default: all")
    parser.add_argument("--width", type=int, default=512, help="most channels at 1024 px; default: 512, as published")
    parser.add_argument("--pairs", type=int, help="pairs of a turn; default: 128 at 64 px, 6 at 1024")
    parser.add_argument("--rounds", type=int, default=5, help="timed turns; default: 5")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="processor threads; default: torch's own choice")
    parser.add_argument("--output", type=Path, default=RESULT, help="JSON file")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure the chosen cases one after another, write what was found and print a table."""
    options = options_of(arguments)
    prepare_processor()
    import torch
    from plain.turns import conditions, write_results

    if options.threads is not None:
        torch.set_num_threads(options.threads)
    progress, cases, start = choose_progress(), {}, conditions(resolve_device(options.device))
    for name in options.case or CASES:
        count = options.pairs or CASES[name]
        with tempfile.TemporaryDirectory(prefix="gdp-pair-making-") as folder:
            recipe = write_recipe(int(name), options.width, count, Path(folder))
            found = measure(recipe, options.device, count, options.rounds, progress)
        cases[name] = {"pairs": count, **({"width": options.width} if name != "64" else {}), **found}
    write_results(options.output, PROTOCOL, {**start, "cases": cases})
    show(cases)
    print(f"written: {options.output}")


if __name__ == "__main__":
    main()
