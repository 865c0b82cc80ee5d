"""Stochastic gradient descent, plain and averaged."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from .optimizer import Optimizer, Params, Stretch


class SGD(Optimizer):
    """Stochastic gradient descent: a step against the gradient, where the loss falls fastest.

    weight_decay    g ← g + λ w                 the gradient of ½ λ w² is added
    v ← g where t = 1, else μ v + (1 − d) g     momentum μ, dampening d; without μ, v is g
    w ← w − η v                                 L changes by about −η g v
    nesterov    w ← w − η (g + μ v)             as if g had already gone into the next v
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

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g, (tmp, tmp2) = self.descent(stretch, s.weight_decay, s.maximize), stretch.scratch
        if s.momentum:
            first = "momentum_buffer" not in stretch.begun
            v = stretch.state("momentum_buffer", g)
            if not first:
                v *= s.momentum
                v += np.multiply(g, 1 - s.dampening, out=tmp2)
            g = np.add(g, np.multiply(v, s.momentum, out=tmp2), out=tmp) if s.nesterov else v
        stretch.w -= np.multiply(g, s.lr, out=tmp)


class ASGD(Optimizer):
    """SGD whose answer is the average of its weights, kept beside them. Source: Polyak, 1992.

        w ← w − λ′ η w − η g                λ′ is called lambd; η is lr at first
        ax ← ax + μ (w − ax)                the average, from step t₀ on; μ is 1 at first
        η ← lr/(1 + λ′ lr t)^α              for the next step, as is
        μ ← 1/max(1, t − t₀)
    μ is 1/n for the n-th weights of the average: of n numbers the mean is (1 − 1/n) times that of
    the first n − 1, plus 1/n times the last.
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

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g, tmp = self.descent(stretch, s.weight_decay, s.maximize), stretch.scratch[1]
        eta, mu = stretch.scalars.get("eta", s.lr), stretch.scalars.get("mu", 1.0)
        average = stretch.state("ax")
        stretch.w *= 1 - s.lambd * eta
        stretch.w -= np.multiply(g, eta, out=tmp)
        away = np.subtract(stretch.w, average, out=tmp)
        if mu == 1:
            average[...] = stretch.w
        else:
            average += np.multiply(away, mu, out=tmp)
        stretch.scalars["eta"] = s.lr / (1 + s.lambd * s.lr * stretch.step) ** s.alpha
        stretch.scalars["mu"] = 1 / max(1, stretch.step - s.t0)
