"""One input of a reference, its tapes, and the gradients that were handed in for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.utils._pytree import tree_flatten

from .operations import Tensor
from .recording import record
from .tape import Tape

LeafGradients = Mapping[str, Tensor]


@dataclass
class Sample:
    """One input: the reference's tapes for it, and perhaps the gradients that were handed in.

    Attributes:
        tapes: the operations opened, and as PyTorch ran them.
        right: autograd's gradients, by leaf.
        mine: those handed in; a leaf that is not there is not judged. One that lacks an axis, or
            has one of 1 in its place, stands for what NumPy makes of it where it is used.
        shapes_of_mine: in which shape each was handed in.
        scale: of the upstream gradients.
    """

    tapes: list[Tape]
    right: dict[str, Tensor]
    mine: dict[str, Tensor] | None
    scale: float
    shapes: str = ""
    shapes_of_mine: Mapping[str, torch.Size] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        reference: Any,
        inputs: Sequence[Any],
        upstream: Sequence[Tensor],
        mine: LeafGradients | None = None,
    ) -> "Sample":
        """Run the reference on these inputs; random numbers are drawn as on the run before.

        Args:
            reference: an `nn.Module` or a function of tensors.
            upstream: the gradient of each output.
        """
        tapes: list[Tape] = []
        for opened in (True, False):
            tape = record(reference, inputs, opened)
            tape.backward(upstream)
            tapes.append(tape)
            if not tape.took_apart:
                break
        right = tapes[0].replay({})
        scale = max((float(g.abs().max()) for g in upstream if g.numel()), default=1.0)
        tensors = filter(torch.is_tensor, tree_flatten(inputs)[0])
        shapes = " and ".join(str(tuple(x.shape)) for x in tensors)
        judged = None
        if mine is not None:  # another dtype is told by the report; here only numbers count
            judged = {
                n: whole(m.to(right[n].dtype), right[n]) for n, m in mine.items() if n in right
            }
        handed = {name: m.shape for name, m in (mine or {}).items()}
        return cls(tapes, right, judged, scale or 1.0, shapes, handed)


def whole(mine: Tensor, right: Tensor) -> Tensor:
    """An array that is broadcast where it is used, as it is then."""
    lacks = mine.numel() < right.numel() and mine.dim() in (0, right.dim())
    fits = all(a in (1, b) for a, b in zip(mine.shape, right.shape, strict=False))
    return (mine.expand_as(right) if lacks and fits else mine).to(right.dtype)


def gates_of(reference: Any) -> dict[int, str]:
    """The names of a recurrent layer's gates, by their number."""
    names: dict[int, str] = {}
    for part in reference.modules() if isinstance(reference, torch.nn.Module) else ():
        if isinstance(part, torch.nn.LSTM | torch.nn.LSTMCell):
            names[4] = "ifgo"
        if isinstance(part, torch.nn.GRU | torch.nn.GRUCell):
            names[3] = "rzn"
    return names
