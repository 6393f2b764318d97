"""Videos come back with their times, colours, sound and upright, and a bad one keeps no other from being written."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy
import pytest
from video_files import picture, read_video, write_video

from gdp.core.errors import GdpError
from gdp.core.memory import MemoryBound
from gdp.core.progress import SilentProgress
from gdp.support.interfaces.engines import PictureArray
from gdp.tools.deploy.applying import Application, Applied
from gdp.tools.deploy.files import Job, find_jobs
from gdp.tools.deploy.videos import apply_to_videos

EVEN = [3000 * number for number in range(8)]
TIMES = {
    "30 to 24 a second": EVEN + [24_000 + 3750 * number for number in range(8)],
    "a frame dropped": [*EVEN[:3], *EVEN[4:]],
    "a pause of 2 s": EVEN + [24_000 + 180_000 + number for number in EVEN],
    "begins late": [45_001 + number for number in EVEN],
}


def unchanged(pictures: PictureArray) -> PictureArray:
    return pictures


def apply(
    *sources: Path, to: Path, transform: Callable[[PictureArray], PictureArray] = unchanged, compare: bool = False
) -> Applied:
    applied = Applied()
    jobs = find_jobs([str(source) for source in sources], to)
    apply_to_videos(jobs, Application(transform, compare), SilentProgress(), applied)
    return applied


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("pts", TIMES.values(), ids=TIMES)
def test_frames_are_shown_when_those_of_the_source_are(tmp_path: Path, pts: list[int], suffix: str) -> None:
    source = write_video(tmp_path / f"in{suffix}", pts, sound="aac")
    (made,) = apply(source, to=tmp_path / f"out{suffix}").written
    before, after = read_video(source), read_video(made)
    assert after.seconds == before.seconds
    assert after.lasts == before.lasts
    assert after.sounds == before.sounds == [("aac", 48_000, 1)]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.webm", {"codec": "libvpx", "sound": "libopus", "layout": "stereo"}),
        ("b.avi", {"codec": "mpeg4", "time_base": Fraction(1, 30), "sound": "libmp3lame"}),
        ("c.avi", {"codec": "mpeg4", "time_base": Fraction(1, 30), "sound": "pcm_s16le", "layout": "stereo"}),
        ("d.3gp", {"sound": "aac"}),
        ("e.mts", {"sound": "ac3", "layout": "stereo"}),
        ("f.flv", {"sound": "aac"}),
    ],
)
def test_other_formats_become_mp4_and_keep_times_and_sound(tmp_path: Path, name: str, options: dict) -> None:
    source = write_video(tmp_path / name, range(8) if "time_base" in options else EVEN, **options)
    applied = apply(source, to=tmp_path / "out")
    assert applied.written == [tmp_path / "out" / f"{source.stem}.mp4"]
    assert any("it is written as .mp4" in note for note in applied.notes[applied.written[0]])
    before, after = read_video(source), read_video(applied.written[0])
    assert after.seconds == before.seconds
    kept = [("aac", *track[1:]) if track[0].startswith("pcm") else track for track in before.sounds]
    assert after.sounds == kept and len(kept) == 1


@pytest.mark.parametrize(
    ("codec", "suffix", "becomes"),
    [
        ("flac", ".mov", "aac"), ("libopus", ".mov", "aac"), ("wavpack", ".mp4", "aac"), ("pcm_s16le", ".mp4", "aac"),
        ("flac", ".mp4", "flac"), ("libopus", ".mp4", "opus"), ("pcm_s16le", ".mov", "pcm_s16le"),
        ("flac", ".mkv", "flac"),
    ],
)  # fmt: skip
def test_sound_that_a_format_cannot_hold_becomes_aac_and_is_told(
    tmp_path: Path, codec: str, suffix: str, becomes: str
) -> None:
    source = write_video(tmp_path / "in.mkv", EVEN, sound=codec)
    applied = apply(source, to=tmp_path / f"out{suffix}")
    assert read_video(tmp_path / f"out{suffix}").sounds == [(becomes, 48_000, 1)]
    notes = applied.notes[tmp_path / f"out{suffix}"]
    assert any("becomes AAC" in note for note in notes) == (becomes == "aac")


@pytest.mark.parametrize("turn", [(90,), (180,), (270,), (0, True), (90, True), (270, True)])
def test_a_turned_video_is_shown_upright_to_the_network_and_written_so(tmp_path: Path, turn: tuple) -> None:
    source = write_video(tmp_path / "in.mp4", EVEN[:2], turn=turn, aspect=Fraction(16, 15), matrix=6)
    seen: list[PictureArray] = []
    (made,) = apply(source, to=tmp_path / "out.mp4", transform=lambda shown: seen.append(shown) or shown).written
    upright = numpy.rot90(picture(), turn[0] // 90)
    upright = upright[:, ::-1] if len(turn) > 1 else upright
    after = read_video(made)
    assert not after.turned
    assert numpy.abs(after.pictures[0].astype(int) - upright).mean() < 4
    assert numpy.abs(seen[0][0].astype(int) - upright).mean() < 4
    assert after.aspect == (Fraction(15, 16) if turn[0] in (90, 270) else Fraction(16, 15))


@pytest.mark.parametrize("size", [(64, 48), (1280, 720)], ids=["SD", "HD"])
@pytest.mark.parametrize(("matrix", "full"), [(None, False), (1, False), (1, True), (6, False), (5, True), (9, False)])
def test_colours_come_back_within_two_levels_and_tagged(
    tmp_path: Path, size: tuple[int, int], matrix: int | None, full: bool
) -> None:
    source = write_video(
        tmp_path / "in.mp4", EVEN[:2], [picture(*size)] * 2, matrix=matrix, full=full, transfer=matrix and 1
    )
    applied = apply(source, to=tmp_path / "out.mp4")
    usual = 1 if size[0] > 1000 else 6
    before, after = read_video(source, untagged=usual), read_video(tmp_path / "out.mp4")
    assert after.tags[:3] == ((matrix or usual), 2 if full else 1, (matrix or usual))
    apart = numpy.abs(before.pictures[1].astype(int) - after.pictures[1])
    assert numpy.percentile(apart, 99) <= 2
    said = [note for notes in applied.notes.values() for note in notes]
    assert any("not tagged" in note for note in said) == (matrix is None)


def test_changed_colours_are_those_that_the_student_made(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", EVEN[:2], matrix=1)
    made = numpy.empty_like(picture())
    made[:] = (200, 60, 30)
    apply(source, to=tmp_path / "out.mp4", transform=lambda shown: numpy.stack([made] * len(shown)))
    assert numpy.abs(read_video(tmp_path / "out.mp4").pictures[0].astype(int) - made).max() <= 3


def test_ten_bits_odd_sizes_and_compare_are_handled_and_told(tmp_path: Path) -> None:
    deep = write_video(tmp_path / "deep.mp4", EVEN[:2], stored="yuv420p10le", matrix=1)
    odd = write_video(tmp_path / "odd.mkv", EVEN[:2], [picture(67, 49)] * 2, stored="yuv444p", matrix=1)
    applied = apply(deep, odd, to=tmp_path / "out", compare=True)
    assert applied.notes[tmp_path / "out/deep.mp4"] == ["its 10 bits become 8"]
    assert "134 x 49 pixels are written as 134 x 48" in applied.notes[tmp_path / "out/odd.mkv"][0]
    shown = read_video(tmp_path / "out/deep.mp4").pictures[0].astype(int)
    assert numpy.abs(shown[:, :64] - shown[:, 64:]).mean() < 1
    assert numpy.abs(shown[:, :64] - picture()).mean() < 4


def test_hdr_is_brought_to_the_standard_range_and_told(tmp_path: Path) -> None:
    grey = numpy.full((48, 64, 3), 191, numpy.uint8)  # 0.75 of HLG: white paper
    source = write_video(tmp_path / "in.mp4", EVEN[:1], [grey], stored="yuv420p10le", matrix=9, transfer=18)
    applied = apply(source, to=tmp_path / "out.mp4")
    after = read_video(tmp_path / "out.mp4")
    assert after.tags == (1, 1, 1, 1)
    assert abs(float(after.pictures[0].mean()) - 254) < 3
    assert "HDR (HLG) is brought to the standard range" in applied.notes[tmp_path / "out.mp4"][0]


@pytest.mark.parametrize(
    ("name", "codec", "stored"),
    [("a.mov", "qtrle", "argb"), ("a.mkv", "ffv1", "bgra"), ("a.webm", "libvpx-vp9", "yuva420p")],
)
def test_transparent_parts_of_a_video_are_shown_on_white_and_told(
    tmp_path: Path, name: str, codec: str, stored: str
) -> None:
    cut = numpy.dstack([picture(), numpy.full((48, 64), 255, numpy.uint8)])
    cut[:, 32:, 3] = 0
    with av.open(str(tmp_path / name), "w") as container:
        track = container.add_stream(codec, rate=30)
        track.width, track.height, track.pix_fmt = 64, 48, stored
        for number in range(2):
            frame = av.VideoFrame.from_ndarray(cut, format="rgba").reformat(format=stored)
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    seen: list[PictureArray] = []
    applied = apply(tmp_path / name, to=tmp_path / "out", transform=lambda shown: seen.append(shown) or shown)
    (notes,) = applied.notes.values()
    assert "what is transparent is shown on white, and is opaque in the result" in notes
    assert (seen[0][:, :, 34:] >= 253).all()
    assert numpy.abs(seen[0][0, 16:, :30].astype(int) - picture()[16:, :30]).mean() < 4
    after = read_video(applied.written[0])
    assert (after.pictures[0][:, 34:] >= 250).all() and len(after.seconds) == 2


def test_an_interlaced_video_stays_woven_and_is_told_once(tmp_path: Path) -> None:
    woven = numpy.zeros((48, 64, 3), numpy.uint8)
    woven[::2] = 200
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        track = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1", "crf": "1", "bf": "0"})
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        track.codec_context.flags |= av.codec.context.Flags.interlaced_dct
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(woven, format="rgb24").reformat(format="yuv420p")
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    applied = apply(tmp_path / "in.mkv", to=tmp_path / "out.mkv")
    notes = applied.notes[tmp_path / "out.mkv"]
    assert [note.split(":")[0] for note in notes].count("it is interlaced") == 1
    assert any("ffmpeg -i IN -vf bwdif" in note for note in notes)
    shown = read_video(tmp_path / "out.mkv").pictures[0]
    assert (shown[::2] > 180).all() and (shown[1::2] < 20).all()


def test_a_video_whose_size_changes_midway_keeps_the_first_and_is_told(tmp_path: Path) -> None:
    streams = []
    for width, height in ((64, 48), (96, 64)):
        part = write_video(tmp_path / f"{width}.h264", EVEN[:3], [picture(width, height)] * 3)
        streams.append(part.read_bytes())
    (tmp_path / "in.h264").write_bytes(b"".join(streams))
    with av.open(str(tmp_path / "in.h264")) as given, av.open(str(tmp_path / "in.mp4"), "w") as container:
        track = container.add_stream_from_template(given.streams.video[0])
        whole = (packet for packet in given.demux(given.streams.video[0]) if packet.size)
        for number, packet in enumerate(whole):
            packet.stream, packet.pts, packet.dts, packet.time_base = track, number, number, Fraction(1, 30)
            container.mux(packet)
    seen: list[PictureArray] = []
    applied = apply(tmp_path / "in.mp4", to=tmp_path / "out.mp4", transform=lambda shown: seen.append(shown) or shown)
    told = "its pictures change from 64 x 48 to 96 x 64 pixels; all are brought to the first size"
    assert told in applied.notes[tmp_path / "out.mp4"]
    after = read_video(tmp_path / "out.mp4")
    assert [shown.shape for shown in after.pictures] == [(48, 64, 3)] * 6
    assert after.seconds == read_video(tmp_path / "in.mp4").seconds
    assert numpy.abs(numpy.concatenate(seen).astype(int) - picture()).mean() < 6


def test_a_bad_video_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mp4", "c.mp4", "e.mp4"):
        write_video(folder / name, EVEN)
    write_video(folder / "d.webm", EVEN, codec="libvpx")
    (folder / "b.mp4").write_bytes(b"no video at all" * 99)
    whole = write_video(tmp_path / "whole.mkv", EVEN * 1, [numpy.roll(picture(), n, 1) for n in range(8)]).read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: len(whole) * 2 // 3])
    with av.open(str(folder / "sound.mp4"), "w") as container:
        container.add_stream("aac", rate=48_000)
        container.start_encoding()
    applied = apply(folder, to=tmp_path / "out")
    assert [path.name for path in applied.written] == ["a.mp4", "c.mp4", "d.mp4", "e.mp4"]
    assert [(failed.path.name, failed.what) for failed in applied.failed] == [
        ("b.mp4", "read"), ("cut.mkv", "read"), ("sound.mp4", "read"),
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.mp4", "c.mp4", "d.mp4", "e.mp4"]


def test_a_student_that_fails_at_one_video_keeps_no_other_from_being_written(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.mp4", EVEN)
    large = write_video(tmp_path / "large.mp4", EVEN, [picture(128, 96)] * 8)

    def only_small(pictures: PictureArray) -> PictureArray:
        if pictures.shape[2] > 64:
            raise GdpError("too large for me")
        return pictures

    applied = apply(large, small, to=tmp_path / "out", transform=only_small)
    assert [path.name for path in applied.written] == ["small.mp4"]
    assert [(failed.what, "too large for me" in failed.reason) for failed in applied.failed] == [("translated", True)]


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.mp4", EVEN[:1])
    for output, told in (("b.webm", "videos are written as"), ("b.png", "videos are written as"), (".", "over one of")):
        with pytest.raises(GdpError, match=told):
            find_jobs([str(source)], tmp_path / output)
    write_video(tmp_path / "a.webm", EVEN[:1], codec="libvpx")
    both = find_jobs([str(tmp_path)], tmp_path / "out")
    assert [job.target.name for job in both] == ["a.mp4", "a.webm.mp4"]


def test_frames_keep_to_the_memory_and_one_that_exceeds_it_is_told(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", EVEN, [picture(128, 96)] * 8)
    told, together = [], []

    class Heard(SilentProgress):
        def message(self, text: str) -> None:
            told.append(text)

    def transform(shown: PictureArray) -> PictureArray:
        together.append(len(shown))
        return shown

    for bound in (10**6, 6 * 10**6, 10**9):
        jobs = [Job(source, tmp_path / f"out{bound}" / "in.mp4")]
        application = Application(transform, compare=True, batch=8)
        apply_to_videos(jobs, application, Heard(), Applied(), memory=MemoryBound(bound))
    assert together == [1] * 8 + [3, 3, 2] + [8]
    (excess,) = [text for text in told if "while they are worked on" in text]
    assert "in.mp4: frames of 128 x 96 px take about 2 MB each" in excess
    first, *others = (path.read_bytes() for path in sorted(tmp_path.glob("out*/in.mp4")))
    assert others == [first, first]


def test_a_stopped_video_leaves_nothing(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", EVEN * 1)
    applied = Applied()
    stops = iter([False, False, True])
    jobs = [Job(source, tmp_path / "out/in.mp4")]
    apply_to_videos(jobs, Application(unchanged, batch=2), SilentProgress(), applied, lambda: next(stops))
    assert applied == Applied()
    assert list((tmp_path / "out").iterdir()) == []


LEAVES = """
import sys, time
from pathlib import Path
from gdp.support.half_written import half_written
with half_written(Path(sys.argv[1]) / "out.mp4") as made:
    made.write_bytes(b"half")
    print("at work", flush=True)
    time.sleep(600)
"""


@pytest.mark.process
def test_what_a_killed_process_left_is_swept_at_the_next_start_and_nothing_else(tmp_path: Path) -> None:
    source = write_video(tmp_path / "in.mp4", EVEN)
    target = tmp_path / "out"
    (target / ".gdp-half-mine").mkdir(parents=True)
    (target / ".gdp-half-mine" / "kept.txt").touch()
    with subprocess.Popen([sys.executable, "-c", LEAVES, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        apply(source, to=target)
        assert len(list(target.glob(".gdp-half-*"))) == 2  # it still works there
        process.kill()
        process.wait()
    time.sleep(0.1)
    apply(source, to=target)
    assert [path.name for path in target.glob(".gdp-half-*")] == [".gdp-half-mine"]
