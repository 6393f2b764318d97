"""`image-folder`: the pictures of a folder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gdp.core.errors import MissingResourceError
from gdp.core.interfaces.context import BuildContext
from gdp.core.interfaces.datasets import Dataset
from gdp.plugins.datasets.config import ImageFolderConfig
from gdp.plugins.datasets.pictures import open_picture, picture_files, read_all, square


class ImageFolder(Dataset):
    """Pictures numbered in the order of their paths, read from disk each time that they are asked for.

    Raises:
        MissingResourceError: there is no such folder, or no picture in it.
    """

    def __init__(self, config: ImageFolderConfig, context: BuildContext) -> None:
        super().__init__(config, context)
        self._paths = picture_files(config.folder, recursive=True)
        if not self._paths:
            raise MissingResourceError(f"{config.folder}: there are no pictures (JPEG, PNG, WebP, ...) in this folder.")

    def __len__(self) -> int:
        return len(self._paths)

    @property
    def resolution(self) -> int:
        """Height and width in pixels, as the settings say."""
        return int(self.config.resolution)

    def images(self, indices: Sequence[int]) -> Tensor:
        """Read pictures (N, 3, R, R) uint8 RGB.

        Raises:
            CorruptFileError: some are no whole pictures; the message names them.
        """
        paths = [self._paths[index] for index in indices]
        return torch.stack(read_all(paths, lambda path: square(open_picture(path), self.resolution)))
