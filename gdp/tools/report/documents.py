"""The report of a run's folder: one self-contained page, for whoever decides and for whoever trained."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime
from pathlib import Path

from gdp.core.files import write_atomically
from gdp.support.pages import page_template
from gdp.support.places import without_places
from gdp.support.wording import duration
from gdp.tools.report import tables
from gdp.tools.report.card import CARD
from gdp.tools.report.curves import draw_curves
from gdp.tools.report.folder import RunData
from gdp.tools.report.pictures import embed_pictures, row_title
from gdp.tools.report.samples import SAMPLE, SCALED_SAMPLE
from gdp.tools.report.summary import summarise
from gdp.tools.report.variants import read_comparison
from gdp.tools.report.verdict import assess, details, headlines, said, verdict

REPORT = "report.html"


def write_report(data: RunData, price: float | None = None) -> Path:
    """Write `report.html` into the folder of a run, and return its path.

    An unfinished or failed run gets a report too, which says what is missing.

    Args:
        data: the run.
        price: of an hour of its machine, in dollars; None where nobody has said it.

    Raises:
        DiskFullError, RunFolderError: the system refuses to write.
    """
    path = data.folder / REPORT
    with warnings.catch_warnings():
        # Whatever a drawing library has to say is no concern of who reads the report.
        warnings.simplefilter("ignore")
        html = render_report(data, price)
    write_atomically(path, html.encode(errors="replace"))
    return path


def render_report(data: RunData, price: float | None = None) -> str:
    """Return the report of a run as HTML that needs nothing outside itself; scaled pictures lead to their originals."""
    here, pictures = Path(__file__).parent, embed_pictures(data)
    seconds = [tables.number_of(entry.get("seconds")) for entry in data.stages.values()]
    page = page_template(*(here / f"report.{kind}" for kind in ("html.j2", "css", "js")))
    return page.render(
        name=data.name,
        written=datetime.now(UTC).strftime("%Y-%m-%d"),
        state="" if data.state == "finished" else data.state,
        time=duration(sum(seconds)) if seconds else "",
        summary=summarise(data, price),
        first=pictures.first,
        row_title=row_title,
        verdict=verdict(data),
        details=details(data),
        headlines=headlines(data),
        same_judge={name: judge for name in data.numbers if (judge := data.filtered_by_its_judge(name))},
        assessments=assess(data),
        picture_tables=pictures.tables,
        scaled=pictures.scaled,
        funnel=tables.funnel_table(data),
        rejects=pictures.rejects,
        curves=draw_curves(data.statistics),
        samples=pictures.samples,
        grid_cell=pictures.grid,
        initialisation=tables.read_initialisation(data),
        comparison=read_comparison(data),
        sizes=tables.size_table(data),
        said_of_sizes=said(data, "speed and size"),
        pruning=tables.pruning_table(data),
        metric_groups=tables.metric_groups(data),
        absent=sorted(data.absent.items()),
        stages=tables.stage_table(data),
        facts=tables.facts(data),
        recipe=without_places(data.recipe_text),
        missing=[without_places(line) for line in data.missing],
    )


def written_files(folder: Path) -> list[Path]:
    """Return the files of a run's folder that stand there of both documents."""
    named = [folder / REPORT, *(folder / "student" / name for name in (CARD, SAMPLE, SCALED_SAMPLE))]
    return [file for file in named if file.is_file()]
