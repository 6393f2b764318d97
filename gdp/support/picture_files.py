"""Picture files and what is seen of them, by one set of rules for training and for use. Imports no torch."""

from __future__ import annotations

import io
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from gdp.core.errors import CorruptFileError, MissingResourceError, OutOfMemoryError, ShapeError
from gdp.core.memory import MemoryBound, describe_bytes
from gdp.support.picture_finding import PHONE_ENDINGS
from gdp.support.squares import Levels

_OPENING = threading.Lock()
"""Pillow's limit of pixels and warnings are of the whole process, so one thread at a time changes them."""
_TURNS: dict[int, Callable[[NDArray[numpy.uint8]], NDArray[numpy.uint8]]] = {
    2: lambda values: values[:, ::-1],
    3: lambda values: values[::-1, ::-1],
    4: lambda values: values[::-1],
    5: lambda values: values.swapaxes(0, 1),
    6: lambda values: values.swapaxes(0, 1)[:, ::-1],
    7: lambda values: values.swapaxes(0, 1)[::-1, ::-1],
    8: lambda values: values.swapaxes(0, 1)[::-1],
}
"""What turns a picture upright, by its EXIF orientation."""
_SCALED = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")
"""Pillow's modes of grey levels beyond 8 bits, which it would clip at 255 instead of scaling them."""
_SAMPLE_FORMAT, _UNSIGNED = 339, 1
_WHITE_IS_ZERO = 0
"""Tags of TIFF 6.0, and values of theirs."""
EVERYDAY_PIXELS = 2**26
"""Pictures up to so many pixels, 67 million, are read whatever the memory."""
WORK_BYTES = 12
"""That a pixel of a picture takes at most while the file is read, or the picture translated or written: 4 of the
decoder's or encoder's, 3 of the picture, 3 of what it becomes; with alpha 1 more of each."""
STRIP_PIXELS = 2**20
KINDS_OF_PICTURES = "a student takes PIL images, paths and uint8 arrays (height, width, 3) or (N, height, width, 3)"
LARGEST_PROFILE = 2**24
"""Bytes of the largest colour profile that is read: of printers and calibrated screens they have millions."""
_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_SHARES = 16
"""Floats up to this are shares of white: a picture of levels to 255 that are all below it would be as good as black."""
_PROFILED = {"CMYK": (b"CMYK", "CMYK"), "L": (b"GRAY", "L"), "LA": (b"GRAY", "L"), "LAB": (b"Lab ", "LAB")}
_NEVER_RGB = ("CMYK", "LAB")
"""Pillow's modes of which a profile of RGB says nothing."""
_PROFILED |= dict.fromkeys(_SCALED, (b"GRAY", "L"))
"""Pillow's modes whose colours go through a profile: its ICC signature, and what LittleCMS calls the mode."""


@dataclass(frozen=True)
class PictureFile:
    """A picture file in memory, upright, in 8 bits.

    Attributes:
        path: Where it was read from.
        levels: (H, W, 3) uint8 RGB, with what hides under transparent parts.
        alpha: (H, W) uint8; None where the file is opaque.
        colour_profile: Its ICC profile, where that is one of RGB; through those of CMYK, grey and Lab the levels went.
        animated: Whether the file goes on after this picture: with frames, or with pages.
    """

    path: Path
    levels: Levels
    alpha: NDArray[numpy.uint8] | None = None
    colour_profile: bytes | None = None
    animated: bool = False

    def on_white(self) -> Levels:
        """Return what networks are shown: (H, W, 3) uint8 RGB, transparent parts on white."""
        if self.alpha is None:
            return self.levels
        shown = numpy.empty_like(self.levels, order="C")
        for rows in strips(self.levels.shape):
            coloured = Image.fromarray(numpy.dstack([self.levels[rows], self.alpha[rows]]))
            white = Image.new("RGBA", coloured.size, "white")
            shown[rows] = numpy.asarray(Image.alpha_composite(white, coloured).convert("RGB"))
        return shown


def strips(shape: Sequence[int]) -> Iterator[slice]:
    """Yield slices of a picture's rows, (H, W, ...), so that copies of a strip take little beside the picture."""
    height, width = shape[:2]
    step = max(1, STRIP_PIXELS // max(1, width))
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def read_picture(path: Path, memory: MemoryBound | None = None) -> PictureFile:
    """Read a picture file of any kind that Pillow knows; of an animation the first frame.

    It is turned as its EXIF orientation says, of which no other tag is read; grey levels of 16 bits are scaled to 8; an
    alpha channel is kept apart; colours that are not RGB become sRGB, through the ICC profile of the file. Besides the
    picture itself, in memory is what its decoder holds: 4 bytes a pixel.

    Args:
        path: the file.
        memory: a picture beyond `EVERYDAY_PIXELS` may take half of what is free, or more where this bound allows more;
            a file of a few kilobytes may claim to be larger than any memory.

    Raises:
        MissingResourceError: there is no such file.
        CorruptFileError: it is no picture, or damaged.
        OutOfMemoryError: it is larger than the memory allows.
    """
    if not path.is_file():
        raise MissingResourceError(f"{path}: there is no such picture")
    try:
        return _read(path, memory or MemoryBound())
    except OutOfMemoryError:
        raise
    except MemoryError as error:
        raise OutOfMemoryError(f"{path}: the memory does not suffice to read this picture; make it smaller") from error
    except Exception as error:  # decoders raise anything on damaged files
        mend = "save it as JPEG" if path.suffix.lower() in PHONE_ENDINGS else "repair it or take it away"
        why = str(error) or type(error).__name__
        raise CorruptFileError(f"{path}: this is no picture that can be read ({why}); {mend}") from error


def _read(path: Path, memory: MemoryBound, pixels_alone: io.BytesIO | None = None) -> PictureFile:
    try:
        with _open(path if pixels_alone is None else pixels_alone) as file:
            _check_size(path, file.size, memory)
            animated = _is_animated(file)
            file.load()
            profile = file.info.get("icc_profile")
            turn = _turn(file)
            levels, alpha = _split(file, _to_srgb(file.mode, profile))
    except (OSError, ValueError, SyntaxError):  # Pillow's words for any damage
        bare = None if pixels_alone is not None else _png_of_pixels(path, memory)
        if bare is None:
            raise
        return _read(path, memory, bare)
    if turn is not None:
        levels, alpha = _turned(levels, turn), None if alpha is None else _turned(alpha, turn)
    is_rgb = isinstance(profile, bytes) and profile[16:20] == b"RGB " and file.mode not in _NEVER_RGB
    return PictureFile(path, levels, alpha, profile if is_rgb else None, animated)


def _png_of_pixels(path: Path, memory: MemoryBound) -> io.BytesIO | None:
    """Return a PNG file without its texts, and without other chunks beside the pixels that are damaged; else None.

    Pillow refuses the whole picture for one of them.
    """
    with path.open("rb") as file:
        if file.read(len(_PNG)) != _PNG or path.stat().st_size > memory.largest:
            return None
        content = _PNG + file.read()
    kept, place = [_PNG], len(_PNG)
    while place < len(content):  # length, name, content, checksum: PNG specification, 5.3
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        name, chunk = content[place + 4 : place + 8], content[place:end]
        is_whole = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if name[:1].isupper() or (is_whole and name not in _TEXTS):  # an upper letter: no picture without it
            kept.append(chunk)
        place = end
    return io.BytesIO(b"".join(kept))


def picture_pixels(path: Path) -> int:
    """Return how many pixels a picture file has by its head; 0 where that cannot be told, which reading it explains."""
    if not path.is_file():  # of a pipe nothing may ever come
        return 0
    try:
        with _open(path) as file:
            return int(file.width * file.height)
    except Exception:  # noqa: BLE001 # the same as above, and told when the file is read
        return 0


def _check_size(path: Path, size: tuple[int, int], memory: MemoryBound) -> None:
    pixels = size[0] * size[1]
    if pixels <= EVERYDAY_PIXELS:
        return
    takes, largest = pixels * WORK_BYTES, memory.largest
    if takes > largest:
        raise OutOfMemoryError(
            f"{path}: a picture of {size[0]} x {size[1]} px takes about {describe_bytes(takes)} to work on, and one "
            f"picture may take {describe_bytes(largest)} here. Make it smaller, or allow more with --memory, or memory "
            f"in [limits] of a recipe"
        )


def shown_levels(image: Image.Image) -> Levels:
    """Return what networks are shown of an image in memory: (H, W, 3) uint8 RGB, as of a file; it is not turned."""
    to_srgb = _to_srgb(image.mode, image.info.get("icc_profile"))
    return PictureFile(Path(), *_split(image, to_srgb)).on_white()


def levels_of(picture: object) -> Levels:
    """Return what networks are shown of a picture as people have it in Python: (H, W, 3) uint8, or ([N,] H, W, C).

    Args:
        picture: a PIL image, the path of a picture file, or uint8 levels ([N,] H, W, C), which are returned.

    Raises:
        ShapeError: it is something else.
        MissingResourceError, CorruptFileError: a path is no picture file.
    """
    if isinstance(picture, Image.Image):
        return shown_levels(picture)
    if isinstance(picture, str | Path):
        return read_picture(Path(picture)).on_white()
    if not isinstance(picture, numpy.ndarray):
        raise ShapeError(f"{KINDS_OF_PICTURES}; got {type(picture).__name__}")
    if picture.dtype != numpy.uint8 or picture.ndim not in (3, 4) or 0 in picture.shape:
        raise ShapeError(f"{KINDS_OF_PICTURES}; got an array of {picture.dtype} {picture.shape}")
    return picture if picture.flags.writeable else picture.copy()  # as of numpy.asarray(image), which torch warns of


def _open(file: Path | io.BytesIO) -> Image.Image:
    with _OPENING:
        # Pillow's own limits are of the whole process; ours of pixels is by memory.
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        beside, PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_CHUNK, LARGEST_PROFILE
        try:
            with warnings.catch_warnings(action="ignore"):  # of tags, which do not matter
                return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = limit, beside


def _turn(file: Image.Image) -> int | None:
    """Return the EXIF orientation of a picture that is not upright."""
    try:
        with _OPENING, warnings.catch_warnings(action="ignore"):
            orientation = file.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # noqa: BLE001 # a damaged block of tags; the pixels are whole
        return None
    return orientation if orientation in _TURNS else None


def _is_animated(file: Image.Image) -> bool:
    """Say whether a file holds several pictures to look at; a telephone's .mpo and icons hold one in many sizes."""
    try:
        return file.format not in ("MPO", "ICO", "ICNS") and bool(getattr(file, "is_animated", False))
    except Exception:  # noqa: BLE001 # what follows is damaged; the first picture may be whole
        return False


def _turned(values: NDArray[numpy.uint8], orientation: int) -> NDArray[numpy.uint8]:
    """Return levels (H, W, ...) upright, by their EXIF orientation."""
    return numpy.ascontiguousarray(_TURNS[orientation](values))


def _to_srgb(mode: str, profile: object) -> ImageCms.ImageCmsTransform | None:
    """Return the way from colours that are not RGB to sRGB, by their profile; None without one that fits."""
    known = _PROFILED.get(mode)
    if known is None or not isinstance(profile, bytes) or profile[16:20] != known[0]:
        return None
    try:
        return ImageCms.buildTransform(io.BytesIO(profile), ImageCms.createProfile("sRGB"), known[1], "RGB")
    except (ImageCms.PyCMSError, OSError):  # a damaged profile; the colours are whole, and shown as without one
        return None


def _split(
    image: Image.Image, to_srgb: ImageCms.ImageCmsTransform | None = None
) -> tuple[Levels, NDArray[numpy.uint8] | None]:
    """Return levels (H, W, 3) and alpha (H, W)."""
    shape = (image.height, image.width)
    levels = numpy.empty((*shape, 3), numpy.uint8)
    deep = image.mode in _SCALED
    clear = image.info.get("transparency") if deep else None
    alpha = numpy.empty(shape, numpy.uint8) if isinstance(clear, int) or (not deep and _has_alpha(image)) else None
    values = _deep_levels(image) if deep else None
    scale = None if values is None else _scale(values)
    for rows in strips(shape):  # the whole picture would be copied several times
        if values is not None and scale is not None:
            strip = Image.fromarray(scale(values[rows]))
        else:
            strip = image.crop((0, rows.start, image.width, rows.stop))
        levels[rows] = _coloured(strip, to_srgb)
        if alpha is not None and values is not None:
            alpha[rows] = numpy.where(values[rows] == clear, 0, 255)
        elif alpha is not None:
            alpha[rows] = numpy.asarray(strip.convert("RGBA"))[..., 3]
    return levels, alpha


def _has_alpha(image: Image.Image) -> bool:
    """Say whether an image has transparent parts; Pillow asserts a palette, which an icon's picture may lack."""
    return image.has_transparency_data if image.mode != "P" or image.palette else "transparency" in image.info


def _deep_levels(image: Image.Image) -> NDArray[numpy.generic]:
    """Return grey levels of more than 8 bits (H, W) as their file means them: of a .tif Pillow overlooks two tags."""
    values = numpy.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if values.dtype == numpy.int32 and tags.get(_SAMPLE_FORMAT) == (_UNSIGNED,):
        return values.view(numpy.uint32)
    if values.dtype.kind == "u" and tags.get(ExifTags.Base.PhotometricInterpretation) == _WHITE_IS_ZERO:
        return numpy.iinfo(values.dtype).max - values
    return values


def _coloured(strip: Image.Image, to_srgb: ImageCms.ImageCmsTransform | None) -> Levels:
    """Return levels (h, W, 3) of a strip; those with transparent parts as they are, not blended."""
    if to_srgb is not None:
        plain = strip.convert("L") if strip.mode == "LA" else strip
        return numpy.asarray(ImageCms.applyTransform(plain, to_srgb))
    return numpy.asarray(strip.convert("RGBA" if _has_alpha(strip) else "RGB"))[..., :3]


def _scale(values: NDArray[numpy.generic]) -> Callable[[NDArray[numpy.generic]], NDArray[numpy.uint8]]:
    """Return what brings grey levels of more than 8 bits to 8, by the largest of the whole picture.

    Whole numbers are of 16 bits, or of 31 or 32 where one is larger. Floats are shares of white, some beyond it, up to
    16; or levels up to 255; or of 16 bits. NaN is black, infinity white.
    """
    largest = max(_largest(values[rows]) for rows in strips(values.shape))
    if values.dtype.kind != "f":
        bits = 8 if largest < 2**16 else 23 if largest < 2**31 else 24
        return lambda part: (part.astype(numpy.int64) >> bits).clip(0, 255).astype(numpy.uint8)
    factor = 255 if largest <= _SHARES else 1 if largest <= 255 else 1 / 256

    def scaled(part: NDArray[numpy.generic]) -> NDArray[numpy.uint8]:
        finite = numpy.nan_to_num(part.astype(numpy.float64), posinf=2.0**32, neginf=0)
        shares = numpy.rint(finite * factor) if factor == 255 else finite * factor
        levels: NDArray[numpy.uint8] = shares.clip(0, 255).astype(numpy.uint8)
        return levels

    return scaled


def _largest(values: NDArray[numpy.generic]) -> float:
    """Return the largest number of an array that is finite; 0 where there is none."""
    finite = values[numpy.isfinite(values)]
    return float(finite.max()) if finite.size else 0.0
