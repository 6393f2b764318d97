import pytest
import torch
from torch import nn

from gdp.plugins.pix2pixhd.networks import GlobalGenerator
from gdp.plugins.resnet.networks import GeneratorChannels, ResnetGenerator
from gdp.plugins.resnet.transfer import transfer


def make(blocks, seed, width=4, **settings):
    torch.manual_seed(seed)
    return ResnetGenerator(GeneratorChannels.uniform(width, blocks), **settings)


def changed(before, student):
    return {name for name, tensor in student.state_dict().items() if not torch.equal(tensor, before[name])}


def copy_of(student):
    return {name: tensor.clone() for name, tensor in student.state_dict().items()}


def test_down_and_upsampling_layers_are_copied_across_different_depths():
    teacher, student = make(5, 0), make(2, 1)
    before = copy_of(student)
    rows = transfer(teacher, student)
    copied = {row.student: row.teacher for row in rows if row.copied}
    assert copied == {
        **{f"model.{number}.{kind}": f"model.{number}.{kind}" for number in (4, 7) for kind in ("weight", "bias")},
        **{
            f"model.{number}.{kind}": f"model.{number + 3}.{kind}" for number in (12, 15) for kind in ("weight", "bias")
        },
    }
    assert changed(before, student) == set(copied)
    ours, theirs = student.state_dict(), teacher.state_dict()
    assert all(torch.equal(ours[name], theirs[source]) for name, source in copied.items())


def test_the_table_names_every_tensor_outside_the_blocks_and_says_why_it_was_not_copied():
    rows = transfer(make(5, 0), make(2, 1))
    names = [name for name in make(2, 1).state_dict() if "conv_block" not in name]
    assert [row.student for row in rows] == names
    stem = rows[0]
    assert (stem.student, stem.teacher, stem.copied) == ("model.1.weight", "model.1.weight", False)
    assert stem.student_shape == stem.teacher_shape == (4, 3, 7, 7)
    assert "stem is learnt anew" in stem.reason
    assert "head is learnt anew" in rows[-1].reason
    assert all(row.reason == "" for row in rows if row.copied)


def test_normalisations_go_with_their_convolutions():
    teacher, student = make(3, 0, norm="batch"), make(1, 1, norm="batch")
    teacher.train()(torch.randn(2, 3, 16, 16))
    transfer(teacher, student)
    first_up = 11
    for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        ours, theirs = student.state_dict(), teacher.state_dict()
        assert torch.equal(ours[f"model.{first_up + 1}.{kind}"], theirs[f"model.{first_up + 3}.{kind}"])
        assert not kind.startswith("running") or not torch.equal(ours[f"model.2.{kind}"], theirs[f"model.2.{kind}"])


def test_a_layer_of_another_shape_is_left_alone_as_a_whole():
    channels = GeneratorChannels(4, 6, 16, (16,), 8, 4)
    torch.manual_seed(1)
    student = ResnetGenerator(channels, norm="batch")
    before = copy_of(student)
    rows = {row.student: row for row in transfer(make(3, 0, norm="batch"), student)}
    assert rows["model.4.weight"].reason == "another shape of convolution.weight"
    assert (rows["model.4.weight"].student_shape, rows["model.4.weight"].teacher_shape) == ((6, 4, 3, 3), (8, 4, 3, 3))
    # The second downsampling writes as many channels as the teacher's, but reads others.
    assert not rows["model.8.weight"].copied
    assert all(
        name.startswith(("model.11.", "model.12.", "model.14.", "model.15.")) for name in changed(before, student)
    )
    assert rows["model.14.weight"].copied


def test_a_transposed_convolution_is_not_copied_into_a_plain_one_of_the_same_shape():
    channels = GeneratorChannels(4, 4, 4, (4,), 4, 4)
    teacher, student = ResnetGenerator(channels), ResnetGenerator(channels, upsampling="resize")
    rows = {row.student: row for row in transfer(teacher, student)}
    assert rows["model.11.weight"].student_shape == rows["model.11.weight"].teacher_shape
    assert "transposed convolution" in rows["model.11.weight"].reason
    assert rows["model.4.weight"].copied


def test_a_normalisation_that_the_teacher_has_not_keeps_its_layer_from_being_copied():
    rows = transfer(make(3, 0, bias=True), make(1, 1, norm="batch", bias=True))
    assert not any(row.copied for row in rows)
    assert rows[7].reason.startswith("the teacher's layer has no normalisation.")


def test_the_teacher_may_be_another_class_with_the_published_names():
    torch.manual_seed(0)
    teacher, student = GlobalGenerator(width=4, downsamplings=2, blocks=9), make(3, 1)
    assert sum(row.copied for row in transfer(teacher, student)) == 8


def test_layers_are_matched_from_the_picture_inwards_where_the_teacher_has_more_of_them():
    torch.manual_seed(0)
    teacher, student = GlobalGenerator(width=4, downsamplings=3, blocks=1), make(1, 1)
    copied = {row.student: row.teacher for row in transfer(teacher, student) if row.copied and "weight" in row.student}
    assert copied == {
        "model.4.weight": "model.4.weight",
        "model.7.weight": "model.7.weight",
        "model.11.weight": "model.17.weight",
        "model.14.weight": "model.20.weight",
    }


@pytest.mark.parametrize("teacher", [nn.Linear(2, 2), nn.Sequential(nn.Conv2d(3, 4, 7)), nn.Identity()])
def test_nothing_in_common_is_said_not_raised(teacher):
    student = make(1, 1)
    before = copy_of(student)
    rows = transfer(teacher, student)
    assert len(rows) == 12
    assert all("nothing in common" in row.reason and row.teacher is None and not row.copied for row in rows)
    assert not changed(before, student)


def test_a_teacher_of_another_width_shares_names_but_no_shapes():
    rows = transfer(make(3, 0, width=8), make(1, 1, width=4))
    assert not any(row.copied for row in rows)
    assert {row.reason for row in rows if "learnt" not in row.reason} == {"another shape of convolution.weight"}


def test_everything_may_be_copied_blocks_evenly_spread() -> None:
    teacher, student = make(9, 0), make(3, 1)
    rows = transfer(teacher, student, everything=True)
    assert all(row.copied for row in rows)
    assert {row.student for row in rows} == set(student.state_dict())
    sources = {row.student: row.teacher for row in rows}
    chosen = [sources[f"model.{10 + block}.conv_block.1.weight"] for block in range(3)]
    assert chosen == [f"model.{10 + block}.conv_block.1.weight" for block in (1, 4, 8)]
    ours, theirs = student.state_dict(), teacher.state_dict()
    assert all(torch.equal(ours[name], theirs[source]) for name, source in sources.items() if source)


def test_blocks_of_another_width_are_not_copied() -> None:
    rows = {row.student: row for row in transfer(make(9, 0, width=8), make(3, 1, width=4), everything=True)}
    block = rows["model.10.conv_block.1.weight"]
    assert not block.copied
    assert block.reason == "another shape of layer 0 weight"


def test_blocks_with_a_dropout_are_copied_by_the_order_of_their_layers() -> None:
    rows = transfer(make(9, 0, separable=True, dropout=0.0), make(3, 1, separable=True), everything=True)
    assert all(row.copied for row in rows), [row for row in rows if not row.copied]
    sources = {row.student: row.teacher for row in rows}
    assert sources["model.10.conv_block.5.conv.2.weight"] == "model.11.conv_block.6.conv.2.weight"


def test_a_head_that_computes_something_else_is_not_copied():
    teacher, student = make(2, 0, predicts="change"), make(2, 1)
    torch.nn.init.normal_(teacher.head.weight)
    rows = {row.student: row for row in transfer(teacher, student, everything=True)}
    head = f"model.{len(student.model) - 2}.weight"
    assert not rows[head].copied
    assert rows[head].reason == "the teacher's computes the change, the student's the picture (student.predicts)"
    assert rows["model.1.weight"].copied
