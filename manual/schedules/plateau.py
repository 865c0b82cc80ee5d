"""A learning rate that falls when a metric has stopped improving."""

import math

from ..optim.optimizer import Optimizer
from .schedule import LRScheduler


class ReduceLROnPlateau(LRScheduler):
    """η ← max(f η, min_lr), when a metric has not improved for more than `patience` steps.

    f is called factor. To improve is to get below best (1 − threshold) ("rel") or best − threshold
    ("abs"), for "max" above best (1 + threshold) or best + threshold. For `cooldown` steps after a
    cut nothing counts. A cut of no more than eps is not made.
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
            lower = max(group["lr"] * self.factor, self.entry_of(group, "min_lrs"))
            if group["lr"] - lower > self.eps:
                group["lr"] = lower
