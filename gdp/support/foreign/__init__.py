"""Files of weights that other programs wrote, read without running anything of them.

A checkpoint of PyTorch, of numpy or of TensorFlow's time is a pickle: a program that builds objects and may call
anything. `read_foreign` has an interpreter of its own for it, which knows a short list of names and for each a function
that builds a plain value, a tensor, or an inert stand-in; every other name is refused. Any plugin may use it.
"""

from __future__ import annotations

from gdp.support.foreign.names import module_state, walk_modules
from gdp.support.foreign.opening import ForeignFile, plain_state, read_foreign, read_state, read_state_dict
from gdp.support.foreign.unwrapping import parts_of, without_wrappers
from gdp.support.foreign.values import ForeignArray, ForeignName, ForeignObject, as_tensor, printable

__all__ = [
    "ForeignArray",
    "ForeignFile",
    "ForeignName",
    "ForeignObject",
    "as_tensor",
    "module_state",
    "parts_of",
    "plain_state",
    "printable",
    "read_foreign",
    "read_state",
    "read_state_dict",
    "walk_modules",
    "without_wrappers",
]
