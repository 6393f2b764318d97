"""Convert the files of a folder one after the other, with everything watched that they could set going.

Prints a JSON object: for each file its error's class and message and the seconds of
the processor that it took (a busy machine must not decide); the largest resident memory
of the process in bytes; and every event of Python that a file of weights has no business to cause.
"""

import copyreg
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import torch.utils._device  # noqa: F401 # what a network on the meta device imports when the first is made

from gdp.core.errors import GdpError
from gdp.core.progress import SilentProgress
from gdp.registry import PluginRegistry
from gdp.support.measuring import peak_bytes
from gdp.tools.convert import convert

SECONDS = 60
EVENTS = (
    "import",
    "exec",
    "compile",
    "os.",
    "subprocess.",
    "pickle.",
    "socket.",
    "pty.",
    "ctypes.",
    "shutil.",
    "marshal.",
)
HARMLESS = ("os.listdir", "os.scandir", "os.truncate")


def main(folder: Path, good: Path) -> None:
    registry, seen = PluginRegistry.discover(), []
    # Everything that a conversion imports by itself is imported before the watch begins.
    convert(good, registry, SilentProgress(), target=folder / "out" / "good.safetensors")
    copyreg.add_extension("os", "system", 240)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    current = ""

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if current and event.startswith(EVENTS) and event not in HARMLESS:
            seen.append([current, event, repr(arguments)[:200]])

    sys.addaudithook(watch)
    outcomes = {}
    for path in sorted(folder.glob("*.hostile")):
        signal.alarm(SECONDS)  # kills the process: what hangs in C is not interrupted otherwise
        began, current = time.process_time(), path.stem
        try:
            convert(path, registry, SilentProgress(), target=folder / "out" / "converted.safetensors", overwrite=True)
            kind, message = "", "it was converted"
        except GdpError as error:
            kind, message = type(error).__name__, str(error)
        except Exception as error:  # noqa: BLE001 # what a user would see as a traceback
            kind, message = f"unexpected {type(error).__name__}", str(error)
        current = ""
        outcomes[path.stem] = {"kind": kind, "message": message, "seconds": time.process_time() - began}
        signal.alarm(0)
    memory = peak_bytes()
    print(json.dumps({"outcomes": outcomes, "memory": memory, "events": seen, "process": os.getpid()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
