from dataclasses import fields

import pytest
import torch

from gdp.plugins.faces.attributes import MAX_AGE, MIN_AGE, FaceAttributes, sample_attributes


def same(first: FaceAttributes, second: FaceAttributes) -> bool:
    other = second.to_dict()
    return all(torch.equal(value, other[name]) for name, value in first.to_dict().items())


def test_a_face_is_the_same_whatever_it_is_drawn_with():
    faces = sample_attributes(3, range(50))
    assert same(sample_attributes(3, torch.tensor([41, 7])), faces[[41, 7]])
    assert same(sample_attributes(3, range(49, 50)), faces[49])


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    sample_attributes(3, range(5))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("seed", [4, -1, 2**40])
def test_another_seed_draws_other_faces(seed):
    assert not torch.isclose(sample_attributes(3, range(64)).age, sample_attributes(seed, range(64)).age).any()


def test_ages_are_spread_evenly_over_all_years():
    ages = sample_attributes(0, range(8000)).age
    counts = torch.histc(ages, bins=10, min=MIN_AGE, max=MAX_AGE)
    assert ages.min() >= MIN_AGE and ages.max() <= MAX_AGE
    assert (counts / 800 - 1).abs().max() < 0.15


def test_attributes_are_independent_of_one_another():
    values = torch.stack([value.double() for value in sample_attributes(0, range(8000)).to_dict().values()])
    correlation = torch.corrcoef(values) - torch.eye(len(values))
    assert correlation.abs().max() < 0.06


def test_smiles_are_clearly_one_or_the_other():
    smile = sample_attributes(0, range(2000)).smile
    assert ((smile < 0.15) | (smile > 0.75)).all()
    assert 0.4 < (smile > 0.5).float().mean() < 0.6


@pytest.mark.parametrize(("name", "count"), [("glasses", 2), ("hair_length", 3), ("skin", 4), ("eye_colour", 5)])
def test_every_class_occurs_equally_often(name, count):
    shares = getattr(sample_attributes(0, range(6000)), name).bincount() / 6000
    assert len(shares) == count
    assert (shares * count - 1).abs().max() < 0.15


def test_another_age_changes_nothing_else():
    faces = sample_attributes(0, range(10))
    aged = faces.with_age(50.0)
    assert (aged.age == 50).all()
    assert same(aged.with_age(faces.age), faces)


def test_ages_stay_within_what_the_renderer_knows():
    faces = sample_attributes(0, range(10))
    assert (faces.older(200).age == MAX_AGE).all()
    assert (faces.older(-200).age == MIN_AGE).all()


def test_faces_survive_a_dictionary_and_being_split_and_joined():
    faces = sample_attributes(0, range(10))
    assert same(FaceAttributes.from_dict(faces.to_dict()), faces)
    assert same(FaceAttributes.cat([faces[:4], faces[4:9], faces[-1]]), faces)
    assert len(faces[3]) == 1 and len(faces[faces.age > 0]) == 10


def test_a_dictionary_without_an_attribute_is_refused():
    values = sample_attributes(0, range(2)).to_dict()
    del values[fields(FaceAttributes)[0].name]
    with pytest.raises(KeyError):
        FaceAttributes.from_dict(values)
