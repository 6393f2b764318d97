"""Small things on the pretended GPU, for the tests of it. Another process imports this and calls them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gdp.core.run.versions import machine
from gdp.support.devices import resolve_device

GPU = torch.device("cuda")


def adds_a_tensor_of_the_processor() -> None:
    torch.zeros(3, device=GPU) + torch.zeros(3)


def convolves_with_weights_of_the_processor() -> None:
    nn.Conv2d(3, 4, 3)(torch.zeros(1, 3, 8, 8, device=GPU))


def stacks_a_number_of_the_processor() -> None:
    torch.stack([torch.zeros((), device=GPU), torch.zeros(())])


def draws_with_a_generator_of_the_processor() -> None:
    torch.randn(3, device=GPU, generator=torch.Generator())


def asks_for_what_numbers_decide() -> None:
    torch.unique(torch.zeros(3, device=GPU))


def returns_what_json_cannot_hold() -> object:
    return object()


def what_may_be_mixed() -> list[str]:
    """Numbers of the processor beside tensors, and copies that nobody waits for: nothing raises, nothing waits."""
    x = torch.randn(4, 3, device=GPU, generator=torch.Generator(GPU).manual_seed(1))
    kinds = [x * 2.0, x * torch.tensor(2.0), torch.where(x > 0, x, torch.tensor(0.0)), x.clamp(min=0)]
    x[x > 0] = 0.0  # one number for all: filled in without counting them
    kinds += [
        torch.zeros(4, 3).to(GPU, non_blocking=True),
        torch.arange(3, device=GPU),
        torch.full((2,), 3.0, device=GPU),
    ]
    assert all(kind.device == torch.device("cuda:0") for kind in kinds)
    return [str(kind.dtype) for kind in kinds]


def waits() -> None:
    """Each line waits once, for another reason."""
    x = torch.zeros(4, 3, device=GPU)
    x.mean().item()
    x.cpu()
    torch.tensor([1.0, 2.0], device=GPU)
    x[x > 0]
    x.nonzero()
    x[torch.tensor([0, 1])]
    bool((x == 0).all())
    torch.equal(x, x)
    torch.cuda.synchronize()
    x.new_tensor([1.0])
    torch.masked_select(x, x > 0)
    x.tolist()
    str([x])


def trains() -> dict[str, Any]:
    """A step in bf16 with a fused optimizer, of a network that came to the GPU; what comes back is real."""
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3)).to(GPU)
    network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    with torch.autocast("cuda", torch.bfloat16):
        made = network(torch.zeros(2, 3, 8, 8, device=GPU))
    made.float().mean().backward()
    optimizer.step()
    back = network.cpu().state_dict()
    return {
        "type": str(made.dtype),
        "shape": list(made.shape),
        "back": sorted({value.device.type for value in back.values()}),
        "weight": list(back["0.weight"].shape),
    }


def computes_on_the_processor() -> list[float]:
    return (torch.arange(3.0) * 2).tolist()


def computes_in_another_thread() -> int:
    made: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: made.append(torch.zeros(2, device=GPU) + 1))
    thread.start()
    thread.join()
    return made[0].numel()


def streams_events_and_pinned_memory() -> list[bool]:
    stream, event = torch.cuda.Stream(), torch.cuda.Event()
    pinned = torch.zeros(8).pin_memory()
    with torch.cuda.stream(stream):
        copied = pinned.to(GPU, non_blocking=True)
        event.record()
    event.wait()
    return [pinned.is_pinned(), torch.zeros(8).is_pinned(), event.query(), copied.is_cuda]


def describes_the_device() -> dict[str, Any]:
    return {
        "auto": resolve_device("auto"),
        "capability": list(torch.cuda.get_device_capability()),
        "bf16": torch.cuda.is_bf16_supported(including_emulation=False),
        "count": torch.cuda.device_count(),
        "float32": machine("cuda", 1)["float32_convolutions"],
        "preloaded": os.environ.get("LD_PRELOAD", ""),
    }


WRONG: dict[Callable[[], object], str] = {
    adds_a_tensor_of_the_processor: "found at least two devices, cuda:0 and cpu! (add; on cpu: a tensor of shape (3,)",
    convolves_with_weights_of_the_processor: "found at least two devices, cuda:0 and cpu",
    stacks_a_number_of_the_processor: "found at least two devices, cuda:0 and cpu",
    draws_with_a_generator_of_the_processor: "Expected a 'cuda' device type for generator but found 'cpu'",
    asks_for_what_numbers_decide: "the pretended GPU cannot do _unique2: what comes out depends on numbers",
    returns_what_json_cannot_hold: "object is not JSON serializable",
}
"""What must fail to what must be said."""
