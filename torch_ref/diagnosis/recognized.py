"""The functions that a forward pass writes out, operation by operation, known by what they give.

`x / (1 + np.abs(x))` is a softsign, `-(t * np.log(p) + (1 - t) * np.log(1 - p))` the cross-entropy
of p and t, whoever wrote it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional

from .operations import Op, Tensor, Value
from .regions import LARGE, functions_ending_in
from .tape import Call, Tape

CLOSE = 1e-9  # how near its values must be to those of the function
OF_ONE = (
    *("sigmoid", "tanh", "log_sigmoid", "softsign", "tanhshrink", "softplus", "relu", "elu"),
    *("silu", "mish", "gelu", "hardswish", "square", "sqrt", "rsqrt", "reciprocal"),
)
OF_TWO = (
    *("mse_loss", "l1_loss", "huber_loss", "binary_cross_entropy", "kl_div"),
    *("binary_cross_entropy_with_logits", "soft_margin_loss"),
)
OF_AXIS: dict[str, Callable[..., Tensor]] = {
    "softmax": torch.softmax,
    "log_softmax": torch.log_softmax,
    "logsumexp": torch.logsumexp,
    "normalize": lambda x, dim: functional.normalize(x, dim=dim),
    "centred": lambda x, dim: x - x.mean(dim, keepdim=True),
}


def recognized(tape: Tape) -> Iterator[Call]:
    """Every such function; of several operations that end in one place, all."""
    called = {call.last.index for call in tape.calls}
    given: dict[tuple[int, ...], list[tuple[str, Tensor]]] = {}
    for last in tape.ops:
        if last.function is None or last.step or len(last.outputs) != 1 or last.index in called:
            continue
        y = last.outputs[0].tensor
        if not 1 < y.numel() <= LARGE:
            continue
        for ops, entries in functions_ending_in(last):
            if len(ops) < 2 or not 1 < entries[0].tensor.numel() <= LARGE:
                continue
            if not all(torch.Tag.pointwise in op.function.tags for op in ops):
                yield from along_an_axis(ops, entries[0]) if len(entries) == 1 else ()
                continue
            for arguments in arguments_of(ops, entries):
                key = tuple(id(tensor_of(a)) for a in arguments)
                if key not in given:
                    given[key] = list(results(*map(tensor_of, arguments)))
                for name, result in given[key]:
                    if near(y, result):
                        options = {"reduction": "none"} if len(arguments) == 2 else {}
                        yield Call(name, arguments, options, ops)


def along_an_axis(ops: list[Op], entry: Value) -> Iterator[Call]:
    """A function of what lies along one axis."""
    x, y = entry.tensor, ops[-1].outputs[0].tensor
    for name, function in OF_AXIS.items():
        for dim in range(x.dim()):
            for options in ({}, {"keepdim": True}) if name == "logsumexp" else ({},):
                if near(y, function(x, dim, **options)):
                    yield Call(name, [entry], {"dim": dim, **options}, ops)


def tensor_of(argument: Any) -> Tensor:
    return argument.tensor if isinstance(argument, Value) else argument


def arguments_of(ops: list[Op], entries: list[Value]) -> Iterator[list[Any]]:
    """What a function of these operations may be one of: its values, or one and a constant."""
    if len(entries) == 2:
        yield entries
        yield entries[::-1]
        return
    yield entries
    shape = entries[0].tensor.shape
    slots = {id(op): {position for position, _ in op.slots} for op in ops}
    for op in ops:
        for position, argument in enumerate(op.flat):
            is_constant = torch.is_tensor(argument) and position not in slots[id(op)]
            if is_constant and argument.shape == shape and argument.is_floating_point():
                yield [*entries, argument]


def results(*arguments: Tensor) -> Iterator[tuple[str, Tensor]]:
    """What each function gives for these arguments, where it takes them."""
    for name in OF_ONE if len(arguments) == 1 else OF_TWO:
        function = getattr(functional, name.replace("log_s", "logs"), None) or getattr(torch, name)
        options = {"reduction": "none"} if len(arguments) == 2 else {}
        try:
            result = function(*arguments, **options)
        except RuntimeError:
            continue  # no probabilities
        if bool(torch.isfinite(result).all()):
            yield name, result


def near(one: Tensor, other: Tensor, close: float = CLOSE) -> bool:
    """Whether the largest difference is so small, relative to the size of the other."""
    if one.shape != other.shape or not bool(torch.isfinite(other).all()):
        return False
    return bool((one - other).abs().max() <= close * (float(other.abs().max()) or 1.0))
