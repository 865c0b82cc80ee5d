"""Muon: a step that is large in every direction of a matrix."""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from ..arrays import Array
from .optimizer import Optimizer, Params, Stretch, blend


class Muon(Optimizer):
    """For matrices: the momentum, with all its singular values brought to about 1.

        m ← μ m + (1 − μ) g                 the gradient's running mean
        u = m
        nesterov    u = (1 − μ) g + μ m     as if g had already gone into the next m
        O = f(f(f(f(f(u/‖u‖)))))            as often as ns_steps says
        w ← w − η λ w − η √max(1, rows/columns) O
        match_rms_adamw     w ← w − η λ w − η · 0.2 √max(rows, columns) O       steps like Adam's

    u is U S Vᵀ, its singular values in S: some directions weigh much, others little. In U Vᵀ all
    weigh the same. One step f of Newton and Schulz's iteration keeps U and V, for X Xᵀ is U S² Uᵀ:
        f(X) = a X + (b X Xᵀ + c (X Xᵀ)²) X
        f(U S Vᵀ) = U (a S + b S³ + c S⁵) Vᵀ
    So every singular value s, at most 1 in u/‖u‖, becomes a s + b s³ + c s⁵. The three numbers,
    3.4445, −4.7750 and 2.0315, were searched for: a is the slope at 0, and as large as can be, so
    that small values grow fast, while b and c bend the curve back to where it stays about 1, from
    0.7 to 1.2. It settles nowhere, which does no harm. Five steps bring there what is above 0.002.

    PyTorch iterates in bfloat16, of 8 bits, and so keeps two or three digits of O; this keeps all.

    Source: Jordan et al., 2024.
    """

    COUNTS: ClassVar = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            {},
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        for parameter in group["params"]:
            self.require(
                "params", f"of shape {parameter.shape}", len(parameter.shape) == 2, "2 axes each"
            )
        known = (None, "original", "match_rms_adamw")
        self.require(
            "adjust_lr_fn", group["adjust_lr_fn"], group["adjust_lr_fn"] in known, f"one of {known}"
        )

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g, buffer, u = stretch.g, stretch.state("momentum_buffer"), stretch.scratch[0]
        blend(buffer, g, s.momentum, u)
        u[...] = buffer
        if s.nesterov:
            u *= s.momentum
            u += (1 - s.momentum) * g
        stretch.w *= 1 - s.lr * s.weight_decay
        for w, direction in stretch.matrices(stretch.w, u):
            rows, columns = w.shape
            rate = s.lr * math.sqrt(max(1, rows / columns))
            if s.adjust_lr_fn == "match_rms_adamw":
                rate = s.lr * 0.2 * math.sqrt(max(rows, columns))
            w -= rate * orthogonal(direction, s.ns_coefficients, s.ns_steps, s.eps)


def orthogonal(
    matrix: Array, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Array:
    """About U Vᵀ of a matrix U Σ Vᵀ, by Newton and Schulz's iteration; see Muon."""
    a, b, c = coefficients
    tall = matrix.shape[0] > matrix.shape[1]
    X = matrix.T if tall else matrix  # so that X Xᵀ is the smaller of the two products
    X = X / np.maximum(np.sqrt(np.square(X).sum()), X.dtype.type(eps))
    for _ in range(steps):
        gram = X @ X.T
        X = a * X + (b * gram + c * gram @ gram) @ X
    return X.T if tall else X
