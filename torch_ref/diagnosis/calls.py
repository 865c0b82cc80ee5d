"""The functions of PyTorch that a forward pass calls, each with its arguments and its operations.

An operation on the tape is what PyTorch computes; a call is what people write a derivative of.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from .operations import Op, Tensor, Value
from .tape import Call


class Calls(TorchFunctionMode):
    """Within this block, calls of these functions are noted; those within them are not.

    Args:
        names: of the functions.
        ops: those that have run so far.
        values: what a tensor stands for on the tape, by its `id`.
    """

    def __init__(self, names: frozenset[str], ops: list[Op], values: Mapping[int, Value]) -> None:
        super().__init__()
        self.names, self.ops, self.values = names, ops, values
        self.noted: list[Call] = []

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name not in self.names:
            return function(*args, **kwargs)
        arguments = [self.known(argument) for argument in args]
        options = {key: self.known(argument) for key, argument in kwargs.items()}
        start = len(self.ops)
        returned = function(*args, **kwargs)
        result = self.values.get(id(plain(returned))) if torch.is_tensor(returned) else None
        if result is not None and result.producer in self.ops[start:]:
            ops = self.ops[start : self.ops.index(result.producer) + 1]
            self.noted.append(Call(name, arguments, options, ops))
        return returned

    def known(self, argument: Any) -> Any:
        if not torch.is_tensor(argument):
            return argument
        value = self.values.get(id(plain(argument)))
        return value if value is not None and value.reaches else plain(argument)


def plain(tensor: Tensor) -> Tensor:
    """The tensor that operations run on, of one that `functionalize` has wrapped."""
    wrapped = torch._C._functorch
    return wrapped.get_unwrapped(tensor) if wrapped.is_functorch_wrapped_tensor(tensor) else tensor
