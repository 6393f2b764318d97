"""Engines of a third party that fail in every way in which an engine can, and one that works."""

import sys

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


class PanicError(BaseException):
    """What a library in Rust raises; no `Exception`."""


class Sound(gdp.Engine):
    """Runs the student's weights in torch."""

    file = "sound.weights"
    runs_from_weights = True

    def export(self, network, example, size_multiple, path):
        path.write_bytes(b"nothing that anybody reads")

    def open(self, path, network=None):
        import torch

        module = network()

        @torch.no_grad()
        def translate(pictures):
            return module(torch.from_numpy(pictures)).numpy()

        return translate

    def describe(self):
        return "torch, in a test"


def failing(method, error, **members):
    def fail(self, *arguments):
        raise error

    return type("Failing", (Sound,), {method: fail, **members})


def panic():
    raise PanicError("at import")


class TranslateFails(Sound):
    def open(self, path, network=None):
        def translate(pictures):
            raise PanicError("in the middle of a picture")

        return translate


class Crops(Sound):
    def open(self, path, network=None):
        return lambda pictures: pictures[:, 1:, 1:]


ENGINES = {
    "built-by-runtime-error": lambda: failing("__init__", RuntimeError("no device")),
    "built-by-exit": lambda: failing("__init__", SystemExit("good bye")),
    "built-by-panic": lambda: failing("__init__", PanicError("index out of bounds")),
    "imported-by-panic": panic,
    "imported-by-exit": lambda: sys.exit("no licence"),
    "opened-by-exit": lambda: failing("open", SystemExit(0)),
    "exported-by-panic": lambda: failing("export", PanicError("no such operator"), runs_from_weights=False),
    "described-by-exit": lambda: failing("describe", SystemExit(5)),
    "translated-by-panic": lambda: TranslateFails,
    "crops": lambda: Crops,
    "without-file": lambda: type("WithoutFile", (Sound,), {"file": None}),
    "sound": lambda: Sound,
}


def title(name):
    return "".join(word.title() for word in name.split("-"))


def __getattr__(name):
    """Make the classes when they are asked for: some fail then."""
    for known, make in ENGINES.items():
        if title(known) == name:
            return make()
    raise AttributeError(name)


@gdp.hookimpl
def gdp_register_engines(register):
    for name in ENGINES:
        place = f"breaking:{title(name)}"
        register(name, config=NoSettings, implementation=place, summary="Fails in a test, or is held against those")
