import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from gdp.plugins.faces.attributes import sample_attributes
from gdp.plugins.faces.judge import JUDGE_WEIGHTS, FaceJudge
from gdp.plugins.faces.non_faces import NON_FACE_KINDS, make_non_faces
from gdp.plugins.faces.renderer import degrade, render
from gdp.plugins.faces.train_judge import accuracies

UNSEEN = sample_attributes(77, range(256))


@pytest.fixture(scope="module")
def judge():
    return FaceJudge.load()


@pytest.fixture(scope="module")
def faces():
    return render(UNSEEN)


def test_the_shipped_judge_is_small():
    assert JUDGE_WEIGHTS.stat().st_size < 1_000_000


def test_unseen_faces_are_judged_rightly(judge, faces):
    right = accuracies(judge.assess(faces), UNSEEN)
    assert right["age_error_years"] < 3
    assert abs(right["age_bias_years"]) < 1
    assert min(right[name] for name in ("face", "glasses", "smile", "hair_length", "skin")) >= 0.98


def test_slightly_blemished_faces_are_still_faces(judge, faces):
    right = accuracies(judge.assess(degrade(faces, torch.Generator().manual_seed(0))), UNSEEN)
    assert right["age_error_years"] < 4.5
    assert min(right[name] for name in ("face", "glasses", "smile", "hair_length", "skin")) >= 0.95


@pytest.mark.parametrize("kind", NON_FACE_KINDS)
def test_non_faces_are_rejected(judge, faces, kind):
    generator = torch.Generator().manual_seed(1)
    wrong = torch.cat([make_non_faces(group, kind, generator) for group in faces[:128].split(8)])
    assert wrong.shape == faces[:128].shape
    assert wrong.abs().max() <= 1
    assert (judge.assess(wrong).face < 0.5).float().mean() >= 0.92


def test_the_judge_sees_how_much_older_a_face_has_become(judge):
    young = UNSEEN[UNSEEN.age < 50]
    shift = judge.assess(render(young.older(30))).age - judge.assess(render(young)).age
    assert 27 < shift.mean() < 33


def test_an_assessment_does_not_depend_on_the_batch(judge, faces):
    together = judge.assess(faces)
    alone = judge.assess(faces[100:101])
    assert abs(together.age[100] - alone.age[0]) < 1e-3
    for name in ("face", "glasses", "smile", "hair_length", "skin"):
        torch.testing.assert_close(getattr(together, name)[100:101], getattr(alone, name), atol=1e-5, rtol=0)


def test_other_resolutions_are_judged_alike(judge, faces):
    large = judge.assess(render(UNSEEN[:64], 128))
    assert (large.age - judge.assess(faces[:64]).age).abs().mean() < 3
    assert (large.face > 0.5).float().mean() > 0.95
    small = judge.assess(functional.avg_pool2d(faces[:4], 2))
    assert small.age.shape == (4,) and small.hair_length.shape == (4, 3) and small.skin.shape == (4, 4)


def test_pictures_of_another_shape_are_refused(judge):
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\), not \(1, 1, 64, 64\)"):
        judge.assess(torch.zeros(1, 1, 64, 64))


def test_weights_of_another_network_are_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(RuntimeError):
        FaceJudge.load(tmp_path / "other.safetensors")
