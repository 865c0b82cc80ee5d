"""Learning rates that fall by a formula, or by a function of one's own."""

from collections.abc import Callable, Sequence

from ..optim.optimizer import Optimizer
from .schedule import Group, LRScheduler


class LinearLR(LRScheduler):
    """ηₜ = b (f₀ + (f₁ − f₀) t/T) where t < T, else b f₁: along a line, in T steps.

    Each step multiplies ηₜ₋₁ by the ratio of this to the one before. f₀ is called start_factor, f₁
    end_factor, T total_iters.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor is {start_factor}, expected 0 < f <= 1")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor is {end_factor}, expected 0 to 1")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        if self.last_epoch == 0:
            return group["lr"] * self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return group["lr"]
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return group["lr"] * (1 + rise / before)

    def closed_form(self, group: Group, base: float) -> float:
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * (self.start_factor + (self.end_factor - self.start_factor) * part)


class ExponentialLR(LRScheduler):
    """ηₜ = b γᵗ: every step is times γ."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * (1 if self._is_initial else self.gamma)

    def closed_form(self, group: Group, base: float) -> float:
        return base * self.gamma**self.last_epoch


class PolynomialLR(LRScheduler):
    """ηₜ = b (1 − t/T)^p where t < T, else 0: p is called power, T total_iters.

    Each step multiplies ηₜ₋₁ by the ratio of this to the one before.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_iters: int = 5,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        t, total = self.last_epoch, self.total_iters
        if self._is_initial or t > total:
            return group["lr"]
        return group["lr"] * ((1 - t / total) / (1 - (t - 1) / total)) ** self.power

    def closed_form(self, group: Group, base: float) -> float:
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * (1 - part) ** self.power


class LambdaLR(LRScheduler):
    """ηₜ = b λ(t), with a function for all groups or one for each."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.attach(optimizer)
        self.lr_lambdas = self.per_group("lr_lambda", lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(
                    f"{type(self).__name__}: lr_lambda is a {type(function).__name__}, "
                    "expected a function"
                )
        super().__init__(optimizer, last_epoch)

    def factor(self, group: Group) -> float:
        """λ(t) of this group."""
        return self.entry_of(group, "lr_lambdas")(self.last_epoch)

    def next(self, group: Group, base: float) -> float:
        return base * self.factor(group)


class MultiplicativeLR(LambdaLR):
    """ηₜ = ηₜ₋₁ λ(t) for t > 0."""

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * (1 if self._is_initial else self.factor(group))
