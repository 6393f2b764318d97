"""Aligners that lack one property each, and a sound one."""

import gdp


class NoSettings(gdp.Config):
    """Nothing to set."""


ALIGNERS = ("sound-aligner", "nameless", "stretched", "no-squares", "remembers-the-last", "large-only", "blackens")


def title(name):
    return "".join(word.title() for word in name.split("-"))


@gdp.hookimpl
def gdp_register_aligners(register):
    for name in ALIGNERS:
        place = f"wrong_aligners:{title(name)}"
        register(name, config=NoSettings, implementation=place, summary="Finds something in a test")


def __getattr__(name):
    """Make the classes when they are asked for: they need numpy."""
    if name not in {title(known) for known in ALIGNERS}:
        raise AttributeError(name)
    return aligners()[name]


def aligners():
    import numpy

    def square(side, left=0.0, top=0.0, down=None):
        return gdp.Square(numpy.array([[side, 0.0, left], [0.0, side if down is None else down, top]]))

    class SoundAligner(gdp.Aligner):
        """Finds the upper left of each picture, moved by its mean."""

        finds = ("corner", "corners")

        def regions(self, pictures):
            return [[square(8.0, picture.mean(), 1.0)] for picture in pictures]

    class Nameless(SoundAligner):
        """Says no words."""

        finds = "corners"

    class Stretched(SoundAligner):
        """Finds what is no square."""

        def regions(self, pictures):
            return [[square(8.0, down=9.0)] for _ in pictures]

    class NoSquares(SoundAligner):
        """Finds boxes."""

        def regions(self, pictures):
            return [[(0, 0, 8, 8)] for _ in pictures]

    class RemembersTheLast(SoundAligner):
        """Smooths what it finds over the pictures."""

        def regions(self, pictures):
            return [[square(8.0, pictures[:number].mean())] for number in range(1, len(pictures) + 1)]

    class LargeOnly(SoundAligner):
        """Does not look at small pictures."""

        def regions(self, pictures):
            if min(pictures.shape[1:3]) < 20:
                raise ValueError("too small")
            return super().regions(pictures)

    class Blackens(SoundAligner):
        """Writes into its input."""

        def regions(self, pictures):
            found = super().regions(pictures)
            pictures[:, 0] = 0
            return found

    return {found.__name__: found for found in (SoundAligner, *SoundAligner.__subclasses__())}
