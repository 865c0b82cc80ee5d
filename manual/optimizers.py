"""Optimizers: how a gradient becomes a step. adam.py has Adam and its kin.

In the formulas w is a parameter, g its gradient, η the learning rate, λ the weight decay, and t the
number of steps taken, this one included. All start from zero where nothing else is said. Everything
happens in place on flat arrays, see optimizer.py; in the code `s` has the settings of the group.

    SGD        w ← w − η v, v the momentum
    Adagrad    w ← w − η g/(√s + ε), s the sum of g²; Adadelta and RMSprop: its running mean
    Rprop      w ← w − step · sign g
    ASGD       SGD, whose answer is the average of its weights
    Muon       w ← w − η O, O the momentum with all its singular values brought to about 1
"""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from .module import Array
from .optimizer import Optimizer, Params, Run, blend


class SGD(Optimizer):
    """Stochastic gradient descent.

    g ← g + λ w                         weight decay: the gradient of ½ λ w²
    v ← μ v + (1 − d) g                 momentum μ, dampening d; v = g at the first step
    w ← w − η v                         or, nesterov: w ← w − η (g + μ v)
    """

    COUNTS: ClassVar = False

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
        )

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        if group["nesterov"]:
            momentum, dampening = group["momentum"], group["dampening"]
            self.require("momentum", momentum, momentum > 0, "more than 0 for nesterov")
            self.require("dampening", dampening, dampening == 0, "0 for nesterov")

    def update(self, run: Run, s: SimpleNamespace) -> None:
        g, (tmp, tmp2) = self.descent(run, s.weight_decay, s.maximize), run.scratch
        if s.momentum:
            first = "momentum_buffer" not in run.begun
            v = run.state("momentum_buffer", g)
            if not first:
                v *= s.momentum
                v += np.multiply(g, 1 - s.dampening, out=tmp2)
            g = np.add(g, np.multiply(v, s.momentum, out=tmp2), out=tmp) if s.nesterov else v
        run.w -= np.multiply(g, s.lr, out=tmp)


class Adagrad(Optimizer):
    """Smaller steps for what has had large gradients. Source: Duchi et al., 2011.

    s ← s + g², from an initial value on, which each group may have its own of
    w ← w − η/(1 + (t − 1) decay) g/(√s + ε)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
            maximize=maximize,
        )

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        super().add_param_group(group)
        flat, initial = self._flats[-1], self.param_groups[-1]["initial_accumulator_value"]
        for i, parameter in enumerate(flat.parameters):  # as in PyTorch, there from the beginning
            flat.hold(i, {"step": 0, "sum": np.full(parameter.shape, initial)}, self.SCALARS)

    def update(self, run: Run, s: SimpleNamespace) -> None:
        g, tmp = self.descent(run, s.weight_decay, s.maximize), run.scratch[1]
        total = run.state("sum", s.initial_accumulator_value)
        total += np.multiply(g, g, out=tmp)
        root = np.sqrt(total, out=tmp)
        root += s.eps
        step = np.divide(g, root, out=tmp)
        run.w -= np.multiply(step, s.lr / (1 + (run.step - 1) * s.lr_decay), out=tmp)


class Adadelta(Optimizer):
    """Steps in the weights' own unit: as large as they have been. Source: Zeiler, 2012.

    s ← ρ s + (1 − ρ) g²
    Δ = g √(d + ε)/√(s + ε)             d the running mean of Δ²
    d ← ρ d + (1 − ρ) Δ²
    w ← w − η Δ
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        self.require("rho", group["rho"], 0 <= group["rho"] <= 1, "0 to 1")

    def update(self, run: Run, s: SimpleNamespace) -> None:
        g, tmp = self.descent(run, s.weight_decay, s.maximize), run.scratch[1]
        square, d = run.state("square_avg"), run.state("acc_delta")
        blend(square, np.multiply(g, g, out=tmp), s.rho, tmp)
        delta = np.sqrt(d + s.eps) / np.sqrt(square + s.eps) * g
        blend(d, np.multiply(delta, delta, out=tmp), s.rho, tmp)
        run.w -= np.multiply(delta, s.lr, out=tmp)


class RMSprop(Optimizer):
    """Steps divided by the gradient's root mean square. Source: Hinton, 2012.

    s ← α s + (1 − α) g²
    r = √s + ε                          centered: √(s − ḡ²) + ε, ḡ the running mean of g
    w ← w − η g/r                       with momentum: b ← μ b + g/r, w ← w − η b
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        self.require("alpha", group["alpha"], 0 <= group["alpha"] < math.inf, "at least 0")

    def update(self, run: Run, s: SimpleNamespace) -> None:
        g, tmp = self.descent(run, s.weight_decay, s.maximize), run.scratch[1]
        square = run.state("square_avg")
        blend(square, np.multiply(g, g, out=tmp), s.alpha, tmp)
        variance = square
        if s.centered:
            mean = run.state("grad_avg")
            blend(mean, g, s.alpha, tmp)
            variance = np.subtract(square, np.multiply(mean, mean, out=tmp), out=tmp)
        root = np.sqrt(variance, out=tmp)
        root += s.eps
        step = np.divide(g, root, out=tmp)
        if s.momentum:
            b = run.state("momentum_buffer")
            b *= s.momentum
            b += step
            step = b
        run.w -= np.multiply(step, s.lr, out=tmp)


class Rprop(Optimizer):
    """Only the gradient's sign counts; each weight has a step size of its own, η at first.

    Where g keeps its sign the step size grows by η⁺; where it turns, it shrinks by η⁻ and that
    gradient is passed over, as 0. w ← w − step · sign g. For whole batches, where a sign says much.

    Source: Riedmiller & Braun, 1993.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params, unsupported, lr=lr, etas=etas, step_sizes=step_sizes, maximize=maximize
        )

    def check(self, group: Mapping[str, Any]) -> None:
        super().check(group)
        shrink, grow = group["etas"]
        self.require("etas", group["etas"], 0 < shrink < 1 < grow, "0 < the first < 1 < the second")

    def update(self, run: Run, s: SimpleNamespace) -> None:
        g, (shrink, grow) = self.descent(run, 0, s.maximize), s.etas
        before, size = run.state("prev"), run.state("step_size", s.lr)
        turn = np.sign(g * before)
        size *= np.where(turn > 0, grow, np.where(turn < 0, shrink, 1))
        np.clip(size, *s.step_sizes, out=size)
        before[...] = np.where(turn < 0, 0, g)
        run.w -= np.sign(before) * size


class ASGD(Optimizer):
    """SGD whose answer is the average of its weights, kept beside them. Source: Polyak, 1992.

    w ← w − λ′ η w − η g                λ′ is called lambd; η is lr at first
    ax ← ax + μ (w − ax)                the average, from step t₀ on; μ is 1 at first
    η ← lr/(1 + λ′ lr t)^α              for the next step, as is
    μ ← 1/max(1, t − t₀)
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            lambd=lambd,
            alpha=alpha,
            t0=t0,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    def update(self, run: Run, s: SimpleNamespace) -> None:
        g, tmp = self.descent(run, s.weight_decay, s.maximize), run.scratch[1]
        eta, mu = run.scalars.get("eta", s.lr), run.scalars.get("mu", 1.0)
        average = run.state("ax")
        run.w *= 1 - s.lambd * eta
        run.w -= np.multiply(g, eta, out=tmp)
        away = np.subtract(run.w, average, out=tmp)
        if mu == 1:
            average[...] = run.w
        else:
            average += np.multiply(away, mu, out=tmp)
        run.scalars["eta"] = s.lr / (1 + s.lambd * s.lr * run.step) ** s.alpha
        run.scalars["mu"] = 1 / max(1, run.step - s.t0)


class Muon(Optimizer):
    """For matrices: the momentum, with all its singular values brought to about 1.

    b ← μ b + (1 − μ) g;  u = b, or, nesterov, (1 − μ) g + μ b
    O = orthogonal(u): u = U Σ Vᵀ becomes about U Vᵀ, by steps X ← a X + (b X Xᵀ + c (X Xᵀ)²) X
    from X = u/‖u‖, each of which takes every singular value s to a s + b s³ + c s⁵
    w ← w − η λ w − η √max(1, rows/columns) O       "match_rms_adamw": η 0.2 √max(rows, columns) O

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

    def update(self, run: Run, s: SimpleNamespace) -> None:
        g, buffer, u = run.g, run.state("momentum_buffer"), run.scratch[0]
        blend(buffer, g, s.momentum, u)
        u[...] = buffer
        if s.nesterov:
            u *= s.momentum
            u += (1 - s.momentum) * g
        run.w *= 1 - s.lr * s.weight_decay
        for w, direction in run.matrices(run.w, u):
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
