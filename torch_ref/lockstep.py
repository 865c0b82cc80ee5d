"""Train a by-hand network and its twin side by side on the same batches, and measure every step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.optim import lr_scheduler

import manual
from manual import Module, Optimizer, no_grad
from manual.module import Array, as_tuple
from manual.worked_example import early_update, gradients_of

from .parity import Quantities, Report, Row, Running, carried, terms_of, tolerance
from .twin import all_in, to_numpy, twin_of

Outcome = tuple[Any, Any, dict[str, Any]]  # output, loss, gradients by parameter name


def by_hand(network: Any, loss: Module, optimizer: Optimizer, x: Array, t: Array) -> Outcome:
    """One step by hand."""
    optimizer.zero_grad()
    output = network(x)
    error = loss(output, t)
    network.backward(as_tuple(loss.backward())[0])
    optimizer.step()
    return output, error, gradients_of(network)


def by_autograd(
    network: Any, loss: Any, optimizer: Any, x: Any, t: Any, given: dict[str, Array] | None = None
) -> Outcome:
    """The same step in PyTorch; with `given`, the update is made from those gradients."""
    optimizer.zero_grad()
    output = network(x)
    error = loss(output, t)
    error.backward()
    gradients = exchange_gradients(network, given)
    optimizer.step()
    return output, error, gradients


def by_hand_early(network: Any, loss: Module, optimizer: Optimizer, x: Array, t: Array) -> Outcome:
    """One step by the article's early rule, by hand; see `manual.worked_example`."""
    optimizer.zero_grad()
    output = network(x)
    error = loss(output, t)
    gradients = early_update(network, optimizer, as_tuple(loss.backward())[0])
    return output, error, gradients


def by_autograd_early(
    network: Any, loss: Any, optimizer: Any, x: Any, t: Any, given: dict[str, Array] | None = None
) -> Outcome:
    """The early rule in PyTorch: the graph is cut at the hidden layer, and carried on by hand."""
    optimizer.zero_grad()
    hidden = network.hidden(x)
    cut = hidden.detach()
    net = network.output[0](cut)
    output = network.output[1:](net)
    error = loss(output, t)
    (delta,) = torch.autograd.grad(error, net, retain_graph=True)
    error.backward()
    gradients = exchange_gradients(network, given)
    optimizer.step()
    optimizer.zero_grad()
    hidden.backward(delta @ network.output[0].weight.detach())
    gradients |= exchange_gradients(network, given)
    optimizer.step()
    return output, error, gradients


def exchange_gradients(network: Any, given: dict[str, Array] | None) -> dict[str, Any]:
    """The gradients that there are, by name; those that were given take their place."""
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    if given is not None:
        for name, parameter in network.named_parameters():
            if name in gradients and name in given:
                parameter.grad = torch.from_numpy(given[name].copy())
    return gradients


RULES: dict[str, tuple[Callable[..., Outcome], Callable[..., Outcome]]] = {
    "simultaneous": (by_hand, by_autograd),
    "early": (by_hand_early, by_autograd_early),
}


def quantities(output: Any, loss: Any, gradients: dict[str, Any]) -> Quantities:
    """A step's results by kind and name."""
    found = {("output", "output"): output, ("output", "loss"): loss}
    return found | {("gradient", name): gradient for name, gradient in gradients.items()}


@dataclass(frozen=True)
class Step:
    """What one step gave: the number of steps taken so far, both losses, and the comparison."""

    number: int
    loss: float
    torch_loss: float
    report: Report


class Lockstep:
    """A by-hand network and its twin, trained on the same batches.

    Args:
        network, loss, optimizer: by hand; their twins are made here.
        compare: "trajectory": both sides start at the same weights and are never brought together
            again; "steps": PyTorch takes over the by-hand weights and optimizer state before every
            step, and the by-hand gradients before every update, so that each is compared on its
            own. The latter is for float32, where a trajectory jumps by a thousandth when a single
            ReLU flips, and where Adam makes a full step of a gradient that is only rounding.
        rule: how a step is taken, see `RULES`.
        schedule: makes a learning rate schedule from a library, `manual` or PyTorch's, and an
            optimizer of that side.
    """

    def __init__(
        self,
        network: Module,
        loss: Module,
        optimizer: Optimizer,
        compare: str = "trajectory",
        rule: str = "simultaneous",
        schedule: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.network, self.loss, self.optimizer = network, loss, optimizer
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
        self.hand_step, self.torch_step = RULES[rule]
        self.parameters = list(network.named_parameters())
        self.twin_parameters = list(self.twin.named_parameters())
        self.dtype = self.parameters[0][1].data.dtype
        self.terms = terms_of(network)
        self.steps = 0
        self.running = Running()
        self.furthest: dict[tuple[str, str], tuple[Row, int]] = {}  # the worst row and its step

    def step(self, x: Array, t: Array) -> Step:
        """One step of both on the batch (x, t)."""
        alone = self.compare == "steps"
        if alone:
            self.take_over()
        output, loss, gradients = self.hand_step(self.network, self.loss, self.optimizer, x, t)
        xt = torch.from_numpy(x), torch.from_numpy(t)
        with all_in(self.dtype):
            twin_output, twin_loss, twin_gradients = self.torch_step(
                self.twin, self.twin_loss, self.twin_optimizer, *xt, gradients if alone else None
            )
        self.steps += 1
        for scheduler, reached in zip(self.schedules, (loss, twin_loss.detach()), strict=False):
            metric = hasattr(scheduler, "patience")  # ReduceLROnPlateau
            scheduler.step(*([float(reached)] if metric else []))
        mine, theirs = self.carried()
        mine = quantities(output, loss, gradients) | mine
        theirs = quantities(twin_output, twin_loss, twin_gradients) | theirs
        since = 1 if alone else self.steps
        report = self.running.compare(mine, theirs, tolerance(self.terms + len(x), since))
        for row in report.rows:
            key = row.kind, row.name
            if key not in self.furthest or row.distance > self.furthest[key][0].distance:
                self.furthest[key] = row, self.steps
        return Step(self.steps, float(loss), float(twin_loss.detach()), report)

    def carried(self) -> tuple[Quantities, Quantities]:
        """What each side carries from step to step: weights, and the optimizer's state."""
        sides = (
            (self.parameters, self.optimizer),
            (self.twin_parameters, self.twin_optimizer),
        )
        found = []
        for parameters, optimizer in sides:
            found.append(carried(parameters, optimizer))
            for i, group in enumerate(optimizer.param_groups):
                found[-1]["rate", f"lr of group {i}"] = np.asarray(group["lr"], np.float64)
        return found[0], found[1]

    @torch.no_grad()
    def take_over(self) -> None:
        """Put the PyTorch side where the by-hand side is."""
        mine, theirs = self.carried()
        for key, values in theirs.items():
            if key[0] != "rate":
                values.copy_(torch.from_numpy(mine[key]))

    def evaluate(self, x: Array, t: Array) -> tuple[Any, Any, float, float]:
        """Outputs and losses of both sides on (x, t), nothing learnt from it."""
        with no_grad():
            output = self.network(x)
            loss = self.loss(output, t)
        with torch.no_grad():
            twin_output = self.twin(torch.from_numpy(x))
            twin_loss = self.twin_loss(twin_output, torch.from_numpy(t))
        return output, to_numpy(twin_output), float(loss), float(twin_loss)
