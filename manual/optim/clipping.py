"""Gradients that are too large, made smaller between backward and the step."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import Array
from ..parameter import Parameter


def clip_grad_norm_(
    parameters: Parameter | Iterable[Parameter],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """Scale all gradients by one factor, so that together they are no longer than max_norm.

    g ← g · min(1, max_norm/(‖g‖ + 1e-6)), ‖g‖ the norm of the norms of each gradient, which for
    every p but 0 is that of all of them as one vector.

    Args:
        norm_type: the p of (Σ|g|ᵖ)^(1/p); inf for the largest |g|, -inf for the smallest, 0 for how
            many are not zero: of the norms, so that it counts the gradients that are not all zero.
    Returns:
        ‖g‖ before.
    Raises:
        RuntimeError: with error_if_nonfinite, where ‖g‖ is NaN or infinite; nothing is scaled.
    """
    gradients = _gradients("clip_grad_norm_", parameters, foreach)
    if not gradients:
        return np.float32(0.0)
    p = float(norm_type)
    # What overflows or is no number shows in ‖g‖ and is spread by it: it needs no warning.
    with np.errstate(all="ignore"):
        norm = _norm(np.array([_norm(g, p) for g in gradients]), p)
        if error_if_nonfinite and not np.isfinite(norm):
            raise RuntimeError(
                f"clip_grad_norm_: the gradients' norm is {norm}, expected a finite number"
            )
        factor = max_norm / (norm + 1e-6)
        if not factor >= 1:  # so that a NaN is spread, not hidden
            for g in gradients:
                g *= factor
    return norm


def _norm(values: Array, p: float) -> Any:
    size = np.abs(values)
    if p == math.inf:
        return size.max()
    if p == -math.inf:
        return size.min()
    if p == 0:
        return values.dtype.type(np.count_nonzero(values))
    return (size**p).sum() ** (1 / p)


def clip_grad_value_(
    parameters: Parameter | Iterable[Parameter], clip_value: float, foreach: bool | None = None
) -> None:
    """Bring every element of every gradient into [−clip_value, clip_value]."""
    for g in _gradients("clip_grad_value_", parameters, foreach):
        np.clip(g, -clip_value, clip_value, out=g)


def _gradients(
    function: str, parameters: Parameter | Iterable[Parameter], foreach: bool | None
) -> list[Array]:
    """The gradients that there are and that have elements."""
    if foreach:
        raise NotImplementedError(f"{function}: foreach is not supported")
    several = [parameters] if isinstance(parameters, Parameter) else parameters
    return [p.grad for p in several if p.grad is not None and p.grad.size]
