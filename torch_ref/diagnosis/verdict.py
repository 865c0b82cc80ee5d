"""What a diagnosis says: the verdicts, and where in a wrong gradient the error sits."""

import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from .operations import Tensor


@dataclass(frozen=True)
class Verdict:
    """One explanation of the numbers handed in.

    Attributes:
        kind: one of `kinds.KINDS`, or "lost-digits"; of two mistakes, joined by " + "; in a forward
            pass one of `forwards.FIXES`.
        what, place, fix: the mistake, where it sits, and what to do about it.
        proof: what equals what, and how closely.
        distance: the largest distance from the numbers handed in, relative to their size.
        same: other descriptions of it: the same numbers for every input that was tried.
    """

    kind: str
    what: str
    place: str
    fix: str
    proof: str
    distance: float
    same: tuple[str, ...] = ()


@dataclass
class Diagnosis:
    """What the search found.

    Attributes:
        wrong: the quantities that disagree, in the order of the backward pass.
        where: where in the first of them the error sits, and how large it is there.
        verdicts: the mistakes that fit; none if no mistake of the catalogue does.
        apart: which further input would tell several verdicts apart.
        tried: the number of replays.
        untried: what there was no time for.
        order: in which the quantities are compared.
    """

    wrong: tuple[str, ...] = ()
    where: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    apart: str = ""
    tried: int = 0
    untried: str = ""
    order: str = "in the order of the backward pass"

    @property
    def agrees(self) -> bool:
        return not self.wrong

    def as_dict(self) -> dict[str, Any]:
        """The diagnosis for JSON."""
        return {"agrees": self.agrees, **asdict(self)}

    def __str__(self) -> str:
        if self.agrees:
            return "agrees"
        lines = [f"first wrong, {self.order}: {self.where}"]
        if not self.verdicts and self.tried:
            lines.append(f"verdict: none of the {self.tried:,} mistakes tried gives these numbers")
        elif len(self.verdicts) > 1:
            lines.append(f"{len(self.verdicts)} mistakes give these numbers:")
        for verdict in self.verdicts:
            lines += [
                f"verdict: {verdict.kind}: {verdict.what}",
                f"  place: {verdict.place}",
                f"  proof: {verdict.proof}",
                f"  fix:   {verdict.fix}",
            ]
            others = [text for text in verdict.same if not text.startswith(f"{verdict.kind}:")]
            lines += [f"  the same, in other words: {other}" for other in others[:1]]
        if self.apart:
            lines.append(f"to tell them apart: {self.apart}")
        if self.untried:
            lines.append(f"not tried: {self.untried}")
        return "\n".join(textwrap.fill(line, 100, subsequent_indent="         ") for line in lines)


def where(name: str, mine: Tensor, right: Tensor, allowed: float) -> str:
    """Which part of a gradient is wrong, and by how much."""
    if mine.shape != right.shape:
        shapes = f"{tuple(mine.shape)}, expected {tuple(right.shape)}"
        return f"the gradient of {name} has the shape {shapes}"
    bad = mine - right
    if not bool(torch.isfinite(mine).all()):
        at = tuple(int(i) for i in (~torch.isfinite(mine)).nonzero()[0])
        return f"the gradient of {name} is not finite, first at {list(at)}"
    off = bad.abs() > allowed * (float(right.abs().max()) or 1.0)
    parts = []
    for axis in range(right.dim()):
        others = [a for a in range(right.dim()) if a != axis]
        hit = off.sum(others) > 0 if others else off
        indices = hit.nonzero().reshape(-1).tolist()
        if len(indices) < right.shape[axis]:
            shown = ", ".join(map(str, indices[:6])) + (", …" if len(indices) > 6 else "")
            parts.append(f"only at index {shown} of axis {axis}")
    ratio = (mine[off] / right[off]).double()
    ratio = ratio[torch.isfinite(ratio)]
    if not bool((mine[off] != 0).any()):
        size = "zero there"
    elif ratio.numel() and float(ratio.max() - ratio.min()) <= 1e-6 * float(ratio.abs().max()):
        size = f"{float(ratio[0]):.6g} times the right value there"
    elif ratio.numel():
        low, middle, high = (float(v) for v in (ratio.min(), ratio.median(), ratio.max()))
        size = f"{low:.3g} to {high:.3g} times the right value there, in the middle {middle:.3g}"
    else:
        size = "where zero is right"
    sits = " and ".join(parts) if parts else "everywhere" if bool(off.all()) else "in places"
    count = f"{int(off.sum())} of {off.numel()} elements"
    return f"the gradient of {name}, {sits} ({count}); {size}"
