from __future__ import annotations

import subprocess
import sys

import numpy
import pytest
import torch

from gdp.core.errors import PairStoreError, ShapeError
from gdp.core.pairs import PairBatch, PairRecord, Verdict


@pytest.mark.process
def test_importing_the_records_imports_no_torch_and_no_codec() -> None:
    code = "import sys, gdp.core.pairs as p; p.Verdict.keep(); print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_a_latent_comes_back_from_its_record() -> None:
    latent = torch.randn(3, 5)
    packed, shape = PairRecord.pack_latent(latent)
    record = PairRecord(0, 7, latent=packed, latent_shape=shape)
    assert torch.equal(record.latent_tensor(), latent)
    assert packed == latent.numpy().astype("<f4").tobytes()
    assert PairRecord(0, 7).latent_tensor() is None


@pytest.mark.parametrize("fields", [{"latent": b"1234"}, {"latent": b"1234", "latent_shape": (2,)}])
def test_a_latent_that_does_not_fit_its_shape_is_refused(fields: dict) -> None:
    with pytest.raises(ShapeError, match="pair 4"):
        PairRecord(4, 7, **fields)


@pytest.mark.parametrize(
    ("source", "target", "indices"),
    [
        ((2, 4, 8, 8), (2, 3, 8, 8), [0, 1]),
        ((2, 3, 8, 8), (2, 3, 4, 8), [0, 1]),
        ((2, 3, 8, 8), (1, 3, 8, 8), [0, 1]),
        ((2, 3, 8, 8), (2, 3, 8, 8), [0]),
        ((2, 3, 8, 8), (2, 3, 8, 8), [1, 0]),
        ((3, 8, 8), (3, 8, 8), [0, 1]),
    ],
)
def test_a_batch_whose_parts_do_not_fit_is_refused(source: tuple, target: tuple, indices: list[int]) -> None:
    with pytest.raises(ShapeError):
        PairBatch(indices, torch.zeros(source), torch.zeros(target), [PairRecord(0, 7), PairRecord(1, 7)])


def test_verdicts_say_what_was_decided_and_why() -> None:
    assert Verdict.keep_if(True, reason="too dark", mean=0.5) == Verdict("keep", {"mean": 0.5})
    assert Verdict.keep_if(False, reason="too dark", mean=0.1) == Verdict("drop", {"mean": 0.1}, "too dark")
    assert Verdict.drop("no face", face=False) == Verdict("drop", {"face": False}, "no face")
    assert Verdict.unknown("no answer") == Verdict("unknown", {}, "no answer")


@pytest.mark.parametrize("score", [float("nan"), float("inf"), torch.tensor(1.0), numpy.float32(1), [1]])
def test_a_score_that_would_not_come_back_as_it_is_is_refused(score: object) -> None:
    with pytest.raises(PairStoreError, match="score mean"):
        Verdict.keep(mean=score)


def test_an_unknown_decision_is_refused() -> None:
    with pytest.raises(PairStoreError, match="maybe"):
        Verdict("maybe")
