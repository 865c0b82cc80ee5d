"""One forward pass of a PyTorch reference as a list of operations, and its backward pass replayed.

`record` notes every operation that PyTorch runs, in its functional form, down to sums, products
and exponentials: an affine map is a matrix product and a sum, batch normalization a mean, a
variance and what is done with them. Each operation's own derivative is autograd's. The backward
pass through the list is PyTorch's, unless an edit is planted in it: that is how one asks which
numbers a given mistake would produce.
"""

import copy
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

Tensor = torch.Tensor
Gradients = list[Tensor | None]
Edit = Callable[["Op", Gradients, Gradients], Gradients]  # (op, at its outputs, right ones) -> new
Edits = Mapping[int, Sequence[Edit]]  # by the operation's place in the list

aten = torch.ops.aten
# Operations that are always recorded as what they consist of.
AFFINE = {
    aten.copy.default,
    aten.addmm.default,
    aten.baddbmm.default,
    aten.convolution.default,
    aten.hardsigmoid.default,
}
# Those that are recorded both ways: as a whole, and opened.
COMPOSITE = {
    aten._softmax.default,
    aten._log_softmax.default,
    aten.native_layer_norm.default,
    aten.native_group_norm.default,
    aten.native_batch_norm.default,
    aten._native_batch_norm_legit.default,
    aten._native_batch_norm_legit.no_stats,
    aten._native_batch_norm_legit_functional.default,
    aten._fused_rms_norm.default,
    aten.gelu.default,
    aten.silu.default,
    aten.mish.default,
    aten.hardswish.default,
    aten.mse_loss.default,
    aten.smooth_l1_loss.default,
    aten.huber_loss.default,
    aten.soft_margin_loss.default,
    aten.binary_cross_entropy.default,
    aten.nll_loss_forward.default,
    aten.nll_loss2d_forward.default,
}
WORDS = {
    "mm": "the matrix product",
    "bmm": "the matrix product",
    "dot": "the dot product",
    "mv": "the matrix product",
    "_trilinear": "the product",
    "convolution": "the convolution",
    "add": "the sum",
    "sub": "the difference",
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
    "embedding": "the lookup",
    "max_pool2d_with_indices": "the max pooling",
    "max_pool3d_with_indices": "the max pooling",
    "native_batch_norm": "the batch normalization",
    "native_layer_norm": "the layer normalization",
}
RESHAPES = {"view", "_unsafe_view", "reshape", "unsqueeze", "squeeze", "alias", "clone", "flatten"}
MOVES = RESHAPES | {"t", "transpose", "permute", "expand", "unbind", "select"}


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


class Op:
    """One operation, its differentiable inputs and its outputs.

    Args:
        function: an operation of PyTorch; None stands for the identity, at inputs and outputs.
        flat, spec: its arguments as PyTorch's pytree.
        slots: (position in `flat`, value) of every argument with a gradient.
        place: the submodule that ran it, as in "layers.1 (Tanh)".
        line: the line of the reference that ran it, where that is not in PyTorch itself.
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
        self.outputs: list[Value] = []
        self._graph: tuple[list[Tensor], list[Tensor]] | None = None

    @property
    def short(self) -> str:
        """ "mul" of `aten.mul.Tensor`."""
        if self.function is None:
            return "identity"
        return self.function.overloadpacket.__name__.rstrip("_") or self.function.__name__

    @property
    def name(self) -> str:
        return WORDS.get(self.short, self.short.strip("_").removesuffix("_forward"))

    @property
    def inputs(self) -> list[Value]:
        return [value for _, value in self.slots]

    def run(self, at: Mapping[int, Tensor] | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Its differentiable inputs as leaves of a graph of its own, and its outputs."""
        flat = list(self.flat)
        for position, tensor in (at or {}).items():
            flat[position] = tensor
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

    def vjp(self, grads: Gradients, at: Mapping[int, Tensor] | None = None) -> Gradients:
        """The gradient of each input from those of the outputs, by autograd.

        Args:
            at: arguments to take the derivative at, by position, in place of its own.
        """
        if at is None:
            self._graph = self._graph or self.run()
            leaves, outputs = self._graph
        else:
            leaves, outputs = self.run(at)
        return backward_of(leaves, outputs, grads)

    def jvp(self, tangents: Sequence[Tensor]) -> list[Tensor]:
        """How the outputs move when the inputs do: the derivative of the vjp, which is linear."""
        leaves, outputs = self.run()
        found = []
        for out in outputs:
            if not out.requires_grad:
                found.append(torch.zeros_like(out))
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
            found.append(torch.zeros_like(out) if moved[0] is None else moved[0])
        return found

    def vjp_with_saved(self, grads: Gradients, change: Callable[[Tensor], Tensor]) -> Gradients:
        """The same, where each tensor that autograd kept for it is first changed."""
        with torch.autograd.graph.saved_tensors_hooks(lambda kept: kept.detach(), change):
            leaves, outputs = self.run()
            return backward_of(leaves, outputs, grads)


def backward_of(leaves: list[Tensor], outputs: list[Tensor], grads: Gradients) -> Gradients:
    """The vector-Jacobian products of a small graph, which is kept."""
    pairs = [
        (out, grad)
        for out, grad in zip(outputs, grads, strict=True)
        if grad is not None and out.requires_grad
    ]
    if not pairs:
        return [None] * len(leaves)
    through, given = zip(*pairs, strict=True)
    return list(torch.autograd.grad(through, leaves, given, retain_graph=True, allow_unused=True))


def total(parts: Sequence[Tensor | None]) -> Tensor | None:
    """The sum of what there is."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    result = found[0]
    for part in found[1:]:
        result = result + part
    return result


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

    def is_function(self) -> bool:
        """Whether it is one function of one value, of more than one operation."""
        inside = {id(value) for op in self.ops for value in op.outputs}
        edges = [(op, slot) for op in self.ops for slot in range(len(op.inputs))]
        self.edges = [(op, slot) for op, slot in edges if id(op.inputs[slot]) not in inside]
        given = {id(op.inputs[slot]) for op, slot in self.edges}
        return (
            len(self.ops) > 1
            and len(given) == 1
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
        reaches = frozenset().union(*(value.reaches for value in op.inputs))
        for value in outputs:
            value.producer, value.reaches = op, reaches
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
            reaches = frozenset().union(*(value.reaches for value in op.inputs))
            _, outputs = op.run()
            for value, out in zip(op.outputs, outputs, strict=True):
                value.reaches = reaches if out.requires_grad else frozenset()
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
        self._name_states()
        for span in self.spans:
            span.ops = [op for op in span.ops if op in kept]
        self.spans = [span for span in self.spans if span.is_function()]

    def _name_states(self) -> None:
        """What a recurrent layer carries from one time step to the next has a name there."""
        for op in self.ops:
            if any("weight_hh" in leaf for value in op.inputs for leaf in value.reaches):
                own = [
                    v for v in op.inputs if len(v.reaches) == 1 and "weight_hh" in min(v.reaches)
                ]
                for value in op.inputs if op.short == "mm" and own else ():
                    if value not in own and value.producer and value.producer.function:
                        value.title = "the hidden state"
            if op.short == "tanh" and "LSTM" in op.place:
                cell = op.inputs[0]
                if cell.producer and cell.producer.short == "add":
                    cell.title = "the cell state"

    def gradient(self, value: Value, found: Mapping[int, Gradients]) -> Tensor | None:
        """∂L/∂value: the sum over all that used it, in one replay or, else, in the right one."""
        return total(
            [found.get(op.index, self._right[op.index])[slot] for op, slot in value.consumers]
        )

    def backward(self, upstream: Sequence[Tensor | None]) -> dict[str, Tensor]:
        """The right gradients of all leaves, from those of the outputs; replays start from them."""
        self._right = {}
        given = {id(op): grad for op, grad in zip(self.upstream, upstream, strict=True)}
        for op in reversed(self.ops):
            if id(op) in given:
                self._right[op.index] = [given[id(op)]]
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
        found: dict[int, Gradients] = {}
        touched: set[int] = set()
        if not edits:
            return found
        for op in reversed(self.ops[: max(edits) + 1]):
            if op.index not in edits and not any(id(value) in touched for value in op.outputs):
                continue
            grads = self.above(op, found)
            result = list(grads) if op.function is None else op.vjp(grads)
            for edit in edits.get(op.index, ()):
                result = edit(op, grads, result)
            found[op.index] = result
            touched |= {id(value) for value in op.inputs}
        return found

    def at_outputs(self, op: Op, found: Mapping[int, Gradients] | None = None) -> Gradients:
        """The gradients of what an operation returned."""
        return [self.gradient(value, found or {}) for value in op.outputs]

    def above(self, op: Op, found: Mapping[int, Gradients]) -> Gradients:
        """The gradients that come to an operation from above: at an output, what was given."""
        return self._right[op.index] if op in self.upstream else self.at_outputs(op, found)

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
            given = [moved.get(id(v), torch.zeros_like(v.tensor)) for v in op.inputs]
            try:
                found = op.jvp(given)
            except RuntimeError:
                return None
            moved |= {id(value): tangent for value, tangent in zip(op.outputs, found, strict=True)}
        return moved

    def _at_leaves(self, found: Mapping[int, Gradients]) -> dict[str, Tensor]:
        gradients = {}
        for name, value in self.leaves.items():
            grad = self.gradient(value, found)
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


class _Recorder(TorchDispatchMode):
    """Puts every operation on a tape."""

    def __init__(self, tape: Tape, opened: bool) -> None:
        super().__init__()
        self.tape, self.opened = tape, opened
        self.values: dict[int, Value] = {}
        self.alive: list[Any] = []  # an id is one tensor's only while that tensor is alive
        self.places: list[str] = []

    def know(self, tensor: Tensor, value: Value) -> None:
        self.alive.append(tensor)
        self.values[id(tensor)] = value

    def value_of(self, tensor: Tensor) -> Value | None:
        value = self.values.get(id(tensor))
        if value is not None and not torch.equal(value.tensor.nan_to_num(), tensor.nan_to_num()):
            raise NotImplementedError(
                f"the reference changes {value.name} in place through a view of it"
            )
        return value

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if function in AFFINE or (self.opened and function in COMPOSITE):
            with self:
                result = _open(function, args, kwargs)
            if result is not NotImplemented:
                return result
        flat, spec = tree_flatten((args, kwargs))
        slots = []
        for position, tensor in enumerate(flat):
            if not torch.is_tensor(tensor):
                continue
            value = self.value_of(tensor)
            flat[position] = tensor.detach().clone()
            if value is not None and value.reaches:
                slots.append((position, value))
        result = function(*args, **kwargs)
        returned = [out for out in tree_flatten(result)[0] if torch.is_tensor(out)]
        if not slots:
            for out in returned:  # no gradient flows here: a constant from now on
                self.know(out, Value(out.detach().clone()))
            return result
        self._note(function, flat, spec, slots, returned)
        return result

    def _note(
        self,
        function: Any,
        flat: list[Any],
        spec: Any,
        slots: list[tuple[int, Value]],
        returned: list[Tensor],
    ) -> None:
        function = _functional(function)
        if function is aten.to.dtype and returned[0].dtype == slots[0][1].tensor.dtype:
            self.know(returned[0], slots[0][1])
            return
        place = self.places[-1] if self.places else ""
        line = "" if place else _line()
        if torch.Tag.pointwise in function.tags:  # what is broadcast there is an operation, too
            shape = returned[0].shape
            for i, (position, value) in enumerate(slots):
                if value.tensor.shape != shape:
                    wide_flat, wide_spec = tree_flatten(((value.tensor, list(shape)), {}))
                    wide = Op(aten.expand.default, wide_flat, wide_spec, [(0, value)], place, line)
                    self.tape._append(wide, [Value(value.tensor.expand(shape))])
                    slots[i] = (position, wide.outputs[0])
        values = [Value(out.detach().clone()) for out in returned]
        self.tape._append(Op(function, flat, spec, slots, place, line), values)
        for out, value in zip(returned, values, strict=True):
            self.know(out, value)


def _functional(function: Any) -> Any:
    """`aten.sigmoid.default` of `aten.sigmoid_.default`."""
    if not function._schema.is_mutable:
        return function
    packet = getattr(aten, function.overloadpacket.__name__.removesuffix("_"), None)
    made = getattr(packet, function._overloadname, None) if packet is not None else None
    if made is None or made._schema.is_mutable:
        raise NotImplementedError(f"the reference uses {function}, which changes its argument")
    return made


def _open(function: Any, args: Any, kwargs: Any) -> Any:
    """An operation by smaller ones."""
    if function is aten.addmm.default:
        bias, x, weight = args
        if kwargs.get("beta", 1) == 1 and kwargs.get("alpha", 1) == 1:
            return aten.add.Tensor(aten.mm.default(x, weight), bias)
    if function in (aten._softmax.default, aten._log_softmax.default):
        x, dim, _ = args
        # Taking the largest off changes nothing, so it is a constant: no gradient goes through it.
        shifted = aten.sub.Tensor(x, aten.detach.default(aten.amax.default(x, [dim], True)))
        powers = aten.exp.default(shifted)
        total = aten.sum.dim_IntList(powers, [dim], True)
        if function is aten._softmax.default:
            return aten.div.Tensor(powers, total)
        return aten.sub.Tensor(shifted, aten.log.default(total))
    if function is aten.hardsigmoid.default:  # its own backward has 1/6 in float32
        return aten.div.Tensor(aten.clamp.default(aten.add.Tensor(args[0], 3), 0, 6), 6)
    if function is aten.copy.default:
        return aten.clone.default(aten.expand.default(args[1], list(args[0].shape)))
    if function is aten.convolution.default:
        x, weight, bias, *rest = args
        if bias is None:
            return NotImplemented
        y = function(x, weight, None, *rest)
        return aten.add.Tensor(y, aten.view.default(bias, [-1] + [1] * (y.dim() - 2)))
    return decomposition_table[function](*args, **kwargs)


class _Formulas(TorchFunctionMode):
    """Functions that PyTorch takes apart before they can be noted, as their mathematics has it."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is torch.nn.functional.binary_cross_entropy_with_logits:
            return _bce_with_logits(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


def _bce_with_logits(
    x: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    reduce: None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """−w (p t log σ(x) + (1 − t) log σ(−x)), reduced."""
    true = target * torch.nn.functional.logsigmoid(x)
    if pos_weight is not None:
        true = pos_weight * true
    loss = -(true + (1 - target) * torch.nn.functional.logsigmoid(-x))
    if weight is not None:
        loss = weight * loss
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _line() -> str:
    """The innermost line that is neither PyTorch's nor this file's, as in "file.py:12"."""
    roots = str(Path(torch.__file__).parent), str(Path(__file__).parent), "<"
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(roots) and Path(name).name != "contextlib.py":
            return f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


@contextmanager
def _places(reference: Any, recorder: _Recorder) -> Iterator[None]:
    """Notes which submodule runs, and what it returns."""
    if not isinstance(reference, torch.nn.Module):
        yield
        return
    names = {id(part): name for name, part in reference.named_modules()}
    starts: list[int] = []

    def enter(part: torch.nn.Module, given: Any) -> None:
        name = names.get(id(part), "")
        starts.append(len(recorder.tape.ops))
        recorder.places.append(f"{name} ({type(part).__name__})" if name else type(part).__name__)

    def leave(part: torch.nn.Module, given: Any, output: Any) -> None:
        place = recorder.places.pop()
        ops = recorder.tape.ops[starts.pop() :]
        if len(given) == 1 and not any(True for _ in part.parameters()):
            name = type(part).__name__.lower()
            recorder.tape.spans.append(Span(name, place, copy.deepcopy(part), ops))

    hooks = torch.nn.modules.module
    handles = [
        hooks.register_module_forward_pre_hook(enter),
        hooks.register_module_forward_hook(leave),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _no_fused_layers() -> Iterator[None]:
    """In float32 PyTorch hands an LSTM over to oneDNN as a whole: not within this block."""
    enabled = torch._C._get_mkldnn_enabled()
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(enabled)


def record(reference: Any, inputs: Sequence[Any], opened: bool = True) -> Tape:
    """The tape of one forward pass.

    The same random numbers are drawn every time.

    Args:
        reference: an `nn.Module` or a function of tensors. It is not changed: buffers are copied.
        inputs: tensors, and anything else that it takes. Floating-point ones get a gradient.
        opened: note composite operations, such as a softmax, as what they consist of.
    Raises:
        NotImplementedError: it changes tensors in place in a way that cannot be followed.
    """
    tape = Tape()
    recorder = _Recorder(tape, opened)
    state: dict[str, Tensor] = {}
    trained: set[str] = set()
    if isinstance(reference, torch.nn.Module):
        reference = copy.deepcopy(reference)
        tied = [*reference.named_parameters(), *reference.named_buffers()]
        state = {name: tensor.detach().clone() for name, tensor in tied}
        trained = {name for name, p in reference.named_parameters() if p.requires_grad}
    inputs = [x.detach().clone() if torch.is_tensor(x) else x for x in inputs]

    def leaf(name: str, tensor: Tensor) -> None:
        value = Value(tensor.clone(), leaf=name, reaches=frozenset([name]))
        tape.leaves[name] = value
        tape.at_leaf[name] = tape._identity(value, name)
        tape.at_leaf[name].outputs[0].leaf = name
        recorder.know(tensor, tape.at_leaf[name].outputs[0])

    for position, x in enumerate(inputs):
        if torch.is_tensor(x) and x.is_floating_point():
            leaf(f"input {position}", x)
    for name in trained:
        leaf(name, state[name])

    def forward(state: Any, inputs: Any) -> Any:
        if isinstance(reference, torch.nn.Module):
            return torch.func.functional_call(reference, state, tuple(inputs))
        return reference(*inputs)

    random = torch.random.fork_rng(devices=[])
    with (
        random,
        _no_fused_layers(),
        torch.no_grad(),
        _Formulas(),
        _places(reference, recorder),
        recorder,
    ):
        returned = torch.func.functionalize(forward)(state, inputs)
    for tensor in tree_flatten(returned)[0]:
        tape.outputs.append(recorder.values[id(tensor)])
    tape._close()
    return tape
