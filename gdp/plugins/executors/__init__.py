"""Executors: processes of this machine, and Ray's workers on one machine or many."""

from __future__ import annotations

from gdp import Needs, RegisterExecutor, hookimpl


@hookimpl
def gdp_register_executors(register: RegisterExecutor) -> None:
    """Register the built-in executors."""
    register(
        "processes",
        implementation="gdp.plugins.executors.processes:ProcessesExecutor",
        summary="Processes of this machine, one a GPU or processor core",
    )
    register(
        "ray",
        implementation="gdp.plugins.executors.ray_executor:RayExecutor",
        summary="Workers of Ray, on this machine or a cluster of many",
        needs=Needs(modules=("ray",), install="gdp-distill[ray]"),
    )
