"""Adam and its kin: steps by the running mean of the gradient over that of its size.

The notation is that of the package `optim`; m and v are the running means of g and g².

    Adam      w ← w − η m̂/(√v̂ + ε)
    AdamW     Adam, with its weight decay beside the step
    NAdam     Adam, with m̂ as the next step will have it
    RAdam     Adam, once v̂ can be trusted
    Adamax    w ← w − η m̂/u, u the largest |g| of late
"""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..arrays import Array, in_blocks
from .optimizer import Optimizer, Params, Stretch, blend

Betas = tuple[float, float]


def bring_up_to_date(m: Array, v: Array, g: Array, betas: Betas, tmp: Array) -> None:
    """m and v, the running means of g and of g², in place."""
    blend(m, g, betas[0], tmp)
    blend(v, np.multiply(g, g, out=tmp), betas[1], tmp)


def moments(stretch: Stretch, g: Array, betas: Betas) -> tuple[Array, Array]:
    """Adam's m and v, brought up to date."""
    m, v = stretch.state("exp_avg"), stretch.state("exp_avg_sq")
    bring_up_to_date(m, v, g, betas, stretch.scratch[1])
    return m, v


class Adam(Optimizer):
    """Steps of about η each, whatever the gradient's scale. Source: Kingma & Ba, 2015.

    g ← g + λ w                         decoupled (AdamW): w ← w − η λ w instead
    m ← β₁ m + (1 − β₁) g               the gradient's running mean
    v ← β₂ v + (1 − β₂) g²              the running mean of its square
    w ← w − η m̂/(√v̂ + ε)                m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ) undo the start at 0
    amsgrad: the largest v so far stands for v in the last line. Source: Reddi et al., 2018.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g = self.decay(stretch, s.lr, s.weight_decay, s.maximize, s.decoupled_weight_decay)
        (beta1, beta2), t = s.betas, stretch.step
        means = stretch.state("exp_avg"), stretch.state("exp_avg_sq")
        flat = (stretch.w, g, *means, stretch.state("max_exp_avg_sq") if s.amsgrad else means[1])
        # η m̂/(√v̂ + ε) = η √(1 − β₂ᵗ)/(1 − β₁ᵗ) · m/(√v + ε √(1 − β₂ᵗ))
        of_root = math.sqrt(1 - beta2**t)
        lr, eps = s.lr * of_root / (1 - beta1**t), s.eps * of_root
        for w, part, m, v, largest in in_blocks(*flat):
            tmp = stretch.scratch[1, : w.size]  # the same for all blocks: it stays in the cache
            bring_up_to_date(m, v, part, s.betas, tmp)
            if s.amsgrad:
                np.maximum(largest, v, out=largest)
            root = np.sqrt(largest, out=tmp)
            root += eps
            step = np.divide(m, root, out=tmp)
            step *= lr
            w -= step


class AdamW(Adam):
    """Adam whose weight decay goes straight to the weights. Source: Loshchilov & Hutter, 2019."""

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            maximize=maximize,
            decoupled_weight_decay=True,
            **unsupported,
        )


class NAdam(Optimizer):
    """Adam with Nesterov's look ahead: the step uses the mean as the next gradient will leave it.

    m, v as in Adam; μₜ = β₁ (1 − ½ 0.96^(t ψ)), ψ the momentum decay, and Πₜ = μ₁ μ₂ … μₜ
    w ← w − η ((1 − μₜ)/(1 − Πₜ) g + μₜ₊₁/(1 − Πₜ₊₁) m)/(√v̂ + ε)

    Source: Dozat, 2016.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g = self.decay(stretch, s.lr, s.weight_decay, s.maximize, s.decoupled_weight_decay)
        (beta1, beta2), t, tmp = s.betas, stretch.step, stretch.scratch[1]
        now, ahead = (beta1 * (1 - 0.5 * 0.96 ** (n * s.momentum_decay)) for n in (t, t + 1))
        product = stretch.scalars.get("mu_product", 1.0) * now
        stretch.scalars["mu_product"] = product
        m, v = moments(stretch, g, s.betas)
        root = np.sqrt(v / (1 - beta2**t)) + s.eps
        stretch.w -= np.multiply(g, s.lr * (1 - now) / (1 - product), out=tmp) / root
        stretch.w -= np.multiply(m, s.lr * ahead / (1 - product * ahead), out=tmp) / root


class RAdam(Optimizer):
    """Adam that waits with its division by √v̂ until v̂ rests on enough gradients to be trusted.

    ρ∞ = 2/(1 − β₂) − 1, ρ = ρ∞ − 2 t β₂ᵗ/(1 − β₂ᵗ): as many gradients v̂ is worth
    ρ > 5:   w ← w − η r m̂/((√v + ε)/√(1 − β₂ᵗ))
             r = √((ρ − 4)(ρ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρ))
    else:    w ← w − η m̂

    Source: Liu et al., 2020.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g = self.decay(stretch, s.lr, s.weight_decay, s.maximize, s.decoupled_weight_decay)
        (beta1, beta2), t, tmp = s.betas, stretch.step, stretch.scratch[1]
        m, v = moments(stretch, g, s.betas)
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        step = np.multiply(m, s.lr / (1 - beta1**t), out=tmp)
        if rho > 5:
            shrink = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
            step *= math.sqrt(shrink * (1 - beta2**t))
            step /= np.sqrt(v) + s.eps
        stretch.w -= step


class Adamax(Optimizer):
    """Adam with the largest gradient in place of the root mean square. Source: Kingma & Ba, 2015.

    m as in Adam; u ← max(β₂ u, |g| + ε)
    w ← w − η/(1 − β₁ᵗ) m/u
    """

    def __init__(
        self,
        params: Params,
        lr: float = 2e-3,
        betas: Betas = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **unsupported: Any,
    ) -> None:
        super().__init__(
            params,
            unsupported,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
        )

    def update(self, stretch: Stretch, s: SimpleNamespace) -> None:
        g = self.descent(stretch, s.weight_decay, s.maximize)
        (beta1, beta2), tmp = s.betas, stretch.scratch[1]
        m, u = stretch.state("exp_avg"), stretch.state("exp_inf")
        blend(m, g, beta1, tmp)
        u *= beta2
        size = np.abs(g, out=tmp)
        size += s.eps
        np.maximum(u, size, out=u)
        step = np.divide(m, u, out=tmp)
        stretch.w -= np.multiply(step, s.lr / (1 - beta1**stretch.step), out=tmp)
