"""One forward pass of a PyTorch reference, noted operation by operation on a tape.

What PyTorch runs as a whole is noted as what it consists of, down to sums, products and
exponentials: an affine map is a matrix product and a sum, batch normalization a mean, a variance
and what is done with them.
"""

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch._decomp import decomposition_table
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from .calls import Calls
from .formulas import Formulas
from .operations import Op, Tensor, Value
from .pages import PAGES
from .steps import note_steps
from .tape import Span, Tape

aten = torch.ops.aten
REFERENCE = "run_reference"  # the function below which a reference runs
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


class _Recorder(TorchDispatchMode):
    """Puts every operation on a tape."""

    def __init__(self, tape: Tape, opened: bool, name: str) -> None:
        super().__init__()
        self.tape, self.opened, self.name = tape, opened, name
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
            self.tape.took_apart |= function in COMPOSITE
            with self:
                outputs = _open(function, args, kwargs)
            if outputs is not NotImplemented:
                return outputs
        flat, spec = tree_flatten((args, kwargs))
        slots = []
        for position, tensor in enumerate(flat):
            if not torch.is_tensor(tensor):
                continue
            value = self.value_of(tensor)
            flat[position] = tensor.detach().clone()
            if value is not None and value.reaches:
                slots.append((position, value))
        outputs = function(*args, **kwargs)
        returned = [out for out in tree_flatten(outputs)[0] if torch.is_tensor(out)]
        if not slots:
            for out in returned:  # no gradient flows here: a constant from now on
                self.know(out, Value(out.detach().clone()))
            return outputs
        self._note(function, flat, spec, slots, returned)
        return outputs

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
        line = "" if place else _line() or self.name
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
    if function is aten.transpose_.default:  # a recurrent layer's batch_first
        return aten.transpose.int
    packet = getattr(aten, function.overloadpacket.__name__.removesuffix("_"), None)
    functional = getattr(packet, function._overloadname, None) if packet is not None else None
    if functional is None or functional._schema.is_mutable:
        raise NotImplementedError(f"the reference uses {function}, which changes its argument")
    return functional


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


def _line() -> str:
    """The line of the reference's own source that runs now, as in "file.py:12", if it has any."""
    library, recorder = str(Path(torch.__file__).parent), str(Path(__file__).parent)
    stand_ins = str(Path(__file__).parents[1] / "checking" / "own")  # for NumPy, in someone's code
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_name != REFERENCE:
        name = frame.f_code.co_filename
        theirs = not name.startswith((library, recorder, stand_ins, "<"))
        if theirs and Path(name).name != "contextlib.py":
            return f"{Path(name).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


@contextmanager
def _note_places(reference: Any, recorder: _Recorder) -> Iterator[None]:
    """Within this block the recorder notes which submodule runs, and where it starts and ends."""
    if not isinstance(reference, torch.nn.Module):
        yield
        return
    names = {id(part): name for name, part in reference.named_modules()}
    starts: list[int] = []

    def enter(part: torch.nn.Module, inputs: Any) -> None:
        name = names.get(id(part), "")
        starts.append(len(recorder.tape.ops))
        recorder.places.append(f"{name} ({type(part).__name__})" if name else type(part).__name__)

    def leave(part: torch.nn.Module, inputs: Any, output: Any) -> None:
        place = recorder.places.pop()
        ops = recorder.tape.ops[starts.pop() :]
        if len(inputs) == 1 and not any(True for _ in part.parameters()):
            name = type(part).__name__.lower()
            recorder.tape.spans.append(Span(name, place, ops))

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


def record(reference: Any, inputs: Sequence[Any], opened: bool = True) -> Tape:
    """The tape of one forward pass.

    The same random numbers are drawn every time.

    Args:
        reference: an `nn.Module` or a function of tensors. It is not changed: buffers are copied.
        inputs: tensors, tuples of them, and anything else that it takes. Floating-point ones get a
            gradient, as "input 0" …, nested tuples counted through.
        opened: note composite operations, such as a softmax, as what they consist of.
    Raises:
        NotImplementedError: it changes tensors in place in a way that cannot be followed.
    """
    tape = Tape()
    recorder = _Recorder(tape, opened, getattr(reference, "__name__", "the reference"))
    state: dict[str, Tensor] = {}
    trained: set[str] = set()
    if isinstance(reference, torch.nn.Module):
        reference = copy.deepcopy(reference)
        tied = [*reference.named_parameters(), *reference.named_buffers()]
        state = {name: tensor.detach().clone() for name, tensor in tied}
        trained = {name for name, p in reference.named_parameters() if p.requires_grad}
    inputs = tree_map(lambda x: x.detach().clone() if torch.is_tensor(x) else x, list(inputs))

    def leaf(name: str, tensor: Tensor) -> None:
        value = Value(tensor.clone(), leaf=name, reaches=frozenset([name]))
        tape.leaves[name] = value
        tape.at_leaf[name] = tape._identity(value, name)
        tape.at_leaf[name].outputs[0].leaf = name
        recorder.know(tensor, tape.at_leaf[name].outputs[0])

    for position, x in enumerate(tree_flatten(inputs)[0]):
        if torch.is_tensor(x) and x.is_floating_point():
            leaf(f"input {position}", x)
    for name in state:
        if name in trained:
            leaf(name, state[name])

    def run_reference(state: Any, inputs: Any) -> Any:
        if isinstance(reference, torch.nn.Module):
            return torch.func.functional_call(reference, state, tuple(inputs))
        return reference(*inputs)

    random = torch.random.fork_rng(devices=[])
    calls = Calls(frozenset(PAGES), tape.ops, recorder.values)
    with (
        random,
        torch.no_grad(),
        Formulas(),
        calls,
        _note_places(reference, recorder),
        recorder,
    ):
        try:
            returned = torch.func.functionalize(run_reference)(state, inputs)
        except RuntimeError as error:  # also NotImplementedError, which is one
            raise NotImplementedError(" ".join(str(error).split())) from error
    for tensor in filter(torch.is_tensor, tree_flatten(returned)[0]):
        tape.outputs.append(recorder.values[id(tensor)])
    tape.calls = calls.noted
    try:
        tape._close()
    except RuntimeError as error:  # PyTorch does not differentiate it operation by operation
        raise NotImplementedError(" ".join(str(error).split())) from error
    note_steps(tape)
    return tape
