"""The operations of one forward pass in PyTorch, and the backward pass through them replayed.

The backward pass through all of them is PyTorch's, unless an edit is planted in it: that is how one
asks which numbers a given mistake would produce.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from .operations import Above, Edits, Gradients, Op, Tensor, Value, total


@dataclass(eq=False)
class Span:
    """The operations of one module, from its input to its output."""

    name: str
    place: str
    ops: list[Op]
    edges: list[tuple[Op, int]] = field(default_factory=list)  # where it reads its input

    @property
    def input(self) -> Value:
        op, slot = self.edges[0]
        return op.inputs[slot]

    @property
    def output(self) -> Value:
        return self.ops[-1].outputs[0]

    def values(self, x: Tensor) -> dict[int, Tensor]:
        """All that it computes from another input, by `id` of the value."""
        values = {id(self.input): x}
        for op in self.ops:
            at = {position: values.get(id(v), v.tensor) for position, v in op.slots}
            outputs = zip(op.outputs, op.compute(at), strict=True)
            values |= {id(value): out for value, out in outputs}
        return values

    def run(self, x: Tensor) -> Tensor:
        """The function itself."""
        return self.values(x)[id(self.output)]

    @property
    def is_pointwise(self) -> bool:
        """Whether every element of its output comes from the same element of its input alone."""
        tags = (op.function.tags for op in self.ops if op.function is not None)
        return all(torch.Tag.pointwise in own for own in tags)

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


@dataclass(eq=False)
class Call:
    """One call of a function.

    Attributes:
        args, kwargs: as given; a value that has a gradient stands for its tensor.
        ops: those that it ran, up to the one that its result comes from.
    """

    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    ops: list[Op]

    @property
    def last(self) -> Op:
        return self.ops[-1]

    @property
    def values(self) -> Iterator[Value]:
        """Its arguments that have a gradient."""
        for argument in (*self.args, *self.kwargs.values()):
            if isinstance(argument, Value):
                yield argument

    def towards(self, value: Value) -> Span:
        """Its operations, as a function of one of its arguments alone."""
        span = Span(self.name, self.last.place or self.last.line, self.ops)
        reads = [(op, slot) for op in self.ops for slot, v in enumerate(op.inputs) if v is value]
        span.edges = reads
        return span


class Tape:
    """The operations of one forward pass, with its inputs, parameters and outputs.

    Attributes:
        ops: in the order of the forward pass; the identity stands at every leaf and output, so that
            a mistake there has its place too.
        leaves: every input and parameter with a gradient, by name.
        outputs: the values returned.
        took_apart: whether an operation was noted as what it consists of that may be noted whole.
        spans: the modules that turn one tensor into one of its shape, without parameters.
        calls: the functions that it called whose derivative people write as one formula.
    """

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.leaves: dict[str, Value] = {}
        self.outputs: list[Value] = []
        self.spans: list[Span] = []
        self.calls: list[Call] = []
        self.took_apart = False
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
        self.calls = [call for call in self.calls if call.last in kept]
        for call in self.calls:
            call.ops = [op for op in call.ops if op in kept]

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
