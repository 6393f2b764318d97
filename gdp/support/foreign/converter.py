"""Plugins: from a foreign file of weights to one that gdp's plugins load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from gdp.core.progress import Progress
from gdp.support.foreign import ForeignFile


@dataclass(frozen=True)
class Converted:
    """What a foreign file became; `gdp convert` writes it as a .safetensors file with a card beside it.

    Attributes:
        what: One line on what it is, such as `StyleGAN2 generator, 1024 px`.
        tensors: By the names under which the plugin that loads them knows them.
        use: Lines of a recipe that use it; `{file}` stands for the path of the new file.
        architecture: Resolution, widths and the like; plain JSON values.
        metadata: For the .safetensors file: what its loader needs and no tensor tells.
        dropped: What of the foreign file was left out, and why, one line each.
        remarks: What a user should know, one line each.
        beside: Further networks of the same file, each for a file of its own, by the word that is added to the name.
    """

    what: str
    tensors: Mapping[str, Tensor]
    use: str
    architecture: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    dropped: Sequence[str] = ()
    remarks: Sequence[str] = ()
    beside: Mapping[str, Converted] = field(default_factory=dict)


class Converter(ABC):
    """Knows one foreign layout of weights, by the content of the file and not by its name.

    The file has been read without running anything of it: its content is plain values, tensors and the inert stand-ins
    of `gdp.support.foreign`. Lists and dictionaries in it may contain themselves: never follow them without a limit.
    """

    @abstractmethod
    def recognise(self, file: ForeignFile) -> bool:
        """Tell whether the file has this layout. Of several that could be meant, only one may say so."""

    @abstractmethod
    def convert(self, file: ForeignFile, progress: Progress) -> Converted:
        """Convert the file; called if it was recognised, or if the user says that it has this layout.

        Raises:
            CorruptFileError: it does not have this layout, or a variant that is not supported; the message says what
                is missing, without the file's name.
        """
