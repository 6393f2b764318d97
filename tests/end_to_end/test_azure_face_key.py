"""The key of the service is in no file, no output and no error, whatever goes wrong."""

from __future__ import annotations

import base64
import secrets
import socket
import urllib.parse
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from azure_face_world import World, make_world
from typer.testing import CliRunner, Result

from gdp.cli.app import app
from gdp.testing.azure_face import TIERS, Emulator, Misbehaviour, Settings

PICTURES = 40
RUN = ("run", "faces.toml", "--until", "filter")
TROUBLES = {
    "429": Misbehaviour(throttle=1.0, throttle_seconds=0),
    "500": Misbehaviour(server_error=1.0),
    "dropped": Misbehaviour(drop_before=0.5, drop_after=0.5),
    "half": Misbehaviour(half_answer=1.0),
    "garbage": Misbehaviour(garbage=1.0),
}


def new_key() -> str:
    """Return a key that is found wherever it turns up, with characters that need escaping in an address."""
    return f"k3y+/{secrets.token_hex(16)}="


def forms(key: str) -> list[bytes]:
    """Return what the key looks like as it is, and under the usual encodings."""
    raw = key.encode()
    in_base64 = [base64.b64encode(bytes(before) + raw)[4:-4] for before in range(3)]  # whatever stands around it
    return [raw, key[5:-1].encode(), urllib.parse.quote(key, safe="").encode(), raw.hex().encode(), *in_base64]


def assert_nowhere(key: str, world: World, *texts: str) -> None:
    """Search all files of the world, and what was printed."""
    files = [path for path in world.folder.rglob("*") if path.is_file()]
    assert any(path.is_relative_to(world.run) for path in files)
    for form in forms(key):
        for path in files:
            assert form not in path.read_bytes(), f"{path} holds the key"
            assert form.decode() not in str(path)
        for text in texts:
            assert form.decode() not in text, text


@dataclass(frozen=True)
class Unreachable:
    """A service that is not there."""

    endpoint: str
    key: str


def test_a_run_that_meets_everything_leaves_no_key(tmp_path: Path) -> None:
    key = new_key()
    share = 0.07
    wrong = Misbehaviour(share, share, 0.0, share, share, share, share, throttle_seconds=0)
    settings = Settings(key=key, limit=TIERS["unlimited"], judge="measures", misbehaviour=wrong)
    with Emulator(settings) as emulator:
        rules = ["calls_per_second = 0", "max_failures = 100"]
        world = replace(make_world(tmp_path, emulator, PICTURES, rules), extra={"GDP_TRACEBACK": "1"})
        printed = world.finish("run", "faces.toml")  # to the report
        assert set(emulator.statistics()["fates"]) == {
            "answer",
            *(name for name, each in wrong.shares().items() if each),
        }
    assert list(world.run.rglob("*.html"))
    assert list(world.folder.glob("answers*"))
    assert_nowhere(key, world, printed)


@pytest.mark.parametrize("form", range(7))
def test_a_key_would_be_found(tmp_path: Path, form: int) -> None:
    key = new_key()
    world = World(tmp_path, key)
    world.run.mkdir(parents=True)
    (world.run / "log.txt").write_bytes(b"before " + forms(key)[form] + b" after")
    with pytest.raises(AssertionError, match="holds the key"):
        assert_nowhere(key, world)
    (world.run / "log.txt").write_text("nothing")
    with pytest.raises(AssertionError, match="before"):
        assert_nowhere(key, world, f"before {forms(key)[form].decode()}")


@pytest.mark.parametrize("traceback", ["", "1"], ids=["paragraph", "traceback"])
@pytest.mark.parametrize("trouble", ["401", "403", "429", "500", "dropped", "half", "garbage", "unreachable"])
def test_an_error_shows_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], trouble: str, traceback: str
) -> None:
    key = new_key()
    settings = Settings(
        key="another" if trouble == "401" else key,
        limit=TIERS["unlimited"],
        judge="measures",
        misbehaviour=TROUBLES.get(trouble, Misbehaviour()),
    )
    rules = ["calls_per_second = 0", "max_failures = 3"]
    rules += ["limited_access_age = true", "min_age = 18", 'detection_model = "detection_01"'] * (trouble == "403")
    with Emulator(settings) as emulator, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        nobody = Unreachable(f"http://127.0.0.1:{closed.getsockname()[1]}", key)
        service = nobody if trouble == "unreachable" else emulator
        world = make_world(tmp_path, service, PICTURES, rules, key=key)
        result = run_here(replace(world, extra={"GDP_TRACEBACK": traceback}), monkeypatch)
    assert result.exit_code == 1, result.output
    assert "azure-face" in result.stderr
    printed = capfd.readouterr()
    assert_nowhere(key, world, result.stdout, result.stderr, printed.out, printed.err, repr(result.exception))


def run_here(world: World, monkeypatch: pytest.MonkeyPatch) -> Result:
    """Run the recipe in this process, which spares starting one for each trouble."""
    monkeypatch.chdir(world.folder)
    monkeypatch.syspath_prepend(world.site)
    for name in ("AZURE_FACE_KEY", "GDP_ANSWERS", "GDP_TRACEBACK"):
        monkeypatch.setenv(name, world.environment.get(name, ""))
    return CliRunner().invoke(app, list(RUN))
