"""The pictures of README and gallery: what a run's report shows, enlarged and not chosen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy
import pytest
from gallery import PICTURES, RENDERED, SLOW, TRUTH, main
from PIL import Image
from sheets import LINE


def a_run(folder: Path, sections: dict[str, tuple[str, ...]], rows: int = 7) -> Path:
    (folder / "pictures").mkdir(parents=True)
    shown, dropped = [], []
    for section, keys in sections.items():
        for number in range(rows):
            pictures = {key: _written(folder, f"{section[:3]}{number}{key}", number) for key in keys}
            shown.append({"title": f"{section} / face {number}, {30 + number} years", "pictures": pictures})
    for number, reason in enumerate(("younger than 18", "younger than 18", "blurred")):
        pictures = {key: _written(folder, f"{number}{key}", 100 + number) for key in ("source", "target")}
        dropped.append({"filter": "f", "reason": reason, **pictures})
    (folder / "pictures" / "rows.json").write_text(json.dumps(shown))
    (folder / "pictures" / "rejects.json").write_text(json.dumps(dropped))
    return folder


def _written(folder: Path, name: str, level: int) -> str:
    place = f"pictures/{name.replace(' ', '-')}.png"
    Image.fromarray(numpy.full((64, 64, 3), level, "uint8")).save(folder / place)
    return place


def test_sheets_show_the_first_rows_of_each_section_and_the_first_pair_of_each_reason(tmp_path: Path) -> None:
    age = a_run(
        tmp_path / "age",
        {RENDERED: ("source", "student", "truth"), SLOW: ("source", "student", "teacher", "slow route")},
    )
    painting = a_run(tmp_path / "painting", {TRUTH: ("source", "student", "teacher", "truth")})
    main([str(age), str(painting), "--output", str(tmp_path / "out")])
    with Image.open(tmp_path / "out" / "before-after.png") as sheet:
        assert sheet.size == (130 + 6 * 192, 26 * LINE // 15 + 2 * 192)
        assert sheet.getpixel((130 + 5 * 192 + 96, 26 * LINE // 15 + 96)) == (5, 5, 5)
    with Image.open(tmp_path / "out" / "dropped.png") as sheet:
        assert sheet.width == 130 + 2 * 192
        assert [sheet.getpixel((130 + 96 + 192 * column, LINE + 96)) for column in (0, 1)] == [(100,) * 3, (102,) * 3]


def test_a_folder_that_is_no_finished_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"rows\.json is not there: is .* a finished run"):
        main([str(tmp_path), str(tmp_path), "--output", str(tmp_path / "out")])


def test_the_committed_pictures_are_small() -> None:
    found = {path.name: path.stat().st_size for path in PICTURES.glob("*.png")}
    assert len(found) >= 3
    assert sum(found.values()) < 1_500_000
