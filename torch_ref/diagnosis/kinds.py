"""A mistake in one operation's backward: its kind, its place, and the edits that plant it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .operations import MOVES, Edit, Edits, Gradients, Op, Tensor

# The kinds of mistake, the more telling first: of several that give the same numbers, the first
# one names the verdict. Each has its remedy.
FIXES = {
    "early-update": "take all gradients at the same weights, and update the weights afterwards",
    "stale-cache": "save what backward needs in every forward, and take the latest",
    "mask-forgotten": "what the forward pass hides has no part in the backward pass either: take "
    "the softmax with its mask",
    "diagonal-only": "every output depends on every input of its row: add the Jacobian's other "
    "terms",
    "reduction-left-out": "sum over the axes along which it was broadcast",
    "sign": "turn the sign round",
    "wrong-axes": "sum over the axes that the forward pass normalizes over, and no others",
    "wrong-count": "divide by n, the number of terms that the forward pass took the mean of",
    "epsilon": "take the forward pass's own deviation: √(variance + ε), ε under the root",
    "stride": "window i starts at i times the stride: put its part back where it was taken from",
    "other-group": "keep the channels of a group together, in the forward pass's order",
    "number-forgotten": "what the forward pass multiplies by multiplies the gradient too, once",
    "mean-for-sum": "the samples' gradients add up: do not divide by their number here",
    "sum-for-mean": "the mean's gradient is divided by the number of terms, once",
    "forgotten-derivative": "multiply the gradient by the local derivative",
    "forgotten-upstream": "multiply by the upstream gradient: it is one only at the very end",
    "forgotten-factor": "multiply the gradient by the other factor of the product",
    "activation-for-derivative": "multiply by the derivative, not by the function's value",
    "activation-on-gradient": "multiply the gradient by the derivative at the saved input; do not "
    "apply the function to the gradient",
    "derivative-twice": "apply the local derivative once",
    "kernel-not-flipped": "the input's gradient is a full convolution with the flipped kernel",
    "transpose": "mind which axis is which: the gradient has its array's own layout",
    "assigned-for-added": "add where several outputs come from one input: np.add.at, not =",
    "padding": "take from the padded gradient what the input was: as much is cut off at either end",
    "not-the-largest": "give the gradient to the largest alone: no other had a part in the result",
    "overwritten": "add (+=) the gradient of every use; do not keep the last one only",
    "forgotten-path": "add the gradient that comes back along this path",
    "extra-axis": "sum over the broadcast axes only, and keep the others",
    "dropped-index": "go over all indices: none left out, none overwritten by the last",
    "wrong-index": "look up in backward what forward has looked up, index by index",
    "flipped": "keep the order along this axis",
    "other-gate": "give each gate its own gradient, in the order of the weights",
    "other-gradient": "give each parameter its own gradient",
    "option-ignored": "backward must follow the option that forward was called with",
    "wrong-argument": "take the derivative at the values that the forward pass used there",
    "wrong-derivative": "use this function's own derivative",
    "not-a-gradient": "return the gradient, not another array",
    "scale": "leave this factor out, or put the missing one in",
    "shape": "return the gradient in its array's own shape",
}
KINDS = tuple(FIXES)
SLIP = 5  # the rank of a slip of the pen: a mistake that people make says more
POINTWISE = torch.Tag.pointwise
PRODUCTS = {"mul", "div", "mm", "bmm", "mv", "dot", "convolution", "_trilinear"}


@dataclass(frozen=True)
class Mistake:
    """What went wrong, where, and the edits of the replay that do the same.

    Attributes:
        kind: one of `KINDS`.
        what: a clause, as in "the derivative of tanh is taken as 1".
        place: the submodule, line or quantity.
        edits: plant it.
        reaches: the leaves whose gradients it can change.
        rank: of two names for the same numbers, the lower one is told first.
    """

    kind: str
    what: str
    place: str
    edits: Edits
    reaches: frozenset[str]
    rank: int = 0

    @property
    def fix(self) -> str:
        return FIXES[self.kind]

    @property
    def identity(self) -> tuple[Any, ...]:
        """What one mistake has in common on the tapes of all inputs."""
        return self.kind, self.what, *self.edits


def at_slot(slot: int, change: Callable[..., Tensor | None]) -> Edit:
    """An edit of one input's gradient, where there is one.

    Args:
        slot: which of the operation's inputs.
        change: makes the new gradient from the operation, the gradients of its outputs and the
            input's own.
    """

    def edit(op: Op, grad_outputs: Gradients, grad_inputs: Gradients) -> Gradients:
        if grad_inputs[slot] is None:
            return grad_inputs
        changed = list(grad_inputs)
        changed[slot] = change(op, grad_outputs, grad_inputs[slot])
        return changed

    return edit


def change_gradient(slot: int, change: Callable[..., Tensor]) -> Edit:
    """An edit after which one input's gradient is `change` of what it was."""
    return at_slot(slot, lambda op, grad_outputs, grad_input: change(grad_input))


def from_output(slot: int, change: Callable[..., Tensor]) -> Edit:
    """An edit after which one input's gradient is `change` of the first output's gradient."""
    return at_slot(slot, lambda op, grad_outputs, grad_input: change(grad_outputs[0]))


def scaled(slot: int, factor: float) -> Edit:
    """An edit that multiplies one input's gradient by a factor; 0 cuts the path."""
    return change_gradient(slot, lambda grad: grad * factor)


def place_of(op: Op) -> str:
    """Where a reader finds the operation."""
    if op.function is None:
        return f"the gradient of {op.place}" if op.place else "the upstream gradient"
    return op.place or op.line


def edge_words(op: Op, slot: int) -> str:
    """The edge from an operation back to one of its inputs, in words."""
    if op.function is None:
        return place_of(op)
    value = op.inputs[slot]
    unnamed = not value.leaf and not value.title
    to = f"{value.name}{within(value.producer) if value.producer and unnamed else ''}"
    return f"the path from {op.name}{within(op)} back to {to}"


def within(op: Op) -> str:
    """ " in layers.1 (Tanh)", unless it would say the same twice."""
    place = op.place or op.line
    return f" in {place}" if place and place.lower() != op.name else ""


def output_gradient(grad_outputs: Gradients) -> Tensor:
    """The gradient of an operation's first output, which there must be."""
    grad = grad_outputs[0]
    assert grad is not None
    return grad


Change = tuple[str, str, str, Edit]  # kind, a name that is the same wherever it is done, what, edit


def kin(leaf: str) -> str:
    """ "bias" of "layers.0.bias" and of "bias_hh_l0": what a leaf shares with its like."""
    return leaf.rpartition(".")[2].partition("_")[0]


def rank_of(op: Op) -> int:
    """Of a mistake: 0 at a leaf or output, 1 where something is computed, 2 where it only moves."""
    if op.function is None:
        return 0
    return 2 if op.short in MOVES | {"add"} else 1


def name_of(value: Any) -> str:
    if value.leaf or value.title:
        return value.name
    if value.producer and value.producer.short in MOVES and value.producer.inputs[0].leaf:
        return value.name
    return f"the result of {value.name}{within(value.producer)}" if value.producer else value.name
