"""Pictures go together by what they take of the memory, whatever tells how much there is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from gdp.core import memory
from gdp.core.errors import GdpError, OutOfMemoryError, PluginError
from gdp.core.memory import MemoryBound, describe_bytes, free_memory, parse_memory, readable_memory_errors

MIB = 2**20


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("512 MB", 512 * 10**6), ("4GiB", 4 * 2**30), ("1.5g", 1_500_000_000), ("2097152", 2 * MIB)],
)
def test_amounts_of_memory_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "4", "lots", "-4GB", "0GB", "4 GB more", "4XB", "1e3GB", "nanGB"])
def test_what_is_no_amount_of_memory_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="as 4GB"):
        parse_memory(text)


def test_fewer_pictures_go_together_the_larger_they_are_and_at_least_one() -> None:
    bound = MemoryBound(100 * MIB)
    together = [bound.pictures_together((side, side), 64, bytes_a_pixel=100) for side in (64, 256, 512, 1024, 8192)]
    assert together == [64, 16, 4, 1, 1]
    assert MemoryBound(10**12).pictures_together((1024, 1024), 64, bytes_a_pixel=128) == 4  # more is no faster


def test_a_picture_that_the_bound_does_not_hold_is_told_with_what_it_takes() -> None:
    told: list[str] = []
    bound = MemoryBound(50_000_000)
    assert bound.pictures_together((1000, 2000), 8, bytes_a_pixel=37, tell=told.append, what="photos") == 1
    assert told == [
        "photos of 2000 x 1000 px take about 74 MB each while they are worked on, and the memory for them is 50 MB: "
        "they go one at a time, and take more"
    ]
    bound.pictures_together((1000, 1000), 8, bytes_a_pixel=37, tell=told.append)
    assert len(told) == 1


def test_without_a_setting_a_share_of_what_is_free_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 8 * 10**9)
    assert MemoryBound().bytes == 2 * 10**9
    assert MemoryBound(3 * 10**9).bytes == 3 * 10**9
    monkeypatch.setattr(memory, "free_device_memory", lambda device: 10**9)
    assert MemoryBound(3 * 10**9, "cuda").bytes == 5 * 10**8  # half of what the GPU has


def test_free_memory_is_some_and_no_more_than_the_machine_has() -> None:
    assert MIB < free_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_the_narrowest_control_group_of_version_2_counts(tmp_path: Path) -> None:
    _write(tmp_path / "a", memory__max="3000", memory__current="1000", memory__stat="anon 1\ninactive_file 500\n")
    _write(tmp_path / "a" / "b", memory__max="max", memory__current="700", memory__stat="")
    assert list(memory._left_in_groups(tmp_path, "0::/a/b\n")) == [2500]


def test_control_groups_of_version_1_count_and_those_of_a_container_stand_at_the_root(tmp_path: Path) -> None:
    files = {"memory__limit_in_bytes": "9000", "memory__usage_in_bytes": "4000"}
    _write(tmp_path / "memory", **files, memory__stat="cache 8\ntotal_inactive_file 1000\n")
    own = "7:cpu,cpuacct:/docker/123\n4:memory:/docker/123\n0::/docker/123\n"
    assert list(memory._left_in_groups(tmp_path, own)) == [6000]
    assert list(memory._left_in_groups(tmp_path, "")) == []


class OutOfMemoryErrorOfTorch(RuntimeError):
    """As torch names it."""


OutOfMemoryErrorOfTorch.__name__ = "OutOfMemoryError"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryErrorOfTorch("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried to"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for requested buffer"),
    ],
)
def test_every_librarys_lack_of_memory_becomes_one_paragraph(error: Exception) -> None:
    expected = r"A batch of 16 did not fit into memory\. Lower train\.batch\."
    with pytest.raises(OutOfMemoryError, match=expected), readable_memory_errors("A batch of 16", "Lower train.batch."):
        raise error


def test_a_plugins_failure_for_lack_of_memory_is_no_fault_of_the_plugin() -> None:
    failed = PluginError("engine onnx: failed with bad_alloc")
    failed.__cause__ = RuntimeError("std::bad_alloc")
    with pytest.raises(OutOfMemoryError), readable_memory_errors("A tile", "Lower --tile."):
        raise failed


def test_other_errors_pass_as_they_are() -> None:
    for error in (RuntimeError("shapes differ"), GdpError("no such file"), OSError("no such device")):
        with pytest.raises(type(error), match=str(error)), readable_memory_errors("A tile", "Lower --tile."):
            raise error


def test_bytes_are_told_as_people_read_them() -> None:
    assert [describe_bytes(size) for size in (1500, 12_000_000, 5.26e9)] == ["2 kB", "12 MB", "5.3 GB"]
