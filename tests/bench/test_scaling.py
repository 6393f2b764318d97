"""The plan for many GPUs: its page is what the script says, and its counts are those of the networks."""

from __future__ import annotations

import json

import pytest
import torch
from scaling import BATCH, BEGIN, CLUSTERS, END, PAGE, RESULT, SHOWN, SYNTHESIS, plan, tables

from gdp.plugins.stylegan2.networks import Generator
from gdp.tools.bench.random_weights import FFHQ
from gdp.tools.estimate.counting import META, Counting

FOUND = json.loads(RESULT.read_text())


def test_the_page_shows_what_the_script_reckons() -> None:
    assert f"{BEGIN}\n" + "\n".join(tables(FOUND)) + f"\n{END}" in PAGE.read_text(), "run: python bench/scaling.py"


def test_one_published_gpu_takes_the_published_time_for_each_picture() -> None:
    planned = plan(CLUSTERS[0], 1, FOUND["decode_seconds"], FOUND["encode_seconds"])
    assert planned.computing / SHOWN == pytest.approx(0.95)
    assert planned.exchanging == 0


def test_more_gpus_divide_the_arithmetic_and_never_the_exchange_of_a_step() -> None:
    one, eight, many = (plan(CLUSTERS[1], count, 0.0, 0.0) for count in (1, 8, 64))
    assert one.computing == pytest.approx(8 * eight.computing) == pytest.approx(64 * many.computing)
    steps = {count: SHOWN / (BATCH * count) for count in (8, 64)}
    assert many.exchanging / steps[64] > eight.exchanging / steps[8] > 0, "between machines it takes longer"


def test_slow_processors_become_the_bottleneck() -> None:
    planned = plan(CLUSTERS[2], 8, decode_seconds=1.0, encode_seconds=0.0)
    assert planned.bottleneck == "decoding"
    assert planned.training == planned.decoding


def test_the_counted_synthesis_is_the_networks() -> None:
    with META:
        network = Generator(**FFHQ)
    counting = Counting()
    with torch.no_grad(), counting.on():
        network.synthesis(torch.empty(1, 18, 512, device=META))
    assert counting.arithmetic.macs == pytest.approx(SYNTHESIS.macs, rel=0.01)
    assert counting.arithmetic.bytes == pytest.approx(SYNTHESIS.bytes, rel=0.5)
