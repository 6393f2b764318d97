"""Which of several processes this one is, by the environment."""

from __future__ import annotations

import pytest

from gdp.core.errors import GdpError
from gdp.tools.together.places import Place, place_in_environment

MEETING = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    "said",
    [
        {"RANK": "5", "WORLD_SIZE": "2"},
        {"RANK": "-1", "WORLD_SIZE": "2"},
        {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "2"},
        {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "-1"},
    ],
)
def test_a_rank_that_there_cannot_be_is_refused_before_anybody_is_waited_for(said: dict[str, str]) -> None:
    with pytest.raises(GdpError, match="there is no such process: unset RANK to run alone"):
        place_in_environment({**MEETING, **said})


def test_a_rank_is_read() -> None:
    assert place_in_environment({**MEETING, "RANK": "1", "WORLD_SIZE": "2"}) == Place(1, 2, 1, 2)
    assert place_in_environment({**MEETING, "RANK": "0", "WORLD_SIZE": "1"}) is None
