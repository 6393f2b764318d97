"""Files in the layouts of other programs, made without those programs: the names that their pickles hold are free."""

import io
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WRITES = "from pathlib import Path\nPath({canary!r}).write_text('the embedded source was run')\n"


class AnyName:
    """A class or function of another program, only named in a pickle."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def __call__(self) -> None:  # the pickler insists on being able to call what it writes a call of
        raise AssertionError("only named")


class Foreign:
    """An object of another program's class: its attributes, and its items where it is a dictionary."""

    def __init__(self, named: AnyName, state: Any = None, items: dict[Any, Any] | None = None) -> None:
        self.named, self.state, self.items = named, state, items


class Called:
    """A call that a pickle asks for."""

    def __init__(self, named: AnyName, *arguments: Any) -> None:
        self.named, self.arguments = named, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.named, self.arguments


class LoosePickler(pickle._Pickler):  # the one in Python: its methods can be replaced
    """Writes names without looking for what they mean."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if id(obj) in self.memo or not isinstance(obj, AnyName | Foreign):
            super().save(obj, save_persistent_id)
        elif isinstance(obj, AnyName):
            self.save_name(obj)
        else:
            self.save_foreign(obj)

    def save_name(self, named: AnyName) -> None:
        if self.proto >= 4:
            self.save(named.module)
            self.save(named.name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{named.module}\n{named.name}\n".encode())
        self.memoize(named)

    def save_foreign(self, obj: Foreign) -> None:
        self.save(obj.named)
        self.save(())
        self.write(pickle.NEWOBJ)
        self.memoize(obj)
        if obj.items:
            self.write(pickle.MARK)
            for part in (part for item in obj.items.items() for part in item):
                self.save(part)
            self.write(pickle.SETITEMS)
        if obj.state is not None:
            self.save(obj.state)
            self.write(pickle.BUILD)


def dump(value: Any, protocol: int = 4) -> bytes:
    buffer = io.BytesIO()
    LoosePickler(buffer, protocol).dump(value)
    return buffer.getvalue()


EASY_DICT = AnyName("dnnlib.util", "EasyDict")
NETWORK = AnyName("dnnlib.tflib.network", "Network")
PERSISTENT = AnyName("torch_utils.persistence", "_reconstruct_persistent_obj")


def easy_dict(**items: Any) -> Foreign:
    return Foreign(EASY_DICT, items=items)


# ---------------------------------------------------------------------- StyleGAN2 of TensorFlow's time


def tensorflow_pickle(
    G: Mapping[str, Tensor],
    D: Mapping[str, Tensor],
    protocol: int = 4,
    source: str = "raise SystemExit",
    version: int = 4,
    **arguments: Any,
) -> bytes:
    """A pickle of the three networks; G, which is not to be taken, has halved variables."""
    raw = {name: tensor / 2 for name, tensor in G.items()}
    networks = [_generator(raw, source, version, arguments), tensorflow_network("D", D, {}, source, version, arguments)]
    return dump((*networks, _generator(G, source, version, arguments)), protocol)


def _generator(variables: Mapping[str, Tensor], source: str, version: int, arguments: Mapping[str, Any]) -> Foreign:
    parts = {
        part: tensorflow_network(
            part,
            {name.removeprefix(f"{part}/"): value for name, value in variables.items() if name.startswith(f"{part}/")},
            {},
            source,
            version,
            arguments,
        )
        for part in ("mapping", "synthesis")
    }
    own = {name: value for name, value in variables.items() if name.partition("/")[0] not in parts}
    return tensorflow_network("Gs", own, parts, source, version, arguments)


def tensorflow_network(
    name: str,
    variables: Mapping[str, Tensor],
    components: Mapping[str, Foreign],
    source: str,
    version: int,
    arguments: Mapping[str, Any],
) -> Foreign:
    state = {
        "version": version,
        "name": name,
        "static_kwargs": {"num_channels": 3, "resolution": 32, **arguments},
        "components": dict(components),
        "build_module_src": source,
        "build_func_name": "G_main",
        # TensorFlow gives numpy's scalars for variables without dimensions.
        "variables": [(key, value.numpy() if value.ndim else value.numpy()[()]) for key, value in variables.items()],
    }
    return Foreign(NETWORK, state)


# ---------------------------------------------------------------------- stylegan2-ada-pytorch


def ada_pickle(
    generator: nn.Module,
    discriminator: nn.Module | None = None,
    protocol: int = 4,
    source: str = "raise SystemExit",
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    **init_kwargs: Any,
) -> bytes:
    """A pickle of whole networks that carry their source; G, which is not to be taken, has no tensors."""
    kwargs = {"z_dim": 512, "synthesis_kwargs": easy_dict(channel_base=32768, num_fp16_res=4), **init_kwargs}
    content: dict[str, Any] = {"G": persistent("Generator", {}, source)}
    if discriminator is not None:
        content["D"] = persistent_module(discriminator, source, "Discriminator", {}, attributes)
    content["G_ema"] = persistent_module(generator, source, "Generator", {"_init_kwargs": kwargs}, attributes)
    content["training_set_kwargs"] = easy_dict(path="/data/ffhq.zip", resolution=1024)
    content["augment_pipe"] = None
    return dump(content, protocol)


def persistent(name: str, state: Mapping[str, Any], source: str) -> Called:
    meta = {"type": "class", "version": 6, "module_src": source, "class_name": name, "state": dict(state)}
    return Called(PERSISTENT, meta)


def persistent_module(
    module: nn.Module,
    source: str,
    name: str = "Layer",
    more: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
    path: str = "",
) -> Called:
    """A module as its own class and those of its children would pickle it; `attributes` adds some by module path."""
    state = {
        "training": False,
        "_parameters": OrderedDict(module._parameters),
        "_buffers": OrderedDict(module._buffers),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_forward_hooks": OrderedDict(),
        "_init_args": (),
        "_modules": OrderedDict(
            (child, persistent_module(below, source, "Layer", None, attributes, f"{path}{child}."))
            for child, below in module.named_children()
            if below is not None
        ),
        **(more or {}),
        **(attributes or {}).get(path, {}),
    }
    return persistent(name, state, source)


# ---------------------------------------------------------------------- PyTorch files


def save_legacy(content: Any, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def tag_as_cuda(path: Path) -> None:
    """Turn the storages' place in a file of before PyTorch 1.6 from the CPU to a GPU, without a GPU."""
    content = path.read_bytes()
    place = content.index(b"X\x03\x00\x00\x00cpu")
    path.write_bytes(content[:place] + b"X\x06\x00\x00\x00cuda:0" + content[place + 8 :])
