"""The operations of one forward pass in PyTorch, and the backward pass through them replayed.

Each operation's own derivative is autograd's. The backward pass through all of them is PyTorch's,
unless an edit is planted in it: that is how one asks which numbers a given mistake would produce.
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
            args, kwargs = tree_unflatten(flat, self.spec)
            outputs, _ = tree_flatten(self.function(*args, **kwargs))
        return leaves, [out for out in outputs if torch.is_tensor(out)]

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
            moved = (
                torch.autograd.grad(
                    [g for g, _ in through], probe, [t for _, t in through], allow_unused=True
                )
                if through
                else (None,)
            )
            output_tangents.append(torch.zeros_like(out) if moved[0] is None else moved[0])
        return output_tangents

    def vjp_with_saved(self, grads: Gradients, change: Callable[[Tensor], Tensor]) -> Gradients:
        """The gradient of each input, each tensor that autograd kept for it first changed."""
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: saved.detach(), change):
            leaves, outputs = self.run()
            return backward_of(leaves, outputs, grads)


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


@dataclass(eq=False)
class Span:
    """The operations of one module, from its input to its output."""

    name: str
    place: str
    run: Callable[[Tensor], Tensor]
    ops: list[Op]
    edges: list[tuple[Op, int]] = field(default_factory=list)  # where it reads its input

    @property
    def input(self) -> Value:
        op, slot = self.edges[0]
        return op.inputs[slot]

    @property
    def output(self) -> Value:
        return self.ops[-1].outputs[0]

    def find_edges(self) -> None:
        """Note in `edges` where it reads a value that it has not computed itself."""
        inside = {id(value) for op in self.ops for value in op.outputs}
        edges = [(op, slot) for op in self.ops for slot in range(len(op.inputs))]
        self.edges = [(op, slot) for op, slot in edges if id(op.inputs[slot]) not in inside]

    @property
    def is_function(self) -> bool:
        """Whether it is one function of one value, of more than one operation."""
        read = {id(op.inputs[slot]) for op, slot in self.edges}
        return (
            len(self.ops) > 1
            and len(read) == 1
            and self.input.tensor.shape == self.output.tensor.shape
            and all(
                use in self.ops
                for op in self.ops[:-1]
                for v in op.outputs
                for use, _ in v.consumers
            )
        )


class Tape:
    """The operations of one forward pass, with its inputs, parameters and outputs.

    Attributes:
        ops: in the order of the forward pass; the identity stands at every leaf and output, so that
            a mistake there has its place too.
        leaves: every input and parameter with a gradient, by name.
        outputs: the values returned.
        spans: the modules that turn one tensor into one of its shape, without parameters.
    """

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.leaves: dict[str, Value] = {}
        self.outputs: list[Value] = []
        self.spans: list[Span] = []
        self.at_leaf: dict[str, Op] = {}
        self.upstream: list[Op] = []
        self._right: dict[int, Gradients] = {}

    def _append(self, op: Op, outputs: list[Value]) -> None:
        op.outputs = outputs
        for value in outputs:
            value.producer, value.reaches = op, op.reaches
        self.ops.append(op)

    def _identity(self, value: Value, place: str) -> Op:
        op = Op(None, [value.tensor], None, [(0, value)], place)
        self._append(op, [Value(value.tensor)])
        return op

    def _close(self) -> None:
        """Keep the operations that carry a gradient to an output, number and link them."""
        for op in self.ops:
            op.slots = [(position, value) for position, value in op.slots if value.reaches]
            op.drop_undifferentiable()
            _, outputs = op.run()
            for value, out in zip(op.outputs, outputs, strict=True):
                value.reaches = op.reaches if out.requires_grad else frozenset()
        self.upstream = [self._identity(v, "") for v in self.outputs]
        wanted = {id(op.outputs[0]) for op in self.upstream}
        kept = []
        for op in reversed(self.ops):
            if op.slots and any(id(value) in wanted for value in op.outputs):
                kept.append(op)
                wanted |= {id(value) for value in op.inputs}
        self.ops = kept[::-1]
        for index, op in enumerate(self.ops):
            op.index = index
            for slot, value in enumerate(op.inputs):
                value.consumers.append((op, slot))
        for span in self.spans:
            span.ops = [op for op in span.ops if op in kept]
            span.find_edges()
        self.spans = [span for span in self.spans if span.is_function]

    def gradient(self, value: Value, changed: Mapping[int, Gradients]) -> Tensor | None:
        """∂L/∂value: the sum over all that used it, in one replay or, else, in the right one."""
        return total(
            [changed.get(op.index, self._right[op.index])[slot] for op, slot in value.consumers]
        )

    def backward(self, upstream: Sequence[Tensor | None]) -> dict[str, Tensor]:
        """The right gradients of all leaves, from those of the outputs; replays start from them."""
        self._right = {}
        at_output = {id(op): grad for op, grad in zip(self.upstream, upstream, strict=True)}
        for op in reversed(self.ops):
            if id(op) in at_output:
                self._right[op.index] = [at_output[id(op)]]
            else:
                self._right[op.index] = op.vjp(self.at_outputs(op))
        return self._at_leaves({})

    def replay(self, edits: Edits) -> dict[str, Tensor]:
        """The gradients of all leaves with these edits planted.

        Only what the edits can change is computed again.
        """
        return self._at_leaves(self.flow(edits))

    def flow(self, edits: Edits) -> dict[int, Gradients]:
        """What one replay changes: by operation, the gradients of its inputs."""
        changed: dict[int, Gradients] = {}
        touched: set[int] = set()
        notes: dict[Any, Tensor] = {}
        if not edits:
            return changed
        for op in reversed(self.ops[: max(edits) + 1]):
            if op.index not in edits and not any(id(value) in touched for value in op.outputs):
                continue
            grad_outputs = self.above(op, changed)
            grad_inputs = list(grad_outputs) if op.function is None else op.vjp(grad_outputs)
            for edit in edits.get(op.index, ()):
                grad_inputs = edit(op, Above(grad_outputs, notes), grad_inputs)
            changed[op.index] = grad_inputs
            touched |= {id(value) for value in op.inputs}
        return changed

    def work(self, edits: Edits) -> float:
        """How much a replay takes: one for each operation, more where its tensors are large."""
        return sum(op.work for op in self.ops[: max(edits, default=-1) + 1])

    def at_outputs(self, op: Op, changed: Mapping[int, Gradients] | None = None) -> Gradients:
        """The gradients of an operation's outputs, in one replay or, else, the right ones."""
        return [self.gradient(value, changed or {}) for value in op.outputs]

    def above(self, op: Op, changed: Mapping[int, Gradients]) -> Gradients:
        """The gradients of an operation's outputs in a replay; at the end, the upstream ones."""
        return self._right[op.index] if op in self.upstream else self.at_outputs(op, changed)

    def right(self, op: Op) -> Gradients:
        """The right gradients of an operation's inputs."""
        return self._right[op.index]

    def tangents(self, leaves: Mapping[str, Tensor]) -> dict[int, Tensor] | None:
        """How every value moves when the leaves move so, by `id` of the value.

        ⟨tangent of a value, a change of its gradient⟩ is what that change does to ⟨leaves, their
        gradients⟩: what an edit does at the leaves is known without a replay. None if PyTorch does
        not differentiate one of the operations twice.
        """
        moved = {id(value): leaves[name] for name, value in self.leaves.items()}
        for op in self.ops:
            input_tangents = [moved.get(id(v), torch.zeros_like(v.tensor)) for v in op.inputs]
            try:
                output_tangents = op.jvp(input_tangents)
            except RuntimeError:
                return None
            moved |= {
                id(value): tangent
                for value, tangent in zip(op.outputs, output_tangents, strict=True)
            }
        return moved

    def _at_leaves(self, changed: Mapping[int, Gradients]) -> dict[str, Tensor]:
        gradients = {}
        for name, value in self.leaves.items():
            grad = self.gradient(value, changed)
            gradients[name] = torch.zeros_like(value.tensor) if grad is None else grad
        return gradients

    def order(self) -> list[str]:
        """The leaves in the order in which the backward pass completes their gradients."""
        last = {
            name: min((use.index for use, _ in self.at_leaf[name].outputs[0].consumers), default=0)
            for name in self.leaves
        }
        is_input = {name: name.startswith("input") for name in self.leaves}
        return sorted(self.leaves, key=lambda name: (-last[name], is_input[name]))
