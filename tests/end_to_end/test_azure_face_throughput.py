"""azure-face keeps the service as busy as its limit, or its own number of connections, allows."""

from __future__ import annotations

from pathlib import Path

from azure_face_world import make_world, steady_rate

from gdp.testing.azure_face import TIERS, EmulatorProcess, RateLimit, Settings

LATENCY = 0.2
SHARE_OF_LIMIT = 0.95
SHARE_OF_POSSIBLE = 0.9
ATTEMPTS = 3
RUN = ("run", "faces.toml", "--until", "filter")


# Other work on the machine only ever lowers what is measured, so the best of a few runs counts.


def test_at_ten_a_second_it_keeps_the_limit(tmp_path: Path) -> None:
    shares: list[float] = []
    while len(shares) < ATTEMPTS and max(shares, default=0.0) < SHARE_OF_LIMIT:
        shares.append(share_of_limit(tmp_path / str(len(shares)), limit=10, pictures=130))
    assert max(shares) >= SHARE_OF_LIMIT, shares


def test_without_a_limit_32_connections_are_kept_busy(tmp_path: Path) -> None:
    shares: list[float] = []
    while len(shares) < ATTEMPTS and max(shares, default=0.0) < SHARE_OF_POSSIBLE:
        shares.append(share_of_possible(tmp_path / str(len(shares)), connections=32, pictures=960))
    assert max(shares) >= SHARE_OF_POSSIBLE, shares


def share_of_limit(folder: Path, limit: int, pictures: int) -> float:
    """Measure the rate against the limit, which is never crossed however busy the machine is."""
    settings = Settings(limit=RateLimit(per_second=limit), latency=LATENCY, judge="measures")
    with EmulatorProcess(settings) as emulator:
        world = make_world(folder, emulator, pictures, [f"calls_per_second = {limit}"])
        world.finish(*RUN)
        counted = emulator.statistics("times")
    assert counted["successes"] == counted["pictures"] == pictures
    assert counted["refused_by_limit"] == 0
    assert counted["largest_in_a_second"] <= limit
    return steady_rate(counted["accepted_at"]) / limit


def share_of_possible(folder: Path, connections: int, pictures: int) -> float:
    """Measure the rate against what so many connections can reach at the service's own time in the same run."""
    with EmulatorProcess(Settings(limit=TIERS["unlimited"], latency=LATENCY, judge="measures")) as emulator:
        world = make_world(folder, emulator, pictures, [f"connections = {connections}", "calls_per_second = 0"])
        world.finish(*RUN)
        counted = emulator.statistics("times")
    assert counted["successes"] == counted["pictures"] == pictures
    assert counted["most_in_flight"] == connections
    return steady_rate(counted["accepted_at"]) / (connections / counted["median_service_seconds"])
