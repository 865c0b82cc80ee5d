"""Who is right where a gradient differs from PyTorch's: not always PyTorch.

Rounding    a gradient that is a small difference of large parts is rounded as those are
Kinks       where a function has no derivative, a limit of gradients nearby stands for it, or a mean
            of such limits: which one is a convention; of equals, all of them may be given all
PyTorch     its backward may not fit its own forward: central differences of that forward decide
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from ..diagnosis.parts import sizes_of_parts
from ..diagnosis.samples import Sample
from ..parity.distance import Comparison, Report
from ..parity.tolerance import EPS
from ..twin import to_torch
from .reference import autograd, is_floating, outputs_of, parameters_of

Leaves = dict[str, torch.Tensor]  # inputs and parameters by name, in float64

NEARBY = 1e-8  # how far off a kink is left
JUMPS = 1e-5  # of the gradient's size: more than a smooth function's moves within that
DRAWS = 16  # gradients near a kink
STEP = 1e-3  # of central differences
DIRECTIONS = 6
BESIDE = 1e-6  # of differences to one side of an element
TIES = 100  # elements of a gradient that are looked at, one by one, for a tie
SURE = 10.0  # times the differences' own error is one of two off, and the other is not


class Nearby:
    """A reference in float64, its gradients and its outputs where its leaves are moved.

    Args:
        upstream: of each output.
    """

    def __init__(
        self, reference: Any, inputs: Sequence[Any], upstream: Sequence[torch.Tensor]
    ) -> None:
        self.reference = reference
        if isinstance(reference, torch.nn.Module):
            self.reference = copy.deepcopy(reference).double()
        self.inputs = [to_torch(np.asarray(x, np.float64)) if is_floating(x) else x for x in inputs]
        self.upstream = [g.double() for g in upstream]
        own = parameters_of(self.reference)
        self.leaves: Leaves = {f"input {i}": x for i, x in enumerate(self.inputs) if is_floating(x)}
        self.leaves |= {name: parameter.detach().clone() for name, parameter in own.items()}

    def moved(self, moves: Mapping[str, torch.Tensor]) -> list[Any]:
        """The inputs, moved; the parameters are, too."""
        with torch.no_grad():
            for name, parameter in parameters_of(self.reference).items():
                parameter.copy_(self.leaves[name] + moves.get(name, 0))
        return [
            x + moves.get(f"input {i}", 0) if is_floating(x) else to_torch(x)
            for i, x in enumerate(self.inputs)
        ]

    def gradients(self, moves: Mapping[str, torch.Tensor]) -> Leaves:
        passed = autograd(self.reference, self.moved(moves), self.upstream)
        return {name: passed.gradients[name].detach() for name in self.leaves}

    def outputs(self, moves: Mapping[str, torch.Tensor]) -> list[torch.Tensor]:
        inputs = self.moved(moves)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            again = self.reference
            if isinstance(again, torch.nn.Module):
                again = copy.deepcopy(again)  # running statistics move with every pass
            return outputs_of(again, inputs)

    def slopes_beside(self, name: str, place: tuple[int, ...]) -> list[float]:
        """How fast the outputs, weighted, move with one element, down and up."""
        step = BESIDE * max(1.0, float(self.leaves[name].abs().max()))
        direction = torch.zeros_like(self.leaves[name])
        direction[place] = step
        moved = [self.outputs({name: sign * direction}) for sign in (-1, 0, 1)]
        low, middle, high = (
            sum(float((y * g).sum()) for y, g in zip(ys, self.upstream, strict=True))
            for ys in moved
        )
        return [(middle - low) / step, (high - middle) / step]

    def slope(self, name: str, direction: torch.Tensor) -> tuple[float, float]:
        """How fast the outputs, weighted by the upstream gradients, move with one leaf.

        Returns:
            It, by five-point differences; and how far off it may be.
        """
        step = STEP * max(1.0, float(self.leaves[name].abs().max()))
        found = []
        for h in (step, step / 2):
            at = {k: self.outputs({name: k * h * direction}) for k in (-2, -1, 1, 2)}
            found.append(
                sum(
                    float(((8 * (b - a) - (d - c)) * g).sum()) / (12 * h)
                    for a, b, c, d, g in zip(
                        at[-1], at[1], at[-2], at[2], self.upstream, strict=True
                    )
                )
            )
        size = sum(
            float((y.abs() * g.abs()).sum()) for y, g in zip(at[1], self.upstream, strict=True)
        )
        rounded = EPS[np.dtype(np.float64)] * size / step
        return found[1], abs(found[1] - found[0]) + 4 * rounded


def settle(
    report: Report, mine: Mapping[str, Any], sample: Sample | None, near: Nearby
) -> tuple[Report, dict[str, str]]:
    """A report in which what is no mistake agrees, and why, by the gradient's name.

    Args:
        mine: the gradients handed in, by name.
    """
    off = [row for row in report.rows if row.kind == "gradient" and not row.agrees]
    off = [row for row in off if not row.problem and np.isfinite(row.distance)]
    handed = {row.name: to_torch(np.asarray(mine[row.name], np.float64)) for row in off}
    excuses = rounded(off, sample)
    left = [row for row in off if row.name not in excuses]
    excuses |= on_kinks(left, {row.name: handed[row.name] for row in left}, near)
    for row in left:
        if row.name not in excuses:
            own = handed[row.name]
            words = pytorch_is_off(row, own, near) or all_of_equals(row, own, near)
            excuses |= {row.name: words} if words else {}
    rows = [
        replace(row, excuse=excuses[row.name]) if row in off and row.name in excuses else row
        for row in report.rows
    ]
    return Report(rows), excuses


def rounded(off: Sequence[Comparison], sample: Sample | None) -> dict[str, str]:
    """The gradients that differ by no more than the rounding of their parts."""
    sizes = sizes_of_parts(sample.tapes[0]) if off and sample is not None else {}
    return {
        row.name: f"rounding, next to the size of its parts, {sizes[row.name]:.2g}"
        for row in off
        if row.largest_difference <= row.tolerance * EPS[row.dtype] * sizes.get(row.name, 0.0)
    }


def pytorch_is_off(row: Comparison, mine: torch.Tensor, near: Nearby) -> str:
    """Whether central differences of PyTorch's own forward give the gradient handed in."""
    theirs = near.gradients({})[row.name]
    generator = torch.Generator().manual_seed(0)
    furthest = 0.0
    for _ in range(DIRECTIONS):
        direction = torch.randn(mine.shape, generator=generator, dtype=torch.float64)
        slope, error = near.slope(row.name, direction)
        size = float((mine.abs() * direction.abs()).sum())
        off = abs(float((mine * direction).sum()) - slope)
        if not off <= error + row.tolerance * EPS[row.dtype] * size:
            return ""
        their_distance = abs(float((theirs * direction).sum()) - slope)
        furthest = max(furthest, their_distance / SURE / (error or 1e-300))
    if furthest <= 1:
        return ""
    return (
        f"yours is right, as PyTorch's own backward is off by {row.relative:.1g} here: central "
        "differences of its forward give yours"
    )


def all_of_equals(row: Comparison, mine: torch.Tensor, near: Nearby) -> str:
    """Whether a gradient differs only where equals tie, and each element lies between the slopes on
    its own two sides: as where every one of equal maxima is given all. Nothing that lies close by
    has such a gradient, and where nothing ties it is right."""
    theirs = near.gradients({})[row.name]
    size = float(theirs.abs().max()) or 1.0
    places = ((mine - theirs).abs() > row.tolerance * EPS[row.dtype] * size).nonzero().tolist()
    if len(places) > TIES:
        return ""
    for place in places:
        low, high = sorted(near.slopes_beside(row.name, tuple(place)))
        inside = low - JUMPS * size <= float(mine[tuple(place)]) <= high + JUMPS * size
        if not inside or high - low <= 2 * JUMPS * size:
            return ""
    count = "element is" if len(places) == 1 else "elements are"
    return (
        f"a convention at ties, as {len(places)} {count} equal to another one: each lies between "
        "the slopes on its two sides, though together they are the gradient of nothing nearby"
    )


def on_kinks(off: Sequence[Comparison], mine: Leaves, near: Nearby) -> dict[str, str]:
    """The gradients that differ only where the function has no derivative, by a convention."""
    if not off:
        return {}
    at = near.gradients({})
    sizes = {row.name: float(at[row.name].abs().max()) or 1.0 for row in off}
    names = [row.name for row in off]
    jumps = {name: torch.zeros_like(at[name], dtype=torch.bool) for name in names}
    draws: list[tuple[Leaves, Leaves]] = []
    for moves in directions(near.leaves, mine, at):
        grads = near.gradients(moves)
        draws.append((moves, grads))
        for name in names:
            jumps[name] |= (grads[name] - at[name]).abs() > JUMPS * sizes[name]
        if len(draws) == 8 and not all(bool(jump.any()) for jump in jumps.values()):
            return {}
    tolerances = {row.name: row.tolerance * EPS[row.dtype] * sizes[row.name] for row in off}
    for row in off:
        differs = (mine[row.name] - at[row.name]).abs() > tolerances[row.name]
        if bool((differs & ~jumps[row.name]).any()):
            return {}
    limits = [grads for _, grads in draws]
    mean = mean_of_limits(mine, draws, jumps, near)
    limits += [mean] if mean is not None else []
    for limit in limits:
        if all(
            bool(((limit[n] - mine[n]).abs() <= JUMPS * sizes[n])[jumps[n]].all()) for n in names
        ):
            break
    else:
        return {}
    return {
        row.name: kink_words((mine[row.name] - at[row.name]).abs() > tolerances[row.name])
        for row in off
    }


def directions(leaves: Leaves, mine: Leaves, at: Leaves) -> Iterator[Leaves]:
    """Moves off a kink: all up, all down, of the inputs or the parameters alone, and at random.

    And those that make larger what the gradient handed in gives more to, as the largest of equals.
    """
    inputs = [name for name in leaves if name.startswith("input")]
    for names in (list(leaves), inputs, [name for name in leaves if name not in inputs]):
        for sign in (1.0, -1.0) if names else ():
            yield moves_of({name: torch.full_like(leaves[name], sign) for name in names}, leaves)
    more = {name: torch.sign(mine[name].abs() - at[name].abs()) for name in mine}
    for sign in (1.0, -1.0):
        yield moves_of({name: sign * signs for name, signs in more.items()}, leaves)
    generator = torch.Generator().manual_seed(0)
    for _ in range(DRAWS):
        drawn = {
            name: torch.randint(2, x.shape, generator=generator).double() * 2 - 1
            for name, x in leaves.items()
        }
        yield moves_of(drawn, leaves)


def moves_of(signs: Leaves, leaves: Leaves) -> Leaves:
    """So far off, that is: up where the sign is 1, down where it is −1."""
    return {n: s * NEARBY * max(1.0, float(leaves[n].abs().max())) for n, s in signs.items()}


def mean_of_limits(
    mine: Leaves,
    draws: Sequence[tuple[Leaves, Leaves]],
    jumps: Mapping[str, torch.Tensor],
    near: Nearby,
) -> Leaves | None:
    """Where each element has a kink of its own: the mean of gradients nearby that is meant to be
    the one handed in. None where it lies beyond them.

    Of an element that is t of the way from its slope below to that above, a share t of these
    gradients is taken above.
    """
    shares: Leaves = {}
    for name in mine:
        if not bool((jumps[name]).any()):
            continue
        above = torch.stack([moves[name] > 0 for moves, _ in draws if name in moves])
        limits = torch.stack([grads[name] for moves, grads in draws if name in moves])
        count = above.sum(0), (~above).sum(0)
        up, down = (limits * above).sum(0) / count[0], (limits * ~above).sum(0) / count[1]
        share = torch.where(up == down, 0.0, (mine[name] - down) / (up - down))
        if not bool(torch.isfinite(share).all()):
            return None
        shares[name] = torch.where(jumps[name], share, 0.0).round(decimals=6)
    if not shares:
        return None
    levels = torch.cat([share.reshape(-1) for share in shares.values()]).unique().tolist()
    if not levels or min(levels) < 0 or max(levels) > 1 or len(levels) > DRAWS:
        return None
    mean = {name: torch.zeros_like(mine[name]) for name in mine}
    edges = sorted({0.0, *levels, 1.0})
    for low, high in pairwise(edges):
        above_here = {
            name: torch.where(jumps[name], (share > (low + high) / 2).double() * 2 - 1, 0.0)
            for name, share in shares.items()
        }
        grads = near.gradients(moves_of(above_here, near.leaves))
        mean = {name: sum_ + (high - low) * grads[name] for name, sum_ in mean.items()}
    return mean


def kink_words(on_one: torch.Tensor) -> str:
    """How many elements lie on a kink, and which."""
    places = on_one.nonzero().tolist()
    shown = ", ".join(str(place) for place in places[:4]) + (", …" if len(places) > 4 else "")
    lie = "element lies" if len(places) == 1 else "elements lie"
    return (
        f"a convention, as {len(places)} {lie} on a kink, where any slope between those on both "
        f"sides will do, and PyTorch takes another ({shown})"
    )
