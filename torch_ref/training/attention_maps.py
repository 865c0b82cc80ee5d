"""What each head of a network's attention looks at, on either side."""

from typing import Any

import numpy as np
import torch

from manual import Module, ScaledDotProductAttention
from manual.arrays import Array
from manual.passes import observe_calls

from ..models import attention
from ..twin import to_torch


def maps_by_hand(network: Module, tokens: Array) -> Array:
    """(layers · heads, T, T): the weights of one sequence's attentions.

    An attention gives the mean of its values, weighted: of the rows of an identity matrix that is
    the weights themselves.
    """
    asked: list[tuple[Any, ...]] = []

    def note(part: Module, inputs: Any, named: Any, outputs: Any) -> Any:
        if isinstance(part, ScaledDotProductAttention):
            asked.append((part, *inputs[:2]))
        return outputs

    with observe_calls(note):
        network(tokens)
    network.forget_passes()
    maps = []
    for part, q, k in asked:
        maps.append(part(q, k, identity_like(k))[0])
        part.forget_passes()
    return np.concatenate(maps)


def identity_like(k: Array) -> Array:
    """(…, S, S), for keys (…, S, d)."""
    identity = np.eye(k.shape[-2], dtype=k.dtype)
    return np.broadcast_to(identity, (*k.shape[:-1], k.shape[-2]))


@torch.no_grad()
def maps_by_autograd(network: torch.nn.Module, tokens: Array) -> Array:
    """The same of a twin."""
    asked: list[tuple[Any, ...]] = []
    parts = [m for m in network.modules() if isinstance(m, attention.ScaledDotProductAttention)]
    handles = [
        part.register_forward_pre_hook(lambda part, inputs: asked.append((part, *inputs[:2])))
        for part in parts
    ]
    network(to_torch(tokens))
    for handle in handles:
        handle.remove()
    maps = []
    for part, q, k in asked:
        identity = torch.eye(k.shape[-2], dtype=k.dtype).expand(*k.shape[:-1], -1)
        maps.append(part(q, k, identity)[0])
    return torch.cat(maps).numpy()
