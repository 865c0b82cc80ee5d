"""Schedules: how the learning rate η changes from step to step.

Each says how ηₜ follows from ηₜ₋₁, so that several can act on one optimizer one after the other,
and most say what it is from b alone, where they begin anew. b is the η that the optimizer was made
with.

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
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from types import FunctionType
from typing import Any, ClassVar

from .optimizer import Optimizer

Group = dict[str, Any]


class LRScheduler:
    """The base of the schedules. A subclass says what comes `next`, and its `closed_form`.

    Args:
        last_epoch: the t that was reached before; −1 is the beginning. A later one goes on from the
            rates that the optimizer's groups have, with the `initial_lr` in them as b.
    Raises:
        TypeError: `optimizer` is none.
        KeyError: there is a last_epoch, but a group lacks what it goes on from.
    """

    # The lists in a state that may be shorter than the groups, some of which were added later.
    GROWING: ClassVar = ("base_lrs", "min_lrs", "_last_lr")

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.attach(optimizer)
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", group["lr"])
        self.require_in_groups("initial_lr")
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self._get_lr_called_within_step = False  # PyTorch's state has it
        self.first_step()

    def attach(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: got a {type(optimizer).__name__}, expected an Optimizer"
            )
        self.optimizer = optimizer

    def require_in_groups(self, *names: str) -> None:
        """Raise KeyError unless every group has these."""
        for i, group in enumerate(self.optimizer.param_groups):
            for name in names:
                if name not in group:
                    raise KeyError(
                        f"{type(self).__name__}: group {i} has no {name} for last_epoch to go on "
                        "from; load the optimizer's state first"
                    )

    def next(self, group: Group, base: float) -> float:
        """η at t = last_epoch, from the η before it, group["lr"]; base is b."""
        raise NotImplementedError(f"{type(self).__name__} has no next")

    def closed_form(self, group: Group, base: float) -> float:
        """η at t = last_epoch from b alone; where there is no such formula, what comes next."""
        return self.next(group, base)

    def first_step(self) -> None:
        """Go to t = last_epoch + 1, 0 at the beginning, where most leave η as it is."""
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def step(self) -> None:
        """Go to the next t; to be called after the optimizer's step."""
        self._step_count += 1
        self.last_epoch += 1
        self.set_rates(self.next)

    def start_over(self) -> None:
        """Go to t = 0 from b, whatever another schedule has made of it."""
        self.last_epoch = 0
        self.set_rates(self.closed_form)

    def undo(self) -> None:
        """Forget a step, but for the rates."""
        self.last_epoch -= 1

    def set_rates(self, rate: Callable[[Group, float], float]) -> None:
        for group, base in self.groups():
            group["lr"] = rate(group, base)
        self.keep_rates()

    def keep_rates(self) -> None:
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def groups(self) -> Iterable[tuple[Group, float]]:
        """Each group and its b; one that was added later begins now."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            self.base_lrs = [*self.base_lrs, group.setdefault("initial_lr", group["lr"])]
        return zip(self.optimizer.param_groups, self.base_lrs, strict=True)

    def per_group(self, name: str, value: Any) -> list[Any]:
        """One value for each group, from a list of them or one for all."""
        groups = len(self.optimizer.param_groups)
        values = list(value) if isinstance(value, list | tuple) else [value] * groups
        if len(values) != groups:
            raise ValueError(
                f"{type(self).__name__}: {len(values)} values of {name} for {groups} groups"
            )
        return values

    def own(self, group: Group, name: str) -> Any:
        """This group's entry in the list of this name, which has one for each."""
        entries = getattr(self, name)
        number = next(i for i, each in enumerate(self.optimizer.param_groups) if each is group)
        if number >= len(entries):
            raise ValueError(
                f"{type(self).__name__}: {name} has no entry for group {number}, added later"
            )
        return entries[number]

    def get_last_lr(self) -> list[float]:
        """η of each group, as the last step left it."""
        return self._last_lr

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer, in PyTorch's layout; take the optimizer's own state along with it.

        Of a function nothing is kept, of a callable object its attributes.
        """
        return {key: saved(value) for key, value in vars(self).items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state, PyTorch's too. Nothing is changed unless everything fits.

        Raises:
            ValueError: its entries are not those of this schedule.
        """
        self.check_state(state_dict)
        self.take(state_dict)

    def check_state(self, state_dict: dict[str, Any]) -> None:
        """Raise ValueError unless it has this schedule's entries, those inside it too."""
        mine = {key: value for key, value in vars(self).items() if key != "optimizer"}
        for problem, keys in (
            ("missing", mine.keys() - state_dict.keys()),
            ("unexpected", state_dict.keys() - mine.keys()),
        ):
            if keys:
                names = ", ".join(sorted(keys))
                raise ValueError(f"{type(self).__name__}.load_state_dict: {problem} {names}")
        for key, value in mine.items():
            self.check_entry(key, value, state_dict[key])

    def check_entry(self, key: str, mine: Any, entry: Any) -> None:
        """Raise ValueError unless an entry of a state, or of a list in it, can replace mine."""
        place = f"{type(self).__name__}.load_state_dict: {key}"
        if callable(mine) and not entry:
            return
        if kind(entry) is not kind(saved(mine)):
            raise ValueError(f"{place} is {entry!r}, expected one like {saved(mine)!r}")
        if isinstance(mine, LRScheduler):
            mine.check_state(entry)
        elif isinstance(mine, list):
            groups = len(self.optimizer.param_groups)
            least, most = (0, groups) if key in self.GROWING else (len(mine), len(mine))
            if not least <= len(entry) <= most:
                raise ValueError(f"{place} has {len(entry)} entries, expected {most}")
            for own, other in zip(mine, entry, strict=False):
                self.check_entry(key, own, other)

    def take(self, state_dict: dict[str, Any]) -> None:
        for key, entry in state_dict.items():
            setattr(self, key, taken(getattr(self, key), entry))


def saved(value: Any) -> Any:
    """What a state has of it: of a schedule its state, of a callable object its attributes."""
    if isinstance(value, LRScheduler):
        return value.state_dict()
    if isinstance(value, list):
        return [saved(item) for item in value]
    if callable(value):
        attributes = None if isinstance(value, FunctionType) else getattr(value, "__dict__", None)
        return None if attributes is None else dict(attributes)
    return value


def taken(mine: Any, entry: Any) -> Any:
    """What becomes of mine with an entry of a state: the entry, or mine with what is in it."""
    if isinstance(mine, LRScheduler):
        mine.take(entry)
        return mine
    if isinstance(mine, list):
        return [*map(taken, mine, entry), *entry[len(mine) :]]
    if callable(mine):
        if entry:
            vars(mine).update(entry)
        return mine
    return entry


def kind(value: Any) -> type:
    """What can only replace its like in a state: a dict, list, text or number; the rest is None."""
    return next((like for like in (dict, list, str, Real) if isinstance(value, like)), object)


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
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return group["lr"]
        return group["lr"] * self.gamma

    def closed_form(self, group: Group, base: float) -> float:
        return base * self.gamma ** (self.last_epoch // self.step_size)


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

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * self.gamma ** self.milestones[self.last_epoch]

    def closed_form(self, group: Group, base: float) -> float:
        return base * self.gamma ** bisect_right(
            sorted(self.milestones.elements()), self.last_epoch
        )


class ConstantLR(LRScheduler):
    """ηₜ = factor · b, and b again from step total_iters on."""

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
    """ηₜ = γ ηₜ₋₁."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * (1 if self._is_initial else self.gamma)

    def closed_form(self, group: Group, base: float) -> float:
        return base * self.gamma**self.last_epoch


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
        if self._is_initial or t > total:
            return group["lr"]
        return group["lr"] * ((1 - t / total) / (1 - (t - 1) / total)) ** self.power

    def closed_form(self, group: Group, base: float) -> float:
        part = min(self.total_iters, self.last_epoch) / self.total_iters
        return base * (1 - part) ** self.power


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
    """CosineAnnealingLR from the top again after T_0 steps, then after T_mult times as many, …

    T_cur counts the steps since it was last at the top, T_i is how many it takes this time. As in
    PyTorch, a last_epoch is taken to be in the first or second round.
    """

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
        return self.own(group, "lr_lambdas")(self.last_epoch)

    def next(self, group: Group, base: float) -> float:
        return base * self.factor(group)


class MultiplicativeLR(LambdaLR):
    """ηₜ = ηₜ₋₁ λ(t)."""

    def next(self, group: Group, base: float) -> float:
        return group["lr"] * (1 if self._is_initial else self.factor(group))


class ReduceLROnPlateau(LRScheduler):
    """η ← max(factor · η, min_lr) when a metric has not improved for more than `patience` steps.

    To improve is to get below best (1 − threshold) ("rel") or best − threshold ("abs"), for "max"
    above best (1 + threshold) or best + threshold. For `cooldown` steps after a cut nothing counts.
    A cut of no more than eps is not made.
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
        # Not by the base's constructor: there is no first step, and b does not matter.
        self.attach(optimizer)
        self.mode, self.factor, self.patience = mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.eps = cooldown, eps
        self.min_lrs = self.per_group("min_lr", min_lr)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.best = self.mode_worse = math.inf if mode == "min" else -math.inf
        self.last_epoch = self.num_bad_epochs = self.cooldown_counter = 0
        self.keep_rates()

    def improves(self, metric: float) -> bool:
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            bar = self.best * (1 + sign * self.threshold)
        else:
            bar = self.best + sign * self.threshold
        return metric < bar if self.mode == "min" else metric > bar

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
            self.cut()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self.keep_rates()

    def cut(self) -> None:
        if self.default_min_lr is not None:  # for groups that were added later too
            self.min_lrs = self.per_group("min_lr", self.default_min_lr)
        for group in self.optimizer.param_groups:
            lower = max(group["lr"] * self.factor, self.own(group, "min_lrs"))
            if group["lr"] - lower > self.eps:
                group["lr"] = lower
