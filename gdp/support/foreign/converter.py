"""Plugins: from a foreign file of weights to one that gdp's plugins load."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from gdp.core.contracts.asking import Asked, Rule, WrongAnswerError, json_figures, require, shown, yes_or_no
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


_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


def _converted(answer: Any, asked: Asked) -> Any:
    if not isinstance(answer, Converted):
        raise WrongAnswerError(f"must return a gdp.Converted, and returned {shown(answer)}")
    require(isinstance(answer.tensors, Mapping) and len(answer.tensors) > 0, "returned no tensors")
    for name, tensor in answer.tensors.items():
        if not isinstance(name, str):
            raise WrongAnswerError(f"gave a tensor the name {shown(name)}; names are text")
        if not isinstance(tensor, Tensor):
            raise WrongAnswerError(f"gave {name} as {shown(tensor)}, and that is no tensor")
    for word, said in (("what", answer.what), ("use", answer.use)):
        if not isinstance(said, str):
            raise WrongAnswerError(f"gave as its `{word}` {shown(said)}, and that is no text")
    for word, lines in (("dropped", answer.dropped), ("remarks", answer.remarks)):
        good = isinstance(lines, Sequence) and not isinstance(lines, str) and all(isinstance(one, str) for one in lines)
        if not good:
            raise WrongAnswerError(f"gave as its `{word}` {shown(lines)}, and that is no list of lines")
    json_figures(answer.architecture, asked)
    texts = isinstance(answer.metadata, Mapping) and all(
        isinstance(part, str) for pair in answer.metadata.items() for part in pair
    )
    if not texts:
        raise WrongAnswerError(f"gave as its `metadata` {shown(answer.metadata)}, and that maps no text to text")
    if not isinstance(answer.beside, Mapping):
        raise WrongAnswerError(f"gave as what is `beside` it {shown(answer.beside)}, and that is no map")
    for word, other in answer.beside.items():
        good = isinstance(word, str) and _WORD.fullmatch(word) is not None
        if not good:
            raise WrongAnswerError(
                f"names what is beside it {shown(word)}, and that is no word of letters, digits, - and _"
            )
        _converted(other, asked)
    return answer


class Converter(ABC):
    """Knows one foreign layout of weights, by the content of the file and not by its name.

    The file has been read without running anything of it: its content is plain values, tensors and the inert stand-ins
    of `gdp.support.foreign`. Lists and dictionaries in it may contain themselves: never follow them without a limit.
    """

    _contract: ClassVar[Mapping[str, Rule]] = {"recognise": yes_or_no, "convert": _converted}

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
