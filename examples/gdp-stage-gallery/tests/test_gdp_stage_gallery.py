"""Stage and command keep gdp's contract, and the gallery shows what the student makes of each picture."""

from pathlib import Path

import gdp
import pytest
from gdp.testing import conformance, examples
from gdp.toolbox import to_array
from PIL import Image

from gdp_stage_gallery.command import gallery
from gdp_stage_gallery.config import GalleryConfig
from gdp_stage_gallery.stage import NAME, GalleryStage


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, levels in enumerate(examples.as_uint8(examples.pictures(3, 24))):
        Image.fromarray(to_array(levels)).save(folder / f"{number} <b>.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


def stage(pictures: Path, **settings: int) -> GalleryStage:
    return GalleryStage(GalleryConfig(pictures=pictures, **settings), gdp.BuildContext())


def test_contract_of_the_stage(pictures: Path) -> None:
    conformance.check("stage", "gallery", settings={"pictures": str(pictures)})


@conformance.cases("command", "gallery")
def test_contract_of_the_command(case: conformance.Case) -> None:
    case()


def test_each_picture_stands_beside_its_translation(pictures: Path, tmp_path: Path) -> None:
    run = examples.tiny_run(tmp_path / "run")
    assert examples.perform_stage(run, NAME, stage(pictures, longest_side=16))["pictures"] == 3
    (folder,) = (run.path / "gallery").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [f"{number} <b>.png.png" for number in range(3)]
    with Image.open(folder / "0 <b>.png.png") as both:
        assert both.size == (32, 16)
        small = both.crop((0, 0, 16, 16))
        assert both.crop((16, 0, 32, 16)).tobytes() == gdp.load(run.student_folder)(small).tobytes()


def test_the_page_names_all_pictures_and_the_command_finds_it(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = examples.tiny_run(tmp_path / "run")
    with pytest.raises(gdp.GdpError, match="there is no such page"):
        gallery(run.path)
    examples.perform_stage(run, NAME, stage(pictures))
    gallery(run.path)
    page = Path(capsys.readouterr().out.strip()).read_text()
    assert page.count("<figure>") == 3
    assert "0 &lt;b&gt;.png" in page
    assert "<b>" not in page


def test_another_picture_is_another_key_and_no_picture_is_told_at_once(pictures: Path, tmp_path: Path) -> None:
    run = examples.tiny_run(tmp_path / "run")
    before = stage(pictures).key(run, run.keys)
    (pictures / "0 <b>.png").rename(pictures / "9.png")
    assert stage(pictures).key(run, run.keys) != before
    with pytest.raises(gdp.MissingResourceError, match="there are no pictures in"):
        stage(tmp_path / "nowhere")
