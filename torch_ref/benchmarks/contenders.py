"""Who takes a step of a task: this package, and PyTorch in several ways, as a user writes it.

A contender is made in a process of its own: only there are its libraries loaded.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from manual.arrays import Array

from .workloads import Task, Workload

BY_HAND, BEFORE, EAGER = "by hand", "by hand, before", "PyTorch eager"


@dataclass(frozen=True)
class Contender:
    """One side of a race.

    Attributes:
        step: takes one step of the next batch, and returns the loss.
        gradients: those of the last step, by the parameters' names.
    """

    step: Callable[[], Any]
    gradients: Callable[[], dict[str, Array]]

    def results(self) -> dict[str, Any]:
        """Take a step: its "loss", and the gradients."""
        return {"loss": plain(self.step()), **self.gradients()}


def endless(batches: list[Any]) -> Iterator[Any]:
    while True:
        yield from batches


def gradients_dropped(network: Any, optimizer: Any) -> Callable[[], None]:
    """The optimizer's `zero_grad`, or of a network without one what that would do."""
    parameters = list(network.parameters())

    def zero_grad() -> None:
        for parameter in parameters:
            parameter.grad = None

    return optimizer.zero_grad if optimizer else zero_grad


def gradients_of(network: Any) -> dict[str, Array]:
    """Of either side, where there are any, by the parameters' names."""
    return {n: plain(p.grad) for n, p in network.named_parameters() if p.grad is not None}


def plain(value: Any) -> Array:
    """A number or an array of either side, as NumPy's."""
    return np.array(value.detach().numpy() if hasattr(value, "detach") else value)


def by_hand(task: Task) -> Contender:
    """This package's modules, loss and optimizer."""
    network, loss, optimizer = task.network.without_input_gradient(), task.loss, task.optimizer
    zero_grad, batches = gradients_dropped(network, optimizer), endless(task.batches)

    def step() -> Any:
        x, t = next(batches)
        zero_grad()
        y = network(x)
        value = loss(y[0] if type(y) is tuple else y, t)
        network.backward(loss.backward())
        if optimizer:
            optimizer.step()
        return value

    return Contender(step, lambda: gradients_of(network))


# What a variant changes of PyTorch's defaults.
VARIANTS = {
    EAGER: {},
    "PyTorch fused": {"fused": True},
    "PyTorch channels_last": {"channels_last": True},
    "PyTorch compiled": {"compiled": True, "fused": True},
}


def by_autograd(
    task: Task, fused: bool = False, channels_last: bool = False, compiled: bool = False
) -> Contender:
    """PyTorch's modules, loss and optimizer, with the same numbers.

    Args:
        fused: the optimizer is one kernel, not one for each operation and parameter.
        channels_last: images and kernels lie so in memory.
        compiled: the network has gone through torch.compile.
    """
    import torch

    from ..twin import to_torch, twin_of

    network: Any = twin_of(task.network)
    loss = twin_of(task.loss)
    optimizer = task.optimizer and twin_of(task.optimizer, list(network.parameters()))
    for group in optimizer.param_groups if optimizer else ():
        group["fused"] = fused or None
    pairs = [(to_torch(x), to_torch(t)) for x, t in task.batches]
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
        pairs = [(x.contiguous(memory_format=torch.channels_last), t) for x, t in pairs]
    run: Any = torch.compile(network) if compiled else network
    zero_grad, batches = gradients_dropped(network, optimizer), endless(pairs)

    def step() -> Any:
        x, t = next(batches)
        zero_grad()
        y = run(x)
        value = loss(y[0] if type(y) is tuple else y, t)
        value.backward()
        if optimizer:
            optimizer.step()
        return value

    return Contender(step, lambda: gradients_of(network))


def contenders_of(workload: Workload, before: bool, compiled: bool) -> list[str]:
    """Those that a workload has a use for, by name."""
    names = [BY_HAND, EAGER]
    if before:
        names.insert(1, BEFORE)
    if workload.task().optimizer:
        names.append("PyTorch fused")
    if workload.images:
        names.append("PyTorch channels_last")
    if compiled:
        names.append("PyTorch compiled")
    return names


def make(name: str, task: Task) -> Contender:
    """The contender of this name."""
    if name in (BY_HAND, BEFORE):
        return by_hand(task)
    return by_autograd(task, **VARIANTS[name])
