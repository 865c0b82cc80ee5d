"""Name the mistake in someone's forward pass: which one, planted into PyTorch's, gives its outputs.

The forward pass of the reference is run again from the operation in which a mistake is planted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from .kinds import place_of, within
from .operations import MOVES, Op, Tensor, Value
from .planted.slopes import SIBLINGS
from .planted.spans import constant_in
from .planted.windows import windows_of
from .samples import Sample
from .tape import Tape
from .verdict import Verdict

FIXES = {
    "forward-axis": "go along the axis that the reference goes along",
    "forward-count": "divide by the number of terms that the reference divides by",
    "forward-epsilon": "put ε where the reference has it: √(variance + ε)",
    "forward-transpose": "multiply by the weight as the reference has it: x Wᵀ is not x W",
    "forward-bias": "add the bias once",
    "forward-reset-gate": "let the reset gate act behind the product with the weights, on h W + b",
    "forward-left-out": "do what the reference does there",
    "forward-sign": "turn the sign round",
    "forward-function": "use the reference's own function",
}
WORK = 50_000  # operations that may run forward
SMALL = 1e-2  # so small a number added to a variance is an ε

Values = Mapping[int, Tensor]  # what a value is in a run, by its `id`, where that is another
Compute = Callable[[Op, Values], Sequence[Tensor]]


@dataclass(frozen=True)
class Forward:
    """A mistake in a forward pass: what it is, and what the operations give that it is made in."""

    kind: str
    what: str
    place: str
    computes: Mapping[int, Compute]

    @property
    def identity(self) -> tuple[Any, ...]:
        """What one mistake has in common on all inputs, of however many time steps."""
        where = () if len(self.computes) > 1 else (*self.computes,)
        return self.kind, self.what.partition("; and so")[0], where


def name_output(
    samples: Sequence[Sample], outputs: Sequence[Sequence[Tensor]], tolerance: float
) -> list[Verdict]:
    """The mistake that gives these outputs for every sample, if one does; others as other words.

    Args:
        outputs: someone's, for each sample.
        tolerance: in eps, what rounding alone explains.
    """
    left: dict[Any, tuple[Forward, float]] | None = None
    for sample, mine in zip(samples, outputs, strict=True):
        fitting = {}
        for number, tape in enumerate(sample.tapes):
            wanted = None if left is None else {key for n, key in left if n == number}
            for mistake, distance in fits(tape, mine, tolerance, wanted):
                fitting[number, mistake.identity] = mistake, distance
        left = fitting
    if not left:
        return []
    (first, distance), *others = sorted(
        left.values(), key=lambda entry: (len(entry[0].computes), [*FIXES].index(entry[0].kind))
    )
    proof = f"the outputs equal, to {distance:.1e}, what PyTorch gives with this mistake planted"
    said = [f"{one.kind}: {one.what}" for one, _ in others if one.what != first.what]
    fix = FIXES[first.kind]
    same = tuple(dict.fromkeys(said))
    return [Verdict(first.kind, first.what, first.place, fix, proof, distance, same)]


def fits(
    tape: Tape, mine: Sequence[Tensor], tolerance: float, wanted: set[Any] | None
) -> Iterator[tuple[Forward, float]]:
    """The mistakes whose outputs are these, and how closely."""
    work = 0.0
    for mistake in forward_mistakes(tape):
        if wanted is not None and mistake.identity not in wanted:
            continue
        work += sum(op.work for op in tape.ops[min(mistake.computes) :])
        if work > WORK:
            return
        try:
            outputs = rerun(tape, mistake.computes)
        except (RuntimeError, IndexError, ValueError, TypeError):
            continue  # nobody's code could run so
        distance = distance_of(outputs, mine)
        if distance <= tolerance * torch.finfo(mine[0].dtype).eps:
            yield mistake, distance


def distance_of(outputs: Sequence[Tensor], mine: Sequence[Tensor]) -> float:
    worst = 0.0
    for one, other in zip(outputs, mine, strict=False):
        if one.shape != other.shape or not bool(torch.isfinite(one).all()):
            return torch.inf
        size = float(one.abs().max()) or 1.0
        worst = max(worst, float((one - other).abs().max()) / size)
    return worst


def rerun(tape: Tape, computes: Mapping[int, Compute]) -> list[Tensor]:
    """The outputs of a forward pass in which some operations give something else."""
    values: dict[int, Tensor] = {}
    with torch.no_grad():
        for op in tape.ops[min(computes) :]:
            if op.index in computes:
                results = computes[op.index](op, values)
            elif any(id(value) in values for value in op.inputs):
                at = {place: values.get(id(value), value.tensor) for place, value in op.slots}
                results = op.compute(at)
            else:
                continue
            values |= {id(v): out for v, out in zip(op.outputs, results, strict=True)}
    return [values.get(id(value), value.tensor) for value in tape.outputs]


def forward_mistakes(tape: Tape) -> Iterator[Forward]:
    """One mistake at one operation, and the same at all operations of its kind."""
    together: dict[tuple[str, str], list[tuple[Op, str, Compute]]] = {}
    for op in tape.ops:
        if op.function is None:
            continue
        for kind, key, what, compute in changes(tape, op):
            together.setdefault((kind, f"{op.short} {key}"), []).append((op, what, compute))
            yield Forward(kind, what, place_of(op), {op.index: compute})
    for (kind, _), members in together.items():
        if len(members) > 1:
            op, what, _ = members[0]
            what = f"{what}; and so in all {len(members)} places like it"
            yield Forward(kind, what, place_of(op), {op.index: made for op, _, made in members})


def changes(tape: Tape, op: Op) -> Iterator[tuple[str, str, str, Compute]]:
    """What may go wrong in one operation: kind, key, words, and what it gives then."""
    name = f"{op.name}{within(op)}"
    yield from other_options(op, name)
    if len(op.outputs) != 1:
        return
    x, y = op.inputs[0].tensor, op.outputs[0].tensor
    if x.shape == y.shape and op.short not in MOVES:
        yield "forward-left-out", "left out", f"{name} is left out", partial(from_inputs, first)
    if len(op.inputs) == 1 and x.shape == y.shape and constant_in(op, 1) is None:
        for sibling, function in {"ReLU": torch.relu, **SIBLINGS}.items():
            made = partial(from_inputs, partial(applied, function))
            yield "forward-function", sibling, f"for {name} stands {sibling}", made
    number = constant_in(op, 1)
    if op.short == "add" and number is not None and 0 < number < SMALL:
        made = partial(from_inputs, partial(outside_the_root, number))
        yield "forward-epsilon", "outside", f"ε stands outside the root, not in {name}", made
    if op.short == "mean":
        made = partial(from_inputs, None, factor=x.numel() / max(1, y.numel()))
        yield "forward-count", "sum", f"for {name} stands the sum", made
    if op.short in ("add", "sub") and len(op.inputs) == 2:
        other = "difference" if op.short == "add" else "sum"
        made = partial(from_inputs, torch.sub if op.short == "add" else torch.add)
        yield "forward-sign", "sign", f"for {name} stands the {other}", made
        for count, which in times_added(tape, op):
            made = partial(from_inputs, partial(added_often, count))
            what = f"{op.inputs[1].name} is added {count:.0f} times, once for every {which}"
            yield "forward-bias", f"added for {which}", what, made
    if op.short in ("mm", "bmm", "matmul"):
        for slot, value in enumerate(op.inputs):
            if value.tensor.shape[-1] == value.tensor.shape[-2]:
                made = partial(from_inputs, partial(transposed, slot), again=True)
                what = f"{name} is taken with {value.name} transposed"
                yield "forward-transpose", f"transposed {slot}", what, made
    if op.short == "mul" and op.step and (made_before := reset_before(op)) is not None:
        what = (
            f"the reset gate acts ahead of the product with the weights, not behind it, in {name}"
        )
        yield "forward-reset-gate", "before", what, made_before


def from_inputs(
    function: Any, op: Op, values: Values, again: bool = False, factor: float = 1.0
) -> Sequence[Tensor]:
    """What a function of the operation's inputs gives; with `again` the operation itself is run on
    what the function makes of them, without one it is the operation's own result times a factor."""
    at = {place: values.get(id(value), value.tensor) for place, value in op.slots}
    if function is None:
        return [out * factor for out in op.compute(at)]
    if again:
        return op.compute(dict(zip(at, function(*at.values()), strict=True)))
    return [function(*at.values())]


def first(x: Tensor, *others: Tensor) -> Tensor:
    return x


def applied(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return function(x)


def outside_the_root(eps: float, x: Tensor) -> Tensor:
    """What has √x + ε for its root."""
    return (x.sqrt() + eps) ** 2


def added_often(count: float, x: Tensor, b: Tensor) -> Tensor:
    return x + count * b


def transposed(slot: int, *operands: Tensor) -> list[Tensor]:
    return [x.transpose(-1, -2) if i == slot else x for i, x in enumerate(operands)]


def times_added(tape: Tape, op: Op) -> Iterator[tuple[float, str]]:
    """How often a bias may be added: once for every tap of the window, or every input channel."""
    producer = op.inputs[0].producer
    found = windows_of(producer) if producer is not None else None
    if found is not None:
        taps = float(torch.Size(found[0].kernel).numel())
        channels = float(found[0].x.shape[1])
        for count, which in ((taps, "tap"), (channels, "channel"), (taps * channels, "product")):
            if count > 1:
                yield count, which


def other_options(op: Op, name: str) -> Iterator[tuple[str, str, str, Compute]]:
    """Other axes, and n − 1 for n or the reverse."""
    args, kwargs = tree_unflatten(op.flat, op.spec)
    x = op.inputs[0].tensor
    for argument, value in zip(op.function._schema.arguments, args, strict=False):
        is_axis = argument.name in ("dim", "axis") and value is not None
        if is_axis and isinstance(value, int | list | tuple) and not isinstance(value, bool):
            own = [value] if isinstance(value, int) else list(value)
            for axis in range(x.dim()):
                if [axis] != [a % x.dim() for a in own]:
                    other = axis if isinstance(value, int) else [axis]
                    made = partial(with_options, {argument.name: other})
                    what = f"{name} goes along axis {axis}, not {', '.join(map(str, own))}"
                    yield "forward-axis", f"axis {axis}", what, made
        if argument.name == "unbiased":
            words = "n, not n − 1" if value else "n − 1, not n"
            made = partial(with_options, {"unbiased": not value})
            yield "forward-count", "unbiased", f"{name} is divided by {words}", made
    correction = kwargs.get("correction") if op.short.startswith(("var", "std")) else None
    if correction is not None:
        words = "n − 1, not n" if correction == 0 else "n, not n − 1"
        made = partial(with_options, {"correction": 1 - correction})
        yield "forward-count", "correction", f"{name} is divided by {words}", made


def with_options(options: Mapping[str, Any], op: Op, values: Values) -> Sequence[Tensor]:
    """What an operation gives with other options, by their names."""
    args, kwargs = tree_unflatten(op.flat, op.spec)
    names = [argument.name for argument in op.function._schema.arguments]
    slots = {place: values.get(id(value), value.tensor) for place, value in op.slots}
    flat = [slots.get(place, argument) for place, argument in enumerate(op.flat)]
    args, kwargs = tree_unflatten(flat, op.spec)
    args = [options.get(name, argument) for name, argument in zip(names, args, strict=False)]
    further = {name: value for name, value in options.items() if name not in names[: len(args)]}
    results, _ = tree_flatten(op.function(*args, **(kwargs | further)))
    return [result for result in results if torch.is_tensor(result)]


def reset_before(op: Op) -> Compute | None:
    """For r · (h W + b), its part of a gate: (r · h) W + b."""
    for slot, value in enumerate(op.inputs):
        split = behind_moves(value)
        product = split.inputs[0].producer if split is not None and split.inputs else None
        bias = None
        if product is not None and product.short == "add" and len(product.inputs) == 2:
            bias, product = product.inputs[1], product.inputs[0].producer
        if split is None or product is None or product.short != "mm" or "GRU" not in op.place:
            continue
        part = next(i for i, out in enumerate(split.outputs) if out is value)
        return partial(before, product, bias, part, len(split.outputs), 1 - slot)
    return None


def behind_moves(value: Value) -> Op | None:
    """The operation that split something into several, of which this is one."""
    op = value.producer
    return op if op is not None and len(op.outputs) > 1 else None


def before(
    product: Op,
    bias: Value | None,
    part: int,
    parts: int,
    gate_slot: int,
    op: Op,
    values: Values,
) -> Sequence[Tensor]:
    def now(value: Value) -> Tensor:
        return values.get(id(value), value.tensor)

    slots = {place: now(value) for place, value in product.slots}  # the first h may be a constant
    h, W = (slots.get(place, product.flat[place]) for place in (0, 1))
    made = (now(op.inputs[gate_slot]) * h) @ W.chunk(parts, -1)[part]
    return [made if bias is None else made + now(bias).chunk(parts, -1)[part]]
