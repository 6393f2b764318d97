from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file

from gdp.core.errors import CorruptFileError, MissingResourceError, ShapeError
from gdp.plugins.directions import DirectionStep
from gdp.plugins.directions.conversion import load_direction
from gdp.plugins.stylegan2.teacher import StyleGAN2Teacher
from gdp.support.directions import Direction, measure_scale, normalised, save_direction

REAL = Path(os.environ.get("GDP_GOLDEN", "../shared/golden")).parent / "real" / "latent_directions"


def some_vectors(rows: int = 1, width: int = 24) -> torch.Tensor:
    return normalised(torch.randn(rows, width, generator=torch.Generator().manual_seed(4)))


def test_a_direction_comes_back_as_it_was_written(tmp_path: Path) -> None:
    direction = Direction("age", some_vectors(), 3.5, (0, 1, 2), "ab" * 32, {"method": "class-means", "samples": 5000})
    save_direction(direction, tmp_path / "deep" / "age.safetensors")
    loaded = load_direction(tmp_path / "deep" / "age.safetensors")
    torch.testing.assert_close(loaded.vectors, direction.vectors)
    assert (loaded.name, loaded.scale, loaded.layers, loaded.teacher, loaded.found) == (
        direction.name,
        direction.scale,
        direction.layers,
        direction.teacher,
        direction.found,
    )


def test_a_strength_counts_standard_deviations_of_the_score(tiny_teacher: StyleGAN2Teacher) -> None:
    vectors = some_vectors()
    direction = Direction("tilt", vectors, measure_scale(tiny_teacher, vectors))
    ws = tiny_teacher.map(tiny_teacher.sample_z(0, range(4096)))
    deviation = (ws[:, 0] @ vectors[0]).std()
    moved = ws + direction.displacement(tiny_teacher, 2.0)
    gained = (moved - ws)[:, 0] @ vectors[0]
    torch.testing.assert_close(gained, (2 * deviation).expand(4096), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(24,), (1, 24), (6, 24), (1, 6, 24)])
@pytest.mark.parametrize("dtype", [numpy.float32, numpy.float64])
def test_public_files_of_any_norm_get_norm_and_scale_from_the_teacher(
    shape: tuple[int, ...], dtype: type, tmp_path: Path, tiny_teacher: StyleGAN2Teacher
) -> None:
    row = some_vectors()[0].numpy().astype(dtype)
    numpy.save(tmp_path / "smile.npy", numpy.broadcast_to(row * 0.731, shape).copy())
    direction = load_direction(tmp_path / "smile.npy")
    assert (direction.name, direction.scale) == ("smile", None)
    expected = Direction("smile", some_vectors(), measure_scale(tiny_teacher, some_vectors()))
    torch.testing.assert_close(
        direction.displacement(tiny_teacher, 1.5), expected.displacement(tiny_teacher, 1.5), rtol=1e-4, atol=1e-5
    )


def test_only_the_chosen_layers_move(tiny_teacher: StyleGAN2Teacher) -> None:
    direction = Direction("tilt", some_vectors(), 1.0, layers=(1, 3))

    def moved(layers: object) -> list[int]:
        rows = direction.displacement(tiny_teacher, 1.0, layers).abs().sum(dim=1)  # type: ignore[arg-type] # as a recipe's
        return rows.nonzero().flatten().tolist()

    assert moved(None) == [1, 3], "those of the file"
    assert moved("all") == list(range(6))
    assert moved([0, 5]) == [0, 5]
    with pytest.raises(ShapeError, match="no layer 6"):
        moved([2, 6])


def test_rows_that_are_zero_do_not_weaken_the_others(tiny_teacher: StyleGAN2Teacher) -> None:
    sparse = torch.zeros(6, 24)
    sparse[2:4] = some_vectors()
    vectors = normalised(sparse)
    whole = Direction("whole", some_vectors(), measure_scale(tiny_teacher, some_vectors()))
    part = Direction("part", vectors, measure_scale(tiny_teacher, vectors))
    torch.testing.assert_close(
        part.displacement(tiny_teacher, 1.0)[2:4], whole.displacement(tiny_teacher, 1.0)[2:4], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("shape", [(1, 16), (5, 24)])
def test_a_direction_of_another_generator_is_refused(shape: tuple[int, int], tiny_teacher: StyleGAN2Teacher) -> None:
    with pytest.raises(ShapeError, match="belongs to another generator"):
        Direction("foreign", some_vectors(*shape), 1.0).displacement(tiny_teacher, 1.0)


def test_a_pickled_array_is_never_unpickled(tmp_path: Path) -> None:
    numpy.save(tmp_path / "objects.npy", numpy.array([print, {}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptFileError, match=r"objects\.npy"):
        load_direction(tmp_path / "objects.npy")


@pytest.mark.parametrize(
    "array",
    [numpy.zeros((1, 24)), numpy.full((1, 24), numpy.nan), numpy.ones((2, 3, 4)), numpy.ones(24, dtype=int), 1.0],
    ids=["zero", "nan", "3d", "integers", "scalar"],
)
def test_arrays_that_are_no_direction_are_refused(array: object, tmp_path: Path) -> None:
    numpy.save(tmp_path / "odd.npy", array)
    with pytest.raises(CorruptFileError, match=r"odd\.npy: this is no usable direction"):
        load_direction(tmp_path / "odd.npy")


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    save_direction(Direction("age", some_vectors(), 1.0), tmp_path / "whole.safetensors")
    content = (tmp_path / "whole.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[:-8])
    save_file({"weight": some_vectors(), "bias": some_vectors()[0]}, tmp_path / "foreign.safetensors")
    numpy.save(tmp_path / "cut.npy", some_vectors().numpy())
    (tmp_path / "cut.npy").write_bytes((tmp_path / "cut.npy").read_bytes()[:-8])
    (tmp_path / "empty.npy").write_bytes(b"")
    for name in ("cut.safetensors", "foreign.safetensors", "cut.npy", "empty.npy"):
        with pytest.raises(CorruptFileError, match=name):
            load_direction(tmp_path / name)
    with pytest.raises(MissingResourceError, match="nowhere"):
        load_direction(tmp_path / "nowhere.npy")


@pytest.mark.parametrize("name", ["builtin:hat", "age.pkl", "age.npy#x", "#3"])
def test_settings_refuse_what_cannot_be_read(name: str) -> None:
    with pytest.raises(ValidationError, match="builtin:age"):
        DirectionStep.model_validate({"direction": name, "strength": 1.0})


@pytest.mark.parametrize("shape", [(24,), (1, 24), (6, 24), (1, 6, 24)])
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
def test_torch_files_are_read_like_arrays(shape: tuple[int, ...], legacy: bool, tmp_path: Path) -> None:
    held = torch.nn.Parameter((some_vectors()[0] * 4.2426).expand(shape).clone())
    torch.save(held, tmp_path / "pose.pt", _use_new_zipfile_serialization=not legacy)
    direction = load_direction(tmp_path / "pose.pt")
    torch.testing.assert_close(direction.vectors[:1], some_vectors())
    assert direction.found["norm"] == pytest.approx(4.2426, rel=1e-5)


def test_one_of_ganspaces_components_is_taken_with_its_deviation(tmp_path: Path) -> None:
    components = some_vectors(rows=5)[:, None] * 2
    held = {"mean": torch.zeros(1, 24), "comp": components, "std": torch.arange(1.0, 6.0)}
    torch.save(held, tmp_path / "pca.pt")
    step = DirectionStep.model_validate({"direction": str(tmp_path / "pca.pt#3"), "strength": 1.0})
    direction = load_direction(step.direction)
    norm = float(components[3].norm())
    torch.testing.assert_close(direction.vectors, components[3] / norm)
    assert direction.scale == pytest.approx(4.0 / norm)
    for wrong, match in (("pca.pt", "name one as pca.pt#0 to #4"), ("pca.pt#5", "it holds 5 components")):
        with pytest.raises(CorruptFileError, match=match):
            load_direction(tmp_path / wrong)
    torch.save({"state": torch.ones(24), "more": torch.ones(24)}, tmp_path / "other.pt")
    with pytest.raises(CorruptFileError, match="it holds state, more; expected one array, or GANSpace's mean, comp"):
        load_direction(tmp_path / "other.pt")


@pytest.mark.parametrize("shape", [(24,), (1, 24), (6, 24), (1, 6, 24)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("ending", [".npy", ".npz", ".pt", ".pth", ".safetensors"])
def test_every_container_and_float_of_public_files_is_read(
    ending: str, dtype: torch.dtype, shape: tuple[int, ...], tmp_path: Path
) -> None:
    held, path = (some_vectors()[0] * 0.731).to(dtype).expand(shape).contiguous(), tmp_path / f"age{ending}"
    if ending == ".npy":
        numpy.save(path, held.numpy())
    elif ending == ".npz":
        numpy.savez_compressed(path, held.numpy())
    elif ending == ".safetensors":
        save_file({"boundary": held}, path)
    else:
        torch.save(held if ending == ".pt" else {"direction": held}, path)
    step = DirectionStep.model_validate({"direction": str(path), "strength": 1.0})
    direction = load_direction(step.direction)
    assert (direction.name, direction.scale, direction.space, direction.teacher) == ("age", None, "", "")
    assert direction.vectors.shape == (1 if len(shape) < 3 and shape[0] != 6 else 6, 24)
    torch.testing.assert_close(direction.vectors[:1], some_vectors(), rtol=2e-3, atol=1e-3)
    assert direction.found["norm"] == pytest.approx(0.731, rel=1e-3)


def test_what_is_no_direction_is_told_by_what_it_holds(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "two.npz", a=some_vectors().numpy(), b=some_vectors().numpy())
    numpy.savez(tmp_path / "none.npz")
    numpy.save(tmp_path / "words.npy", numpy.array(["age"]))
    numpy.save(tmp_path / "batch.npy", numpy.ones((4, 6, 24)))
    numpy.save(tmp_path / "short.npy", numpy.ones(3))
    torch.save(torch.ones(24, dtype=torch.int64), tmp_path / "whole.pt")
    torch.save({"comp": torch.ones(5, 24), "std": torch.ones(4)}, tmp_path / "pca.pt")
    torch.save({"eigvec": torch.eye(24)}, tmp_path / "factor.pt")
    for name, said in (
        ("two.npz", "it holds a, b; expected one array, or GANSpace's mean, comp and std, or SeFa's eigvec"),
        ("none.npz", "it holds nothing; expected one array"),
        ("words.npy", "it does not hold floats but <U3"),
        ("batch.npy", r"its shape is \(4, 6, 24\)"),
        ("short.npy", r"its shape is \(3,\)"),
        ("whole.pt", "it holds int64, no floats"),
        ("pca.pt#0", r"comp is \(5, 24\) and std \(4,\)"),
        ("factor.pt", "it holds 24 components; name one as factor.pt#0 to #23"),
        ("factor.pt#24", "it holds 24 components"),
    ):
        with pytest.raises(CorruptFileError, match=f"{name.split('#')[0]}: this is no usable direction: {said}"):
            load_direction(tmp_path / name)


def test_a_json_beside_a_public_file_may_say_where_it_belongs(tmp_path: Path) -> None:
    numpy.save(tmp_path / "age.npy", some_vectors().numpy())
    beside = tmp_path / "age.json"
    beside.write_text('{"space": "w", "teacher": "abcd"}')
    assert (load_direction(tmp_path / "age.npy").space, load_direction(tmp_path / "age.npy").teacher) == ("w", "abcd")
    beside.write_text('{"space": "z"}')
    assert load_direction(tmp_path / "age.npy").space == "z"
    beside.write_text('{"format": "gdp-converted-1", "what": "direction age"}')
    assert load_direction(tmp_path / "age.npy").space == ""
    for text, said in (
        ('{"space": "s"}', 'says a space that is neither "w" nor "z"'),
        ('{"teacher": 3}', "says a teacher that is no sha256"),
        ("{", "is no JSON"),
    ):
        beside.write_text(text)
        with pytest.raises(CorruptFileError, match=f"age.json beside it {said}"):
            load_direction(tmp_path / "age.npy")


def test_what_is_known_of_the_space_is_kept_in_gdps_own_files(tmp_path: Path) -> None:
    for space in ("w", "z", ""):
        save_direction(Direction("age", some_vectors(), space=space), tmp_path / "age.safetensors")  # type: ignore[arg-type] # one of them
        assert load_direction(tmp_path / "age.safetensors").space == space


class Payload:
    """Unpickling it would make a file."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.made}",)


@pytest.mark.parametrize("wrapping", ["zip", "legacy", "pickle", "inside a dict"])
def test_a_hostile_torch_file_is_refused_and_runs_nothing(wrapping: str, tmp_path: Path) -> None:
    made, path = tmp_path / "made", tmp_path / "age.pt"
    if wrapping == "pickle":
        path.write_bytes(pickle.dumps(Payload(made), protocol=2))
    elif wrapping == "inside a dict":
        torch.save({"comp": torch.ones(2, 1, 24), "std": torch.ones(2), "mean": Payload(made)}, path)
    else:
        torch.save(Payload(made), path, _use_new_zipfile_serialization=wrapping == "zip")
    with pytest.raises(CorruptFileError, match=r"age\.pt: .* names \w+\.system, .* Nothing in it was run") as caught:
        load_direction(path)
    assert not made.exists()
    assert "weights_only" not in str(caught.value), "the message must not show how to run the file's code"


def test_another_teachers_direction_is_used_with_the_scale_measured_here(tiny_teacher: StyleGAN2Teacher) -> None:
    vectors = some_vectors()
    foreign = Direction("age", vectors, 1000.0, teacher="ab" * 32)
    own = Direction("age", vectors, 1000.0, teacher=tiny_teacher.fingerprint)
    assert foreign.is_foreign(tiny_teacher)
    assert not own.is_foreign(tiny_teacher)
    assert not Direction("age", vectors).is_foreign(tiny_teacher), "of a public file nobody knows the teacher"
    scale = measure_scale(tiny_teacher, vectors)
    torch.testing.assert_close(foreign.displacement(tiny_teacher, 1.0)[0], scale * vectors[0])
    torch.testing.assert_close(own.displacement(tiny_teacher, 1.0)[0], 1000 * vectors[0])


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of public directions is not here")
def test_every_public_direction_is_read() -> None:
    files = sorted(path for path in REAL.rglob("*") if path.suffix in (".npy", ".pt"))
    listed = (REAL / "SHA256SUMS").read_text().splitlines()
    assert len(files) == sum(line.endswith((".npy", ".pt")) for line in listed) > 45
    for path in files:
        components = [f"#{number}" for number in (0, 79)] if path.stem == "ffhq_pca" else [""]
        for component in components:
            direction = load_direction(path.with_name(path.name + component))
            assert direction.vectors.shape in ((1, 512), (18, 512)), path
            norms = direction.vectors.norm(dim=1)
            assert float(norms[norms > 0].square().mean()) == pytest.approx(1.0, rel=1e-5)
            assert direction.found["norm"] > 0
    assert load_direction(REAL / "seeprettyface_NC" / "age.npy").found["norm"] == pytest.approx(0.363, abs=1e-3)


@pytest.mark.skipif(not REAL.is_dir(), reason="the folder of public directions is not here")
def test_a_public_direction_of_another_size_is_refused(tiny_teacher: StyleGAN2Teacher) -> None:
    with pytest.raises(ShapeError, match="has 1 row of 512 numbers; the teacher takes 6 w's of 24"):
        load_direction(REAL / "e4e" / "age.pt").displacement(tiny_teacher, 1.0)
