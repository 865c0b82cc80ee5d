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
    CyclicLR                     up and down between two values; momentum the other way round
    OneCycleLR                   once up and further down; momentum the other way round
    ReduceLROnPlateau            η f whenever a metric has stopped improving
    SequentialLR                 one schedule after another
    ChainedScheduler             several at a time, factors multiplying
"""

import math
from bisect import bisect_right
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


class MomentumSchedule(LRScheduler):
    """One that also moves the momentum, or Adam's β₁, between two values of its own."""

    def set_momentum(self, group: Group, momentum: float) -> None:
        if "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum

    def check_momentum(self, optimizer: Optimizer) -> None:
        if not optimizer.defaults.keys() & {"momentum", "betas"}:
            raise ValueError(
                f"{type(self).__name__}: cycle_momentum, but {type(optimizer).__name__} has none"
            )


class CyclicLR(MomentumSchedule):
    """η goes from base_lr to max_lr in step_size_up steps and back in step_size_down, and so on.

    The height of cycle n is scaled by 1 ("triangular"), 1/2^(n−1) ("triangular2"), or at step t by
    γᵗ ("exp_range"). Momentum goes from max_momentum to base_momentum and back.

    Source: Smith, 2017.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"CyclicLR: mode is {mode!r}, expected triangular, … or a scale_fn")
        if scale_mode not in ("cycle", "iterations"):
            raise ValueError(f"CyclicLR: scale_mode is {scale_mode!r}, expected cycle, iterations")
        down = step_size_up if step_size_down is None else step_size_down
        at_least("CyclicLR", "step_size_up", step_size_up, 1)
        at_least("CyclicLR", "step_size_down", down, 0)
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma, self.cycle_momentum = mode, gamma, cycle_momentum
        self.scale_mode = scale_mode
        self._scale_fn = scale_fn
        self.max_lrs = self.per_group("max_lr", max_lr, optimizer)
        self.base_momentums = self.per_group("base_momentum", base_momentum, optimizer)
        self.max_momentums = self.per_group("max_momentum", max_momentum, optimizer)
        if cycle_momentum:
            self.check_momentum(optimizer)
        lows = self.per_group("base_lr", base_lr, optimizer)
        for group, low in zip(optimizer.param_groups, lows, strict=True):
            group["lr"] = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows  # also where an earlier schedule has set initial_lr

    def scale(self, cycle: int) -> float:
        if self._scale_fn is not None:
            return self._scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "exp_range":
            return self.gamma**self.last_epoch
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (cycle - 1)

    def first(self, group: Group, base: float) -> float:
        return self.next(group, base)

    def next(self, group: Group, base: float) -> float:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        height = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        height *= self.scale(cycle)
        own = self.number(group)
        if self.cycle_momentum:
            low, high = self.base_momentums[own], self.max_momentums[own]
            self.set_momentum(group, high - (high - low) * height)
        return base + (self.max_lrs[own] - base) * height


class OneCycleLR(MomentumSchedule):
    """η from max_lr/div_factor up to max_lr, then down to that start over final_div_factor.

    The way up takes the part pct_start of all steps; three_phase comes down to the start first, in
    as many steps. Between two values it goes along half a cosine wave or a line. Momentum goes the
    other way: down to base_momentum and up again. Source: Smith & Topin, 2019.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: expected total_steps, or epochs and steps_per_epoch")
            total_steps = epochs * steps_per_epoch
        at_least("OneCycleLR", "total_steps", total_steps, 1)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is {pct_start}, expected 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy is {anneal_strategy!r}, expected cos or linear"
            )
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self.cycle_momentum = cycle_momentum
        # (the last step of a phase, η at its end, momentum at its end)
        peak = float(pct_start * total_steps) - 1
        self.phases = [(peak, "max_lr", "base_momentum")]
        if three_phase:
            back = float(2 * pct_start * total_steps) - 2
            self.phases.append((back, "initial_lr", "max_momentum"))
        self.phases.append((total_steps - 1, "min_lr", "max_momentum"))
        highs = self.per_group("max_lr", max_lr, optimizer)
        lows = self.per_group("base_momentum", base_momentum, optimizer)
        tops = self.per_group("max_momentum", max_momentum, optimizer)
        if cycle_momentum:
            self.check_momentum(optimizer)
        for group, high, low, top in zip(optimizer.param_groups, highs, lows, tops, strict=True):
            group["initial_lr"] = high / div_factor
            group["max_lr"], group["min_lr"] = high, group["initial_lr"] / final_div_factor
            if cycle_momentum:
                group["base_momentum"], group["max_momentum"] = low, top
        super().__init__(optimizer, last_epoch)

    def first(self, group: Group, base: float) -> float:
        return self.next(group, base)

    def next(self, group: Group, base: float) -> float:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of {self.total_steps}")
        begin, rate, momentum = 0.0, "initial_lr", "max_momentum"
        for end, next_rate, next_momentum in self.phases:
            if self.last_epoch <= end or end == self.phases[-1][0]:
                break
            begin, rate, momentum = end, next_rate, next_momentum
        part = (self.last_epoch - begin) / (end - begin)
        if self.cycle_momentum:
            self.set_momentum(group, self.anneal(group[momentum], group[next_momentum], part))
        return self.anneal(group[rate], group[next_rate], part)

    def anneal(self, start: float, end: float, part: float) -> float:
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start


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


class SequentialLR(LRScheduler):
    """One schedule after another: each begins at its milestone, from b."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        check_schedules(self, optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(milestones)} milestones for {len(schedulers)} schedules, "
                "expected one between each two"
            )
        self._schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer, last_epoch)

    def begin(self) -> None:
        self.last_epoch = 0
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self._schedulers[bisect_right(self.milestones, 0)].begin()

    def step(self) -> None:
        self.last_epoch += 1
        now = bisect_right(self.milestones, self.last_epoch)
        if now and self.milestones[now - 1] == self.last_epoch:
            self._schedulers[now].restart()
        else:
            self._schedulers[now].step()


class ChainedScheduler(LRScheduler):
    """Several schedules at a time: what one makes of η, the next goes on from."""

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        optimizer = optimizer or (schedulers[0].optimizer if schedulers else None)
        check_schedules(self, optimizer, schedulers)
        self._schedulers = list(schedulers)
        super().__init__(self._schedulers[0].optimizer)

    def begin(self) -> None:
        self.last_epoch = 0  # the schedules themselves have begun already

    def restart(self) -> None:
        for group, base in self.groups():
            group["lr"] = base
        for scheduler in self._schedulers:
            scheduler.begin()
        self.begin()

    def step(self) -> None:
        self.last_epoch += 1
        for scheduler in self._schedulers:
            scheduler.step()


def check_schedules(
    outer: LRScheduler, optimizer: Optimizer | None, schedulers: Sequence[LRScheduler]
) -> None:
    """Raise unless there are schedules, all of one optimizer, none of which wants a metric."""
    name = type(outer).__name__
    if not schedulers:
        raise ValueError(f"{name}: there are no schedules")
    for i, scheduler in enumerate(schedulers):
        if isinstance(scheduler, ReduceLROnPlateau):
            raise ValueError(f"{name}: schedule {i} is ReduceLROnPlateau, which needs a metric")
        if scheduler.optimizer is not optimizer:
            raise ValueError(f"{name}: schedule {i} belongs to another optimizer")
