"""What a run was made with: versions of the software and a description of the machine."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from gdp.core.records import DISTRIBUTION, PluginRecord

PACKAGES = (DISTRIBUTION, "torch", "torchvision", "torchmetrics", "numpy", "pillow", "safetensors", "pydantic")

_DRIVER = Path("/proc/driver/nvidia/version")
_DRIVER_VERSION = re.compile(r"(?:Kernel Module.*?|x86_64 )\s(\d+\.\d[\d.]*)")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def plugin_versions(records: Iterable[PluginRecord]) -> dict[str, str]:
    """Return the versions of the packages that plugins come from; of plugins of one file the paths and sha256."""
    return {record.package: record.version for record in records if record.package not in ("", *PACKAGES)}


def machine(device: str, threads: int) -> dict[str, str | int]:
    """Describe the machine that measures: processor, cores, threads in use, device; of a GPU its name and driver."""
    return {
        "processor": _processor(),
        "cores": processor_cores(),
        "threads": threads,
        "device": device,
        "system": f"{platform.system()} {platform.machine()}",
        **(_gpu(device) if device.startswith("cuda") else {}),
    }


def processor_cores() -> int:
    """Return how many cores of the processor this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _gpu(device: str) -> dict[str, str | int]:
    import torch

    about = torch.cuda.get_device_properties(device)
    # torch's default: float32 convolutions of an Ampere or later GPU round their factors to 10 bits (TensorFloat-32).
    rounds = torch.backends.cudnn.allow_tf32 and about.major >= 8
    return {
        "gpu": about.name,
        "gpu_memory": about.total_memory,
        "compute_capability": f"{about.major}.{about.minor}",
        "driver": driver_version() or "unknown",
        "cuda": torch.version.cuda or torch.version.hip or "none",
        "float32_convolutions": "TF32" if rounds else "float32",
    }


def driver_version() -> str:
    """Return the version of NVIDIA's driver; empty where it does not tell."""
    try:
        found = _DRIVER_VERSION.search(_DRIVER.read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found[1] if found else ""


def _processor() -> str:
    """Return the processor's name and the matrix instructions that decide its speed with bf16."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {name.strip(): value.strip() for name, value in facts.items()}
    flags = set(facts.get("flags", "").split()) & {"avx512_bf16", "amx_bf16"}
    name = facts.get("model name", platform.machine())
    return f"{name} ({', '.join(sorted(flags))})" if flags else name
