"""The judges that `gdp make-judge` makes: what each is, from which published file, and under whose terms."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gdp import CorruptFileError, GdpError, MissingResourceError
from gdp.plugins.face_ages import HOW
from gdp.toolbox import did_you_mean, write_atomically


@dataclass(frozen=True)
class Judge:
    """What is known of a judge."""

    what: str
    source: str
    """What it is made from, as its authors publish it."""
    suffix: str
    licence: str
    training_data: str
    use: str
    """Lines of a recipe; `{file}` stands for the file that was written."""


JUDGES: Mapping[str, Judge] = {
    "face-api": Judge(
        what="age and gender of a face cut as FFHQ's, 0.43 M parameters (face-api.js)",
        source=f"the npm package, as a .tgz file or a folder: {HOW.partition(' && ')[0]}",
        suffix=".safetensors",
        licence="MIT (justadudewhohacks/face-api.js; vladmandic/face-api)",
        training_data="by its authors' account UTKFace, FG-NET, ChaLearn, IMDB-WIKI, CACD, MegaAge: partly for "
        "research only; look their terms up before you sell what is chosen by it",
        use='[[filters]]\nplugin = "photo-attributes"\nweights = "{file}"\nmin_age = 18',
    ),
    "fairface": Judge(
        what="FairFace, ResNet-34: gender and age bins, for the preset of onnx-classifier",
        source="res34_fair_align_multi_7_20190809.pt of dchen236/FairFace",
        suffix=".onnx",
        licence="as its authors say (data set: CC BY 4.0); gdp does not know the weights' terms, look them up",
        training_data="FairFace (pictures of YFCC-100M), after ImageNet",
        use='[[filters]]\nplugin = "onnx-classifier"\nweights = "{file}"\npreset = "fairface"\nmin_age = 20',
    ),
    "vit-age-classifier": Judge(
        what="a vision transformer of FairFace's age bins, for the preset of onnx-classifier",
        source="model.safetensors or pytorch_model.bin of nateraw/vit-age-classifier, or the folder",
        suffix=".onnx",
        licence="as its author says; gdp does not know the weights' terms, look them up",
        training_data="FairFace, after ImageNet-21k",
        use='[[filters]]\nplugin = "onnx-classifier"\nweights = "{file}"\npreset = "vit-age-classifier"\nmin_age = 20',
    ),
}


def make(
    name: str, source: Path, output: Path | None = None, *, overwrite: bool = False
) -> tuple[Path, dict[str, Any]]:
    """Make a judge from its published file; return what was written and its card.

    Args:
        name: of `JUDGES`.
        source: the published file or folder.
        output: the file to write; None for the judge's name in the working folder.
        overwrite: whether files that are there may be replaced.

    Raises:
        GdpError: there is no such judge; or the file to write is there already, or cannot be written.
        MissingResourceError, CorruptFileError: the published file is not there, is damaged, or another network.
    """
    if name not in JUDGES:
        raise GdpError(f'there is no judge "{name}"{did_you_mean(name, JUDGES)}; gdp make-judge --list shows all')
    judge = JUDGES[name]
    target = Path(f"{name}{judge.suffix}") if output is None else output
    if target.suffix != judge.suffix:
        raise GdpError(f"{target}: the new file's name must end in {judge.suffix}.")
    card_path = target.with_suffix(".json")
    if taken := [] if overwrite else _taken(target, card_path):
        raise GdpError(f"{taken[0]} is there already: name another file with -o, or pass --overwrite.")
    if not source.exists():
        raise MissingResourceError(f"{source}: there is no such file or folder. It is made from {judge.source}.")
    with TemporaryDirectory() as scratch:
        made = Path(scratch) / target.name
        try:
            made_from = _MAKERS[name](source, made)
        except CorruptFileError as error:
            told = str(error) if str(error).startswith(str(source)) else f"{source}: {error}"
            raise CorruptFileError(f"{told}. It is made from {judge.source}.") from error
        content = made.read_bytes()
    card = {
        "what": judge.what, "file": target.name, "sha256": hashlib.sha256(content).hexdigest(),
        "source": {"name": source.name, "sha256_of_weights": made_from}, "licence": judge.licence,
        "training_data": judge.training_data, "use": judge.use.replace("{file}", target.name),
    }  # fmt: skip
    if target.is_file() or not target.exists():  # beside a device or a pipe stands no card
        # The judge comes last: as long as it lacks, the making has not ended, and goes on when repeated.
        write_atomically(card_path, (json.dumps(card, indent=2) + "\n").encode())
    write_atomically(target, content)
    return target, card


def _taken(target: Path, card: Path) -> list[Path]:
    """Return what is there already, but for the card of a making that was broken off."""
    there = [path for path in (target, card) if path.exists()]
    if there != [card]:
        return there
    try:
        found = json.loads(card.read_bytes())
    except (OSError, ValueError, RecursionError):
        return there
    return [] if isinstance(found, dict) and found.keys() == _CARD and found["file"] == target.name else there


_CARD = {"what", "file", "sha256", "source", "licence", "training_data", "use"}


def _face_api(source: Path, target: Path) -> str:
    from gdp.plugins.face_ages.published import read_published
    from gdp.toolbox import write_tensors

    tensors, content = read_published(source)
    write_tensors(target, tensors, {"licence": JUDGES["face-api"].licence})
    return hashlib.sha256(content).hexdigest()


def _fairface(source: Path, target: Path) -> str:
    from gdp.plugins.onnx_filters.making import fairface_network, read_checkpoint, write_classifier

    write_classifier(fairface_network(read_checkpoint(source)), target)
    return hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else ""


def _vit(source: Path, target: Path) -> str:
    from gdp.plugins.onnx_filters.making import read_checkpoint, vit_network, write_classifier

    write_classifier(vit_network(read_checkpoint(source)), target)
    return hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else ""


_MAKERS: Mapping[str, Callable[[Path, Path], str]] = {
    "face-api": _face_api,
    "fairface": _fairface,
    "vit-age-classifier": _vit,
}
