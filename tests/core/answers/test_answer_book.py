"""The book of paid answers: nothing paid is lost or paid again, and no budget is exceeded."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gdp.core.answers import AnswerBook
from gdp.core.errors import CorruptFileError, RunFolderError
from gdp.core.ledger import Ledger, Tally
from gdp.core.run_folder import RunFolder

SERVICE, SCOPE = "faces", "faces at home"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "answers.sqlite"


def call(ledger: Ledger, picture: str, budget: int | None = None, question: str | None = None) -> int:
    asked = question or ledger.add_question(SERVICE, {"asks": "blur"})
    reservation = ledger.reserve(SERVICE, SCOPE, [asked], picture, budget)
    assert reservation.kind == "call"
    return reservation.call


def test_an_answer_is_there_for_another_run_and_question_alike(place: Path) -> None:
    with AnswerBook.at(place, "one").opened() as ledger:
        ledger.settle(call(ledger, "p"), "answered", {"faces": ["ä"]})
    with AnswerBook.at(place, "two").opened() as ledger:
        asked = ledger.add_question(SERVICE, {"asks": "blur"})
        other = ledger.add_question(SERVICE, {"asks": "noise"})
        assert ledger.find([asked], ["p", "q"]) == {"p": {"faces": ["ä"]}}
        assert ledger.find([other], ["p"]) == {}
        assert ledger.find([other, asked], ["p"]) == {"p": {"faces": ["ä"]}}
        known = ledger.reserve(SERVICE, SCOPE, [asked], "p", 0)
        assert (known.kind, known.answer) == ("known", {"faces": ["ä"]})
        assert ledger.tally(SERVICE) == Tally()
        assert ledger.questions(SERVICE) == {asked: {"asks": "blur"}, other: {"asks": "noise"}}


def test_calls_count_from_their_reservation_on_unless_they_are_given_back(place: Path) -> None:
    with AnswerBook.at(place, "run").opened() as ledger:
        first, second = call(ledger, "1", 3), call(ledger, "2", 3)
        call(ledger, "3", 3)
        asked = ledger.add_question(SERVICE, {"asks": "blur"})
        assert ledger.reserve(SERVICE, SCOPE, [asked], "4", 3).kind == "spent"
        ledger.settle(first, "given back")
        ledger.settle(second, "unknown")
        call(ledger, "4", 3)
        assert ledger.reserve(SERVICE, SCOPE, [asked], "5", 3).kind == "spent"
        tally = ledger.tally(SERVICE)
        assert (tally.counted, tally.given_back, tally.lost, tally.open) == (3, 1, 1, 2)
    with AnswerBook.at(place, "another run").opened() as ledger:
        assert ledger.reserve(SERVICE, SCOPE, [asked], "5", 3).kind == "call"


@pytest.mark.process
def test_threads_and_processes_together_never_exceed_a_budget(place: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from gdp.core.answers import AnswerBook\n"
        "with AnswerBook.at(Path(sys.argv[1]), 'run').opened() as ledger:\n"
        "    asked = ledger.add_question('faces', {'asks': 'blur'})\n"
        "    kinds = [ledger.reserve('faces', 's', [asked], sys.argv[2] + str(n), 100).kind for n in range(80)]\n"
        "    print(kinds.count('call'))\n"
    )
    others = [
        subprocess.Popen([sys.executable, "-c", script, str(place), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    with AnswerBook.at(place, "run").opened() as ledger, ThreadPoolExecutor(8) as pool:
        asked = ledger.add_question(SERVICE, {"asks": "blur"})
        kinds = list(pool.map(lambda n: ledger.reserve(SERVICE, "s", [asked], f"c{n}", 100).kind, range(80)))
        made = kinds.count("call") + sum(int(other.communicate(timeout=60)[0]) for other in others)
        assert made == 100
        assert ledger.tally(SERVICE).counted == 100


@pytest.mark.process
def test_an_answer_survives_sigkill_the_moment_it_is_settled(place: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from gdp.core.answers import AnswerBook\n"
        "with AnswerBook.at(Path(sys.argv[1]), 'run').opened() as ledger:\n"
        "    asked = ledger.add_question('faces', {'asks': 'blur'})\n"
        "    for n in range(10**9):\n"
        "        call = ledger.reserve('faces', 's', [asked], str(n), None).call\n"
        "        print('reserved', n, flush=True)\n"
        "        ledger.settle(call, 'answered', n)\n"
        "        print('settled', n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(place)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().split() for _ in range(201)]
        process.send_signal(signal.SIGKILL)
        lines += [line.split() for line in process.stdout.read().splitlines()]
    reserved = [n for word, n in (line for line in lines if len(line) == 2) if word == "reserved"]
    settled = [n for word, n in (line for line in lines if len(line) == 2) if word == "settled"]
    with AnswerBook.at(place, "run").opened() as ledger:
        asked = ledger.add_question(SERVICE, {"asks": "blur"})
        assert set(ledger.find([asked], settled)) == set(settled)
        assert ledger.tally(SERVICE).counted >= len(reserved)
        assert ledger.tally(SERVICE).open <= 1


def test_recent_calls_of_all_runs_are_known_by_their_scope(place: Path) -> None:
    with AnswerBook.at(place, "one").opened() as ledger:
        ledger.settle(call(ledger, "p"), "given back")
    with AnswerBook.at(place, "two").opened() as ledger:
        call(ledger, "q")
        ages = ledger.recent(SCOPE, 600.0)
        assert len(ages) == 2
        assert ages[0] >= ages[1] >= 0
        assert ledger.recent("elsewhere", 600.0) == []


def test_a_run_keeps_its_account_and_touches_nothing_before_it_asks(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GDP_ANSWERS", str(tmp_path / "book.sqlite"))
    folder = RunFolder(tmp_path / "run")
    book = AnswerBook.of_run(folder)
    assert book.tally(SERVICE) == Tally()
    assert list(tmp_path.iterdir()) == []
    with book.opened() as ledger:
        account = ledger.account
    with AnswerBook.of_run(folder).opened() as ledger:
        assert ledger.account == account
    with AnswerBook.of_run(RunFolder(tmp_path / "other")).opened() as ledger:
        assert ledger.account != account
    assert AnswerBook.of_run(RunFolder(tmp_path / "third")).tally(SERVICE) == Tally()
    assert not (tmp_path / "third").exists()


def test_a_book_in_memory_keeps_its_answers_as_long_as_it_lives() -> None:
    book = AnswerBook.in_memory()
    with book.opened() as ledger:
        ledger.settle(call(ledger, "p"), "answered", 1)
    with book.opened() as ledger:
        assert ledger.find([ledger.add_question(SERVICE, {"asks": "blur"})], ["p"]) == {"p": 1}
    assert book.tally(SERVICE).answered == 1
    assert AnswerBook.in_memory().tally(SERVICE) == Tally()


def test_two_threads_may_open_a_new_book_at_once(place: Path) -> None:
    together = threading.Barrier(4)

    def use(number: int) -> None:
        together.wait()
        with AnswerBook.at(place, "run").opened() as ledger:
            call(ledger, str(number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    assert AnswerBook.at(place, "run").tally(SERVICE).counted == 4


def test_a_damaged_book_a_newer_one_and_no_place_for_one_say_what_to_do(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"no database at all" * 500)
    with pytest.raises(CorruptFileError, match=r"damaged.*GDP_ANSWERS"), AnswerBook.at(damaged, "run").opened():
        pass
    newer = tmp_path / "newer.sqlite"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CorruptFileError, match="format 99"), AnswerBook.at(newer, "run").opened():
        pass
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    with pytest.raises(RunFolderError), AnswerBook.at(in_the_way / "book.sqlite", "run").opened():
        pass
