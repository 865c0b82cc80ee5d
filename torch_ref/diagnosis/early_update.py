"""Weights that were updated before they carried the error back."""

import math
from collections.abc import Iterator, Sequence

import torch

from .evidence import Evidence
from .kinds import Mistake
from .operations import Tensor
from .planted.arguments import update_edits
from .samples import LeafGradients
from .tape import Tape


class EarlyUpdate:
    """Every set of parameters that may have moved too early, and what that would give.

    Args:
        lr: the learning rate, if it is known; else it is solved for.
    """

    def __init__(self, evidence: Evidence, lr: float | None) -> None:
        self.evidence, self.lr = evidence, lr

    def mistakes(
        self, tape: Tape, base: LeafGradients
    ) -> Iterator[tuple[Mistake, dict[str, Tensor]]]:
        """Weights already updated, by −lr times their gradient, when the error passes them."""
        parameters = [name for name in tape.order() if not name.startswith("input")]
        used = {name: self.evidence.mine.get(name, base[name]) for name in parameters}
        modules = {name.rpartition(".")[0] for name in parameters}
        sets = [[name] for name in parameters]
        sets += [[n for n in parameters if n.rpartition(".")[0] == m] for m in sorted(modules)]
        sets += [parameters[:i] for i in range(1, len(parameters) + 1)]
        for names in {frozenset(names): names for names in sets}.values():
            if self.evidence.is_spent:
                return
            once = self.evidence.replay(tape, update_edits(tape, dict.fromkeys(names, 1.0), used))
            if once is None:
                continue
            changed = [n for n in self.evidence.wrong if not torch.equal(once[n], base[n])][:1]
            steps = {self.lr}
            if sum(tape.leaves[name].tensor.numel() for name in names) > 1:
                steps.add(self.solve_step(base, once, changed))  # one number moves anywhere
            for lr in steps - {None}:
                planted = self.evidence.replay(
                    tape, update_edits(tape, dict.fromkeys(names, float(lr or 0)), used)
                )
                if planted is None or all(
                    torch.equal(planted[n], base[n]) for n in self.evidence.wrong
                ):
                    continue
                which = " and ".join(names) if len(names) < 4 else f"{names[0]} … {names[-1]}"
                mistake = Mistake(
                    "early-update",
                    f"the error is carried back through {which} after the update (learning rate "
                    f"{lr:.6g}), not before it",
                    names[0].rpartition(".")[0] or names[0],
                    {},
                    frozenset(tape.leaves),
                    len(names),
                )
                yield mistake, planted

    def solve_step(
        self, base: LeafGradients, once: LeafGradients, changed: Sequence[str]
    ) -> float | None:
        """The learning rate, from the first quantity that an early update changes."""
        for name in changed:
            change = (once[name] - base[name]).double()
            square = float((change * change).sum())
            if self.evidence.mine[name].shape == change.shape and square > 0 and change.numel() > 1:
                step = (
                    float((change * (self.evidence.mine[name] - base[name]).double()).sum())
                    / square
                )
                if step > 0 and math.isfinite(step):
                    short = float(f"{step:.6g}")
                    return short if abs(short - step) <= 1e7 * self.evidence.eps * step else step
        return None
