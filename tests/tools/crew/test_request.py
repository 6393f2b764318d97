"""What is no request for workers is refused before anything begins."""

from __future__ import annotations

from typing import Any

import pytest
from fsspec.registry import known_implementations

from gdp.core.errors import GdpError, MissingResourceError
from gdp.tools.crew.request import WorkersRequest, asked_workers


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"workers": 1.5}, "workers = 1.5: it must be a whole number"),
        ({"workers": "2"}, "workers = '2': it must be a whole number"),
        ({"workers": True}, "workers = True: it must be a whole number"),
        ({"workers": 0}, "workers = 0: at least one"),
        ({"workers": 100_000}, "workers = 100000: each is a process on this machine, which has "),
        ({"workers": 100_000, "executor": "ray"}, "workers = 100000: each is a process on this machine, which has "),
        ({"patience": "5"}, "patience = '5': it must be a number of seconds"),
        ({"patience": float("nan")}, "patience = nan: it must be a number of seconds"),
        ({"executor": ""}, "executor = '': it must be named in words"),
        ({"executor": 3}, "executor = 3: it must be named in words"),
        ({"hand_over": ""}, "hand_over = '': it must be named in words"),
        ({"hand_over": "foo://x/y"}, "--hand-over foo://x/y: addresses that begin with foo:// are not known"),
        ({"ray_address": " "}, "ray_address = ' ': it must be named in words"),
    ],
)
def test_what_is_none_is_refused(asked: dict[str, Any], what: str) -> None:
    nothing: dict[str, Any] = {"executor": None, "workers": None, "ray_address": None}
    with pytest.raises(GdpError) as failed:
        asked_workers(**{**nothing, **asked})
    assert str(failed.value).startswith(what)


def test_naming_one_thing_asks_for_workers() -> None:
    assert asked_workers(None, None, None) is None
    assert asked_workers(None, 2, None) == WorkersRequest("processes", 2)
    assert asked_workers(None, None, "auto") == WorkersRequest("ray", address="auto")


def test_a_cluster_has_room_for_more_workers_than_this_machine() -> None:
    assert asked_workers(None, 100_000, "auto") == WorkersRequest("ray", 100_000, address="auto")
    assert asked_workers("slurm", 100_000, None) == WorkersRequest("slurm", 100_000)


def test_an_address_whose_package_is_not_installed_is_told_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"class": "no_such_package.Files", "err": "Please install no_such_package to use beams"}
    monkeypatch.setitem(known_implementations, "beam", lacking)
    told = r"--hand-over beam://x: Please install no_such_package to use beams\. All machines .*pip install"
    with pytest.raises(MissingResourceError, match=told):
        asked_workers(None, 2, None, "beam://x")
    assert asked_workers(None, 2, None, "memory://x") == WorkersRequest("processes", 2, place="memory://x")
