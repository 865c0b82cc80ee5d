"""Optimizers with a step size for each weight. adam.py has Adam and its kin."""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

from .optimizer import Optimizer, Params, Stretch, blend


class Adagrad(Optimizer):
    """Smaller steps for what has had large gradients. Source: Duchi et al., 2011.

        s ← s + g²                          from an initial value on, of each group its own
        w ← w − η/(1 + (t − 1) decay) g/(√s + ε)
    Of equal gradients √s is √t |g|: the steps shrink as η/√t, for each weight by itself.
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

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        super().add_param_group(param_group)
        flat, initial = self._flats[-1], self.param_groups[-1]["initial_accumulator_value"]
        for i, parameter in enumerate(flat.parameters):  # as in PyTorch, there from the beginning
            flat.set_state(i, {"step": 0, "sum": np.full(parameter.shape, initial)}, self.SCALARS)

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g, tmp = self.descent(stretch, s.weight_decay, s.maximize), stretch.scratch[1]
        total = stretch.state("sum", s.initial_accumulator_value)
        total += np.multiply(g, g, out=tmp)
        root = np.sqrt(total, out=tmp)
        root += s.eps
        step = np.divide(g, root, out=tmp)
        stretch.w -= np.multiply(step, s.lr / (1 + (stretch.step - 1) * s.lr_decay), out=tmp)


class Adadelta(Optimizer):
    """Steps in the weights' own unit: as large as they have been. Source: Zeiler, 2012.

    s ← ρ s + (1 − ρ) g²                the running mean of g²
    Δ ← g √(d + ε)/√(s + ε)             g/√s has no unit, √d that of w
    d ← ρ d + (1 − ρ) Δ²                the running mean of Δ²
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

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g, tmp = self.descent(stretch, s.weight_decay, s.maximize), stretch.scratch[1]
        square, d = stretch.state("square_avg"), stretch.state("acc_delta")
        blend(square, np.multiply(g, g, out=tmp), s.rho, tmp)
        delta = np.sqrt(d + s.eps) / np.sqrt(square + s.eps) * g
        blend(d, np.multiply(delta, delta, out=tmp), s.rho, tmp)
        stretch.w -= np.multiply(delta, s.lr, out=tmp)


class RMSprop(Optimizer):
    """Steps divided by the gradient's root mean square. Source: Hinton, 2012.

    s ← α s + (1 − α) g²                the running mean of g²
    r = √s + ε
    centered    ḡ ← α ḡ + (1 − α) g     the mean of g² less the squared mean of g is the
    centered    r = √(s − ḡ²) + ε       variance: divided by the standard deviation
    w ← w − η g/r
    momentum    b ← μ b + g/r           as in SGD, of what is divided already
    momentum    w ← w − η b
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

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g, tmp = self.descent(stretch, s.weight_decay, s.maximize), stretch.scratch[1]
        square = stretch.state("square_avg")
        blend(square, np.multiply(g, g, out=tmp), s.alpha, tmp)
        variance = square
        if s.centered:
            mean = stretch.state("grad_avg")
            blend(mean, g, s.alpha, tmp)
            variance = np.subtract(square, np.multiply(mean, mean, out=tmp), out=tmp)
        root = np.sqrt(variance, out=tmp)
        root += s.eps
        step = np.divide(g, root, out=tmp)
        if s.momentum:
            b = stretch.state("momentum_buffer")
            b *= s.momentum
            b += step
            step = b
        stretch.w -= np.multiply(step, s.lr, out=tmp)


class Rprop(Optimizer):
    """Only the gradient's sign counts; each weight has a step size s of its own, η at first.

        s ← s grow where g h > 0, s shrink where g h < 0, else s        h: the gradient before
        s ← min(max(s, smallest), largest)
        h ← 0 where g h < 0, else g         where it turns, a minimum was passed: it is not used
        w ← w − s sign h

    etas are (shrink, grow), step_sizes (smallest, largest). For whole batches: a sign says much.

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

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g, (shrink, grow) = self.descent(stretch, 0, s.maximize), s.etas
        before, size = stretch.state("prev"), stretch.state("step_size", s.lr)
        turn = np.sign(g * before)
        size *= np.where(turn > 0, grow, np.where(turn < 0, shrink, 1))
        np.clip(size, *s.step_sizes, out=size)
        before[...] = np.where(turn < 0, 0, g)
        stretch.w -= np.sign(before) * size
