"""PyTorch code with a backward of its own, and the same code with autograd's in its place."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

Function = torch.autograd.Function


class Context:
    """What a forward is handed as `ctx`: it may keep there what it likes."""

    def __init__(self, count: int) -> None:
        self.needs_input_grad = (True,) * count
        self.saved_tensors: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        self.saved_tensors = tensors

    save_for_forward = save_for_backward

    def mark_dirty(self, *tensors: Any) -> None:
        """Nothing: no copy is kept."""

    mark_non_differentiable = mark_dirty

    def set_materialize_grads(self, value: bool) -> None:
        """Nothing: the backward does not run."""


def run_forward(function: type[Function], *args: Any) -> Any:
    """The forward of a `torch.autograd.Function`, in the form that autograd follows."""
    if function.setup_context is not Function.setup_context:
        return function.forward(*args)
    return function.forward(Context(len(args)), *args)


def forward_of(function: type[Function]) -> Any:
    """A function of tensors that computes what a `torch.autograd.Function` does."""

    def forward(*args: Any) -> Any:
        return run_forward(function, *args)

    forward.__name__ = function.__name__
    return forward


@contextmanager
def by_autograd() -> Iterator[None]:
    """Within this block every `torch.autograd.Function` runs its forward only."""
    apply = vars(Function)["apply"]
    setattr(Function, "apply", classmethod(run_forward))  # noqa: B010
    try:
        yield
    finally:
        setattr(Function, "apply", apply)  # noqa: B010


class Own(torch.nn.Module):
    """Someone's module as it is."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.own = module

    def forward(self, *inputs: Any) -> Any:
        return self.own(*inputs)


class ByAutograd(Own):
    """Someone's module without the backward passes that it brings."""

    def forward(self, *inputs: Any) -> Any:
        with by_autograd():
            return self.own(*inputs)
