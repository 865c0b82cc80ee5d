"""Learning rates that change at certain steps and stay the same between them."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from ..optim.optimizer import Optimizer
from .schedule import Group, LRScheduler, require_at_least


class StepLR(LRScheduler):
    """ηₜ = b γ^⌊t/k⌋: times γ at every multiple of k, called step_size."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        require_at_least("StepLR", "step_size", step_size, 1)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return group["lr"]
        return group["lr"] * self.gamma

    def closed_form(self, group: Group, base: float) -> float:
        return base * self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(LRScheduler):
    """ηₜ = b γ^nₜ, with nₜ = Σᵢ [Mᵢ ≤ t]: times γ at each of the milestones M."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * self.gamma ** self.milestones[self.last_epoch]

    def closed_form(self, group: Group, base: float) -> float:
        return base * self.gamma ** bisect_right(
            sorted(self.milestones.elements()), self.last_epoch
        )


class ConstantLR(LRScheduler):
    """ηₜ = f b where t < T, else b: f is called factor, T total_iters."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor is {factor}, expected 0 to 1")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        if self.last_epoch == 0:
            return group["lr"] * self.factor
        return group["lr"] * (1 / self.factor if self.last_epoch == self.total_iters else 1)

    def closed_form(self, group: Group, base: float) -> float:
        return base * (self.factor if self.last_epoch < self.total_iters else 1)
