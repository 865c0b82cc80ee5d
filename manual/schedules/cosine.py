"""Learning rates that follow half a cosine down, once or again and again."""

import math

from ..optim.optimizer import Optimizer
from .schedule import Group, LRScheduler, require_at_least


class CosineAnnealingLR(LRScheduler):
    """ηₜ = m + (b − m)(1 + cos(π t/T))/2: half a wave down to m, eta_min, in T steps, and up again.

    From ηₜ₋₁, the ratio of this to the one before, but for the step off the bottom, where that
    divides by zero:
        ηₜ = m + (ηₜ₋₁ − m) (1 + cos(π t/T))/(1 + cos(π (t − 1)/T)) for 0 < t ≤ T

    Source: Loshchilov & Hutter, 2017.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        require_at_least("CosineAnnealingLR", "T_max", T_max, 1)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        t, T, m = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return group["lr"]
        if (t - 1) % (2 * T) == T:
            return group["lr"] + (base - m) * (1 - math.cos(math.pi / T)) / 2
        ratio = (1 + math.cos(math.pi * t / T)) / (1 + math.cos(math.pi * (t - 1) / T))
        return ratio * (group["lr"] - m) + m

    def closed_form(self, group: Group, base: float) -> float:
        wave = (1 + math.cos(math.pi * self.last_epoch / self.T_max)) / 2
        return self.eta_min + (base - self.eta_min) * wave


class CosineAnnealingWarmRestarts(LRScheduler):
    """η = m + (b − m)(1 + cos(π T_cur/T_i))/2: half a wave down to m, eta_min, again and again.

    T_cur counts the steps since it was last at the top, T_i is how many it takes this time: T_0 at
    first, then each time T_mult as many. As in PyTorch, a last_epoch is taken to be in the first or
    second round.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        require_at_least("CosineAnnealingWarmRestarts", "T_0", T_0, 1)
        require_at_least("CosineAnnealingWarmRestarts", "T_mult", T_mult, 1)
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self.T_i, self.T_cur = T_0, last_epoch
        super().__init__(optimizer, last_epoch)

    def step(self) -> None:
        if self.last_epoch < 0:
            self.last_epoch = self.T_cur = 0
            self.T_i = self.T_0
        else:
            self.last_epoch += 1
            self.T_cur += 1
            if self.T_cur >= self.T_i:
                self.T_cur, self.T_i = self.T_cur % self.T_i, self.T_i * self.T_mult
        self.set_rates(self.next)

    def next(self, group: Group, base: float) -> float:
        wave = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return self.eta_min + (base - self.eta_min) * wave
