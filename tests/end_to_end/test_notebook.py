"""The notebook of the examples runs in a kernel, with bars while it works, on a world that is small enough."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from tiny_world import make_tiny_world

NOTEBOOK = Path(__file__).parents[2] / "examples" / "stylegan_age.ipynb"
SMALL = ["pairs.count=24", "train.steps=4", "train.sample_every=4"]


def test_the_notebook_shows_bars_and_what_came_of_the_run(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "it is committed without outputs"
    (parameters,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    parameters.source = f"recipe = {str(make_tiny_world(tmp_path))!r}\noverrides = {SMALL}"
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    _, run, metrics, student, deployed = outputs
    bars = [output.data["text/html"] for output in run if output.output_type == "display_data"]
    assert [bar for bar in bars if 'train <progress value="4" max="4"' in bar and "4/4 steps" in bar]
    told = "".join(output.text for output in run if output.output_type == "stream")
    assert "train: finished in" in told
    (shown,) = [output.data for output in run if output.output_type == "execute_result"]
    assert "quality.held_out.psnr_db" in shown["text/html"] and "data:image/png;base64," in shown["text/html"]
    assert "quality.held_out.psnr_db" in metrics[-1].data["text/plain"]
    assert "image/png" in student[-1].data
    assert deployed[-1].data["text/plain"] == "(16, 16, 3)"
