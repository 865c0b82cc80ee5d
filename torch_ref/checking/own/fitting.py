"""Which of the usual losses a network's backward is of, where no loss of theirs is to be found."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ...twin import to_torch
from ..layouts import CandidateError
from ..reference import is_floating
from .arrays import UntraceableError
from .conventions import common_factor
from .losses import WithLoss, slopes_beside, squares, usual, with_this_slope
from .programs import Program
from .sides import OwnCandidate
from .study import Study, study
from .tracing import outputs_at, trace


def with_usual_loss(program: Program, inputs: Sequence[Any], lr: float) -> WithLoss:
    """A network with that usual loss behind it which its backward is of.

    Raises:
        CandidateError: it is of none.
    """
    outputs = outputs_at(program, {}, {}, inputs)
    target = WithLoss(program, squares, "").target_in(program.root, inputs)
    for slope in slopes_beside(program):
        found = with_this_slope(slope, outputs[0], target)
        if found is not None:
            return WithLoss(
                program, found[1], f"{found[0]}, the slope of which {slope.__name__} is"
            )
    best: tuple[int, WithLoss | None] = (0, None)
    if np.shape(target) == (outputs[0].shape if len(outputs) == 1 else (len(outputs),)):
        for words, loss in usual(outputs[0].shape):
            tried = WithLoss(program, loss, f"{words}, which they fit")
            with np.errstate(all="ignore"):  # a logarithm of what is no probability
                fitting = count_fitting(study(tried, inputs, lr), inputs)
            if fitting > best[0]:
                best = fitting, tried
    if best[1] is None:
        raise CandidateError(
            f"{program.name}: its backward starts from a target, and of which loss it is cannot "
            "be told: none of the usual ones fits. Write it beside it, as def loss(output, "
            "target), or name it between the two: FILE:FORWARD,LOSS,BACKWARD"
        )
    return best[1]


def count_fitting(known: Study, inputs: Sequence[Any]) -> int:
    """How many of the gradients are those of the traced forward pass."""
    values = {n: to_torch(np.asarray(v)).requires_grad_() for n, v in known.values.items()}
    tensors = [to_torch(x) for x in inputs]
    leaves = values | {
        f"input {i}": x.requires_grad_() for i, x in enumerate(tensors) if is_floating(x)
    }
    try:
        (output,) = trace(known.program, known.paths, values, tensors)
        names = [name for name in known.leaves if name in leaves]
        found = torch.autograd.grad(output, [leaves[n] for n in names], allow_unused=True)
    except (UntraceableError, RuntimeError):
        return 0
    candidate = OwnCandidate(known)
    candidate.load(known.values)
    candidate.forward([x.copy() for x in inputs])
    mine = candidate.backward([np.ones(())])
    pairs = [
        (mine[n], g.numpy())
        for n, g in zip(names, found, strict=True)
        if g is not None and mine[n].shape == known.leaves[n].shape and mine[n].any()
    ]
    if known.guessed:
        return common_factor(pairs)[1]
    return sum(np.allclose(m, right, rtol=1e-6, atol=1e-12) for m, right in pairs)
