"""`--memory` is checked before anything is done, and a lack of memory anywhere is a paragraph."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from gdp.cli.app import app
from gdp.cli.common import readable_errors


@pytest.mark.parametrize("command", ["run", "estimate", "apply", "find-direction"])
def test_what_is_no_amount_of_memory_is_a_sentence(command: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("memory")
    recipe = folder / "recipe.toml"
    recipe.write_text('name = "none"\n')
    (folder / "a.png").write_bytes(b"")
    arguments = {
        "apply": ["none", str(folder / "a.png"), "-o", str(folder / "out")],
        "find-direction": ["--filter", "face-attributes", "--label", "source_age"],
    }
    given = arguments.get(command, [str(recipe)])
    result = CliRunner().invoke(app, [command, *given, "--memory", "lots"])
    assert result.exit_code != 0
    assert "write an amount of memory of 1 MiB or more, as 4GB or 512MB; got 'lots'" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_lack_of_memory_that_nobody_foresaw_is_a_paragraph(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BaseException) as caught, readable_errors():
        raise error
    assert getattr(caught.value, "exit_code", None) == 1
    assert "the memory does not suffice for this. Lower --memory" in capsys.readouterr().err


def test_other_failures_keep_their_traceback() -> None:
    with pytest.raises(RuntimeError, match="a bug"), readable_errors():
        raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(36, "File name too long", "x" * 5000), "File name too long"),
        (PermissionError(13, "Permission denied", "/secret"), "/secret: Permission denied"),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
    ],
)
def test_what_the_system_says_of_a_file_that_nobody_foresaw_is_a_sentence(
    error: Exception, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended, readable_errors():
        raise error
    assert ended.value.exit_code == 1
    told = capsys.readouterr().err
    assert words in told
    assert len(told) < 400


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    for error in (ValueError("ours"), OSError("of no file"), KeyError("ours")):
        with pytest.raises(type(error)), readable_errors():
            raise error
