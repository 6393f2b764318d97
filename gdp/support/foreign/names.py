"""The names that may stand in a foreign file, and what is built where one is called.

Nothing of what is named here is imported or called: a builder is a function of ours that looks at the arguments.

The state dict of a network that was pickled whole, from the attributes that its file tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product

from torch import Tensor

from gdp.core.errors import CorruptFileError
from gdp.support.foreign.arrays import array_from_buffer, build_array, build_dtype, build_scalar
from gdp.support.foreign.machine import Names, checked_key
from gdp.support.foreign.storages import DTYPES, ForeignStorage, build_parameter, build_size, tensor_builder
from gdp.support.foreign.values import Budget, Builder, ForeignName, ForeignObject, as_tensor

_DEEPEST = 32
_MOST = 20_000


def module_state(network: ForeignObject) -> dict[str, Tensor]:
    """Return a torch.nn.Module's parameters and buffers by the names that its `state_dict()` has.

    Raises:
        CorruptFileError: it is no network, or one that contains itself.
    """
    state: dict[str, Tensor] = {}
    for path, module in walk_modules(network):
        transient = module.state.get("_non_persistent_buffers_set")
        hidden = transient if isinstance(transient, set | frozenset) else frozenset()
        for group in ("_parameters", "_buffers"):
            for name, value in _children(module, group):
                tensor = as_tensor(value)
                if tensor is not None and not (group == "_buffers" and name in hidden):
                    state[f"{path}{name}"] = tensor
    return state


def walk_modules(network: ForeignObject) -> Iterator[tuple[str, ForeignObject]]:
    """Yield a network and all modules in it with their paths, such as `synthesis.b4.`; its own is empty.

    Raises:
        CorruptFileError: there is no end to them.
    """
    waiting = [("", network, 0)]
    count = 0
    while waiting:
        path, module, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST:
            raise CorruptFileError("a network in it contains itself, or is far larger than any that is known")
        yield path, module
        children = [
            (f"{path}{name}.", child, depth + 1)
            for name, child in _children(module, "_modules")
            if isinstance(child, ForeignObject)
        ]
        waiting += reversed(children)


def _children(module: ForeignObject, group: str) -> list[tuple[str, object]]:
    found = module.state.get(group)
    return [(name, value) for name, value in found.items() if isinstance(name, str)] if isinstance(found, dict) else []


_BUILTINS = ("builtins", "__builtin__")
_NUMPY = ("numpy.core", "numpy._core")
_TORCH_DTYPES = (
    *("float16", "bfloat16", "float32", "float64", "half", "float", "double"),
    *("uint8", "int8", "int16", "int32", "int64", "short", "int", "long", "bool"),
)
_TYPES = ("object", "int", "long", "float", "bool", "str", "unicode", "list", "dict")
_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath", "Path")
_ENCODINGS = ("latin1", "latin-1", "iso-8859-1")

PERSISTENT = ForeignName("torch_utils.persistence", "_reconstruct_persistent_obj")
"""What stylegan2-ada-pytorch calls for its networks, with their source; the source is not looked at."""


def known_names(budget: Budget, nested: Callable[[memoryview], ForeignStorage] | None) -> Names:
    """Return the names that may stand in one file.

    Args:
        budget: what the builders may use up.
        nested: reads a storage that stands as a PyTorch file in a byte string; None where none may stand.
    """
    rebuild = tensor_builder(budget)
    torch_builders: dict[tuple[str, str], Builder] = {
        ("torch._utils", "_rebuild_tensor"): rebuild,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild,
        ("torch._utils", "_rebuild_parameter"): build_parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): build_parameter,
        ("torch", "Size"): build_size,
        ("torch", "device"): partial(_stub, "torch.device"),
    }
    if nested is not None:
        torch_builders["torch.storage", "_load_from_bytes"] = partial(_nested, nested)
    numpy_builders: dict[tuple[str, str], Builder] = {("numpy", "dtype"): build_dtype}
    for core in _NUMPY:
        numpy_builders[f"{core}.multiarray", "_reconstruct"] = build_array
        numpy_builders[f"{core}.multiarray", "scalar"] = build_scalar
        numpy_builders[f"{core}.numeric", "_frombuffer"] = array_from_buffer(budget)
    builders = {**_PLAIN, **torch_builders, **numpy_builders}
    names: dict[ForeignName, Builder | None] = {ForeignName(*place): builder for place, builder in builders.items()}
    names |= dict.fromkeys(_NEVER_CALLED)
    names[ForeignName("torch._tensor", "_rebuild_from_type_v2")] = partial(_of_type, names)
    return names


def _ordered(arguments: tuple[object, ...]) -> object:
    """Stand for `OrderedDict()`, also of pairs as Python 2 wrote it."""
    made: dict[object, object] = {}
    for pair in _items(arguments):
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise CorruptFileError("it is damaged: a dictionary is told in an unknown way")
        made[checked_key(pair[0])] = pair[1]
    return made


def _defaulting(arguments: tuple[object, ...]) -> object:
    return {}


def _set(arguments: tuple[object, ...]) -> object:
    return {checked_key(item) for item in _items(arguments)}


def _frozen_set(arguments: tuple[object, ...]) -> object:
    return frozenset(checked_key(item) for item in _items(arguments))


def _items(arguments: tuple[object, ...]) -> list[object]:
    if len(arguments) > 1 or not all(isinstance(argument, list | tuple) for argument in arguments):
        raise CorruptFileError("it is damaged: a collection is told in an unknown way")
    return [item for argument in arguments if isinstance(argument, list | tuple) for item in argument]


def _bytes(arguments: tuple[object, ...]) -> object:
    if len(arguments) == 1 and isinstance(arguments[0], memoryview):
        return arguments[0]
    if len(arguments) == 2 and isinstance(arguments[0], str) and str(arguments[1]).lower() in _ENCODINGS:
        return memoryview(bytearray(arguments[0], "latin-1", "replace"))
    if not arguments:
        return memoryview(bytearray())
    raise CorruptFileError("it is damaged: bytes are told in an unknown way")


def _stub(name: str, arguments: tuple[object, ...]) -> object:
    return ForeignObject(name, arguments)


def _of_old_class(arguments: tuple[object, ...]) -> object:
    """Stand for `copyreg._reconstructor(class, object, None)`."""
    described = arguments[0] if arguments else None
    builder = _PLAIN.get((described.module, described.name)) if isinstance(described, ForeignName) else None
    if builder is None:
        raise CorruptFileError(f"it makes an object of {described}, which no file of weights does")
    return builder(())


def _persistent(arguments: tuple[object, ...]) -> object:
    """Stand for an object that carries its own source: its class's name and its attributes are kept."""
    told = arguments[0] if arguments else None
    if not isinstance(told, dict) or not isinstance(told.get("state"), dict):
        raise CorruptFileError("it is damaged: an object with its own source is told in an unknown way")
    return ForeignObject(str(told.get("class_name")), state=told["state"])


def _of_type(names: Mapping[ForeignName, Builder | None], arguments: tuple[object, ...]) -> object:
    """Stand for a tensor that has attributes: `_rebuild_from_type_v2(function, type, arguments, attributes)`."""
    function = arguments[0] if len(arguments) == 4 else None
    rebuilds = isinstance(function, ForeignName) and function.module == "torch._utils"
    builder = names.get(function) if rebuilds and isinstance(function, ForeignName) else None
    if builder is None or not isinstance(arguments[2], tuple):
        raise CorruptFileError(f"it builds a tensor by {function}, which no file of weights does")
    return builder(arguments[2])


def _nested(read: Callable[[memoryview], ForeignStorage], arguments: tuple[object, ...]) -> object:
    if len(arguments) != 1 or not isinstance(arguments[0], memoryview):
        raise CorruptFileError("it is damaged: a storage is told in an unknown way")
    return read(arguments[0])


_PLAIN: Mapping[tuple[str, str], Builder] = {
    ("collections", "OrderedDict"): _ordered,
    ("collections", "defaultdict"): _defaulting,
    ("dnnlib.util", "EasyDict"): _ordered,
    ("dnnlib", "EasyDict"): _ordered,
    ("dnnlib.tflib.network", "Network"): partial(_stub, "dnnlib.tflib.network.Network"),
    ("argparse", "Namespace"): partial(_stub, "argparse.Namespace"),
    ("copyreg", "_reconstructor"): _of_old_class,
    ("copy_reg", "_reconstructor"): _of_old_class,
    ("_codecs", "encode"): _bytes,
    (PERSISTENT.module, PERSISTENT.name): _persistent,
    **{(module, "set"): _set for module in _BUILTINS},
    **{(module, "frozenset"): _frozen_set for module in _BUILTINS},
    **{(module, name): _bytes for module in _BUILTINS for name in ("bytearray", "bytes")},
    **{
        (module, name): partial(_stub, f"pathlib.{name}") for module in ("pathlib", "pathlib._local") for name in _PATHS
    },
}
_NEVER_CALLED = (
    *(ForeignName(module, name) for module, name in product(("torch", "torch.cuda", "torch.storage"), DTYPES)),
    *(ForeignName("torch", name) for name in _TORCH_DTYPES),
    *(
        ForeignName(module, name)
        for module, name in product(
            _BUILTINS, ("object", "int", "float", "long", "str", "unicode", "bool", "list", "dict")
        )
    ),
    ForeignName("numpy", "ndarray"),
    ForeignName("torch", "Tensor"),
    ForeignName("torch.nn.parameter", "Parameter"),
)
