"""gdp's exports for OpenVINO tell nobody that they happened, and leave nothing in the user's home folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

WATCHED = """
import os, socket, sys
import urllib.request

def note(place):
    with open(os.environ["ASKED"], "a") as file:
        file.write(place + "\\n")

# All that the telemetry sends goes through these; its processes are forked, so they have them, too.
def refuse(*arguments, **settings):
    note("network")
    raise OSError("no network here")

socket.getaddrinfo = socket.create_connection = urllib.request.urlopen = refuse
before = os.fork
os.fork = lambda: (note("fork"), before())[1]

def settled():
    from time import sleep
    module = sys.modules.get("openvino_telemetry.main")
    if module is not None:
        module.Telemetry().sender.executor.shutdown(wait=True)
"""

EXPORTED = """
import numpy, torch
from pathlib import Path
from torch import nn
from gdp.plugins.engines import OpenVinoConfig, OpenVinoInt8Config
from gdp.plugins.engines.openvino_engine import OpenVinoEngine, OpenVinoInt8Engine
from gdp.support.interfaces.engines import EngineContext
from gdp.support.interfaces.picture_network import PictureNetwork

network = PictureNetwork(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1),
                                       nn.Conv2d(8, 3, 3, padding=1))).eval()
pictures = numpy.zeros((2, 16, 16, 3), numpy.uint8)
folder = Path(os.environ["HOME"]).parent
context, example = EngineContext(threads=1), torch.zeros(2, 16, 16, 3, dtype=torch.uint8)
rounded = OpenVinoInt8Engine(OpenVinoInt8Config(), context)
rounded.calibrate(pictures)
for name, engine in (("float.xml", OpenVinoEngine(OpenVinoConfig(), context)), ("int8.xml", rounded)):
    engine.export(network, example, 1, folder / name)
    assert engine.open(folder / name)(pictures).shape == (2, 16, 16, 3)
"""

OWN_USE = """
import openvino
"""


def run(folder: Path, *code: str) -> list[str]:
    """Run Python with a home folder of its own, in no test and no CI; return what asked for network or forked."""
    (folder / "home").mkdir()
    asked = folder / "asked"
    asked.touch()
    hidden = ("CI", "TF_BUILD", "JENKINS_URL", "NNCF_CI", "NNCF_DEV")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HOME": str(folder / "home"), "LOCALAPPDATA": str(folder / "home"), "ASKED": str(asked)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", "\n".join((WATCHED, *code))], env=environment, check=True)
    return asked.read_text().split()


def test_exports_and_the_engines_send_nothing_and_leave_nothing_in_the_home_folder(tmp_path: Path) -> None:
    check = 'settled(); assert "openvino_telemetry" not in sys.modules'
    assert run(tmp_path, EXPORTED, check) == []
    assert not list((tmp_path / "home").glob("intel*"))


def test_exports_send_nothing_where_a_program_has_loaded_the_telemetry_before(tmp_path: Path) -> None:
    """And what it sends itself, before and after, is its own affair: which shows, too, that this test could fail."""
    marks = 'note("exporting")', 'note("exported")'
    after = "module = sys.modules['openvino_telemetry.main'].Telemetry(); module.send_event('a', 'b', 'c'); settled()"
    wait = "from time import sleep; sleep(1.0)"
    told = run(tmp_path, OWN_USE, wait, marks[0], EXPORTED, wait, marks[1], after)
    start, end = told.index("exporting"), told.index("exported")
    assert "network" in told[:start], "importing OpenVINO tells its makers"
    assert told[start + 1 : end] == []
    assert "network" in told[end:]


def test_a_programs_own_import_of_the_telemetry_is_possible_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    from gdp.plugins.engines.telemetry import PACKAGE, nothing_sent

    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    with nothing_sent(), nothing_sent(), pytest.raises(ImportError):
        __import__(PACKAGE)
    assert PACKAGE not in sys.modules
    with pytest.raises(ZeroDivisionError), nothing_sent():
        1 / 0  # noqa: B018 # an error inside
    assert PACKAGE not in sys.modules
