"""Teachers that lack one property each; the sound ones are those of gdp.testing.examples."""

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


NAMES = (
    "sound-latent", "sound-translator", "no-hash", "training-mode", "no-truncation", "truncates-all", "levels",
    "batch-mean", "ignores-ws", "wrong-projection", "projection-trains", "asks-for-gradients", "does-not-run-module",
    "batch-norm", "wrong-discriminator", "bytes", "trainable",
)  # fmt: skip


@gdp.hookimpl
def gdp_register_teachers(register):
    for name in NAMES:
        cls = "".join(word.title() for word in name.split("-"))
        register(name, config=NoSettings, implementation=f"wrong_teachers:{cls}", summary="Teaches in a test")


def __getattr__(name):
    """Make the classes when they are asked for: they need torch."""
    if name.startswith("__") or name not in {"".join(word.title() for word in known.split("-")) for known in NAMES}:
        raise AttributeError(name)
    return classes()[name]


def classes():
    import torch
    from torch import nn

    from gdp.testing.examples import TinyLatentTeacher, TinyTranslatorTeacher

    class SoundLatent(TinyLatentTeacher):
        """A teacher for a test."""

    class SoundTranslator(TinyTranslatorTeacher):
        """A teacher for a test."""

    class NoHash(SoundLatent):
        fingerprint = "version 1"

    class TrainingMode(SoundLatent):
        def __init__(self, config, context):
            super().__init__(config, context)
            self.module.train()

    class Trainable(SoundLatent):
        def __init__(self, config, context):
            super().__init__(config, context)
            self.module.requires_grad_(True)

    class NoTruncation(SoundLatent):
        def map(self, z, truncation=1.0, truncation_cutoff=None):
            return super().map(z)

    class TruncatesAll(SoundLatent):
        def map(self, z, truncation=1.0, truncation_cutoff=None):
            return super().map(z, truncation)

    class Levels(SoundLatent):
        def synthesize(self, ws):
            return (super().synthesize(ws) + 1) * 127.5

    class BatchMean(SoundLatent):
        def synthesize(self, ws):
            return super().synthesize(ws - ws.mean(0, keepdim=True))

    class IgnoresWs(SoundLatent):
        def synthesize(self, ws):
            return super().synthesize(torch.zeros_like(ws))

    class WrongProjection(SoundLatent):
        def project(self, images, steps, progress):
            found = super().project(images, steps, progress)
            return gdp.Projection(found.ws[:, 0], found.images, found.steps, found.distance)

    class ProjectionTrains(SoundLatent):
        def project(self, images, steps, progress):
            with torch.no_grad():
                next(self.module.parameters()).add_(0.1)
            return super().project(images, steps, progress)

    class AsksForGradients(SoundTranslator):
        def translate(self, images):
            return super().translate(images).requires_grad_()

    class DoesNotRunModule(SoundTranslator):
        def translate(self, images):
            return images.flip(3)

    class BatchNorm(SoundTranslator):
        def translate(self, images):
            return super().translate(images - images.mean((0, 2, 3), keepdim=True)).clamp(-1, 1)

    class WrongDiscriminator(SoundTranslator):
        discriminators = (nn.Linear(7, 1), None)

    class Bytes(SoundTranslator):
        def translate(self, images):
            return ((super().translate(images) + 1) * 127.5).to(torch.uint8)

    return locals()
