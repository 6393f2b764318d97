import itertools

import pytest
import torch
import torch.nn.functional as F

from gdp.core.errors import ShapeError
from gdp.plugins.losses.translation import evenly_spread, feature_l2_loss


def maps(count, shape=(2, 3, 4, 5)):
    return [torch.randn(shape) for _ in range(count)]


def test_it_is_the_squared_error_of_the_maps_joined_along_the_batch():
    student, teacher = maps(3), maps(3)
    expected = F.mse_loss(torch.cat(student), torch.cat(teacher))
    torch.testing.assert_close(feature_l2_loss(student, teacher), expected)


def test_every_number_counts_the_same_where_maps_differ_in_size():
    student = [torch.zeros(1, 1, 2, 2), torch.zeros(1, 3, 2, 2)]
    assert feature_l2_loss(student, [torch.full((1, 1, 2, 2), 2.0), torch.zeros(1, 3, 2, 2)]).item() == 1.0


def test_no_gradient_reaches_the_teacher():
    student, teacher = torch.zeros(1, 2, 3, 3, requires_grad=True), torch.ones(1, 2, 3, 3, requires_grad=True)
    feature_l2_loss([student], [teacher]).backward()
    assert teacher.grad is None
    assert (student.grad < 0).all()


def test_three_student_maps_are_never_compared_with_one_teacher_map():
    with pytest.raises(ShapeError, match="there are 3 of the student and 1 of the teacher"):
        feature_l2_loss(maps(3), maps(1))


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (2, 1, 4, 5), (2, 3, 4, 1), (3, 4, 5)])
def test_maps_that_would_broadcast_are_refused(shape):
    with pytest.raises(ShapeError, match=r"hidden state 1 has the shape \(2, 3, 4, 5\) in the student"):
        feature_l2_loss(maps(2), [*maps(1), *maps(1, shape)])


def test_no_maps_at_all_are_refused():
    with pytest.raises(ShapeError, match="there are 0 of the student"):
        feature_l2_loss([], [])


def test_nine_blocks_spread_over_three_as_published():
    assert evenly_spread(9, 3) == [1, 4, 8]


@pytest.mark.parametrize(("teacher", "student"), list(itertools.product(range(1, 14), range(1, 14))))
def test_blocks_are_in_order_the_last_matches_the_last_and_none_is_matched_twice_without_need(teacher, student):
    chosen = evenly_spread(teacher, student)
    assert len(chosen) == student
    assert chosen[-1] == teacher - 1
    assert chosen == sorted(chosen)
    assert chosen[0] >= 0
    assert len(set(chosen)) == min(teacher, student)
    gaps = {after - before for before, after in itertools.pairwise(chosen)}
    assert not gaps or max(gaps) - min(gaps) <= 1


def test_a_teacher_without_blocks_is_refused():
    with pytest.raises(ShapeError, match="no residual blocks"):
        evenly_spread(0, 3)
