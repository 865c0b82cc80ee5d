"""Which mistakes can not give the numbers handed in, told without a replay."""

from typing import Any

import torch

from .operations import Above, Edits, Op, Tensor, total
from .planted.misprints import Misprint
from .planted.slopes import Written
from .samples import LeafGradients
from .tape import Tape


class Projection:
    """Tells without a replay that a mistake at one operation can not give the numbers handed in.

    Args:
        tape: after `backward`.
        mine: the gradients handed in.
        base: those of the replay that further mistakes are planted into.
        before: the edits of that replay.
        allowed: relative.
    """

    def __init__(
        self, tape: Tape, mine: LeafGradients, base: LeafGradients, before: Edits, allowed: float
    ) -> None:
        self.tape, self.allowed = tape, allowed
        self.flow = tape.flow(before)
        generator = torch.Generator().manual_seed(0)
        self.tangents: list[dict[int, Tensor]] = []
        self.base: list[float] = []
        self.needed: list[float] = []
        self.sizes: list[float] = []
        for _ in range(2):
            vectors, needed, size, there = {}, 0.0, 0.0, 0.0
            for name, value in tape.leaves.items():
                vector = torch.randn(value.tensor.shape, generator=generator).to(value.tensor)
                judged = name in mine and mine[name].shape == base[name].shape
                if not judged or not bool(torch.isfinite(mine[name]).all()):
                    vector = torch.zeros_like(vector)
                else:
                    needed += float((vector * (mine[name] - base[name])).sum())
                    there += float((vector * base[name]).sum())
                    size += float((vector.abs() * (mine[name].abs() + base[name].abs())).sum())
                vectors[name] = vector
            tangents = tape.tangents(vectors)
            if tangents is not None:
                self.tangents.append(tangents)
                self.base.append(there)
                self.needed.append(needed)
                self.sizes.append(size)

    def change(self, op: Op, grads: Any, changed: Any, tangents: dict[int, Tensor]) -> float | None:
        """What a change of an operation's gradients does to the projected gradients of all."""
        total = 0.0
        for value, old, new in zip(op.inputs, grads, changed, strict=True):
            if old is None or new is None or new is old:
                continue
            if new.shape != old.shape:
                return None
            total += float((tangents[id(value)] * (new - old)).sum())
        return total

    def ratio(self, edits: Edits) -> float | None:
        """The factor by which a mistake misses the numbers handed in; None if it can not give them.

        Mistakes at several operations are not judged here: they get 1.
        """
        if len(edits) != 1 or len(self.tangents) < 2:
            return 1.0
        (index,) = edits
        op = self.tape.ops[index]
        grads = self.flow.get(index, self.tape.right(op))
        changed = grads
        try:
            for edit in edits[index]:
                changed = edit(op, Above(self.tape.above(op, self.flow), {}), changed)
        except (RuntimeError, IndexError, ValueError, TypeError):
            return 1.0  # `Evidence.replay` deals with it
        gives = []
        for base, tangents in zip(self.base, self.tangents, strict=True):
            change = self.change(op, grads, changed, tangents)
            if change is None:
                return 1.0
            gives.append(base + change)
        wanted = [base + needed for base, needed in zip(self.base, self.needed, strict=True)]
        sizes = [size + abs(g) for size, g in zip(self.sizes, gives, strict=True)]
        if all(
            abs(g - w) <= self.allowed * s for g, w, s in zip(gives, wanted, sizes, strict=True)
        ):
            return 1.0
        cross = gives[0] * wanted[1] - gives[1] * wanted[0]
        if gives[0] and abs(cross) <= self.allowed * (
            abs(gives[0]) * sizes[1] + abs(gives[1]) * sizes[0]
        ):
            return wanted[0] / gives[0]
        return None

    def fitting(self, function: Written | Misprint) -> list[tuple[int, float]]:
        """Of all that may stand for a gradient, what may give the numbers handed in.

        Each with the factor by which it misses them, which is 1 or stands on all that it gives.
        """
        if len(self.tangents) < 2:
            return []
        grads = self.tape.above(function.last, self.flow)[0]
        if grads is None:
            return []
        entry, edges = function.span.input, function.span.edges
        own = total([self.flow.get(op.index, self.tape.right(op))[i] for op, i in edges])
        assert own is not None
        found = []
        for numbers, stack, times in function.stacks(grads):
            gives = []
            for base, tangents in zip(self.base, self.tangents, strict=True):
                tangent = tangents[id(entry)]
                there = stack @ (tangent if times is None else tangent * times).reshape(-1)
                gives.append(base + there - float((tangent * own).sum()))
            found += [(numbers[i], ratio) for i, ratio in self.ratios(torch.stack(gives))]
        return found

    def ratios(self, gives: Tensor) -> list[tuple[int, float]]:
        """Which columns of (2, K) projections fit as they are, or but for one factor."""
        wanted = gives.new_tensor([b + n for b, n in zip(self.base, self.needed, strict=True)])
        sizes = gives.new_tensor(self.sizes)[:, None] + gives.abs()
        equal = ((gives - wanted[:, None]).abs() <= self.allowed * sizes).all(0)
        cross = gives[0] * wanted[1] - gives[1] * wanted[0]
        room = gives[0].abs() * sizes[1] + gives[1].abs() * sizes[0]
        parallel = (gives[0] != 0) & (cross.abs() <= self.allowed * room)
        return [
            (i, 1.0 if bool(equal[i]) else float(wanted[0] / gives[0, i]))
            for i in (equal | parallel).nonzero().reshape(-1).tolist()
        ]

    def may_have_factor(self, op: Op, slot: int) -> bool:
        """Whether one factor on this edge explains both projections."""
        if len(self.tangents) < 2:
            return True
        grad = self.flow.get(op.index, self.tape.right(op))[slot]
        if grad is None:
            return False
        one, two = (float((t[id(op.inputs[slot])] * grad).sum()) for t in self.tangents)
        cross = one * self.needed[1] - two * self.needed[0]
        size = abs(one) * self.sizes[1] + abs(two) * self.sizes[0]
        return abs(cross) <= self.allowed * size
