"""Schedules that take the learning rate up and down, and the momentum the other way round.

CyclicLR      up and down between two values, again and again
OneCycleLR    once up and further down
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from ..optim.optimizer import Optimizer
from .schedule import Group, LRScheduler, require_at_least


class MomentumSchedule(LRScheduler):
    """A schedule that may also move the momentum, or Adam's β₁, between two values of its own."""

    def cycle(
        self,
        momentum: bool,
        base_momentum: float | list[float],
        max_momentum: float | list[float],
        begins: bool,
    ) -> tuple[list[float], list[float]]:
        """Take up momentum, if wanted, and, if this begins, give both values to the groups.

        Returns:
            base_momentum and max_momentum of each group.
        """
        lows = self.per_group("base_momentum", base_momentum)
        highs = self.per_group("max_momentum", max_momentum)
        self.cycle_momentum = momentum
        if momentum:
            defaults = self.optimizer.defaults
            if not defaults.keys() & {"momentum", "betas"}:
                raise ValueError(
                    f"{type(self).__name__}: cycle_momentum, but "
                    f"{type(self.optimizer).__name__} has none"
                )
            self.use_beta1 = "betas" in defaults
            if begins:
                for group, low, high in zip(self.optimizer.param_groups, lows, highs, strict=True):
                    group["base_momentum"], group["max_momentum"] = low, high
        return lows, highs

    def set_momentum(self, group: Group, momentum: float) -> None:
        if self.use_beta1:
            group["betas"] = (momentum, *group["betas"][1:])
        else:
            group["momentum"] = momentum


class CyclicLR(MomentumSchedule):
    """η goes from base_lr to max_lr in u steps, and back in d, again and again.

    u is called step_size_up and d step_size_down. At step t
    nₜ = ⌊t/(u + d)⌋                                    the cycles that are over
    sₜ = t − nₜ (u + d)                                 the steps of this one
    hₜ = sₜ/u where sₜ ≤ u, else 1 − (sₜ − u)/d         up along a line, and down
    ηₜ = base_lr + (max_lr − base_lr) hₜ
    triangular2     ηₜ = base_lr + (max_lr − base_lr) hₜ/2^nₜ       half as high in every cycle
    exp_range       ηₜ = base_lr + (max_lr − base_lr) hₜ γᵗ
    Momentum goes the other way, from max_momentum to base_momentum and back.

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
        require_at_least("CyclicLR", "step_size_up", step_size_up, 1)
        require_at_least("CyclicLR", "step_size_down", down, 0)
        self.attach(optimizer)
        self.total_size = float(step_size_up + down)
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma = mode, gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:  # each mode has its own
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        lows = self.per_group("base_lr", base_lr)
        self.max_lrs = self.per_group("max_lr", max_lr)
        momentums = self.cycle(cycle_momentum, base_momentum, max_momentum, last_epoch == -1)
        if cycle_momentum:
            self.base_momentums, self.max_momentums = momentums
        if last_epoch == -1:
            for group, low in zip(optimizer.param_groups, lows, strict=True):
                group["lr"] = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows  # also where an earlier schedule has set initial_lr

    def scale(self, cycle: int) -> float:
        x = cycle if self.scale_mode == "cycle" else self.last_epoch
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return self.gamma**x
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (x - 1)

    def next(self, group: Group, base: float) -> float:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        height = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        height *= self.scale(cycle)
        peak = self.entry_of(group, "max_lrs")
        if self.cycle_momentum:
            low = self.entry_of(group, "base_momentums")
            high = self.entry_of(group, "max_momentums")
            self.set_momentum(group, high - (high - low) * height)
        return base + (peak - base) * height


class OneCycleLR(MomentumSchedule):
    """η from max_lr/div_factor up to max_lr, then down to that start over final_div_factor.

    Between two values it goes along half a wave; u is where the top is, of N steps:
        u = pct_start N − 1
        A(x, y, p) = y + (x − y)(1 + cos(π p))/2        from x, at p of 0, to y, at p of 1
        linear      A(x, y, p) = x + (y − x) p          or along a line
        ηₜ = A(s, max_lr, t/u) where t ≤ u, else A(max_lr, e, (t − u)/(N − 1 − u))
        s = max_lr/div_factor
        e = s/final_div_factor
    three_phase comes down to s first, in as many steps as up, and then to e. Momentum goes the
    other way: down to base_momentum and up again.

    Source: Smith & Topin, 2019.
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
            require_at_least("OneCycleLR", "epochs", epochs, 1)
            require_at_least("OneCycleLR", "steps_per_epoch", steps_per_epoch, 1)
            total_steps = epochs * steps_per_epoch
        require_at_least("OneCycleLR", "total_steps", total_steps, 1)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start is {pct_start}, expected 0 to 1")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"OneCycleLR: anneal_strategy is {anneal_strategy!r}, expected cos or linear"
            )
        self.attach(optimizer)
        self.total_steps, self._anneal_func_type = total_steps, anneal_strategy
        # The corners: (step, η, momentum); a phase goes from one to the next.
        corners = [
            (0.0, "initial_lr", "max_momentum"),
            (float(pct_start * total_steps) - 1, "max_lr", "base_momentum"),
            (total_steps - 1, "min_lr", "max_momentum"),
        ]
        if three_phase:
            back = float(2 * pct_start * total_steps) - 2
            corners.insert(2, (back, "initial_lr", "max_momentum"))
        self._schedule_phases: list[dict[str, Any]] = [
            {
                "end_step": end,
                "start_lr": start_lr,
                "end_lr": end_lr,
                "start_momentum": start_momentum,
                "end_momentum": end_momentum,
            }
            for (_, start_lr, start_momentum), (end, end_lr, end_momentum) in pairwise(corners)
        ]
        highs = self.per_group("max_lr", max_lr)
        if last_epoch == -1:
            for group, high in zip(optimizer.param_groups, highs, strict=True):
                group["initial_lr"], group["max_lr"] = high / div_factor, high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle(cycle_momentum, base_momentum, max_momentum, last_epoch == -1)
        self.require_in_groups("initial_lr", "max_lr", "min_lr")
        if cycle_momentum:
            self.require_in_groups("base_momentum", "max_momentum")
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        if self.last_epoch > self.total_steps:
            raise ValueError(f"OneCycleLR: step {self.last_epoch} of {self.total_steps}")
        begin, last = 0.0, self._schedule_phases[-1]
        for phase in self._schedule_phases:
            if self.last_epoch <= phase["end_step"] or phase is last:
                break
            begin = phase["end_step"]
        part = (self.last_epoch - begin) / (phase["end_step"] - begin)
        if self.cycle_momentum:
            ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
            self.set_momentum(group, self.anneal(*ends, part))
        return self.anneal(group[phase["start_lr"]], group[phase["end_lr"]], part)

    def anneal(self, start: float, end: float, part: float) -> float:
        if self._anneal_func_type == "cos":
            return end + (start - end) / 2 * (math.cos(math.pi * part) + 1)
        return (end - start) * part + start
