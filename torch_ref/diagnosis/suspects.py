"""Every mistake that may be behind the gradients handed in, and what each of them would give."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from .catalogue import Edges, edge_groups, mistakes_of
from .early_update import EarlyUpdate
from .evidence import Evidence
from .factors import Factor, factors_for, numbers_of
from .kinds import Mistake, rank_of
from .operations import Edits, Tensor
from .planted.arguments import stale
from .planted.misprints import Misprint, at_all_places, misprints
from .planted.slopes import Written, written
from .projection import Projection
from .samples import LeafGradients, Sample
from .tape import Tape

AT_ONCE = 128  # replays side by side
ROOM = 100_000  # operations that they may take together


@dataclass(frozen=True)
class Suspect:
    """A mistake that may give the numbers handed in.

    Attributes:
        distance: how far what it gives is from them, once that is measured.
        tape: the number of the sample's tape.
        edges, factor: for a factor on an edge, which edge and which factor.
        spares: it leaves right what is right.
        times: the factor of all that it gives, on top of the mistake.
    """

    mistake: Mistake
    distance: float
    tape: int = 0
    edges: Edges | None = None
    factor: Factor | None = None
    spares: bool = True
    times: Factor | None = None

    @property
    def words(self) -> str:
        """What is wrong and where, without the name of the factor."""
        return (self.edges and self.edges.what) or self.mistake.what

    @property
    def identity(self) -> tuple[Any, ...]:
        if self.edges is None or self.factor is None:
            times = (self.times.number or self.times.value) if self.times else 1
            return (self.tape, *self.mistake.identity, times)
        factor = self.factor.number or self.factor.value, self.factor.power
        return (self.tape, self.edges.what, *self.mistake.edits, *factor)


Naming = Callable[[], Iterator[Suspect]]  # the names of what fits


class Suspects:
    """Every mistake that may give the gradients handed in, one after the other.

    Args:
        lr: the learning rate, if weights were updated.
        previous: of the call before, to find a stale cache.
        gates: names of a recurrent layer's gates, by their number.
    """

    def __init__(
        self,
        evidence: Evidence,
        lr: float | None,
        previous: Sample | None,
        gates: Mapping[int, str],
    ) -> None:
        self.evidence, self.previous, self.gates = evidence, previous, gates
        self.early = EarlyUpdate(evidence, lr)
        self.functions: dict[int, list[Written]] = {}  # by the tape's number
        self.misprints: dict[int, list[Misprint]] = {}

    def on(
        self, number: int, needed: Sequence[str], before: Edits
    ) -> Iterator[tuple[Suspect, dict[str, Tensor]]]:
        """Every mistake that reaches all that is wrong, and what it gives on top of `before`."""
        tape = self.evidence.sample.tapes[number]
        wanted = set(needed)
        base = self.evidence.replay(tape, before)
        if base is None:
            return
        judged = {name: self.evidence.mine[name] for name in needed}
        linear = Projection(tape, judged, base, before, 1e3 * self.evidence.allowed)
        numbers = numbers_of(tape)
        several: list[tuple[Edits, Naming]] = []  # at several operations: side by side
        yield from self.with_factors(number, wanted, before, base, linear, numbers, several)
        sources = [mistakes_of(tape, self.gates)]
        if self.previous is not None and not before:
            sources.append(stale(tape, self.previous.tapes[number]))
        for source in sources:
            for mistake in source:
                if self.evidence.is_spent:
                    return
                if not wanted <= mistake.reaches:
                    continue
                if len(mistake.edits) > 1:
                    alone = partial(iter, [Suspect(mistake, 0.0, number)])
                    several.append((mistake.edits, alone))
                    continue
                ratio = linear.ratio(mistake.edits)
                if ratio is not None:
                    planted = self.evidence.replay(tape, both(before, mistake.edits))
                    if planted is not None:
                        yield from self.with_common_factor(
                            Suspect(mistake, 0.0, number), planted, ratio, numbers
                        )
        yield from self.with_other_formulas(number, wanted, before, linear, numbers)
        for mistake in at_all_places(self.misprints[number]):
            if wanted <= mistake.reaches:
                several.append((mistake.edits, partial(iter, [Suspect(mistake, 0.0, number)])))
        yield from self.side_by_side(tape, several, needed, before)
        if not before and number == 0:
            for mistake, planted in self.early.mistakes(tape, base):
                yield Suspect(mistake, 0.0), planted

    def with_other_formulas(
        self,
        number: int,
        wanted: set[str],
        before: Edits,
        linear: Projection,
        numbers: dict[str, float],
    ) -> Iterator[tuple[Suspect, dict[str, Tensor]]]:
        """Another formula where the derivative of a function belongs, or a slip in its own."""
        tape = self.evidence.sample.tapes[number]
        if number not in self.functions:
            self.functions[number], self.misprints[number] = written(tape), misprints(tape)
        written_here: list[Written | Misprint] = [*self.functions[number]]
        written_here += [one for one in self.misprints[number] if not one.is_step]
        for function in written_here:
            if self.evidence.is_spent:
                return
            if not wanted <= function.span.input.reaches:
                continue
            self.evidence.tried += len(function)
            for place, ratio in linear.fitting(function):
                mistake = function.mistake(place)
                planted = self.evidence.replay(tape, both(before, mistake.edits))
                if planted is not None:
                    suspect = Suspect(mistake, 0.0, number)
                    yield from self.with_common_factor(suspect, planted, ratio, numbers)

    def side_by_side(
        self,
        tape: Tape,
        several: Sequence[tuple[Edits, Naming]],
        needed: Sequence[str],
        before: Edits,
    ) -> Iterator[tuple[Suspect, dict[str, Tensor]]]:
        """Of several edits, each with its names, those that may fit, and what they give."""
        at_once = max(1, min(AT_ONCE, int(ROOM / sum(op.work for op in tape.ops))))
        for start in range(0, len(several), at_once):
            if self.evidence.is_spent:
                return
            part = [
                (both(before, edits), naming) for edits, naming in several[start : start + at_once]
            ]
            for i in self.evidence.may_fit(tape, [edits for edits, _ in part], needed):
                edits, naming = part[i]
                planted = self.evidence.replay(tape, edits)
                if planted is not None:
                    yield from ((suspect, planted) for suspect in naming())

    def with_common_factor(
        self, suspect: Suspect, planted: dict[str, Tensor], ratio: float, numbers: dict[str, float]
    ) -> Iterator[tuple[Suspect, dict[str, Tensor]]]:
        """A suspect; and once more with a known factor, if all that it gives is off by that."""
        yield suspect, planted
        if abs(ratio - 1) < 1e-6 or not math.isfinite(ratio):
            return
        for factor in factors_for(ratio, numbers, 1e3 * self.evidence.eps):
            if factor.kind != "forgotten-path" and factor.known:
                scaled = {n: p * factor.value for n, p in planted.items()}
                yield replace(suspect, times=factor), scaled

    def with_factors(
        self,
        number: int,
        wanted: set[str],
        before: Edits,
        base: LeafGradients,
        linear: Projection,
        numbers: dict[str, float],
        several: list[tuple[Edits, Naming]],
    ) -> Iterator[tuple[Suspect, dict[str, Tensor]]]:
        """Wrong factors on edges. The gradients are linear in one, so it can be solved for.

        Where one factor stands on several edges they are not, and it goes to `several`.
        """
        tape = self.evidence.sample.tapes[number]
        for edges in edge_groups(tape):
            if self.evidence.is_spent:
                return
            if not wanted <= edges.reaches:
                continue
            if len(edges.edges) == 1 and not linear.may_have_factor(*edges.edges[0]):
                continue
            if not edges.linear:
                for value in self.usual_factors(edges):
                    naming = partial(self.named, number, edges, value, numbers)
                    several.append((edges.times(value), naming))
                continue
            cut = self.evidence.replay(tape, both(before, edges.times(0.0)))
            if cut is None:
                continue
            for value in self.solve(base, cut, wanted, numbers):
                if value and not edges.may_turn:
                    continue
                planted = {n: cut[n] + value * (base[n] - cut[n]) for n in base}
                for suspect in self.named(number, edges, value, numbers):
                    yield suspect, planted

    def usual_factors(self, edges: Edges) -> list[float]:
        sizes = {float(s) for op, _ in edges.edges for v in op.outputs for s in v.tensor.shape}
        return [0.0, -1.0, 2.0, 0.5] + [f for s in sorted(sizes) if s > 2 for f in (s, 1 / s)]

    def named(
        self, number: int, edges: Edges, value: float, numbers: dict[str, float]
    ) -> Iterator[Suspect]:
        """A factor on edges, once for each thing that it may be."""
        edits = edges.times(value)
        for factor in factors_for(value, numbers, self.evidence.eps):
            mistake = Mistake(
                factor.kind,
                f"{edges.what} {factor.words}",
                edges.place,
                edits,
                edges.reaches,
                rank_of(edges.edges[0][0]) + (not edges.linear),
            )
            yield Suspect(mistake, 0.0, number, edges, factor)

    def solve(
        self, base: LeafGradients, cut: LeafGradients, wanted: set[str], numbers: dict[str, float]
    ) -> list[float]:
        """The factor s with mine = cut + s (base − cut), if it is not 1 and can be told."""
        above = below = 0.0
        count = 0
        for name in wanted:
            mine = self.evidence.mine[name]
            if mine.shape != base[name].shape or base[name].shape != cut[name].shape:
                return []
            through = (base[name] - cut[name]).double()
            above += float((through * (mine - cut[name]).double()).sum())
            below += float((through * through).sum())
            count += int((through != 0).sum())
        if below == 0 or not math.isfinite(above):
            return []
        value = above / below
        if abs(value - 1) < 1e3 * self.evidence.eps:
            return []
        factor = factors_for(value, numbers, self.evidence.eps)[0]
        if count < 2 and not factor.known:
            return []  # through a single number any factor fits
        return [factor.value]


def both(one: Edits, two: Edits) -> Edits:
    """The edits of two mistakes, the first one's first."""
    return {index: [*one.get(index, ()), *two.get(index, ())] for index in {*one, *two}}
