"""Schedules: how the learning rate η changes from step to step.

Each says what η is at t = 0 and how ηₜ follows from ηₜ₋₁, so that several can act on one optimizer
one after the other. b is the η that the optimizer was made with.

    StepLR                       b γ^⌊t/k⌋
    MultiStepLR                  b γ^(milestones passed)
    ConstantLR                   b f, from step T on b
    LinearLR                     b times a line from f₀ to f₁ in T steps
    ExponentialLR                b γᵗ
    PolynomialLR                 b (1 − t/T)^p, from step T on 0
    CosineAnnealingLR            m + (b − m)(1 + cos(π t/T))/2
    CosineAnnealingWarmRestarts  the same, from the top again after T, then after T·k, …
    LambdaLR, MultiplicativeLR   b λ(t), ηₜ₋₁ λ(t)
    ReduceLROnPlateau            η f whenever a metric has stopped improving
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .optimizer import Optimizer

Group = dict[str, Any]


class LRScheduler:
    """The base of the schedules. A subclass says what comes `first` and what comes `next`.

    Args:
        last_epoch: only −1, the beginning, is supported; `load_state_dict` goes on from later.
    """

    _schedulers: Sequence["LRScheduler"] = ()  # the schedules inside this one

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: got a {type(optimizer).__name__}, expected an Optimizer")
        if last_epoch != -1:
            raise NotImplementedError(f"{name}: last_epoch is not supported, use load_state_dict")
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.begin()

    def first(self, group: Group, base: float) -> float:
        """η at t = 0."""
        return group["lr"]

    def next(self, group: Group, base: float) -> float:
        """η at t = last_epoch, from the η before it, group["lr"]."""
        raise NotImplementedError(f"{type(self).__name__} has no next")

    def begin(self) -> None:
        """Go to t = 0."""
        self.last_epoch = 0
        for group, base in self.groups():
            group["lr"] = self.first(group, base)

    def restart(self) -> None:
        """Go to t = 0 from b, whatever another schedule has made of it."""
        for group, base in self.groups():
            group["lr"] = base
        self.begin()

    def step(self) -> None:
        """Go to the next t; to be called after the optimizer's step."""
        self.last_epoch += 1
        for group, base in self.groups():
            group["lr"] = self.next(group, base)

    def number(self, group: Group) -> int:
        """Which of the optimizer's groups this is."""
        return next(i for i, own in enumerate(self.optimizer.param_groups) if own is group)

    def per_group(self, name: str, value: Any, optimizer: Optimizer) -> list[Any]:
        """One value for each group, from a list of them or one for all."""
        groups = len(optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * groups
        if len(values) != groups:
            raise ValueError(
                f"{type(self).__name__}: {len(values)} values of {name} for {groups} groups"
            )
        return values

    def groups(self) -> Iterable[tuple[Group, float]]:
        """Each group and its b; one that was added later begins now."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            self.base_lrs.append(group.setdefault("initial_lr", group["lr"]))
        return zip(self.optimizer.param_groups, self.base_lrs, strict=True)

    def get_last_lr(self) -> list[float]:
        """η of each group, as it is now."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer and functions; take the optimizer's own state along with it."""
        state = {
            key: value
            for key, value in vars(self).items()
            if key != "optimizer" and not key.startswith("_")
        }
        if self._schedulers:
            state["schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state. Nothing is changed unless everything fits.

        Raises:
            ValueError: its entries are not those of this schedule.
        """
        self.check_state(state_dict)
        state = dict(state_dict)
        for scheduler, inner in zip(self._schedulers, state.pop("schedulers", ()), strict=True):
            scheduler.load_state_dict(inner)
        vars(self).update(state)

    def check_state(self, state_dict: dict[str, Any]) -> None:
        """Raise ValueError unless it has this schedule's entries, those inside it too."""
        own = self.state_dict().keys()
        if own != state_dict.keys():
            odd = ", ".join(sorted(own ^ state_dict.keys()))
            raise ValueError(f"{type(self).__name__}.load_state_dict: missing or unexpected {odd}")
        inside = state_dict.get("schedulers", ())
        if len(inside) != len(self._schedulers):
            raise ValueError(f"{type(self).__name__}.load_state_dict: {len(inside)} schedules")
        for scheduler, inner in zip(self._schedulers, inside, strict=True):
            scheduler.check_state(inner)


def at_least(schedule: str, name: str, value: float, least: float) -> None:
    """Raise ValueError unless value ≥ least; NaN is not."""
    if not value >= least:
        raise ValueError(f"{schedule}: {name} is {value}, expected at least {least}")


class StepLR(LRScheduler):
    """ηₜ = γ ηₜ₋₁ at every multiple of step_size."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        at_least("StepLR", "step_size", step_size, 1)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * (1 if self.last_epoch % self.step_size else self.gamma)


class MultiStepLR(LRScheduler):
    """ηₜ = γ ηₜ₋₁ at every milestone."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        self.milestones, self.gamma = Counter(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def first(self, group: Group, base: float) -> float:
        return self.next(group, base)

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * self.gamma ** self.milestones[self.last_epoch]


class ConstantLR(LRScheduler):
    """η₀ = factor · b, and b again from step total_iters on."""

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 1.0 / 3,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < factor <= 1:
            raise ValueError(f"ConstantLR: factor is {factor}, expected more than 0, at most 1")
        self.factor, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def first(self, group: Group, base: float) -> float:
        return group["lr"] * self.factor

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * (1 / self.factor if self.last_epoch == self.total_iters else 1)


class LinearLR(LRScheduler):
    """ηₜ = b (f₀ + (f₁ − f₀) t/T): each step times the ratio of this to the one before."""

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

    def first(self, group: Group, base: float) -> float:
        return group["lr"] * self.start_factor

    def next(self, group: Group, base: float) -> float:
        if self.last_epoch > self.total_iters:
            return group["lr"]
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return group["lr"] * (1 + rise / before)


class ExponentialLR(LRScheduler):
    """ηₜ = γ ηₜ₋₁."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * self.gamma


class PolynomialLR(LRScheduler):
    """ηₜ = b (1 − t/T)^power: each step times the ratio of this to the one before."""

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
        if t > total:
            return group["lr"]
        return group["lr"] * ((1 - t / total) / (1 - (t - 1) / total)) ** self.power


class CosineAnnealingLR(LRScheduler):
    """ηₜ = m + (b − m)(1 + cos(π t/T))/2, m = eta_min: half a wave down in T steps, and up again.

    From ηₜ₋₁ it is (1 + cos(π t/T))/(1 + cos(π (t − 1)/T)) (ηₜ₋₁ − m) + m, but for the step off the
    bottom, where that divides by zero. Source: Loshchilov & Hutter, 2017.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        at_least("CosineAnnealingLR", "T_max", T_max, 1)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        t, T, m = self.last_epoch, self.T_max, self.eta_min
        if (t - 1 - T) % (2 * T) == 0:
            return group["lr"] + (base - m) * (1 - math.cos(math.pi / T)) / 2
        ratio = (1 + math.cos(math.pi * t / T)) / (1 + math.cos(math.pi * (t - 1) / T))
        return ratio * (group["lr"] - m) + m


class CosineAnnealingWarmRestarts(LRScheduler):
    """CosineAnnealingLR from the top again after T_0 steps, then after T_mult times as many, …"""

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        at_least("CosineAnnealingWarmRestarts", "T_0", T_0, 1)
        at_least("CosineAnnealingWarmRestarts", "T_mult", T_mult, 1)
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def first(self, group: Group, base: float) -> float:
        return base

    def next(self, group: Group, base: float) -> float:
        since, period = self.last_epoch, self.T_0
        while since >= period:
            since, period = since - period, period * self.T_mult
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * since / period)) / 2


class LambdaLR(LRScheduler):
    """ηₜ = b λ(t), with a function for all groups or one for each."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._lambdas = self.per_group("lr_lambda", lr_lambda, optimizer)
        super().__init__(optimizer, last_epoch)

    def factor(self, group: Group) -> float:
        """λ(t) of this group."""
        return self._lambdas[self.number(group)](self.last_epoch)

    def first(self, group: Group, base: float) -> float:
        return base * self.factor(group)

    def next(self, group: Group, base: float) -> float:
        return base * self.factor(group)


class MultiplicativeLR(LambdaLR):
    """ηₜ = ηₜ₋₁ λ(t)."""

    def first(self, group: Group, base: float) -> float:
        return group["lr"]

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * self.factor(group)

    def restart(self) -> None:
        self.last_epoch = -1
        self.step()


class ReduceLROnPlateau(LRScheduler):
    """η ← max(factor · η, min_lr) when a metric has not improved for more than `patience` steps.

    To improve is to get below best (1 − threshold) ("rel") or best − threshold ("abs"), for "max"
    above best (1 + threshold) or best + threshold. For `cooldown` steps after a cut nothing counts.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | list[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"ReduceLROnPlateau: mode is {mode!r}, expected min or max")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(
                f"ReduceLROnPlateau: threshold_mode is {threshold_mode!r}, expected rel or abs"
            )
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor is {factor}, expected less than 1")
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = self.per_group("min_lr", min_lr, optimizer)
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def improves(self, metric: float) -> bool:
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        if math.isinf(self.best):
            margin = 0
        return metric < self.best - margin if self.mode == "min" else metric > self.best + margin

    def step(self, metrics: float) -> None:  # type: ignore[override]
        """Go to the next t, with the metric that was reached."""
        self.last_epoch += 1
        metrics = float(metrics)
        if self.improves(metrics):
            self.best, self.num_bad_epochs = metrics, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
                lower = max(group["lr"] * self.factor, least)
                if group["lr"] - lower > self.eps:
                    group["lr"] = lower
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
