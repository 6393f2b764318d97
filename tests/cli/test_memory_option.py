"""`--memory` is checked before anything is done, and a lack of memory anywhere is a paragraph."""

from __future__ import annotations

import pytest
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
