"""The table of a run's pairs, what is summed up of it, and the sheets that are made of it."""

from __future__ import annotations

import csv
import io
import json
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from gdp.cli.histograms import BARS, PLAIN_BARS, draw
from gdp.core.errors import GdpError
from gdp.core.pairs import PairBatch, PairRecord, PairStore, Score
from gdp.core.progress import SilentProgress
from gdp.support.expressions import parse_condition, parse_value
from gdp.tools.select.sheets import MOST, SIDE, Thumbnails, html_sheet, png_sheet, read_thumbnails
from gdp.tools.select.table import FilterColumns, NumberSummary, PairTable, WordSummary, summarise
from gdp.tools.select.writing import check_sheet, write_csv


def make_table(count: int) -> PairTable:
    """Make pairs of which every fourth is dropped by `judge` and the last is not judged yet."""
    dropped = [row % 4 == 0 for row in range(count)]
    decisions = ["drop" if out else "keep" for out in dropped]
    decisions[-1] = "pending"
    ages: list[Score] = [float(row % 80) for row in range(count - 1)]
    hashes: list[Score] = [f"{row:08x}" for row in range(count - 1)]
    skins: list[Score] = [("light", "dark")[row % 2] for row in range(count - 1)]
    judge = FilterColumns(
        "the-judge",
        [*("drop" if out else "keep" for out in dropped[:-1]), None],
        [*("too </script> young" if out else "" for out in dropped[:-1]), None],
        {"source_age": [*ages, None], "target_age": [*ages[1:], 3.5, None], "hash": [*hashes, None],
         "skin": [*skins, None], "never": [None] * count},
    )  # fmt: skip
    return PairTable(
        indices=range(10, 10 + count),
        decisions=decisions,
        filters=["" if decision == "keep" else "the-judge" for decision in decisions],
        reasons=["too </script> young" if decision == "drop" else "" for decision in decisions],
        splits=["train" if decision == "keep" else "" for decision in decisions],
        judged=[judge],
        funnel=[],
    )


def select(table: PairTable, where: str | None = None, sort: str | None = None) -> list[int]:
    condition = None if where is None else parse_condition(where)
    order = None if sort is None else parse_value(sort)
    return [table.indices[row] for row in table.select(condition, order)]


def test_conditions_reach_scores_and_what_is_known_of_the_pair_itself() -> None:
    table = make_table(12)
    assert select(table, "source_age < 3") == [10, 11, 12]
    assert select(table, "decision == 'drop'") == [10, 14, 18]
    assert select(table, "split == 'train' and index > 16") == [17, 19, 20]
    assert select(table, "filter == 'the-judge' and decision == 'pending'") == [21]
    assert select(table, "the_judge.decision == 'keep' and skin in ('dark',) and index < 14") == [11, 13]
    assert select(table, "'young' == reason or reason == 'too </script> young'") == [10, 14, 18]
    assert select(table, "age >= 8") == [18, 19], "of each picture; not where it is not known"


def test_rows_are_sorted_with_the_unknown_last() -> None:
    table = make_table(6)
    assert select(table, sort="-source_age") == [14, 13, 12, 11, 10, 15]
    assert select(table, sort="target_age - source_age") == [14, 10, 11, 12, 13, 15]
    assert select(table, sort="skin")[:2] == [11, 13]


def test_fifty_thousand_pairs_are_selected_and_written_without_pictures_or_copies(tmp_path: Path) -> None:
    table = make_table(50_000)
    rows = table.select(parse_condition("source_age > 20 and decision == 'keep'"), parse_value("-source_age"))
    assert len(rows) > 20_000
    tracemalloc.start()
    write_csv(tmp_path / "pairs.csv", table, rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "pairs.csv").stat().st_size > 1_400_000
    assert peak < 1_000_000, "lines are written one after the other"


def test_the_csv_holds_what_is_known_under_the_names_of_conditions(tmp_path: Path) -> None:
    table = make_table(6)
    write_csv(tmp_path / "pairs.csv", table, [4, 5])
    first, last = csv.DictReader(io.StringIO((tmp_path / "pairs.csv").read_text()))
    assert (first["index"], first["decision"], first["the_judge.source_age"]) == ("14", "drop", "4.0")
    assert first["the_judge.reason"] == "too </script> young"
    assert (last["decision"], last["the_judge.source_age"]) == ("pending", "")
    assert list(tmp_path.iterdir()) == [tmp_path / "pairs.csv"]


def test_summaries_count_kept_and_dropped_pairs_apart() -> None:
    table = make_table(81)
    summaries = {summary.score: summary for summary in summarise(table, range(len(table)))}
    assert set(summaries) == {"source_age", "target_age", "hash", "skin"}, "what is never known is left out"
    age = summaries["source_age"]
    assert isinstance(age, NumberSummary)
    assert (age.low, age.high, age.kept.total, age.dropped.total) == (0, 79, 60, 20)
    assert (age.kept.median, age.dropped.median) == (40, 38)
    assert sum(age.kept.counts[:6]) in (14, 15)
    skin = summaries["skin"]
    assert isinstance(skin, WordSummary)
    assert skin.counts == (("dark", 40, 0), ("light", 20, 20))
    assert [summary.score for summary in summarise(table, [0]) if isinstance(summary, NumberSummary)] == [
        "source_age",
        "target_age",
    ]
    assert list(summarise(table, [])) == []


def test_bars_show_whatever_is_not_zero() -> None:
    assert draw([0, 1, 500, 1000], BARS) == " ▁▄█"
    assert draw([0, 1, 500, 1000], PLAIN_BARS) == " .=%"
    assert draw([0, 0], BARS) == "  "


def thumbnails(count: int, drawn: list[int], size: int = 16) -> Iterator[Thumbnails]:
    for row in range(count):
        drawn.append(row)
        pictures = (
            ("source", Image.new("RGB", (size, size), (row, 200, 0))),
            ("target", Image.new("RGB", (size, size))),
        )
        yield Thumbnails(row, pictures)


def test_the_page_is_written_as_its_pictures_come_and_refers_to_nothing_outside() -> None:
    table, drawn = make_table(400), list[int]()
    pieces = html_sheet(table, thumbnails(400, drawn), "run <b>", "all & more")
    first = []
    for piece in pieces:
        first.append(piece)
        if len(drawn) == 100:
            break
    text = "".join(first)
    assert text.count("<article") in (99, 100)
    text += "".join(pieces)
    assert text.count("<article") == text.count("</article>") == 400
    assert "run &lt;b&gt;" in text and "all &amp; more" in text
    assert text.count("</script>") == 1, "no reason of a filter ends the script"
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)
    assert text.count('data-src="data:image/webp;base64,') == 800
    values = re.findall(r'data-values="([^"]*)"', text)
    assert json.loads(values[4].replace("&#34;", '"'))["the_judge.source_age"] == 4


def test_only_the_page_s_own_script_may_run() -> None:
    import base64
    import hashlib

    text = "".join(html_sheet(make_table(3), thumbnails(3, []), "run", ""))
    [script] = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#39;sha256-{digest}" in text or f"script-src 'sha256-{digest}'" in text


def test_a_png_sheet_shows_source_beside_target_enlarged() -> None:
    table = make_table(7)
    sheet = Image.open(io.BytesIO(png_sheet(table, thumbnails(7, []), 7, ["caption \u4e16"] * 7)))
    assert sheet.width >= 2 * SIDE
    assert sheet.height >= SIDE
    assert sheet.getpixel((12 + SIDE // 2, 12 + SIDE // 2)) == (0, 200, 0)
    assert sheet.getpixel((12 + SIDE + 4 + SIDE // 2, 12 + SIDE // 2)) == (0, 0, 0)
    with pytest.raises(GdpError, match=r"at most 2000 pairs, not 2001: give --limit, or write it as \.html"):
        png_sheet(table, iter(()), MOST + 1, [])


def test_thumbnails_of_stored_pairs_show_both_sources_and_are_small(tmp_path: Path) -> None:
    table = make_table(2)
    source = torch.full((2, 6, 40, 80), -1.0)
    source[:, 3] = 1.0
    batch = PairBatch([10, 11], source, torch.ones(2, 3, 40, 80), [PairRecord(10, 0), PairRecord(11, 0)])
    with PairStore.open(tmp_path / "pairs") as store, SilentProgress().task("sheet", 2, "pairs") as task:
        store.append(batch)
        pairs = list(read_thumbnails(store, table, [1, 0], 20, task))
    assert [pair.row for pair in pairs] == [1, 0]
    assert [label for label, _ in pairs[0].pictures] == ["source", "source 2", "target"]
    assert [image.size for _, image in pairs[0].pictures] == [(20, 10)] * 3
    assert [image.getpixel((3, 3)) for _, image in pairs[0].pictures] == [(0, 0, 0), (255, 0, 0), (255, 255, 255)]
    assert png_sheet(table, pairs, 2, ["", ""]).startswith(b"\x89PNG")


def test_a_sheet_is_a_png_or_a_page() -> None:
    check_sheet(Path("a.PNG"))
    check_sheet(Path("a.html"))
    with pytest.raises(GdpError, match=r"x\.gif: a sheet is written as \.png or \.html"):
        check_sheet(Path("x.gif"))
