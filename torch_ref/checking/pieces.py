"""Which pieces of a function of several a check has visited: a mistake in another does not show."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..diagnosis.recording import record
from ..diagnosis.tape import Tape
from ..twin import to_torch

PIECEWISE = {
    "clamp",
    "clamp_max",
    "clamp_min",
    "elu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "huber_loss",
    "leaky_relu",
    "relu",
    "smooth_l1_loss",
    "softshrink",
    "threshold",
}


def slopes_of_pieces(tape: Tape) -> dict[int, tuple[str, set[str]]]:
    """Of every operation of several pieces, its name and what its slope is somewhere."""
    visited = {}
    for op in tape.ops:
        if op.function is None or op.short not in PIECEWISE or len(op.slots) != 1:
            continue
        slope = op.vjp([torch.ones_like(op.outputs[0].tensor)])[0]
        if slope is not None:
            kinds = {"0": slope == 0, "1": slope == 1, "another": (slope != 0) & (slope != 1)}
            visited[op.index] = op.name, {k for k, where in kinds.items() if bool(where.any())}
    return visited


def unvisited(reference: Any, inputs: Sequence[Any], wider: Sequence[Any]) -> Mapping[str, str]:
    """What wider inputs visit and these do not: the slope there, by the operation's name."""
    try:
        here, there = (
            slopes_of_pieces(record(reference, [to_torch(x) for x in xs])) for xs in (inputs, wider)
        )
    except NotImplementedError:
        return {}  # it cannot be followed, as elsewhere
    return {
        name: " or ".join(sorted(slopes - here[index][1]))
        for index, (name, slopes) in there.items()
        if index in here and slopes - here[index][1]
    }
