"""Public direction files become gdp's own, the same direction with its norm told."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gdp.core.errors import CorruptFileError
from gdp.core.progress import SilentProgress
from gdp.registry import PluginRegistry
from gdp.support.directions import read_direction
from gdp.tools.convert import convert

SHARED = Path(os.environ.get("GDP_GOLDEN") or Path(__file__).parents[3].parent / "shared" / "golden").parent
REAL = SHARED / "real" / "latent_directions"
FILES = [*sorted(REAL.glob("*/*.npy")), *(path for path in sorted(REAL.glob("*/*.pt")) if "pca" not in path.name)]


@pytest.mark.skipif(not FILES, reason=f"no published directions at {REAL}")
def test_published_directions_stay_what_they_are(tmp_path: Path) -> None:
    registry = PluginRegistry.discover()
    for number, path in enumerate(FILES):
        (written,) = convert(path, registry, SilentProgress(), target=tmp_path / f"{number}.safetensors")
        ours, theirs = read_direction(written.path), read_direction(path)
        assert torch.allclose(ours.vectors, theirs.vectors, atol=1e-6), path
        assert ours.scale is None
        array = np.load(path) if path.suffix == ".npy" else torch.load(path, map_location="cpu").numpy()
        norms = np.linalg.norm(array.reshape(-1, array.shape[-1]), axis=1)
        assert written.card["architecture"]["norm"] == pytest.approx(np.sqrt((norms**2).mean()), rel=1e-5)


def test_a_boundary_in_z_stays_one(tmp_path: Path) -> None:
    registry = PluginRegistry.discover()
    for name, space in (("pggan_celebahq_age_boundary", "z"), ("age", "")):
        np.save(tmp_path / f"{name}.npy", np.linspace(-1, 1, 64))
        (written,) = convert(tmp_path / f"{name}.npy", registry, SilentProgress(), target=tmp_path / "new.safetensors",
                             overwrite=True)  # fmt: skip
        assert read_direction(written.path).space == space
        assert any("cannot be added to w" in remark for remark in written.card["remarks"]) == (space == "z")


def test_what_is_no_direction_is_refused(tmp_path: Path) -> None:
    registry = PluginRegistry.discover()
    for name, array in (
        ("flat", np.zeros((1, 64))),
        ("whole", np.ones((1, 64), int)),
        ("square", np.ones((64, 64, 3))),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(CorruptFileError, match=r"0 everywhere|no layout that is known"):
            convert(tmp_path / f"{name}.npy", registry, SilentProgress())
