"""Mistakes made with a gradient on its way: an axis, an index, a sum, a gate, another array."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, permutations
from typing import Any

import torch

from ..kinds import (
    POINTWISE,
    Change,
    Mistake,
    at_slot,
    change_gradient,
    from_output,
    name_of,
    place_of,
    scaled,
)
from ..operations import Edit, Op, Tensor, Value
from ..tape import Tape

SPLITS = {"split", "chunk", "unsafe_split", "unsafe_chunk", "split_with_sizes"}
VIEWS = {"slice", "select"}
PARTS = 400  # of one value, each read by itself


def _axes(g: Tensor) -> Iterator[int]:
    return (axis for axis in range(g.dim()) if g.shape[axis] > 1)


def only_at(g: Tensor, axis: int, indices: slice | list[int]) -> Tensor:
    part = torch.zeros_like(g)
    where = (slice(None),) * axis + (indices,)
    part[where] = g[where]
    return part


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
        for which, indices in (
            ("only the first index of", [0]),
            ("only the last index of", [size - 1]),
            ("all but the first index of", slice(1, None)),
            ("all but the last index of", slice(0, size - 1)),
        ):
            yield (
                "dropped-index",
                f"has {which} axis {axis}",
                partial(only_at, axis=axis, indices=indices),
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
    shape: torch.Size, parts: Iterable[int], names: Mapping[int, str], axis: int = 0
) -> Iterator[tuple[str, str, Callable[..., Tensor]]]:
    """Gates, or heads: equal parts of an axis that are taken for one another."""
    for count in parts:
        if not shape or shape[axis] % count or shape[axis] == count == 1:
            continue
        name = part_names(count, names)

        def copied(g: Tensor, count: int, a: int, b: int) -> Tensor:
            blocks = list(g.chunk(count, axis))
            blocks[a] = blocks[b]
            return torch.cat(blocks, axis)

        def swapped(g: Tensor, count: int, order: tuple[int, ...]) -> Tensor:
            blocks = g.chunk(count, axis)
            return torch.cat([blocks[i] for i in order], axis)

        for a, b in permutations(range(count), 2):
            what = f"has for {name[a]} what belongs to {name[b]}"
            yield "other-gate", what, partial(copied, count=count, a=a, b=b)
        for a in range(count):
            others = [i for i in range(count) if i != a]
            size = shape[axis] // count
            indices = [row for i in others for row in range(i * size, (i + 1) * size)]
            yield "forgotten-path", f"lacks {name[a]}", partial(only_at, axis=axis, indices=indices)
        for order in permutations(range(count)):
            if order != tuple(range(count)):
                what = f"has its parts in the order {', '.join(name[i] for i in order)}"
                yield "other-gate", what, partial(swapped, count=count, order=order)


def part_names(count: int, names: Mapping[int, str]) -> list[str]:
    return [
        f"gate {names[count][i]}" if count in names else f"part {i + 1} of {count}"
        for i in range(count)
    ]


def split_changes(op: Op, names: Mapping[int, str]) -> Iterator[Change]:
    """Where a gradient is put together from those of gates, or of queries, keys and values."""
    count = len(op.outputs)
    if op.short not in SPLITS or not 1 < count <= 4:
        return
    shape, part = op.inputs[0].tensor.shape, op.outputs[0].tensor.shape
    axis = next(a for a, (s, p) in enumerate(zip(shape, part, strict=True)) if s != p)
    whose = f"the gradient of {name_of(op.inputs[0])}"
    for kind, what, change in block_changes(shape, [count], names, axis):
        yield kind, f"parts {what}", f"{whose} {what}", change_gradient(0, change)
    slopes = [slope_behind(value) for value in op.outputs]
    name = part_names(count, names)
    for a, b in permutations(range(count), 2):
        one, two = slopes[a], slopes[b]
        if one is None or two is None:
            continue
        ratios = {(a, b): one / two, (b, a): two / one}

        def taken(
            g: Tensor, pairs: Sequence[tuple[int, int]], ratios: Mapping[Any, Tensor] = ratios
        ) -> Tensor:
            blocks = list(g.chunk(count, axis))
            moved = {to: blocks[at] * ratios[to, at] for to, at in pairs}
            return torch.cat([moved.get(i, block) for i, block in enumerate(blocks)], axis)

        what = f"has for {name[a]} what belongs to {name[b]}, ahead of their derivatives"
        copied = change_gradient(0, partial(taken, pairs=[(a, b)]))
        yield "other-gate", f"ahead {a} {b}", f"{whose} {what}", copied
        if a < b:
            what = f"has {name[a]} and {name[b]} exchanged, ahead of their derivatives"
            swapped = change_gradient(0, partial(taken, pairs=[(a, b), (b, a)]))
            yield "other-gate", f"exchanged {a} {b}", f"{whose} {what}", swapped


def slope_behind(value: Value) -> Tensor | None:
    """The derivative of the activation that a part of a split goes into, if it goes nowhere else.

    None if that is zero somewhere.
    """
    while len(value.consumers) == 1:
        op = value.consumers[0][0]
        if len(op.inputs) == 1 and POINTWISE in op.function.tags and len(op.outputs) == 1:
            slope = op.vjp([torch.ones_like(op.outputs[0].tensor)])[0]
            return slope if slope is not None and bool((slope != 0).all()) else None
        if op.short != "add":
            return None
        value = op.outputs[0]
    return None


def broadcast_changes(op: Op) -> Iterator[Change]:
    """What may go wrong in the sum over the axes along which a value was broadcast."""
    if op.short != "expand":
        return
    small, wide = op.inputs[0].tensor.shape, op.outputs[0].tensor.shape
    padded = (1,) * (len(wide) - len(small)) + tuple(small)
    axes = [a for a, (s, w) in enumerate(zip(padded, wide, strict=True)) if s != w]
    name = name_of(op.inputs[0])

    yield (
        "reduction-left-out",
        "none",
        f"the gradient of {name} is not summed over the axes along which it was broadcast",
        from_output(0, lambda g: g),
    )
    for own_axis in range(len(wide)):
        summed = [a for a in range(len(wide)) if a != own_axis]
        if own_axis in axes and summed:
            yield (
                "extra-axis",
                f"kept {own_axis}",
                f"the gradient of {name} keeps axis {own_axis} and is summed over the others",
                from_output(0, lambda g, summed=summed: g.sum(summed)),
            )
    for axis in axes:
        others = [a for a in axes if a != axis]
        if others:
            yield (
                "reduction-left-out",
                f"without {axis}",
                f"the gradient of {name} is not summed over axis {axis}",
                from_output(0, lambda g, others=others: g.sum(others)),
            )
        for which, indices in (("first", [0]), ("last", [wide[axis] - 1])):
            yield (
                "dropped-index",
                f"{which} {axis}",
                f"the gradient of {name} has only the {which} index of axis {axis}, not their sum",
                from_output(0, lambda g, a=axis, i=indices: only_at(g, a, i).sum_to_size(small)),
            )


def at_leaves(tape: Tape) -> Iterator[Mistake]:
    """What may be returned for a leaf that is no gradient of it at all."""

    def mistake(name: str, kind: str, what: str, array: Callable[..., Any]) -> Mistake:
        op = tape.at_leaf[name]
        edit = at_slot(0, lambda op, grad_outputs, grad_input: array())
        what = f"the gradient of {name} is {what}"
        return Mistake(kind, what, place_of(op), {op.index: [edit]}, frozenset([name]), 3)

    for name, value in tape.leaves.items():
        yield mistake(name, "not-a-gradient", f"{name} itself", lambda value=value: value.tensor)
        for other, leaf in tape.leaves.items():
            if other != name:
                right = partial(tape.gradient, leaf, {})
                yield mistake(name, "other-gradient", f"that of {other}", right)
                yield mistake(name, "not-a-gradient", f"{other}", lambda leaf=leaf: leaf.tensor)
                for axis in summed_to(leaf.tensor.shape, value.tensor.shape):
                    what = f"that of {other}, summed over its axis {axis}"
                    added = partial(sum_of, tape, leaf, axis)
                    yield mistake(name, "other-gradient", what, added)
        for op in tape.upstream:
            grad = tape.right(op)[0]
            if grad is None:
                continue
            wide = grad.reshape(grad.shape + (1,) * (value.tensor.dim() - grad.dim()))
            what = "the upstream gradient, handed on as it came"
            yield mistake(name, "forgotten-derivative", what, lambda grad=grad: grad)
            if wide.shape != value.tensor.shape:
                try:
                    wide = wide.expand(value.tensor.shape)
                except RuntimeError:
                    continue  # its shape cannot stand for the leaf's
                yield mistake(name, "forgotten-derivative", what, lambda wide=wide: wide)
        for i, output in enumerate(tape.outputs):
            what = f"output {i} itself"
            yield mistake(name, "not-a-gradient", what, lambda output=output: output.tensor)


def summed_to(shape: torch.Size, other: torch.Size) -> Iterator[int]:
    """Over which one axis an array of this shape is summed to another shape."""
    for axis in range(len(shape)):
        if (*shape[:axis], *shape[axis + 1 :]) == tuple(other):
            yield axis


def sum_of(tape: Tape, leaf: Value, axis: int) -> Tensor | None:
    grad = tape.gradient(leaf, {})
    return None if grad is None else grad.sum(axis)


def exchanged(tape: Tape) -> Iterator[Mistake]:
    """Two leaves of one shape that have each other's gradient."""
    for one, two in combinations(tape.leaves, 2):
        if tape.leaves[one].tensor.shape != tape.leaves[two].tensor.shape:
            continue
        edits: dict[int, list[Edit]] = {}
        for name, other in ((one, two), (two, one)):
            right = partial(tape.gradient, tape.leaves[other], {})
            edit = at_slot(0, lambda op, grad_outputs, grad_input, right=right: right())
            edits[tape.at_leaf[name].index] = [edit]
        what = f"{one} and {two} have each other's gradient"
        place = place_of(tape.at_leaf[one])
        yield Mistake("other-gradient", what, place, edits, frozenset((one, two)), 3)


def overwritten(tape: Tape) -> Iterator[Mistake]:
    """A value used several times keeps the gradient of one use only, or has one subtracted.

    One value; and every value that is used in the same way, as the input of each layer is.
    """
    alike: dict[tuple[str, int, int], list[Value]] = defaultdict(list)
    for op in tape.ops:
        for value in op.outputs:
            shorts = {use.short for use, _ in value.consumers}
            if len({use.index for use, _ in value.consumers}) > 2 and len(shorts) > 1:
                yield from kept_of([value])
            if len(value.consumers) > 1 and len(shorts) == 1:
                group = op.index if op.step else 0  # every step: see `overwritten_at_every_step`
                alike[shorts.pop(), len(value.consumers), group].append(value)
    for values in alike.values():
        sets = [[value] for value in values] + ([values] if len(values) > 1 else [])
        for several in sets:
            yield from kept_of(several)


def kept_of(values: Sequence[Value]) -> Iterator[Mistake]:
    """Of the uses of these values, the first or the last alone; or the last with a minus."""
    count = len(values[0].consumers)
    used = f"{name_of(values[0])} is used {count} times, and"
    places = f"; and so in all {len(values)} places like it" if len(values) > 1 else ""
    for kept, which in ((0, "first"), (count - 1, "last")):
        factors = {i: 0.0 for i in range(count) if i != kept}
        what = f"{used} only the gradient of its {which} use is kept{places}"
        yield of_uses(values, "overwritten", what, factors)
    if len(values) > 1:
        what = f"{used} the gradient of its last use is subtracted{places}"
        yield of_uses(values, "sign", what, {count - 1: -1.0})


def assigned_parts(tape: Tape) -> Iterator[Mistake]:
    """A value read in overlapping parts, as by windows in a loop, each of which is assigned."""
    for op in tape.ops:
        for value in op.outputs:
            uses = value.consumers
            if not 1 < len(uses) <= PARTS or any(use.short not in VIEWS for use, _ in uses):
                continue
            seen = [part_seen(use, slot) for use, slot in uses]
            for order, which in ((1, "last"), (-1, "first")):
                covered = torch.zeros_like(value.tensor)
                edits: dict[int, list[Edit]] = {}
                overlap = False
                for (use, slot), part in [*zip(uses, seen, strict=True)][::-order]:
                    overlap |= bool((part * covered).any())
                    keep = partial(torch.mul, 1 - covered)
                    edits.setdefault(use.index, []).append(change_gradient(slot, keep))
                    covered = torch.maximum(covered, part)
                if overlap:
                    yield Mistake(
                        "assigned-for-added",
                        f"where the parts of {name_of(value)} overlap, the gradient of the "
                        f"{which} is assigned, and the others are lost",
                        place_of(op),
                        edits,
                        value.reaches,
                        1,
                    )


def part_seen(use: Op, slot: int) -> Tensor:
    """1 where a view, or a view of that, and so on, sees an element; 0 elsewhere."""
    views = [use]
    while len(inner := views[-1].outputs[0].consumers) == 1 and inner[0][0].short in VIEWS:
        views.append(inner[0][0])
    seen: Tensor | None = torch.ones_like(views[-1].outputs[0].tensor)
    for view in reversed(views):
        (seen,) = view.vjp([seen])
    assert seen is not None
    return seen


def of_uses(values: Sequence[Value], kind: str, what: str, factors: Mapping[int, float]) -> Mistake:
    """A mistake that multiplies what comes back from some uses of values, by their number."""
    edits: dict[int, list[Edit]] = defaultdict(list)
    for value in values:
        for i, factor in factors.items():
            use, slot = value.consumers[i]
            edits[use.index].append(scaled(slot, factor))
    producer = values[0].producer
    assert producer is not None
    reaches = frozenset().union(*(value.reaches for value in values))
    return Mistake(kind, what, place_of(producer), dict(edits), reaches, 3 * (len(values) > 1))


def overwritten_at_every_step(tape: Tape) -> Iterator[Mistake]:
    """A state that one step hands to the next keeps the gradient of one of its uses only."""
    for ops in dict.fromkeys(op.step for op in tape.ops if op.step):
        for number, first in enumerate(ops[0].outputs):
            if not any(use.step and use is use.step[1] for use, _ in first.consumers):
                continue  # the next step does not see it
            values = [op.outputs[number] for op in ops]
            ways = dict.fromkeys(way_of(use) for value in values for use, _ in value.consumers)
            for way in ways if len(ways) > 1 else ():
                edits: dict[int, list[Edit]] = defaultdict(list)
                for value in values:
                    uses = [(way_of(use), use, slot) for use, slot in value.consumers]
                    if any(other == way for other, *_ in uses):
                        for other, use, slot in uses:
                            if other != way:
                                edits[use.index].append(scaled(slot, 0))
                kept = way[0] if isinstance(way, tuple) else tape.ops[way]
                yield Mistake(
                    "overwritten",
                    f"{name_of(first)} is used in several ways, and at every step the gradient "
                    f"that comes back from {kept.name} overwrites the others",
                    place_of(ops[0]),
                    dict(edits),
                    frozenset().union(*(value.reaches for value in values)),
                    3,
                )


def way_of(op: Op) -> Any:
    """One way of using a value: the same operation at every step, or one behind them all."""
    return op.step or op.index
