"""The processor, its memory, and the GPUs, or why there is none. torch is imported when they are asked for."""

from __future__ import annotations

import torch

from gdp.core.memory import describe_bytes, free_memory
from gdp.core.run.versions import driver_version, machine
from gdp.core.training.precision import TYPE_NAMES, computes_bf16, find_compiler, half_type
from gdp.support.devices import lacks_code, may_have_gpu
from gdp.tools.machine.facts import Fact


def processor_facts() -> list[Fact]:
    """Tell the processor, what it multiplies in 16 bits, the free memory, and the compiler."""
    about = machine("cpu", 1)
    return [
        Fact("system", str(about["system"])),
        Fact("processor", f"{about['processor']}, {about['cores']} cores for this process"),
        _bf16(),
        Fact("memory", f"{describe_bytes(free_memory())} free"),
        _compiler(),
    ]


def _bf16() -> Fact:
    if not computes_bf16(torch.device("cpu")):
        return Fact("bf16", "not computed by this processor, or no faster: trainings on it stay in float32")
    has = torch.cpu.get_capabilities()
    by = "by AMX tiles" if has.get("amx_bf16") else "by vector instructions alone (no AMX)"
    return Fact("bf16", f'computed {by}: precision = "auto" trains in it')


def _compiler() -> Fact:
    found = find_compiler()
    if found:
        return Fact("compiler", f"{found}, for trainings on the processor")
    return Fact("compiler", "none: trainings are not compiled, and slower", mend="apt install g++, or name one in $CXX")


def gpu_facts() -> list[Fact]:
    """Tell every GPU with its memory and the driver; or why torch has none, a problem where a GPU is there."""
    if torch.cuda.is_available():
        return [Fact("driver", driver_version() or "unknown"), *map(_gpu, range(torch.cuda.device_count()))]
    if not may_have_gpu():
        return [Fact("GPU", "none on this machine")]
    if torch.version.cuda is None and torch.version.hip is None:
        mend = "pip install torch, by the command for your GPU on pytorch.org"
        return [Fact("GPU", "this torch is built for processors alone", mend=mend)]
    mend = "nvidia-smi tells whether the driver works; pytorch.org which driver this torch needs"
    return [Fact("GPU", f"there is a driver ({driver_version() or 'unknown'}), but {_why()}", True, mend)]


def _gpu(number: int) -> Fact:
    about = torch.cuda.get_device_properties(number)
    free, total = torch.cuda.mem_get_info(number)
    trains_in = f"trains in {TYPE_NAMES[half_type(torch.device('cuda', number))]}"
    memory = f"{describe_bytes(free)} of {describe_bytes(total)} free"
    kind = f"{about.name}, compute capability {about.major}.{about.minor}, {trains_in}, {memory}"
    return Fact(f"cuda:{number}", kind, mend=lacks_code(number) or "")


def _why() -> str:
    try:
        torch.zeros(1, device="cuda")
    except (RuntimeError, AssertionError) as error:
        return f"torch cannot use it ({str(error).splitlines()[0]})"
    return "torch finds no GPU behind it"
