"""The catalogue: every mistake that can be planted at every operation of a tape.

One mistake at one operation, and the same at all operations of a kind: in every layer, at every
time step. What it would do to the gradients is not computed here but by `Tape.replay`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from .kinds import (
    PRODUCTS,
    Change,
    Mistake,
    change_gradient,
    edge_words,
    kin,
    place_of,
    rank_of,
    scaled,
)
from .operations import RESHAPES, Edit, Edits, Op, part_of, signature
from .planted.arguments import argument_changes
from .planted.derivatives import derivative_changes, picking_changes, skipped_derivatives
from .planted.gradients import (
    assigned_parts,
    at_leaves,
    block_changes,
    broadcast_changes,
    edge_changes,
    exchanged,
    overwritten,
    overwritten_at_every_step,
    split_changes,
)
from .planted.jacobians import jacobian_changes
from .planted.masks import mask_changes
from .planted.normalizations import normalization_changes
from .planted.operands import (
    cut_off,
    index_changes,
    largest_changes,
    operand_changes,
    quotient_changes,
)
from .planted.spans import span_changes
from .planted.windows import group_changes, kernel_changes, pooling_changes, window_changes
from .regions import regions_of
from .tape import Tape

# By what a group has in common: each operation, its slot, what is wrong there, and the edits.
Together = dict[tuple[Any, ...], list[tuple[Op, int, str, Edits]]]


def mistakes_of(tape: Tape, names: Mapping[int, str]) -> Iterator[Mistake]:
    """The catalogue: one mistake each, at one operation or at all operations of a kind.

    Args:
        names: of a recurrent layer's gates, by their number.
    """
    yield from at_leaves(tape)
    yield from exchanged(tape)
    yield from overwritten(tape)
    yield from overwritten_at_every_step(tape)
    yield from assigned_parts(tape)
    yield from mask_changes(tape)
    for span in (*tape.spans, *regions_of(tape)):
        yield from span_changes(span)
        yield from jacobian_changes(span)
    together: Together = defaultdict(list)
    yield from alone(tape, names, together)
    yield from everywhere(together)


def alone(
    tape: Tape,
    names: Mapping[int, str],
    together: Together,
) -> Iterator[Mistake]:
    """One mistake at one operation; `together` collects those of a kind."""

    def note(
        op: Op,
        slot: int,
        kind: str,
        key: str,
        what: str,
        edits: Edits,
        reaches: frozenset[str] = frozenset(),
    ) -> Iterator[Mistake]:
        value = op.inputs[slot]
        producer = value.producer.short if value.producer else ""
        role = kin(op.place) if op.function is None else op.short
        if op.function is not None or op.place:
            leaves = "".join(sorted(value.reaches)) if len(value.reaches) == 1 else ""
            position = op.slots[slot][0]
            if op.step:
                alike: tuple[Any, ...] = (op.family, id(op.step))
            else:
                alike = (producer, leaves, signature(value), part_of(value))
            for group in (
                (role, position, kind, key),
                *((role, position, likeness, kind, key) for likeness in alike),
            ):
                together[group].append((op, slot, what, edits))
        if op.step is None or op in (op.step[0], op.step[-1]):
            reaches |= value.reaches
            rank = (
                3 if key == "alone" else rank_of(op)
            )  # what comes along a path may add up to zero
            yield Mistake(kind, what, place_of(op), edits, reaches, rank)

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
                edits: Edits = {op.index: [change_gradient(0, change)]}
                yield from note(op, 0, kind, what, f"{place_of(op)} {what}", edits)
            continue
        for kind, key, what, edit in (*normalization_changes(op), *cut_off(op)):
            yield from note(op, 0, kind, key, what, {op.index: [edit]}, op.reaches)
        for slot, kind, key, what, edits in skipped_derivatives(op):
            yield from note(op, slot, kind, key, what, edits)
        for slot, value in enumerate(op.inputs):
            if op.short in RESHAPES:
                continue
            op_changes: list[Change] = [*derivative_changes(op, slot)]
            op_changes += [*argument_changes(tape, op, slot), *group_changes(op, slot)]
            op_changes += [*operand_changes(tape, op, slot), *index_changes(op, slot)]
            op_changes += [*kernel_changes(op, slot), *quotient_changes(op, slot)]
            if slot == 0:
                op_changes += [*picking_changes(op), *broadcast_changes(op)]
                op_changes += [*window_changes(op), *pooling_changes(op), *largest_changes(op)]
                op_changes += split_changes(op, names)
            for kind, key, what, edit in op_changes:
                yield from note(op, slot, kind, key, what, {op.index: [edit]})
            if op.short in PRODUCTS or op.short in ("t", "transpose", "permute"):
                for kind, what, change in edge_changes(value.tensor.shape):
                    words = f"{edge_words(op, slot)} {what}"
                    edits = {op.index: [change_gradient(slot, change)]}
                    yield from note(op, slot, kind, what, words, edits)


def everywhere(together: Together) -> Iterator[Mistake]:
    """One mistake at all operations of a kind: in every layer, at every time step."""
    planted: set[tuple[Any, ...]] = set()
    for (_, position, *_, kind, key), members in together.items():
        indices = tuple(sorted({op.index for op, *_ in members}))
        if len(indices) < 2 or (indices, position, kind, key) in planted:
            continue
        planted.add((indices, position, kind, key))
        edits: dict[int, list[Edit]] = defaultdict(list)
        noted = set()
        for op, _, _, own in members:
            if op.index not in noted:
                noted.add(op.index)
                for index, planted_there in own.items():
                    edits[index] += planted_there
        reaches = frozenset().union(*(op.inputs[slot].reaches for op, slot, *_ in members))
        op, _, what, _ = members[0]
        what = f"{what}; and so in all {len(indices)} places like it"
        yield Mistake(kind, what, place_of(op), dict(edits), reaches, rank_of(op) + 1)


def carries_cut(tape: Tape) -> Iterator[Mistake]:
    """At every time step, the path back to a state of the step before left out."""
    for edges in edge_groups(tape):
        if len(edges.edges) > 1 and all(carries(op, slot) for op, slot in edges.edges):
            what = f"{edges.what} is left out"
            op = edges.edges[0][0]
            yield Mistake(
                "forgotten-path", what, edges.place, edges.times(0.0), edges.reaches, rank_of(op)
            )


def carries(op: Op, slot: int) -> bool:
    """Whether an operation of one time step reads what the same step before it has given."""
    maker = op.inputs[slot].producer
    if op.step is None or maker is None or maker.step is None:
        return False
    return maker.step.index(maker) + 1 == op.step.index(op)


@dataclass(frozen=True)
class Edges:
    """Edges on which one factor may stand.

    Attributes:
        linear: whether the gradients are linear in it.
        may_turn: whether it may be any; else they are left out, and no more: of x·x one edge
            with the wrong sign takes away the other.
    """

    what: str
    place: str
    edges: tuple[tuple[Op, int], ...]
    linear: bool
    may_turn: bool = True

    @cached_property
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
            twins = tuple((op, i) for i, other in enumerate(op.inputs) if other is value)
            may_turn = len(twins) == 1
            yield Edges(edge_words(op, slot), place_of(op), ((op, slot),), True, may_turn)
            if len(twins) > 1 and slot == twins[0][1]:
                what = f"{edge_words(op, slot)}, from each of its operands,"
                yield Edges(what, place_of(op), twins, True)
            if op.function is None and op.place:
                groups["leaf", kin(op.place)].append((op, slot))
            elif op.function is not None:
                producer = value.producer.short if value.producer else ""
                groups[op.short, slot].append((op, slot))
                if op.step:
                    position = op.slots[slot][0]  # the first step may have fewer slots
                    groups[op.short, position, "steps", op.family].append((op, slot))
                    groups[op.short, position, "steps", id(op.step)].append((op, slot))
                else:
                    groups[op.short, slot, producer].append((op, slot))
                    groups[op.short, slot, signature(value)].append((op, slot))
                if len(value.reaches) == 1:
                    groups[op.short, slot, *value.reaches].append((op, slot))
    seen = set()
    for group, edges in groups.items():
        key = tuple((op.index, slot) for op, slot in edges)
        if len(edges) > 1 and key not in seen:
            seen.add(key)
            op, slot = edges[0]
            what = f"{edge_words(op, slot)}, in all {len(edges)} places like it,"
            yield Edges(what, place_of(op), tuple(edges), group[0] == "leaf")
