"""Adam and its kin: steps by the running mean of the gradient over that of its size.

The notation is that of the package `optim`; m and v are the running means of g and g².

    Adam      the mean of g over the root of that of g²
    AdamW     Adam, with its weight decay beside the step
    NAdam     Adam, with the mean as the next step will have it
    RAdam     Adam, once the mean of g² can be trusted
    Adamax    Adam, with the largest |g| of late below
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

        weight_decay    g ← g + λ w         the gradient of ½ λ w²; decoupled, as in AdamW
        m ← β₁ m + (1 − β₁) g               the gradient's running mean
        v ← β₂ v + (1 − β₂) g²              the running mean of its square
        amsgrad     u ← max(u, v)           the largest v so far. Source: Reddi et al., 2018
        m̂ = m/(1 − β₁ᵗ)
        v̂ = v/(1 − β₂ᵗ)
        amsgrad     v̂ = u/(1 − β₂ᵗ)
        w ← w − η m̂/(√v̂ + ε)                of equal gradients g it is η g/|g|, a step of η

    Why divide by 1 − β₁ᵗ: m begins at 0, and every step multiplies by β₁ what was there before, so
        m = (1 − β₁) Σᵢ β₁^(t − i) gᵢ       over the steps i from 1 to t
        (1 − β₁) Σᵢ β₁^(t − i) = 1 − β₁ᵗ    a geometric series: what these weights add up to
    which is only 1 − β₁ at the first step. m̂ has weights that add up to 1: it is a mean, not drawn
    to the 0 at the start. Likewise v̂ of g².
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
    """Adam whose weight decay goes straight to the weights: Adam's would be divided by √v̂ as well.

        w ← w − η λ w                       every weight shrinks by the same part
        m ← β₁ m + (1 − β₁) g               the rest is Adam
        v ← β₂ v + (1 − β₂) g²
        m̂ = m/(1 − β₁ᵗ)
        v̂ = v/(1 − β₂ᵗ)
        w ← w − η m̂/(√v̂ + ε)

    Source: Loshchilov & Hutter, 2019.
    """

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
    """Adam with Nesterov's look ahead: the step uses the momentum the next one begins with.

        m ← β₁ m + (1 − β₁) g               m, v and v̂ as in Adam
        v ← β₂ v + (1 − β₂) g²
        v̂ = v/(1 − β₂ᵗ)
        μₜ = β₁ (1 − ½ 0.96^(t ψ))          the momentum of step t: from about ½ β₁ up to β₁
        P ← P μₜ                            μ₁ μ₂ … μₜ, from 1 on
        m̂ = μₜ₊₁ m/(1 − P μₜ₊₁) + (1 − μₜ) g/(1 − P)
        w ← w − η m̂/(√v̂ + ε)                ψ is called momentum_decay

    Adam's m̂ is (μ m + (1 − μ) g)/(1 − μᵗ), with m from the step before. Looking ahead, m is of this
    step and its factor of the next, μₜ₊₁. What each of the two is divided by is, as in Adam, what
    the weights of all gradients add up to, in a mean that is kept with these μ:
        c ← μₜ c + (1 − μₜ)                 the old weights shrink by μₜ, the new one is added
        c = 1 − P                           for 1 − c becomes μₜ (1 − c), from 1 on
    and one step later with one more factor, μₜ₊₁. Where all μ are equal it is Adam's 1 − μᵗ. m
    itself is kept with β₁, as in PyTorch.

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

        m ← β₁ m + (1 − β₁) g               m, v and m̂ as in Adam
        v ← β₂ v + (1 − β₂) g²
        m̂ = m/(1 − β₁ᵗ)
        w ← w − η r m̂ √(1 − β₂ᵗ)/(√v + ε) where ρ > 5, else w − η m̂

    The step is r m̂/√v̂, but for the place of ε; v̂ is v/(1 − β₂ᵗ).

    How many gradients v̂ is worth, ρ: in a mean of ρ of them the mean age is (ρ + 1)/2, the newest
    being 1 old. v̂ weighs what is i old by β₂^(i − 1), so that, the series summed up,
        (ρ + 1)/2 = Σᵢ i β₂^(i − 1) (1 − β₂)/(1 − β₂ᵗ)
        ρ = ρ∞ − 2t β₂ᵗ/(1 − β₂ᵗ)
        ρ∞ = 2/(1 − β₂) − 1                 what it comes to as t grows
    How unsure 1/√v̂ is: of the squares of ρ normal numbers, 1/mean has the mean M and the variance S
    (it is inverse χ²), and √u has the slope 1/(2√u), which squared takes S to V, near enough:
        M(ρ) = ρ/(ρ − 2)
        S(ρ) = 2ρ²/((ρ − 2)² (ρ − 4))       there is none up to 4; to be sure, not up to 5 here
        V(ρ) = S(ρ)/(4M(ρ)) = ρ/(2 (ρ − 2)(ρ − 4))
    r makes the step as unsure as it is in the end:
        r = √(V(ρ∞)/V(ρ)) = √((ρ − 4)(ρ − 2) ρ∞/((ρ∞ − 4)(ρ∞ − 2) ρ)) for ρ > 5

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

        m ← β₁ m + (1 − β₁) g
        m̂ = m/(1 − β₁ᵗ)                     as in Adam
        u ← max(β₂ u, |g| + ε)              the largest |g| of late: an old one fades by β₂ a step
        w ← w − η m̂/u

    √v is a norm (Σ |g|^p)^(1/p) of the weighted gradients, for p of 2; as p grows, the largest is
    all that is left. u is no mean that began at 0: nothing is to be divided out.
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
