"""The catalogue: ways to get one operation's backward wrong, each as an edit of the replay.

Every entry is one mistake at one place: "the derivative of tanh in layers.1 taken as 1". What it
would do to the gradients is not computed here but by `Tape.replay`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import Any

import torch

from .tape import MOVES, RESHAPES, Edit, Edits, Gradients, Op, Span, Tape, Tensor, Value

# The kinds of mistake, the more telling first: of several that give the same numbers, the first
# one names the verdict. Each has its remedy.
FIXES = {
    "early-update": "take all gradients at the same weights, and update the weights afterwards",
    "stale-cache": "save what backward needs in every forward, and take the latest",
    "diagonal-only": "every output depends on every input of its row: add the Jacobian's other "
    "terms",
    "reduction-left-out": "sum over the axes along which it was broadcast",
    "sign": "turn the sign round",
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
    "overwritten": "add (+=) the gradient of every use; do not keep the last one only",
    "forgotten-path": "add the gradient that comes back along this path",
    "extra-axis": "sum over the broadcast axes only, and keep the others",
    "dropped-index": "go over all indices: none left out, none overwritten by the last",
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

POINTWISE = torch.Tag.pointwise
PRODUCTS = {"mul", "div", "mm", "bmm", "mv", "dot", "convolution", "_trilinear"}
NEAR = 16  # how far along the tape a wrong argument is looked for
DIAGONAL_LIMIT = 2048  # elements of a Jacobian's diagonal, each a backward pass of its own


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
        """The same for the same mistake on another input's tape."""
        return self.kind, self.what, *self.edits


def at_slot(slot: int, change: Callable[..., Tensor | None]) -> Edit:
    """An edit of one input's gradient."""

    def edit(op: Op, grads: Gradients, found: Gradients) -> Gradients:
        if found[slot] is None:
            return found
        changed = list(found)
        changed[slot] = change(op, grads, found[slot])
        return changed

    return edit


def scaled(slot: int, factor: float) -> Edit:
    """The gradient of one input times a factor; 0 cuts the path."""
    return at_slot(slot, lambda op, grads, found: found * factor)


def place_of(op: Op) -> str:
    """Where a reader finds the operation."""
    if op.function is None:
        return f"the gradient of {op.place}" if op.place else "the upstream gradient"
    return op.place or op.line


def described(op: Op, slot: int) -> str:
    """The edge from an operation back to one of its inputs, in words."""
    if op.function is None:
        return place_of(op)
    value = op.inputs[slot]
    unnamed = not value.leaf and not value.title
    to = f"{value.name}{_in(value.producer) if value.producer and unnamed else ''}"
    return f"the path from {op.name}{_in(op)} back to {to}"


def _in(op: Op) -> str:
    place = op.place or op.line
    return f" in {place}" if place else ""


def same_shape(op: Op, slot: int, grads: Gradients) -> bool:
    return (
        len(grads) > 0 and grads[0] is not None and grads[0].shape == op.inputs[slot].tensor.shape
    )


# ---- changes of one gradient on its way: (kind, what) and what becomes of it


def _axes(g: Tensor) -> Iterator[int]:
    return (axis for axis in range(g.dim()) if g.shape[axis] > 1)


def _only(g: Tensor, axis: int, indices: slice | list[int]) -> Tensor:
    kept = torch.zeros_like(g)
    where = (slice(None),) * axis + (indices,)
    kept[where] = g[where]
    return kept


def edge_changes(
    shape: torch.Size,
) -> Iterator[tuple[str, str, Callable[..., Tensor]]]:
    """What can happen to a gradient of this shape."""
    g = torch.empty(shape)
    if g.dim() >= 2:
        yield "transpose", "is transposed", lambda g: g.transpose(-1, -2)
        yield (
            "transpose",
            "is reshaped where it must be transposed",
            lambda g: g.transpose(-1, -2).reshape(g.shape),
        )
    if g.dim() >= 3:
        yield "transpose", "has its first two axes exchanged", lambda g: g.transpose(0, 1)
    for axis in _axes(g):
        size = g.shape[axis]
        for what, kept in (
            ("only the first index of", [0]),
            ("only the last index of", [size - 1]),
            ("all but the first index of", slice(1, None)),
            ("all but the last index of", slice(0, size - 1)),
        ):
            yield (
                "dropped-index",
                f"has {what} axis {axis}",
                partial(_only, axis=axis, indices=kept),
            )
        yield (
            "extra-axis",
            f"is summed over axis {axis}",
            lambda g, axis=axis: g.sum(axis, keepdim=True).expand_as(g),
        )
        yield (
            "extra-axis",
            f"is averaged over axis {axis}",
            lambda g, axis=axis: g.mean(axis, keepdim=True).expand_as(g),
        )
        yield "flipped", f"is reversed along axis {axis}", lambda g, axis=axis: g.flip(axis)
    if g.dim() and g.numel() > 1:
        yield "extra-axis", "is summed over all axes", lambda g: g.sum().expand_as(g)
        yield "extra-axis", "is summed to one number", lambda g: g.sum()
        yield "extra-axis", "is averaged over all axes", lambda g: g.mean().expand_as(g)


def block_changes(
    shape: torch.Size, parts: Iterable[int], names: Mapping[int, str]
) -> Iterator[tuple[str, str, Callable[..., Tensor]]]:
    """Gates, or heads: equal parts of the first axis that are taken for one another."""
    for count in parts:
        if not shape or shape[0] % count or shape[0] == count == 1:
            continue
        name = [
            f"gate {names[count][i]}" if count in names else f"part {i + 1} of {count}"
            for i in range(count)
        ]

        def copied(g: Tensor, count: int, a: int, b: int) -> Tensor:
            blocks = list(g.chunk(count))
            blocks[a] = blocks[b]
            return torch.cat(blocks)

        def swapped(g: Tensor, count: int, order: tuple[int, ...]) -> Tensor:
            blocks = g.chunk(count)
            return torch.cat([blocks[i] for i in order])

        for a, b in permutations(range(count), 2):
            what = f"has for {name[a]} what belongs to {name[b]}"
            yield "other-gate", what, partial(copied, count=count, a=a, b=b)
        for a in range(count):
            kept = [i for i in range(count) if i != a]
            size = shape[0] // count
            indices = [row for i in kept for row in range(i * size, (i + 1) * size)]
            yield "forgotten-path", f"lacks {name[a]}", partial(_only, axis=0, indices=indices)
        for order in permutations(range(count)):
            if order != tuple(range(count)):
                what = f"has its parts in the order {', '.join(name[i] for i in order)}"
                yield "other-gate", what, partial(swapped, count=count, order=order)


# ---- changes of one operation's derivative


def given(grads: Gradients) -> Tensor:
    """The gradient of an operation's one output."""
    grad = grads[0]
    assert grad is not None
    return grad


Change = tuple[str, str, str, Edit]  # kind, a name that is the same wherever it is done, what, edit


def derivative_changes(op: Op, slot: int) -> Iterator[Change]:
    """An operation that returns the shape of its input: what may stand in for its derivative."""
    x = op.inputs[slot].tensor
    y = op.outputs[0].tensor
    if y.shape != x.shape or any(value.reaches for value in op.outputs[1:]):
        return
    name = f"{op.name}{_in(op)}"
    unary = len(op.inputs) == 1 and sum(map(torch.is_tensor, op.flat)) == 1
    pointwise = POINTWISE in op.function.tags
    position = op.slots[slot][0]

    def own(change: Callable[..., Tensor]) -> Edit:
        return at_slot(slot, lambda op, grads, found: change(grads[0]))

    left_out = "forgotten-derivative" if unary else "forgotten-factor"
    what = "the derivative of" if unary else "the other factor of"
    yield left_out, "one", f"{what} {name} is left out (taken as 1)", own(lambda g: g)
    if not unary:
        return
    yield (
        "activation-for-derivative",
        "y",
        f"the gradient is multiplied by {name} itself, not by its derivative",
        own(lambda g: g * y),
    )
    yield (
        "activation-for-derivative",
        "x",
        f"the gradient is multiplied by the input of {name}, not by the derivative",
        own(lambda g: g * x),
    )

    def applied(op: Op, grads: Gradients, found: Tensor) -> Tensor:
        return op.run({position: given(grads)})[1][0].detach()

    yield (
        "activation-on-gradient",
        "f(g)",
        f"{name} is applied to the gradient, in place of multiplying by its derivative",
        at_slot(slot, applied),
    )
    yield (
        "derivative-twice",
        "twice",
        f"the derivative of {name} is multiplied in twice",
        lambda op, grads, found: op.vjp([found[0], *[None] * (len(op.outputs) - 1)]),
    )
    if not pointwise:
        if x.numel() <= DIAGONAL_LIMIT:
            yield (
                "diagonal-only",
                "diagonal",
                f"of the Jacobian of {name} only the diagonal is used",
                own(lambda g: g * diagonal(op)),
            )
            yield (
                "diagonal-only",
                "off-diagonal",
                f"of the Jacobian of {name} all but the diagonal is used",
                at_slot(slot, lambda op, grads, found: found - grads[0] * diagonal(op)),
            )
        return
    yield (
        "wrong-derivative",
        "divided",
        f"the gradient is divided by the derivative of {name}",
        own(lambda g: g / op.vjp([torch.ones_like(g)])[0]),
    )
    for formula, slope in other_slopes(x, y):
        yield (
            "wrong-derivative",
            formula,
            f"for the derivative of {name} stands {formula}",
            own(lambda g, slope=slope: g * slope),
        )


def other_slopes(x: Tensor, y: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Derivatives of other functions, and what is easily written for a derivative of y = f(x)."""
    for formula, slope in {
        "y(1 − y)": y * (1 - y),
        "x(1 − x)": x * (1 - x),
        "y(1 + y)": y * (1 + y),
        "1 − y²": 1 - y * y,
        "1 + y²": 1 + y * y,
        "1 − x²": 1 - x * x,
        "1 − y": 1 - y,
        "1 + y": 1 + y,
        "1 − (1 − y)²": 1 - (1 - y) ** 2,
        "σ(x)": torch.sigmoid(x),
        "σ(−x)": torch.sigmoid(-x),
        "σ′(x)": torch.sigmoid(x) * torch.sigmoid(-x),
        "tanh x": torch.tanh(x),
        "tanh′(x)": 1 - torch.tanh(x) ** 2,
        "eˣ": torch.exp(x),
        "the step x > 0": (x > 0).to(x),
        "the step x < 0": (x < 0).to(x),
        "sign x": torch.sign(x),
    }.items():
        if slope.numel() and not bool((slope == slope.reshape(-1)[0]).all()):
            yield formula, slope  # a constant would be a factor


def span_changes(span: Span) -> Iterator[Mistake]:
    """A module of several operations as one function: what may stand in for its derivative."""
    x, y = span.input.tensor, span.output.tensor
    name = f"{span.name} in {span.place}"
    leaf = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        slope = torch.autograd.grad(span.run(leaf).sum(), leaf)[0]
    each: dict[str, tuple[str, str, Callable[..., Tensor]]] = {
        "one": (
            "forgotten-derivative",
            f"the derivative of {name} is left out (taken as 1)",
            lambda g: g,
        ),
        "y": (
            "activation-for-derivative",
            f"the gradient is multiplied by {name} itself, not by its derivative",
            lambda g: g * y,
        ),
        "f(g)": (
            "activation-on-gradient",
            f"{name} is applied to the gradient, in place of multiplying by its derivative",
            lambda g: span.run(g).detach(),
        ),
        "twice": (
            "derivative-twice",
            f"the derivative of {name} is multiplied in twice",
            lambda g: g * slope * slope,
        ),
    }
    for formula, other in other_slopes(x, y):
        what = f"for the derivative of {name} stands {formula}"
        each[formula] = ("wrong-derivative", what, lambda g, other=other: g * other)
    for kind, what, change in each.values():
        yield Mistake(kind, what, span.place, on_span(span, change), span.input.reaches, 1)


def on_span(span: Span, change: Callable[..., Tensor]) -> Edits:
    """The gradient at a span's input made from the one at its output."""
    above: list[Tensor] = []
    edits: dict[int, list[Edit]] = defaultdict(list)

    def note(op: Op, grads: Gradients, found: Gradients) -> Gradients:
        above[:] = [given(grads)]
        return found

    edits[span.ops[-1].index].append(note)
    for number, (op, slot) in enumerate(span.edges):

        def put(op: Op, grads: Gradients, found: Tensor, number: int = number) -> Tensor:
            return torch.zeros_like(found) if number else change(above[0])

        edits[op.index].append(at_slot(slot, put))
    return dict(edits)


def diagonal(op: Op) -> Tensor:
    """The diagonal of the Jacobian of an operation with one input and one output of one shape."""
    y = op.outputs[0].tensor
    entries = torch.zeros(y.numel(), dtype=y.dtype)
    for i in range(y.numel()):
        unit = torch.zeros_like(y)
        unit.view(-1)[i] = 1
        grad = op.vjp([unit])[0]
        entries[i] = 0 if grad is None else grad.reshape(-1)[i]
    return entries.view_as(y)


def source_of(op: Op) -> Tensor | None:
    """For an operation that only picks elements: which one of its input each output is.

    None for one that does anything else.
    """
    if len(op.inputs) != 1 or POINTWISE in op.function.tags or op.short == "expand":
        return None
    x = op.inputs[0].tensor
    y = op.outputs[0].tensor
    probe = torch.arange(1, x.numel() + 1, dtype=torch.float64).view_as(x)
    position = op.slots[0][0]
    if op.short.startswith("max_pool") or op.short == "adaptive_max_pool2d":
        if len(op.outputs) < 2:
            return None
        inside = op.outputs[1].tensor  # its place within one channel
        size = x[0, 0].numel() if x.dim() == 4 else x[0].numel()
        offset = torch.arange(0, x.numel(), size).view([*x.shape[: y.dim() - 2], 1, 1])
        return inside + offset
    picked = op.run({position: probe.to(x.dtype)})[1][0].detach().double()
    if picked.shape != y.shape:
        return None
    index = picked.round().long() - 1
    if ((index < 0) | (index >= x.numel())).any() or not torch.equal(
        x.reshape(-1)[index.reshape(-1)].view_as(y), y
    ):
        return None
    return index


def picking_changes(op: Op) -> Iterator[Change]:
    """Elements that several outputs were picked from: assigned where they must add up."""
    index = source_of(op)
    if index is None or index.unique().numel() == index.numel():
        return
    name = f"{op.name}{_in(op)}"

    def assigned(op: Op, grads: Gradients, found: Tensor, first: bool) -> Tensor:
        result = torch.zeros_like(found).reshape(-1)
        places, values = index.reshape(-1), given(grads).reshape(-1)
        if first:
            places, values = places.flip(0), values.flip(0)
        for place, value in zip(places.tolist(), values, strict=True):  # in this order, one by one
            result[place] = value
        return result.view_as(found)

    def averaged(op: Op, grads: Gradients, found: Tensor) -> Tensor:
        uses = torch.bincount(index.reshape(-1), minlength=found.numel()).clamp(min=1)
        return found / uses.view_as(found)

    for which, first in (("last", False), ("first", True)):
        yield (
            "assigned-for-added",
            which,
            f"where {name} reads an element several times, its {which} gradient is assigned, "
            "and the others are lost",
            at_slot(0, partial(assigned, first=first)),
        )
    yield (
        "assigned-for-added",
        "averaged",
        f"where {name} reads an element several times, its gradients are averaged",
        at_slot(0, averaged),
    )


def argument_changes(tape: Tape, op: Op, slot: int) -> Iterator[Change]:
    """The derivative towards one input taken at other arguments than those of the forward pass."""
    name = f"{op.name}{_in(op)}"

    def taken(at: dict[int, Any]) -> Edit:
        return at_slot(slot, lambda op, grads, found: op.vjp(grads, at)[slot])

    slots = {position: value for position, value in op.slots}
    for position, given in enumerate(op.flat):
        if not torch.is_tensor(given) or not given.is_floating_point():
            continue
        value = slots.get(position)
        what = value.name if value is not None else "a constant"
        here = value.tensor if value is not None else given
        if op.short in PRODUCTS and position == op.slots[slot][0]:
            continue  # a product's derivative towards a factor does not look at that factor
        if op.short in PRODUCTS and not _is_mask(here):
            yield (
                "forgotten-factor",
                f"ones {position}",
                f"the derivative of {name} is taken with ones for {what}",
                taken({position: torch.ones_like(here)}),
            )
        if _is_mask(here):
            yield (
                "forgotten-factor",
                f"mask {position}",
                f"the mask of {name} is left out of the gradient",
                taken({position: torch.ones_like(here)}),
            )
            top = float(here.max())
            yield (
                "forgotten-factor",
                f"kept {position}",
                f"the mask of {name} is left out of the gradient, its scale kept",
                taken({position: torch.full_like(here, top)}),
            )
            yield (
                "forgotten-factor",
                f"scale {position}",
                f"the scale of the mask of {name} is left out of the gradient",
                taken({position: (here != 0).to(here)}),
            )
            yield (
                "wrong-argument",
                f"inverse {position}",
                f"the gradient passes {name} where the mask is zero",
                taken({position: (here == 0).to(here) * top}),
            )
        elif op.short not in PRODUCTS:  # there it is the sign, and no more
            yield (
                "wrong-argument",
                f"minus {position}",
                f"the derivative of {name} is taken at minus {what}",
                taken({position: -here}),
            )
        if here.dim() >= 2 and here.shape[-1] == here.shape[-2]:
            yield (
                "transpose",
                f"transposed {position}",
                f"the derivative of {name} is taken with {what} transposed",
                taken({position: here.transpose(-1, -2).contiguous()}),
            )
        if op.short == "convolution" and position == 1:
            for axes in ([*range(2, here.dim())], *([a] for a in range(2, here.dim()))):
                if any(here.shape[a] > 1 for a in axes):
                    yield (
                        "kernel-not-flipped",
                        f"kernel {axes}",
                        f"the kernel of {name} is not flipped for the input's gradient",
                        taken({position: here.flip(axes)}),
                    )
        if value is not None:
            for what_else, slip in slips(value):
                if slip.shape == here.shape and not torch.equal(slip, here):
                    yield (
                        "wrong-argument",
                        f"slip {position} {what_else}",
                        f"the derivative of {name} is taken with {what_else} for {what}",
                        taken({position: slip}),
                    )
        for distance in range(-NEAR, NEAR + 1):
            if not 0 <= op.index + distance < len(tape.ops):
                continue
            for j, other in enumerate(tape.ops[op.index + distance].outputs):
                if other is value or other.tensor.shape != here.shape or (distance == 0 and j):
                    continue
                if torch.equal(other.tensor, here) or not other.tensor.is_floating_point():
                    continue
                label = "its own output" if distance == 0 else _called(other)
                yield (
                    "wrong-argument",
                    f"at {position} {distance} {j}",
                    f"the derivative of {name} is taken at {label} in place of {what}",
                    taken({position: other.tensor}),
                )
    if POINTWISE in op.function.tags and len(op.inputs) == 1 and len(op.outputs) == 1:
        x, y = op.inputs[0].tensor, op.outputs[0].tensor
        if x.shape == y.shape:
            yield (
                "wrong-argument",
                "input for output",
                f"the derivative of {name}, in terms of its output, is taken at its input",
                lambda op, grads, found: op.vjp_with_saved(
                    grads, lambda kept: x if kept.shape == x.shape else kept
                ),
            )
    yield from option_changes(op, slot)


def kin(leaf: str) -> str:
    """ "bias" of "layers.0.bias" and of "bias_hh_l0": what a leaf shares with its like."""
    return leaf.rpartition(".")[2].partition("_")[0]


def rank_of(op: Op) -> int:
    """Leaves and outputs first, then what computes, last what only moves numbers about."""
    if op.function is None:
        return 0
    return 2 if op.short in MOVES | {"add"} else 1


def slips(value: Value) -> Iterator[tuple[str, Tensor]]:
    """What a value would be had its own computation gone wrong: a term left out, a sign turned."""
    op = value.producer
    while op is not None and op.short in MOVES and op.inputs:
        if op.inputs[0].tensor.shape != value.tensor.shape:
            return
        value, op = op.inputs[0], op.inputs[0].producer
    if op is None or op.function is None or op.short not in ("add", "sub", "mul", "div"):
        return
    a, b, *_ = [*arguments(op, numbers=True).values(), None, None]
    if a is None or b is None:
        return
    others = {"add": a - b, "sub": a + b, "mul": a / b, "div": a * b}
    words = {"add": "the difference", "sub": "the sum", "mul": "the quotient", "div": "the product"}
    yield words[op.short], others[op.short]
    for alone_, which in ((a, "the first operand alone"), (b, "the second operand alone")):
        only = torch.as_tensor(alone_, dtype=value.tensor.dtype)
        yield f"{which} of {op.name}", only.expand_as(value.tensor).contiguous()


def option_changes(op: Op, slot: int) -> Iterator[Change]:
    """Plain numbers among the arguments: exponents, slopes, axes, what is ignored."""
    name = f"{op.name}{_in(op)}"
    schema = op.function._schema.arguments
    if len(op.flat) > len(schema):
        return  # lists among the arguments: positions are not those of the schema
    for position, given in enumerate(op.flat):
        if not isinstance(given, int | float):
            continue
        argument = schema[position] if position < len(schema) else None
        option = argument.name if argument is not None else "option"
        others: list[Any] = []
        if argument is not None and argument.default_value is not None:
            others.append(argument.default_value)
        if isinstance(given, bool):
            others.append(not given)
        elif option in ("dim", "axis") and isinstance(given, int):
            others += range(op.inputs[slot].tensor.dim())
        elif isinstance(given, int | float):
            others += [0, 1, given - 1, given + 1, -given] + ([1 / given] if given else [])
        for number, other in enumerate(others):
            if (
                other == given
                or other in others[:number]
                or isinstance(other, list)
                or (option == "reduction" and other not in (0, 1, 2))
            ):
                continue

            def taken(op: Op, grads: Gradients, found: Tensor, at: dict[int, Any]) -> Any:
                return op.vjp(grads, at)[slot]

            yield (
                "option-ignored",
                f"{option} {other}",
                f"the derivative of {name} is taken with {option} = {other:.6g}, not {given:.6g}",
                at_slot(slot, partial(taken, at={position: other})),
            )


def _is_mask(x: Tensor) -> bool:
    """Whether it is zero or one other number everywhere, both of them somewhere."""
    if x.numel() < 2 or not (x == 0).any():
        return False
    rest = x[x != 0]
    return rest.numel() > 0 and bool((rest == rest.reshape(-1)[0]).all())


def _called(value: Any) -> str:
    if value.leaf or value.title:
        return value.name
    return f"the result of {value.name}{_in(value.producer)}" if value.producer else value.name


def broadcast_changes(op: Op) -> Iterator[Change]:
    """The sum over the samples, for what was broadcast to them."""
    if op.short != "expand":
        return
    small, wide = op.inputs[0].tensor.shape, op.outputs[0].tensor.shape
    padded = (1,) * (len(wide) - len(small)) + tuple(small)
    axes = [a for a, (s, w) in enumerate(zip(padded, wide, strict=True)) if s != w]
    what = _called(op.inputs[0])

    def own(change: Callable[..., Tensor]) -> Edit:
        return at_slot(0, lambda op, grads, found: change(grads[0]))

    yield (
        "reduction-left-out",
        "none",
        f"the gradient of {what} is not summed over the axes along which it was broadcast",
        own(lambda g: g),
    )
    for axis in axes:
        others = [a for a in axes if a != axis]
        if others:
            yield (
                "reduction-left-out",
                f"without {axis}",
                f"the gradient of {what} is not summed over axis {axis}",
                own(lambda g, others=others: g.sum(others)),
            )
        for which, kept in (("first", [0]), ("last", [wide[axis] - 1])):
            yield (
                "dropped-index",
                f"{which} {axis}",
                f"the gradient of {what} has only the {which} index of axis {axis}, not their sum",
                own(lambda g, axis=axis, kept=kept: _only(g, axis, kept).sum_to_size(small)),
            )


def at_leaves(tape: Tape) -> Iterator[Mistake]:
    """What is returned for a leaf is no gradient of it at all."""

    def made(name: str, kind: str, what: str, array: Callable[..., Any]) -> Mistake:
        op = tape.at_leaf[name]
        edit = at_slot(0, lambda op, grads, found: array())
        what = f"the gradient of {name} is {what}"
        return Mistake(kind, what, place_of(op), {op.index: [edit]}, frozenset([name]), 3)

    for name, value in tape.leaves.items():
        yield made(name, "not-a-gradient", f"{name} itself", lambda value=value: value.tensor)
        for other, leaf in tape.leaves.items():
            if other != name:
                right = partial(tape.gradient, leaf, {})
                yield made(name, "other-gradient", f"that of {other}", right)
                yield made(name, "not-a-gradient", f"{other}", lambda leaf=leaf: leaf.tensor)
        for op in tape.upstream:
            grad = tape.right(op)[0]
            if grad is None:
                continue
            wide = grad.reshape(grad.shape + (1,) * (value.tensor.dim() - grad.dim()))
            what = "the upstream gradient, handed on as it came"
            yield made(name, "forgotten-derivative", what, lambda grad=grad: grad)
            if wide.shape != value.tensor.shape:
                try:
                    wide = wide.expand(value.tensor.shape)
                except RuntimeError:
                    continue  # its shape cannot stand for the leaf's
                yield made(name, "forgotten-derivative", what, lambda wide=wide: wide)
        for i, output in enumerate(tape.outputs):
            what = f"output {i} itself"
            yield made(name, "not-a-gradient", what, lambda output=output: output.tensor)


# ---- the catalogue of one tape


def mistakes_of(tape: Tape, names: Mapping[int, str]) -> Iterator[Mistake]:
    """The catalogue: one mistake each, at one operation or at all operations of a kind.

    Args:
        names: of a recurrent layer's gates, by their number.
    """
    yield from at_leaves(tape)
    yield from overwritten(tape)
    for span in tape.spans:
        yield from span_changes(span)
    together: dict[tuple[Any, ...], list[tuple[Op, int, str, Edit]]] = defaultdict(list)
    yield from alone(tape, names, together)
    yield from everywhere(together)


def alone(
    tape: Tape,
    names: Mapping[int, str],
    together: dict[tuple[Any, ...], list[tuple[Op, int, str, Edit]]],
) -> Iterator[Mistake]:
    """One mistake at one operation; `together` collects those of a kind."""

    def note(op: Op, slot: int, kind: str, key: str, what: str, edit: Edit) -> Mistake:
        value = op.inputs[slot]
        producer = value.producer.short if value.producer else ""
        role = kin(op.place) if op.function is None else op.short
        if op.function is not None or op.place:
            leaves = "".join(sorted(value.reaches)) if len(value.reaches) == 1 else ""
            position = op.slots[slot][0]
            for group in (
                (role, position, kind, key),
                (role, position, producer, kind, key),
                (role, position, leaves, kind, key),
            ):
                together[group].append((op, slot, what, edit))
        return Mistake(kind, what, place_of(op), {op.index: [edit]}, value.reaches, rank_of(op))

    parts = sorted(
        {
            len(op.outputs)
            for op in tape.ops
            if "split" in op.short or "chunk" in op.short
            if 1 < len(op.outputs) <= 4
        }
    )
    for op in reversed(tape.ops):
        if op.function is None:
            shape = op.inputs[0].tensor.shape
            changes = list(edge_changes(shape))
            if op.place:
                changes += block_changes(shape, parts, names)
            else:
                changes.append(("forgotten-upstream", "is taken as 1", torch.ones_like))
            for kind, what, change in changes:
                edit = at_slot(0, lambda op, grads, found, change=change: change(found))
                yield note(op, 0, kind, what, f"{place_of(op)} {what}", edit)
            continue
        for slot, value in enumerate(op.inputs):
            if op.short in RESHAPES:
                continue
            found: list[Change] = [*derivative_changes(op, slot)]
            found += argument_changes(tape, op, slot)
            if slot == 0:
                found += [*picking_changes(op), *broadcast_changes(op)]
            for kind, key, what, edit in found:
                yield note(op, slot, kind, key, what, edit)
            if op.short in PRODUCTS or op.short in ("t", "transpose", "permute"):
                for kind, what, change in edge_changes(value.tensor.shape):
                    edit = at_slot(slot, lambda op, grads, found, change=change: change(found))
                    yield note(op, slot, kind, what, f"{described(op, slot)} {what}", edit)


def everywhere(
    together: Mapping[tuple[Any, ...], Sequence[tuple[Op, int, str, Edit]]],
) -> Iterator[Mistake]:
    """The same mistake at all operations of a kind: in every layer, at every time step."""
    planted: set[tuple[Any, ...]] = set()
    for (_, position, *_, kind, key), members in together.items():
        indices = tuple(sorted({op.index for op, *_ in members}))
        if len(indices) < 2 or (indices, position, kind, key) in planted:
            continue
        planted.add((indices, position, kind, key))
        edits: dict[int, list[Edit]] = {}
        for op, _, _, edit in members:
            edits.setdefault(op.index, [edit])
        reaches = frozenset().union(*(op.inputs[slot].reaches for op, slot, *_ in members))
        op, _, what, _ = members[0]
        what = f"{what}; and so in all {len(indices)} places like it"
        yield Mistake(kind, what, place_of(op), edits, reaches, rank_of(op) + 1)


def overwritten(tape: Tape) -> Iterator[Mistake]:
    """A value used several times keeps the gradient of one use only."""
    for op in tape.ops:
        for value in op.outputs:
            uses = value.consumers
            if len(uses) < 2 or len({use.short for use, _ in uses}) > 1:
                continue
            for kept, which in ((0, "first"), (len(uses) - 1, "last")):
                edits: dict[int, list[Edit]] = defaultdict(list)
                for i, (use, slot) in enumerate(uses):
                    if i != kept:
                        edits[use.index].append(scaled(slot, 0))
                yield Mistake(
                    "overwritten",
                    f"{_called(value)} is used {len(uses)} times, and only the gradient of its "
                    f"{which} use is kept",
                    place_of(op),
                    dict(edits),
                    value.reaches,
                )


@dataclass(frozen=True)
class Edges:
    """Edges on which one factor may stand, and whether the gradients are linear in it."""

    what: str
    place: str
    edges: tuple[tuple[Op, int], ...]
    linear: bool

    @property
    def reaches(self) -> frozenset[str]:
        return frozenset().union(*(op.inputs[slot].reaches for op, slot in self.edges))

    def times(self, factor: float) -> Edits:
        edits: dict[int, list[Edit]] = defaultdict(list)
        for op, slot in self.edges:
            edits[op.index].append(scaled(slot, factor))
        return dict(edits)


def edge_groups(tape: Tape) -> Iterator[Edges]:
    """Every edge of the graph alone, then all edges of a kind together."""
    groups: dict[tuple[Any, ...], list[tuple[Op, int]]] = defaultdict(list)
    for op in reversed(tape.ops):
        for slot, value in enumerate(op.inputs):
            yield Edges(described(op, slot), place_of(op), ((op, slot),), True)
            if op.function is None and op.place:
                groups["leaf", kin(op.place)].append((op, slot))
            elif op.function is not None:
                producer = value.producer.short if value.producer else ""
                groups[op.short, slot].append((op, slot))
                groups[op.short, slot, producer].append((op, slot))
                if len(value.reaches) == 1:
                    groups[op.short, slot, *value.reaches].append((op, slot))
    seen = set()
    for group, edges in groups.items():
        key = tuple((op.index, slot) for op, slot in edges)
        if len(edges) > 1 and key not in seen:
            seen.add(key)
            op, slot = edges[0]
            what = f"{described(op, slot)}, in all {len(edges)} places like it,"
            yield Edges(what, place_of(op), tuple(edges), group[0] == "leaf")


def stale(tape: Tape, previous: Tape) -> Iterator[Mistake]:
    """Derivatives taken at what the call before had saved: one operation's, or everything's."""
    shapes = [[v.tensor.shape for v in op.outputs] for op in tape.ops]
    if shapes != [[v.tensor.shape for v in op.outputs] for op in previous.ops]:
        return
    every: dict[int, list[Edit]] = {}
    for op, before in zip(tape.ops, previous.ops, strict=True):
        now, then = arguments(op), arguments(before)
        at = {p: then[p] for p in now if p in then and not torch.equal(now[p], then[p])}
        if op.function is None or not at:
            continue

        def taken(op: Op, grads: Gradients, found: Gradients, at: dict[int, Any]) -> Gradients:
            return op.vjp(grads, at)

        edit = partial(taken, at=at)
        every[op.index] = [edit]
        what = f"the derivative of {op.name}{_in(op)} is taken at the values of the call before"
        reaches = frozenset().union(*(v.reaches for v in op.inputs))
        yield Mistake("stale-cache", what, place_of(op), {op.index: [edit]}, reaches, rank_of(op))
    if every:
        what = "backward uses what the forward of the call before has saved"
        yield Mistake("stale-cache", what, "backward", every, frozenset(tape.leaves), -1)


def arguments(op: Op, numbers: bool = False) -> dict[int, Any]:
    """The floating-point arguments of an operation, by position; plain numbers too, if wanted."""
    slots = {position: value.tensor for position, value in op.slots}
    given = {i: slots.get(i, x) for i, x in enumerate(op.flat)}
    return {
        i: x
        for i, x in given.items()
        if (x.is_floating_point() if torch.is_tensor(x) else numbers and isinstance(x, int | float))
    }


def updated(tape: Tape, steps: Mapping[str, float], used: Mapping[str, Tensor]) -> Edits:
    """Every derivative taken with these parameters already moved by −step times their gradient.

    Args:
        used: the gradients of the parameters that they were updated with.
    """
    moved: dict[int, Tensor] = {}  # by value: those that come from parameters alone
    for name, step in steps.items():
        value = tape.leaves[name]
        if used[name].shape != value.tensor.shape:
            return {}
        moved[id(value)] = value.tensor - step * used[name]
    edits: dict[int, list[Edit]] = {}
    for op in tape.ops:
        at = {position: moved[id(v)] for position, v in op.slots if id(v) in moved}
        if not at:
            continue
        if all(reached in steps for v in op.inputs for reached in v.reaches):
            for value, tensor in zip(op.outputs, op.run(at)[1], strict=True):
                moved[id(value)] = tensor.detach()
        elif op.function is not None:

            def taken(op: Op, grads: Gradients, found: Gradients, at: dict[int, Any]) -> Gradients:
                return op.vjp(grads, at)

            edits[op.index] = [partial(taken, at=at)]
    return edits
