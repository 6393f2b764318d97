import torch
from pix2pixhd_instances import Encoder, instance_edges, instance_means, one_hot_labels


def test_one_hot_labels_mark_the_class_of_each_pixel():
    planes = one_hot_labels(torch.tensor([[[[0.0, 2.0]]]]), classes=3)
    assert planes.tolist() == [[[[1, 0]], [[0, 0]], [[0, 1]]]]


def test_edges_lie_on_both_sides_of_a_border_between_instances():
    instances = torch.tensor([[[[5, 5, 5, 9], [5, 5, 5, 9], [7, 5, 5, 9]]]])
    assert instance_edges(instances).tolist() == [[[[0, 0, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]]]]


def test_instance_means_do_not_mix_pictures_channels_or_instances():
    features = torch.tensor([[[[1.0, 3.0, 10.0]], [[2.0, 4.0, 20.0]]], [[[5.0, 7.0, 9.0]], [[6.0, 6.0, 0.0]]]])
    instances = torch.tensor([[[[11, 11, 24000]]], [[[24000, 11, 11]]]])
    expected = [[[[2, 2, 10]], [[3, 3, 20]]], [[[5, 8, 8]], [[6, 3, 3]]]]
    assert instance_means(features, instances).tolist() == expected


def test_the_encoding_is_constant_over_each_instance():
    instances = torch.zeros(1, 1, 16, 16, dtype=torch.int32)
    instances[..., 8:] = 3
    encoded = Encoder(width=2, downsamplings=1)(torch.randn(1, 3, 16, 16), instances)
    torch.testing.assert_close(encoded[..., :8], encoded[..., :1, :1].expand(1, 3, 16, 8))
    assert not torch.equal(encoded[..., 0], encoded[..., 8])
