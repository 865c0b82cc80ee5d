"""Schedules made of schedules.

SequentialLR        one after another
ChainedScheduler    several at a time, what one makes of η the next goes on from
"""

from bisect import bisect_right
from collections.abc import Sequence

from .optimizer import Optimizer
from .schedules import LRScheduler, ReduceLROnPlateau


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
        # Not by the base's constructor: the schedules inside have begun already.
        self._schedulers = list(schedulers)
        self.optimizer = self._schedulers[0].optimizer
        self.base_lrs = [group["initial_lr"] for group in self.optimizer.param_groups]
        self.last_epoch = 0

    def begin(self) -> None:
        self.last_epoch = 0
        for scheduler in self._schedulers:
            scheduler.begin()

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
