"""One operation of a forward pass in PyTorch, its values, and its backward.

Each operation's own derivative is autograd's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

Tensor = torch.Tensor
Gradients = list[Tensor | None]
Edit = Callable[["Op", "Above", Gradients], Gradients]  # (op, at its outputs, right ones) -> new
Edits = Mapping[int, Sequence[Edit]]  # by the operation's place in the list
WORDS = {
    "mm": "the matrix product",
    "bmm": "the matrix product",
    "dot": "the dot product",
    "mv": "the matrix product",
    "_trilinear": "the product",
    "convolution": "the convolution",
    "add": "the sum",
    "sub": "the difference",
    "rsub": "the difference",
    "split": "the split",
    "mul": "the product",
    "div": "the quotient",
    "pow": "the power",
    "expand": "the broadcast",
    "sum": "the sum over the axis",
    "mean": "the mean",
    "var_mean": "mean and variance",
    "rsqrt": "1/sqrt",
    "exp": "exp",
    "log": "log",
    "_softmax": "the softmax",
    "_log_softmax": "the log softmax",
    "_safe_softmax": "the softmax",
    "embedding": "the lookup",
    "max_pool2d_with_indices": "the max pooling",
    "max_pool3d_with_indices": "the max pooling",
    "avg_pool2d": "the average pooling",
    "avg_pool3d": "the average pooling",
    "native_group_norm": "the group normalization",
    "native_batch_norm": "the batch normalization",
    "native_layer_norm": "the layer normalization",
}
ELEMENTS = 20_000  # that take about as long as what PyTorch does around any operation
AT_MOST = 256  # elements of an output that is looked at one by one
RESHAPES = {"view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "alias", "clone", "flatten"}
MOVES = RESHAPES | {"t", "transpose", "permute", "expand", "unbind", "select"}


class Above(list[Tensor | None]):
    """The gradients of an operation's outputs in one replay.

    Attributes:
        notes: what the edits of this replay keep for one another.
    """

    def __init__(self, grads: Gradients, notes: dict[Any, Tensor]) -> None:
        super().__init__(grads)
        self.notes = notes


@dataclass(eq=False)
class Value:
    """A tensor of the forward pass: an input, a parameter, or what an operation returned."""

    tensor: Tensor
    leaf: str = ""
    producer: "Op | None" = None
    consumers: "list[tuple[Op, int]]" = field(default_factory=list)
    reaches: frozenset[str] = frozenset()  # the leaves that it was computed from
    title: str = ""  # what it is called in its kind of layer

    @property
    def name(self) -> str:
        if self.leaf or self.title:
            return self.leaf or self.title
        if self.producer is None:
            return "a constant"
        if self.producer.short in MOVES:  # it is what was moved
            return self.producer.inputs[0].name
        if self.producer.short == "var_mean":
            return "the mean" if self is self.producer.outputs[1] else "the variance"
        return self.producer.name


def signature(value: Value, depth: int = 3) -> str:
    """How a value came about, so many operations back: the same at every time step."""
    op = value.producer
    if value.leaf or op is None or op.function is None or depth == 0:
        return value.leaf
    part = f"[{op.outputs.index(value)}]" if len(op.outputs) > 1 else ""
    inside = ",".join(signature(v, depth - 1) for v in op.inputs)
    return f"{op.short}{part}({inside})"


def part_of(value: Value) -> int:
    """The `id` of the operation that split what this is a part of, as q, k and v; else 0."""
    op = value.producer
    while op is not None and op.short in RESHAPES and op.inputs and len(op.outputs) == 1:
        op = op.inputs[0].producer
    return id(op) if op is not None and len(op.outputs) > 1 else 0


class Op:
    """One operation, its differentiable inputs and its outputs.

    Args:
        function: an operation of PyTorch; None stands for the identity, at inputs and outputs.
        flat, spec: its arguments as PyTorch's pytree.
        slots: (position in `flat`, value) of every argument with a gradient.
        place: the submodule that ran it, as in "layers.1 (Tanh)".
        line: the line of the reference that ran it, where that is not in PyTorch itself.

    Attributes:
        step: the same operation at every time step, itself among them, if there are such.
        family: the weight that marks the start of a step, and how far behind it this one stands.
    """

    def __init__(
        self,
        function: Any,
        flat: list[Any],
        spec: Any,
        slots: list[tuple[int, Value]],
        place: str,
        line: str = "",
    ) -> None:
        self.function, self.flat, self.spec, self.slots = function, flat, spec, slots
        self.place, self.line = place, line
        self.index = -1
        self.step: tuple[Op, ...] | None = None
        self.family: tuple[str, int] | None = None
        self.outputs: list[Value] = []
        self._graph: tuple[list[Tensor], list[Tensor]] | None = None

    @cached_property
    def work(self) -> float:
        """One, and one more for every so many elements."""
        elements = sum(v.tensor.numel() for v in (*self.inputs, *self.outputs))
        return 1 + elements / ELEMENTS

    @property
    def short(self) -> str:
        """ "mul" of `aten.mul.Tensor`."""
        if self.function is None:
            return "identity"
        return self.function.overloadpacket.__name__.rstrip("_") or self.function.__name__

    @property
    def name(self) -> str:
        name = WORDS.get(self.short, self.short.strip("_").removesuffix("_forward"))
        title = self.outputs[0].title if self.outputs else ""
        return f"{name} of {title}" if title.startswith("gate") else name

    @property
    def reaches(self) -> frozenset[str]:
        """The leaves that a change of its gradients can reach."""
        return frozenset().union(*(value.reaches for value in self.inputs))

    @property
    def inputs(self) -> list[Value]:
        return [value for _, value in self.slots]

    def run(self, at: Mapping[int, Tensor] | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Run it once more: its differentiable inputs as leaves of a new graph, and its outputs."""
        flat = list(self.flat)
        for position, other in (at or {}).items():  # running statistics are written into
            flat[position] = other.clone() if torch.is_tensor(other) else other
        leaves = []
        for position, value in self.slots:
            flat[position] = flat[position] if at and position in at else value.tensor
            flat[position] = flat[position].detach().requires_grad_()
            leaves.append(flat[position])
        with torch.enable_grad():
            if self.function is None:
                return leaves, [leaf.view_as(leaf) for leaf in leaves]
            return leaves, self._call(flat)

    def compute(self, at: Mapping[int, Tensor]) -> list[Tensor]:
        """Its outputs for other arguments, by position; a graph through them goes on."""
        if self.function is None:
            return [at[position] for position, _ in self.slots]
        flat = [at.get(position, argument) for position, argument in enumerate(self.flat)]
        return self._call(flat)

    def _call(self, flat: list[Any]) -> list[Tensor]:
        args, kwargs = tree_unflatten(flat, self.spec)
        outputs, _ = tree_flatten(self.function(*args, **kwargs))
        return [out for out in outputs if torch.is_tensor(out)]

    def drop_undifferentiable(self) -> None:
        """Forget the arguments that PyTorch does not differentiate by, such as a loss's target."""
        try:
            self.run()
        except RuntimeError as error:
            if "not differentiable with respect to argument" not in str(error):
                raise
            names = [argument.name for argument in self.function._schema.arguments]
            self.slots = [s for s in self.slots if f"'{names[s[0]]}'" not in str(error)]
            self.drop_undifferentiable()

    def vjp(
        self, grads: Gradients, at: Mapping[int, Tensor] | None = None, batched: bool = False
    ) -> Gradients:
        """The gradient of each input from those of the outputs, by autograd.

        Args:
            at: arguments to take the derivative at, by position, in place of its own.
            batched: all gradients have a first axis more, of several of them side by side.
        """
        if at is None:
            self._graph = self._graph or self.run()
            leaves, outputs = self._graph
        else:
            leaves, outputs = self.run(at)
        return backward_of(leaves, outputs, grads, batched)

    def jvp(self, tangents: Sequence[Tensor]) -> list[Tensor]:
        """How the outputs move when the inputs do: the derivative of the vjp, which is linear."""
        leaves, outputs = self.run()
        output_tangents = []
        for out in outputs:
            if not out.requires_grad:
                output_tangents.append(torch.zeros_like(out))
                continue
            probe = torch.zeros_like(out, requires_grad=True)
            grads = torch.autograd.grad(
                out, leaves, probe, create_graph=True, retain_graph=True, allow_unused=True
            )
            used = [(g, t) for g, t in zip(grads, tangents, strict=True) if g is not None]
            through = [(g, t) for g, t in used if g.requires_grad]
            try:
                moved = (
                    torch.autograd.grad(
                        [g for g, _ in through], probe, [t for _, t in through], allow_unused=True
                    )
                    if through
                    else (None,)
                )
            except RuntimeError:  # PyTorch does not differentiate its backward
                moved = (one_by_one(out, leaves, tangents),)
            output_tangents.append(torch.zeros_like(out) if moved[0] is None else moved[0])
        return output_tangents

    def vjp_with_saved(self, grads: Gradients, change: Callable[[Tensor], Tensor]) -> Gradients:
        """The gradient of each input, each tensor that autograd kept for it first changed."""
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: saved.detach(), change):
            leaves, outputs = self.run()
            return backward_of(leaves, outputs, grads)


def one_by_one(out: Tensor, leaves: list[Tensor], tangents: Sequence[Tensor]) -> Tensor:
    """How an output moves, each of its elements by a backward pass of its own.

    Raises:
        RuntimeError: it has too many elements for that.
    """
    if out.numel() > AT_MOST:
        raise RuntimeError(f"an output of {out.numel()} elements")
    moved = []
    for element in out.reshape(-1):
        grads = torch.autograd.grad(element, leaves, retain_graph=True, allow_unused=True)
        pairs = zip(grads, tangents, strict=True)
        parts = [(g * t).sum() for g, t in pairs if g is not None]
        moved.append(torch.stack(parts).sum() if parts else torch.zeros_like(element))
    return torch.stack(moved).view_as(out)


def backward_of(
    leaves: list[Tensor], outputs: list[Tensor], grads: Gradients, batched: bool = False
) -> Gradients:
    """The vector-Jacobian products of a small graph, which is kept."""
    pairs = [
        (out, grad)
        for out, grad in zip(outputs, grads, strict=True)
        if grad is not None and out.requires_grad
    ]
    if not pairs:
        return [None] * len(leaves)
    through, grad_outputs = zip(*pairs, strict=True)
    return list(
        torch.autograd.grad(
            through,
            leaves,
            grad_outputs,
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=batched,
        )
    )


def total(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The sum of the tensors that there are; None if there is none."""
    there = [part for part in parts if part is not None]
    if not there:
        return None
    added = there[0]
    for part in there[1:]:
        added = added + part
    return added
