"""How large the parts are that a gradient is a sum of.

A gradient may be a small difference of large numbers, or zero, as a bias's ahead of a batch norm:
its rounding is that of its parts, and a distance relative to itself alone says nothing.
"""

from collections.abc import Mapping

import torch

from .kinds import change_gradient
from .operations import Edits, Tensor
from .tape import Tape

MOVE = 2.0**-20  # of every part; far above rounding, so small that moves only add up
DRAWS = 4


def sizes_of_parts(tape: Tape) -> Mapping[str, float]:
    """How far each leaf's gradient moves if all that it is computed from moves by its own size."""
    right = tape.replay({})
    sizes = dict.fromkeys(right, 0.0)
    for seed in range(DRAWS):
        moved = tape.replay(moves(tape, torch.Generator().manual_seed(seed)))
        for name, grad in right.items():
            apart = (moved[name] - grad).abs()
            if apart.numel() and bool(torch.isfinite(apart).all()):
                sizes[name] = max(sizes[name], float(apart.max()) / MOVE)
    return sizes


def moves(tape: Tape, generator: torch.Generator) -> Edits:
    """Edits that move every gradient on its way, each number by `MOVE` of itself, up or down."""

    def moved(grad: Tensor) -> Tensor:
        signs = torch.randint(2, grad.shape, generator=generator) * 2 - 1
        return grad * (1 + MOVE * signs)

    return {
        op.index: [change_gradient(slot, moved) for slot in range(len(op.slots))] for op in tape.ops
    }
