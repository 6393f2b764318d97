"""Datasets of picture files, and the public sets that can be downloaded for them.

Settings of the datasets; imports no torch.

The public unpaired sets of CycleGAN (Zhu et al. 2017, arXiv 1703.10593), as its authors serve them.

Numbers of pictures and bytes are those of the archives. Not here: cityscapes, which its owners let nobody pass on, and
ae_photos, which has no training parts. The authors publish no hashes: the first download's is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from gdp import Config, Register, RegisterDownload, hookimpl


class ImageFolderConfig(Config):
    """Settings of `image-folder`."""

    folder: Path = Field(examples=["pictures"])
    """Folder of the pictures; folders in it are searched, too."""
    resolution: int = Field(ge=8, examples=[64])
    """Height and width in pixels: pictures are cropped to the central square and resized (bicubic, antialiased)."""


class UnpairedFolderConfig(Config):
    """Settings of `unpaired-folder`."""

    folder: Path = Field(examples=["datasets/monet2photo"])
    """Folder that holds trainA, trainB, testA and testB; folders in those are searched, too."""
    resolution: int = Field(default=256, ge=8)
    """Height and width in pixels: pictures are cropped to the central square and resized (bicubic, antialiased)."""
    max_pictures: int | None = Field(default=None, ge=1)
    """At most so many pictures of each part, evenly spread over its file names; left out, all."""
    require_test_parts: bool = True
    """Whether testA and testB must be there; if not, a part that is missing counts 0 pictures."""


HOST = "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets"

_WIKIART = "CycleGAN's authors; paintings of WikiArt, photographs of Flickr: research only"
_IMAGENET = "CycleGAN's authors; photographs of ImageNet: non-commercial research and education only"
_FLICKR = "CycleGAN's authors; photographs of Flickr: research only"
_MAPS = "CycleGAN's authors; pictures of Google Maps: research only"
_FACADES = "CMP Facade Database (Tylecek and Sara 2013): research only"


@dataclass(frozen=True)
class PublicSet:
    """One set."""

    name: str
    summary: str
    size: int
    """Bytes of the archive."""
    counts: tuple[int, int, int, int]
    """Pictures of trainA, trainB, testA, testB."""
    licence: str


PUBLIC_SETS = (
    PublicSet("apple2orange", "Apples and oranges", 78_456_409, (995, 1019, 266, 248), _IMAGENET),
    PublicSet("cezanne2photo", "Paintings by Cezanne and landscapes", 279_885_071, (525, 6287, 58, 751), _WIKIART),
    PublicSet("facades", "Photographs of facades and their labels", 35_135_868, (400, 400, 106, 106), _FACADES),
    PublicSet("horse2zebra", "Horses and zebras", 116_867_962, (1067, 1334, 120, 140), _IMAGENET),
    PublicSet("iphone2dslr_flower", "Flowers by telephone and by camera", 339_964_458, (1812, 3325, 569, 480), _FLICKR),
    PublicSet("maps", "Aerial photographs and maps", 1_476_754_427, (1096, 1096, 1098, 1098), _MAPS),
    PublicSet("monet2photo", "Paintings by Monet and landscapes", 305_231_073, (1072, 6287, 121, 751), _WIKIART),
    PublicSet("summer2winter_yosemite", "Yosemite in both seasons", 132_640_856, (1231, 962, 309, 238), _FLICKR),
    PublicSet("ukiyoe2photo", "Ukiyo-e prints and landscapes", 292_946_532, (562, 6287, 263, 751), _WIKIART),
    PublicSet("vangogh2photo", "Paintings by Van Gogh and landscapes", 306_590_349, (400, 6287, 400, 751), _WIKIART),
)


def register_public_sets(register: RegisterDownload) -> None:
    """Register every set."""
    for public in PUBLIC_SETS:
        register(
            public.name,
            urls=[f"{HOST}/{public.name}.zip"],
            size=public.size,
            parts=dict(zip(("trainA", "trainB", "testA", "testB"), public.counts, strict=True)),
            summary=public.summary,
            licence=public.licence,
            archive_folder=public.name,
        )


@hookimpl
def gdp_register_datasets(register: Register) -> None:
    """Register the built-in datasets of picture files."""
    register(
        "image-folder",
        config=ImageFolderConfig,
        implementation="gdp.plugins.datasets.folders:ImageFolder",
        summary="The pictures of a folder, cropped to squares of one size",
    )
    register(
        "unpaired-folder",
        config=UnpairedFolderConfig,
        implementation="gdp.plugins.datasets.folders:UnpairedFolder",
        summary="Pictures of two domains in the folders trainA, trainB, testA and testB, as gdp fetch-data leaves them",
    )


@hookimpl
def gdp_register_downloads(register: RegisterDownload) -> None:
    """Register the public sets of CycleGAN."""
    register_public_sets(register)
