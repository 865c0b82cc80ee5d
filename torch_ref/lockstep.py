"""Train a by-hand network and its twin side by side on the same batches, and measure every step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from manual import Module, Optimizer, no_grad
from manual.module import Array, as_tuple
from manual.worked_example import early_update

from .parity import Quantities, Report, Row, Running, carried, terms_of, tolerance
from .twin import scalars_in, to_numpy, twin_of

# Output, loss, and the gradients by parameter name where the step did not leave them in place.
Outcome = tuple[Any, Any, dict[str, Any] | None]


def by_hand(network: Any, loss: Module, optimizer: Optimizer, x: Array, t: Array) -> Outcome:
    """One step by hand."""
    optimizer.zero_grad()
    output = network(x)
    error = loss(output, t)
    network.backward(as_tuple(loss.backward())[0])
    optimizer.step()
    return output, error, None


def by_autograd(network: Any, loss: Any, optimizer: Any, x: Any, t: Any) -> Outcome:
    """The same step in PyTorch."""
    optimizer.zero_grad()
    output = network(x)
    error = loss(output, t)
    error.backward()
    optimizer.step()
    return output, error, None


def by_hand_early(network: Any, loss: Module, optimizer: Optimizer, x: Array, t: Array) -> Outcome:
    """One step by the article's early rule, by hand; see `manual.worked_example`."""
    optimizer.zero_grad()
    output = network(x)
    error = loss(output, t)
    gradients = early_update(network, optimizer, as_tuple(loss.backward())[0])
    return output, error, gradients


def by_autograd_early(network: Any, loss: Any, optimizer: Any, x: Any, t: Any) -> Outcome:
    """The early rule in PyTorch: the graph is cut at the hidden layer, and carried on by hand."""
    optimizer.zero_grad()
    hidden = network.hidden(x)
    cut = hidden.detach()
    net = network.output[0](cut)
    output = network.output[1:](net)
    error = loss(output, t)
    (delta,) = torch.autograd.grad(error, net, retain_graph=True)
    error.backward()
    gradients = {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    optimizer.step()
    optimizer.zero_grad()
    hidden.backward(delta @ network.output[0].weight.detach())
    gradients |= {n: p.grad for n, p in network.named_parameters() if p.grad is not None}
    optimizer.step()
    return output, error, gradients


def quantities(output: Any, loss: Any, parameters: Any, gradients: Any) -> Quantities:
    """A step's results by kind and name; no gradients given, those on the parameters are taken."""
    if gradients is None:
        gradients = {name: p.grad for name, p in parameters if p.grad is not None}
    found = {("output", "output"): output, ("output", "loss"): loss}
    return found | {("gradient", name): gradient for name, gradient in gradients.items()}


RULES: dict[str, tuple[Callable[..., Outcome], Callable[..., Outcome]]] = {
    "simultaneous": (by_hand, by_autograd),
    "early": (by_hand_early, by_autograd_early),
}


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
            step, so that each step is compared on its own. The latter is for float32, where a
            trajectory jumps by a thousandth when a single ReLU flips.
        rule: how a step is taken, see `RULES`.
    """

    def __init__(
        self,
        network: Module,
        loss: Module,
        optimizer: Optimizer,
        compare: str = "trajectory",
        rule: str = "simultaneous",
    ) -> None:
        self.network, self.loss, self.optimizer = network, loss, optimizer
        self.twin, self.twin_loss = twin_of(network), twin_of(loss)
        self.twin_optimizer = twin_of(optimizer, self.twin.parameters())
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
        if self.compare == "steps":
            self.take_over()
        output, loss, gradients = self.hand_step(self.network, self.loss, self.optimizer, x, t)
        xt = torch.from_numpy(x), torch.from_numpy(t)
        with scalars_in(self.dtype):
            twin_output, twin_loss, twin_gradients = self.torch_step(
                self.twin, self.twin_loss, self.twin_optimizer, *xt
            )
        self.steps += 1
        mine, theirs = self.carried()
        mine |= quantities(output, loss, self.parameters, gradients)
        theirs |= quantities(twin_output, twin_loss, self.twin_parameters, twin_gradients)
        since = self.steps if self.compare == "trajectory" else 1
        report = self.running.compare(mine, theirs, tolerance(self.terms + len(x), since))
        for row in report.rows:
            key = row.kind, row.name
            if key not in self.furthest or row.distance > self.furthest[key][0].distance:
                self.furthest[key] = row, self.steps
        return Step(self.steps, float(loss), float(twin_loss.detach()), report)

    def carried(self) -> tuple[Quantities, Quantities]:
        """What each side carries from step to step: weights, and the optimizer's state."""
        return (
            carried(self.parameters, self.optimizer),
            carried(self.twin_parameters, self.twin_optimizer),
        )

    @torch.no_grad()
    def take_over(self) -> None:
        """Put the PyTorch side where the by-hand side is."""
        mine, theirs = self.carried()
        for key, values in theirs.items():
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
