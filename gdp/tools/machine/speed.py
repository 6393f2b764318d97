"""How fast this machine multiplies, and so which work is quick here and which is not: a few seconds of measuring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from gdp.core.memory import describe_bytes, free_device_memory, free_memory
from gdp.support.devices import resolve_device
from gdp.support.wording import duration
from gdp.tools.estimate.magnitude import LONG, name_of
from gdp.tools.estimate.speeds import measure_speeds
from gdp.tools.estimate.works import Arithmetic, Speeds
from gdp.tools.machine.facts import Fact


@dataclass(frozen=True)
class Job:
    """Work of a known amount."""

    name: str
    what: str
    each: Arithmetic
    """What one time asks of the device."""
    times: int
    """How often it is done."""
    memory: float
    """Bytes of the device that one time takes."""


JOBS = (
    Job(
        "small training",
        "a student of 64 px, 1,700 steps of 6.5 GMAC",
        Arithmetic(kernels=545, half_macs=6.53e9, bytes=3.4e8),
        times=1_700,
        memory=8.5e7,
    ),
    Job(
        "full-size training",
        "Pix2PixHD of 182 M parameters at 512 px, 2,279,000 steps of 1,057 GMAC",
        Arithmetic(kernels=722, half_macs=1.0566e12, bytes=1.705e10),
        times=2_279_000,
        memory=5.0e9,
    ),
    Job(
        "full-size student",
        "one picture of 512 px by it in torch, 217.5 GMAC",
        Arithmetic(macs=2.175e11),
        times=1,
        memory=2.2e9,
    ),
)
"""As the pre-flight counts a student of System A's embedded size in batches of 8, and the recipe stylegan2-ffhq-age:
trainings in 16 bits where the device has such, students in float32."""


def speed_facts() -> Iterator[Fact]:
    """Measure the device that `auto` means, and tell about how long known jobs would take on it."""
    device = torch.device(resolve_device("auto"))
    try:
        speeds = measure_speeds(device, min)
    except RuntimeError as error:  # torch has no code for the GPU, or others have taken its memory
        mend = "nvidia-smi tells who uses a GPU; pytorch.org for which this torch has code"
        yield Fact("measured", f"{device} cannot work now ({str(error).splitlines()[0]})", True, mend)
        return
    half = "" if speeds.half_macs <= speeds.macs else f", {speeds.half_macs / 1e9:,.0f} in bf16"
    yield Fact("measured", f"{device}: {speeds.macs / 1e9:,.0f} GMAC a second in float32{half}, as it is used now")
    memory = free_memory() if device.type == "cpu" else free_device_memory(str(device)) or 0
    for job in JOBS:
        yield judge(job, speeds, memory)


def judge(job: Job, speeds: Speeds, memory: float) -> Fact:
    """Tell about how long a job takes by what it asks of the device, and whether it fits."""
    if job.memory > memory:
        lacking = f"{describe_bytes(job.memory)} needed, {describe_bytes(memory)} free"
        return Fact(job.name, f"does not fit: {job.what}; {lacking}", mend="narrower networks, or a larger machine")
    each = speeds.seconds(job.each)
    seconds = each * job.times
    about = duration(each) if job.times == 1 else f"in the order of {name_of(seconds)}"
    mend = "a GPU; gdp estimate RECIPE tells what it takes on machines for rent" if seconds >= LONG else ""
    return Fact(job.name, f"{about}: {job.what}", mend=mend)
