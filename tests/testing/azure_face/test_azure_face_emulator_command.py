"""`gdp azure-face-emulator`: what it prints, how it ends, and that it does what its options say."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from asking import BYTES, ask
from face_pictures import encode, faces
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.core.errors import GdpError
from gdp.testing.azure_face import Emulator, EmulatorProcess, Misbehaviour, RateLimit, Settings
from gdp.testing.azure_face.emulator import options

COMMAND = [sys.executable, "-m", "gdp", "azure-face-emulator", "--judge", "measures"]


@pytest.mark.process
def test_it_prints_what_a_recipe_needs_and_leaves_at_ctrl_c() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--tier", "free", "--key", "trial"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    while not lines or not lines[-1].startswith("endpoint"):
        lines.append(process.stdout.readline())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=30)
    text = "".join(lines)
    assert "20 calls a minute" in text
    assert "export AZURE_FACE_KEY=trial\n" in text
    assert '[[filters]]\nplugin = "azure-face"\nendpoint = "http://127.0.0.1:' in text
    assert (process.returncode, rest.strip(), errors) == (0, "stopped", "")


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["azure-face-emulator", "--judge", "measures", "--port", str(port)])
        assert result.exit_code == 1
        assert f"port {port} of 127.0.0.1 is in use" in result.stderr
        assert "--port" in result.stderr
        with pytest.raises(GdpError, match="is in use"), Emulator(Settings(judge="measures"), port=port):
            pass


@pytest.mark.process
def test_options_make_the_settings() -> None:
    settings = Settings(
        key="another",
        limit=RateLimit(per_second=7, per_minute=300),
        retry_after=False,
        latency=0.05,
        judge="measures",
        limited_access_age=True,
        misbehaviour=Misbehaviour(garbage=1.0, seed=5),
    )
    with EmulatorProcess(settings) as emulator:
        import httpx

        answer = httpx.post(
            f"{emulator.endpoint}/face/v1.2/detect?returnFaceId=false&returnFaceAttributes=age",
            headers={"Ocp-Apim-Subscription-Key": "another", **BYTES},
            content=encode(faces()[0]),
        )
        assert answer.status_code == 200
        counted = emulator.statistics()
    assert counted["fates"] == {"garbage": 1}
    assert {"--no-retry-after", "--limited-access-age", "--per-minute", "300"} <= set(options(settings))


@pytest.mark.process
def test_a_process_that_cannot_start_says_why() -> None:
    with pytest.raises(GdpError, match="latency"), EmulatorProcess(Settings(latency=float("nan"))):
        pass


@pytest.mark.process
def test_help_has_an_example_and_importing_is_light() -> None:
    result = CliRunner().invoke(app, ["azure-face-emulator", "--help"])
    assert "Example: gdp azure-face-emulator --tier free" in result.stdout
    code = "import sys, gdp.testing.azure_face; print([m for m in ('torch', 'aiohttp', 'numpy') if m in sys.modules])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    light = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert light.stdout.strip() == "[]"


@pytest.mark.process
def test_the_line_of_json_holds_endpoint_and_key() -> None:
    process = subprocess.Popen([*COMMAND, "--port", "0", "--json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=30)
    assert said["endpoint"].startswith("http://127.0.0.1:")
    assert said["key"] == "emulator"
    assert process.returncode == 0


def test_two_emulators_count_apart() -> None:
    with Emulator(Settings(judge="measures")) as first, Emulator(Settings(judge="measures")) as second:
        ask(first, encode(faces()[0]))
        assert (first.statistics()["successes"], second.statistics()["successes"]) == (1, 0)
