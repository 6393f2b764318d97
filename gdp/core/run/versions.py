"""What a run was made with: versions of the software and a description of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from gdp.core.records import DISTRIBUTION, PluginRecord

PACKAGES = (DISTRIBUTION, "torch", "torchvision", "torchmetrics", "numpy", "pillow", "safetensors", "pydantic")


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
    """Describe the machine that measures: processor, cores, threads in use, device."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": threads,
        "device": device,
        "system": f"{platform.system()} {platform.machine()}",
    }


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
