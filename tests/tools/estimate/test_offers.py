"""A run on machines for rent: each kind of work by its own ratio."""

from __future__ import annotations

from typing import Any

import pytest

from gdp.tools.estimate.arithmetic import DAY, HOUR, Duration
from gdp.tools.estimate.instances import FORWARD, TRAINING_STEP, Instance, Prices, read_prices
from gdp.tools.estimate.offers import Offer, offers
from gdp.tools.estimate.probing import Estimate
from gdp.tools.estimate.works import Arithmetic, Calls, Counts, Kind, Memory, Part, Speeds, Work

HERE = Speeds(macs=100e9, half_macs=200e9, bytes=10e9, kernel=5e-6, overlaps=False)
TINY_STEP = Arithmetic(kernels=466, half_macs=1.1e9, bytes=0.05e9)
"""A step of a 64 px network: a GPU needs longer to launch it than to compute it."""


def estimate(*works: Work, **changed: Any) -> Estimate:
    settings: dict[str, Any] = {
        "recipe": "r",
        "parts": [Part("train: steps", works, "")],
        "calls": [],
        "counts": Counts(100, 100, 100, 100, 90, 10),
        "memory": Memory(2_000_000_000, 1_000_000_000),
        "disk_bytes": 0,
        "speeds": HERE,
        "alone": 1.0,
        "needs_gpu": "",
        "about": {},
        **changed,
    }
    return Estimate(**settings)


def of(kind: Kind, arithmetic: Arithmetic | None, seconds: float | None = None) -> Work:
    here = HERE.seconds(arithmetic) if seconds is None and arithmetic is not None else seconds
    return Work(kind, Duration.exactly(here or 0.0), arithmetic)


def offered(found: Estimate, name: str, prices: Prices | None = None) -> Offer:
    return next(offer for offer in offers(found, prices or read_prices()) if offer.instance.name == name)


def seconds(offer: Offer) -> float:
    assert offer.duration is not None
    return offer.duration.seconds


def test_the_missions_training_takes_22_days_and_277_dollars_on_its_machine() -> None:
    """10,000 kept pairs, 200 epochs, batch 1, of the published network."""
    job = of("training", TRAINING_STEP.in_half().times(10_000 * 200))
    offer = offered(estimate(job), "g4dn.xlarge")
    assert seconds(offer) / DAY == pytest.approx(22, rel=0.05)
    assert offer.dollars == pytest.approx(277.73, rel=0.05)
    assert offer.basis == "measured"
    assert offer.duration is not None
    assert offer.duration.low / DAY < 22 < offer.duration.high / DAY


@pytest.mark.parametrize(
    ("name", "kind", "work", "published"),
    [("g4dn.xlarge", "training", TRAINING_STEP, 0.95), ("c5.2xlarge", "forward", FORWARD, 1.5)],
)
def test_what_was_measured_somewhere_is_told_as_measured(
    name: str, kind: Kind, work: Arithmetic, published: float
) -> None:
    offer = offered(estimate(of(kind, work.times(1000))), name)
    assert seconds(offer) == pytest.approx(1000 * published, rel=0.01)


def test_small_networks_on_a_gpu_take_the_time_of_launching_them() -> None:
    """One ratio of a large network would say 10 s for what takes a minute and more."""
    job = of("training", TINY_STEP.times(20_000))
    offer = offered(estimate(job), "g4dn.xlarge")
    launched = 466 * 20_000
    assert 6e-6 * launched <= seconds(offer) <= 15e-6 * launched
    assert seconds(offer) == pytest.approx(seconds(offered(estimate(job), "p5.48xlarge"))), "however fast the GPU is"


def test_waiting_for_a_service_takes_as_long_everywhere() -> None:
    job, calls = of("network", None, 5000.0), Calls("azure-face", 10_000, 10.0, 5000.0)
    for offer in offers(estimate(job, calls=[calls]), read_prices()):
        if not offer.why_not:
            assert seconds(offer) == pytest.approx(
                5000 if offer.instance.sustained == 1 else 1800 + 3200 / offer.instance.sustained
            )
            price = offer.instance.share_dollars_per_hour
            assert price is None or offer.dollars == pytest.approx(10 + seconds(offer) / HOUR * price)


def test_files_take_about_as_long_as_here_where_nobody_else_is() -> None:
    offer = offered(estimate(of("files", None, 100.0), alone=0.25), "p5.48xlarge")
    assert seconds(offer) == pytest.approx(25)
    assert offer.kinds["files"][1] == "as here"


def test_another_processor_is_reckoned_from_the_time_here() -> None:
    work = of("training", TRAINING_STEP.times(100), seconds=2 * HERE.seconds(TRAINING_STEP.times(100)))
    offer = offered(estimate(work), "c6i.2xlarge")
    as_fast = offered(estimate(of("training", TRAINING_STEP.times(100))), "c6i.2xlarge")
    assert seconds(offer) == pytest.approx(2 * seconds(as_fast)), "what is slower here than reckoned is so there"
    assert offer.basis == "from here"


def test_a_machine_that_cannot_do_it_stands_there_with_its_reason() -> None:
    found = offers(estimate(of("training", TRAINING_STEP), memory=Memory(9_000_000_000, 8_000_000_000)), read_prices())
    reasons = {offer.instance.name: offer.why_not for offer in found if offer.why_not}
    assert "7.5" in reasons["g3s.xlarge"]
    assert "7.5" in reasons["p3.2xlarge"]
    assert "9.0 GB" in reasons["t2.medium"]
    assert "g4dn.xlarge" not in reasons
    assert [offer.why_not for offer in found] == sorted((offer.why_not for offer in found), key=bool), "they come last"


def test_a_step_that_does_not_fit_rules_a_gpu_out() -> None:
    found = estimate(of("training", TRAINING_STEP), memory=Memory(24_000_000_000, 20_000_000_000))
    assert "20.7 GB" in offered(found, "g4dn.xlarge").why_not
    assert "lower train.batch" in offered(found, "g4dn.xlarge").why_not
    assert not offered(found, "g5.xlarge").why_not, "what the GPU holds is not in main memory"


def test_a_recipe_that_needs_a_gpu_rules_the_others_out() -> None:
    found = estimate(of("training", TRAINING_STEP), needs_gpu="teacher diffusion")
    assert "teacher diffusion" in offered(found, "c7i.2xlarge").why_not


def test_a_burstable_machine_slows_down_when_its_credits_are_spent() -> None:
    prices = Prices(
        date="now",
        instances=(
            Instance(name="steady", gflops_float32=60),
            Instance(name="burstable", gflops_float32=60, sustained=0.2),
        ),
    )
    short, long = (estimate(of("files", None, each)) for each in (1000.0, 10_000.0))
    assert seconds(offered(short, "burstable", prices)) == seconds(offered(short, "steady", prices))
    assert seconds(offered(long, "burstable", prices)) == pytest.approx(1800 + 8200 / 0.2)


def test_how_many_pairs_are_kept_is_part_of_every_spread() -> None:
    work = Work("training", Duration.exactly(1.0), TRAINING_STEP.times(1000), amount=(0.5, 1.2))
    offer = offered(estimate(work), "g4dn.xlarge")
    assert offer.duration is not None
    assert offer.duration.low <= 0.5 * 950
    assert offer.duration.high >= 1.2 * 950


def test_an_unknown_price_gives_a_time_and_no_dollars() -> None:
    offer = offered(estimate(of("training", TRAINING_STEP)), "p5en.48xlarge")
    assert offer.duration is not None
    assert offer.dollars is None
