"""Schedules made of schedules.

SequentialLR        one after another
ChainedScheduler    several at a time, what one makes of η the next goes on from
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ..optim.optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .schedule import LRScheduler


class Combined(LRScheduler):
    """A schedule made of schedules: it has no η of its own, only theirs."""

    def gather(self, optimizer: Any, schedulers: Sequence[LRScheduler]) -> None:
        """Take schedules in: at least one, all of this optimizer, none of which wants a metric."""
        name = type(self).__name__
        if not schedulers:
            raise ValueError(f"{name}: there are no schedules")
        for i, scheduler in enumerate(schedulers):
            if not isinstance(scheduler, LRScheduler):
                raise TypeError(f"{name}: schedule {i} is a {type(scheduler).__name__}")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(f"{name}: schedule {i} is ReduceLROnPlateau, which needs a metric")
            if scheduler.optimizer is not optimizer:
                raise ValueError(f"{name}: schedule {i} belongs to another optimizer")
        self.optimizer, self._schedulers = optimizer, list(schedulers)

    def start_over(self) -> None:
        raise NotImplementedError(
            f"{type(self).__name__}: a SequentialLR can only begin with it, as in PyTorch"
        )

    def undo(self) -> None:
        for scheduler in self._schedulers:
            scheduler.undo()


class SequentialLR(Combined):
    """One schedule after another: each begins at its milestone, from b; η is as it has it.

    The first begins with its first step; a later one by its closed form, and where there is none
    (MultiplicativeLR) goes on from the η that it meets.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        # Not by the base's constructor: one of the schedules inside takes the first step.
        self.gather(optimizer, schedulers)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                f"SequentialLR: {len(milestones)} milestones for {len(schedulers)} schedules, "
                "expected one between each two"
            )
        self._milestones = list(milestones)
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        self.undo()
        self._schedulers[bisect_right(self._milestones, 0)].first_step()
        self.keep_rates()

    def step(self) -> None:
        self.last_epoch += 1
        now = bisect_right(self._milestones, self.last_epoch)
        if now and self._milestones[now - 1] == self.last_epoch:
            self._schedulers[now].start_over()
        else:
            self._schedulers[now].step()
        self.keep_rates()


class ChainedScheduler(Combined):
    """Several schedules at a time: what one makes of η, the next goes on from."""

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        # Not by the base's constructor: the schedules inside have begun already.
        first = next(iter(schedulers), None)
        self.gather(optimizer or getattr(first, "optimizer", None), schedulers)
        self.keep_rates()

    def step(self) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self.keep_rates()
