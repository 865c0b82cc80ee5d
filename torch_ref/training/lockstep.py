"""Train a by-hand network and its twin side by side on the same batches, and measure every step."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

import manual
from manual import Module, Optimizer, no_grad
from manual.arrays import Array

from ..parity.distance import Comparison, Report, Running
from ..parity.one_pass import Criterion, Quantities, carried, one_pass, statistics
from ..parity.tolerance import Allowed, Shadow, Shadows
from ..twin import all_in, to_numpy, to_torch, twin_of


@dataclass(frozen=True)
class Outcome:
    """What one step gave: the network's output, the loss, the gradients by parameter name."""

    output: Any
    loss: Any
    gradients: dict[str, Any]
    allowed: Allowed

    @property
    def quantities(self) -> Quantities:
        """Output, loss and gradients by kind and name."""
        outputs: Quantities = {("output", "output"): self.output, ("output", "loss"): self.loss}
        return outputs | {("gradient", name): g for name, g in self.gradients.items()}


def step_by_hand(network: Any, loss: Module, optimizer: Any, x: Array, t: Array) -> Outcome:
    """One step of gradient descent by hand, on the batch (x, t)."""
    criterion = Criterion(loss, t)
    passed = one_pass(network, [x], criterion)
    optimizer.step()
    return Outcome(
        passed.outputs[0], criterion.value, exchange_gradients(network, None), passed.allowed
    )


def step_by_autograd(
    network: Any, loss: Any, optimizer: Any, x: Array, t: Array, handed: dict[str, Array] | None
) -> Outcome:
    """One step of gradient descent in PyTorch; with `handed`, from those gradients."""
    criterion = Criterion(loss, t)
    passed = one_pass(network, [x], criterion, input_gradients=False)
    gradients = exchange_gradients(network, handed)
    optimizer.step()
    return Outcome(passed.outputs[0], criterion.value, gradients, passed.allowed)


def exchange_gradients(network: Any, handed: dict[str, Array] | None) -> dict[str, Any]:
    """The gradients that there are, by name; those that were handed in take their place."""
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    if handed is not None:
        for name, parameter in network.named_parameters():
            if name in gradients and name in handed:
                parameter.grad = torch.from_numpy(handed[name].copy())
    return gradients


@dataclass(frozen=True)
class Rule:
    """How a step is taken: by hand, and in PyTorch."""

    by_hand: Callable[..., Outcome]
    by_autograd: Callable[..., Outcome]


SIMULTANEOUS = Rule(step_by_hand, step_by_autograd)  # gradient descent


@dataclass(frozen=True)
class Step:
    """What one step gave: the number of steps taken so far, both losses, and the comparison.

    Attributes:
        diverged: which numbers on both sides are infinite, or none, if any are.
    """

    number: int
    loss: float
    torch_loss: float
    report: Report
    diverged: str = ""


def run_off(mine: Quantities, theirs: Quantities) -> str:
    """On each side the first tensor of a step with a number that is not finite, in words.

    Nothing, unless it is so on both sides, or on one while the other is as good as there: so large
    that its square is infinite. Where one side alone has no numbers any more, the two disagree.
    """
    first = [first_not_finite(quantities) for quantities in (mine, theirs)]
    if not any(first):
        return ""
    if not all(first):
        finite = theirs if first[0] else mine
        if not any(as_good_as_infinite(to_numpy(values)) for values in finite.values()):
            return ""
    both = zip(("by hand", "by autograd"), first, strict=True)
    return ", ".join(f"{what or 'nothing yet'} {side}" for side, what in both)


def first_not_finite(quantities: Quantities) -> str:
    """In the order of a step: the loss, the gradients from the last back, weights and moments.

    An output may be infinite, such as the score of what is masked.
    """
    gradients = [key for key in quantities if key[0] == "gradient"]
    updated = [key for key in quantities if key[0] in ("weight", "state")]
    for kind, name in [("output", "loss"), *gradients[::-1], *updated]:
        values = np.asarray(to_numpy(quantities[kind, name]))
        finite = np.isfinite(values)
        if not finite.all():
            tensor = name if kind == "output" else f"{kind} {name}"
            return f"{tensor} is {values[~finite].flat[0]}"
    return ""


def as_good_as_infinite(values: Any) -> bool:
    values = np.asarray(values)
    return bool(values.size) and float(np.abs(values).max()) > math.sqrt(np.finfo(values.dtype).max)


class Lockstep:
    """A by-hand network and its twin, trained on the same batches.

    Args:
        network, loss, optimizer: by hand; their twins are made here. Neither side computes the
            gradient of the data from now on.
        compare: "trajectory": both sides start at the same weights, and are brought together again
            only where rounding alone has used up half of all digits, see tolerance.py; "steps":
            PyTorch takes over the by-hand weights and optimizer state before every step, and the
            by-hand gradients before every update, so that each is compared on its own. The latter
            is for float32, where a trajectory jumps by a thousandth when a single ReLU flips.
        rule: how a step is taken.
        schedule: makes a learning rate schedule from a library, `manual` or PyTorch's, and an
            optimizer of that side.
    """

    def __init__(
        self,
        network: Module,
        loss: Module,
        optimizer: Optimizer,
        compare: str = "trajectory",
        schedule: Callable[[Any, Any], Any] | None = None,
        rule: Rule = SIMULTANEOUS,
    ) -> None:
        self.network, self.loss, self.optimizer = network.without_input_gradient(), loss, optimizer
        self.twin, self.twin_loss = twin_of(network), twin_of(loss)
        twins = dict(zip(network.parameters(), self.twin.parameters(), strict=True))
        optimized = [p for group in optimizer.param_groups for p in group["params"]]
        self.twin_optimizer = twin_of(optimizer, [twins[p] for p in optimized])
        self.schedules = [
            schedule(library, side)
            for library, side in ((manual, optimizer), (lr_scheduler, self.twin_optimizer))
            if schedule
        ]
        self.compare = compare
        self.rule = rule
        self.parameters = list(network.named_parameters())
        self.twin_parameters = list(self.twin.named_parameters())
        self.dtype = self.parameters[0][1].data.dtype
        self.steps = 0
        self.rejoined = 0  # times that the trajectories were brought together again
        self.running = Running()
        self.shadows = Shadows(network, optimizer)
        self.furthest: dict[
            tuple[str, str], tuple[Comparison, int]
        ] = {}  # the worst row and its step

    def step(self, x: Array, t: Array) -> Step:
        """Take one step of both sides on the batch (x, t)."""
        alone = self.compare == "steps"
        if alone:
            self.take_over()
        elif self.shadows.far:
            self.take_over()
            self.rejoined += 1
        mine = self.rule.by_hand(self.network, self.loss, self.optimizer, x, t)
        handed = mine.gradients if alone else None
        with all_in(self.dtype):
            theirs = self.rule.by_autograd(
                self.twin, self.twin_loss, self.twin_optimizer, x, t, handed
            )
        self.steps += 1
        allowed = self.follow_with_shadows(mine, x, t)
        for scheduler, reached in zip(self.schedules, (mine.loss, theirs.loss), strict=False):
            metric = hasattr(scheduler, "patience")  # ReduceLROnPlateau
            scheduler.step(*([float(reached)] if metric else []))
        state, twin_state = self.carried()
        report = self.running.compare(
            mine.quantities | state, theirs.quantities | twin_state, allowed
        )
        for row in report.rows:
            key = row.kind, row.name
            if key not in self.furthest or row.share > self.furthest[key][0].share:
                self.furthest[key] = row, self.steps
        diverged = run_off(mine.quantities | state, theirs.quantities | twin_state)
        return Step(self.steps, float(mine.loss), float(theirs.loss), report, diverged)

    def follow_with_shadows(self, mine: Outcome, x: Array, t: Array) -> Allowed:
        """Let the shadows take the step: how far all rounding so far may have parted the sides."""

        def step(shadow: Shadow) -> Quantities:
            if self.compare == "steps":  # where both sides update from equal gradients
                shadow.handed = mine.gradients
            outcome = self.rule.by_hand(shadow.module, self.loss, shadow, x, t)
            kept = carried(shadow.parameters, shadow.optimizer) | statistics(shadow.module)
            return outcome.quantities | kept

        kept = carried(self.parameters, self.optimizer) | statistics(self.network)
        results = mine.quantities | kept
        return self.shadows.follow(mine.allowed, results, self.running.scales, step)

    def carried(self) -> tuple[Quantities, Quantities]:
        """What each side carries from step to step: weights, statistics, the optimizer's state."""
        sides: Any = (
            (self.network, self.parameters, self.optimizer),
            (self.twin, self.twin_parameters, self.twin_optimizer),
        )
        quantities = [carried(*side) | statistics(module) for module, *side in sides]
        for values, (_, _, optimizer) in zip(quantities, sides, strict=True):
            groups = optimizer.param_groups
            for i, group in enumerate(groups):
                values["rate", f"lr of group {i}"] = np.asarray(group["lr"], np.float64)
        return quantities[0], quantities[1]

    @torch.no_grad()
    def take_over(self) -> None:
        """Put the PyTorch side, and the shadows, where the by-hand side is."""
        self.shadows.take_over(self.network, self.optimizer)
        mine, theirs = self.carried()
        for key, values in theirs.items():
            if key[0] != "rate":
                values.copy_(torch.from_numpy(mine[key]))

    def evaluate(self, x: Array, t: Array) -> tuple[Any, Any, float, float]:
        """Outputs and losses of both sides on (x, t), in eval mode, nothing learnt from it."""
        output, twin_output = self.outputs(x)
        with no_grad(), torch.no_grad():
            loss = self.loss(output, t)
            twin_loss = self.twin_loss(to_torch(twin_output), to_torch(t))
        return output, twin_output, float(loss), float(twin_loss)

    def outputs(self, x: Array) -> tuple[Array, Array]:
        """What both sides make of x, in eval mode; nothing is learnt from it."""
        with no_grad(), torch.no_grad(), self.in_eval_mode():
            return self.network(x), to_numpy(self.twin(to_torch(x)))

    @contextmanager
    def in_eval_mode(self) -> Iterator[None]:
        """Within the block neither side trains."""
        parts: list[Any] = [*self.network.modules(), *self.twin.modules()]
        training = [part.training for part in parts]
        self.network.eval()
        self.twin.eval()
        try:
            yield
        finally:
            for part, trains in zip(parts, training, strict=True):
                part.training = trains
