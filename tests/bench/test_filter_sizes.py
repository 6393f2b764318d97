from __future__ import annotations

from pathlib import Path

import filter_sizes
import pytest
from PIL import Image

from gdp.core.pictures import to_array, to_levels
from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.renderer import render


def test_what_is_dropped_at_each_size_stands_in_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, face in enumerate(to_levels(render(sample_attributes(5, range(2)), 128))):
        picture = Image.fromarray(to_array(face))
        blurred = picture.resize((16, 16)).resize((128, 128))
        picture.save(tmp_path / f"{number}_projected.jpg", quality=95)
        (blurred if number else picture).save(tmp_path / f"{number}_older.jpg", quality=95)
    filter_sizes.main([str(tmp_path), "--edit", "older", "--sizes", "128", "64"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "| filter, by default | 128 px | 64 px | why |"
    assert printed[2] == "| `sharpness` | 1 of 2 | 1 of 2 | target is blurred |"
    assert printed[3].startswith("| `artifact` | 1 of 2 | 1 of 2 | ")
    assert printed[4] == "| `duplicate` | 0 of 2 | 0 of 2 |  |"


def test_a_folder_without_such_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="there is no ID_projected"):
        filter_sizes.main([str(tmp_path)])
