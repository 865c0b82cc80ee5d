"""Name the mistake behind a wrong gradient, with proof: counterfactual backpropagation.

The backward pass of the reference is replayed once for every mistake of the catalogue, with that
one mistake planted. A replay that gives the very numbers that were handed in, to rounding, is the
verdict, and the distance between the two is its proof. When no single mistake fits, two together
are tried. When several fit, all are named, and what would tell them apart.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from .catalogue import Edges, edge_groups, mistakes_of
from .factors import Factor, factors_for, numbers_of
from .kinds import FIXES, KINDS, Mistake, rank_of
from .planted.arguments import stale, updated
from .projection import Projection
from .samples import Gradients, Sample
from .tape import Edits, Tape, Tensor
from .verdict import Diagnosis, Verdict, where

SECONDS = 20.0  # how long one search may take
FIRSTS = 40  # mistakes that explain the first wrong quantity, each tried together with a second
LOST = 1e9  # a distance of fewer eps than this is digits lost, if no mistake gives it


@dataclass(frozen=True)
class Fit:
    """A mistake that gives the numbers handed in."""

    mistake: Mistake
    distance: float
    tape: int = 0
    edges: Edges | None = None
    factor: Factor | None = None
    spares: bool = True
    times: Factor | None = None  # of all that it gives, on top of the mistake

    @property
    def identity(self) -> tuple[Any, ...]:
        if self.edges is None or self.factor is None:
            times = (self.times.number or self.times.value) if self.times else 1
            return (self.tape, *self.mistake.identity, times)
        factor = self.factor.number or self.factor.value, self.factor.power
        return (self.tape, self.edges.what, *self.mistake.edits, *factor)


class Search:
    """The search for the mistake behind one set of gradients.

    Args:
        samples: the first is searched; any others confirm what was found, or tell it apart.
        tolerance: in eps, what rounding alone explains.
        lr: the learning rate, if weights were updated.
        previous: of the call before, to find a stale cache.
        gates: names of a recurrent layer's gates, by their number.
        seconds: how long it may take.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        tolerance: float,
        lr: float | None = None,
        previous: Sample | None = None,
        gates: Mapping[int, str] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self.samples, self.lr, self.previous, self.gates = samples, lr, previous, gates or {}
        self.sample = samples[0]
        some = next(iter(self.sample.right.values()))
        self.eps = float(torch.finfo(some.dtype).eps)
        self.allowed = tolerance * self.eps
        mine = self.mine = self.sample.mine or {}
        self.order = [name for name in self.sample.tapes[0].order() if name in mine]
        self.wrong = self.left(self.sample.right)
        self.until, self.seconds = time.monotonic() + seconds, seconds
        self.tried = 0
        self.untried = ""

    # ---- measuring

    def distance(self, name: str, planted: Gradients, sample: Sample | None = None) -> float:
        """Of a gradient handed in from a replay's, relative to the replay's size."""
        sample = sample or self.sample
        mine, theirs = (sample.mine or {})[name], planted[name]
        if mine.shape != theirs.shape:
            return math.inf
        if mine.numel() == 0:
            return 0.0
        largest = float((mine - theirs).abs().max())
        scale = float(theirs.abs().max()) or sample.scale
        return largest / scale if math.isfinite(largest) else math.inf

    def left(self, planted: Gradients) -> list[str]:
        """What a replay does not explain."""
        return [name for name in self.order if self.distance(name, planted) > self.allowed]

    def fit(self, planted: Gradients, sample: Sample | None = None) -> float | None:
        """The largest distance of what is wrong, or None if that does not fit."""
        worst = 0.0
        for name in self.wrong:
            distance = self.distance(name, planted, sample)
            if not distance <= self.allowed:
                return None
            worst = max(worst, distance)
        return worst

    def spares(self, planted: Gradients) -> bool:
        """Whether a replay leaves right what is right. One that does not is a slip in a formula
        for the wrong gradients alone, as where each gradient is written out by itself."""
        return all(
            self.distance(n, planted) <= self.allowed for n in self.order if n not in self.wrong
        )

    # ---- what each mistake would give

    def replay(self, tape: Tape, edits: Edits) -> dict[str, Tensor] | None:
        """None where an operation refuses what a mistake would hand it."""
        self.tried += 1
        try:
            return tape.replay(edits)
        except (RuntimeError, IndexError, ValueError, TypeError):
            # Shapes that do not fit, an option out of range: nobody's code could have run so.
            return None

    def late(self) -> bool:
        if time.monotonic() < self.until:
            return False
        self.untried = f"what would have come after {self.seconds:g} s"
        return True

    def candidates(
        self, number: int, needed: Sequence[str], before: Edits
    ) -> Iterator[tuple[Fit, dict[str, Tensor]]]:
        """Every mistake that reaches all that is wrong, and what it gives on top of `before`."""
        tape = self.sample.tapes[number]
        wanted = set(needed)
        base = self.replay(tape, before)
        if base is None:
            return
        judged = {name: self.mine[name] for name in needed}
        linear = Projection(tape, judged, base, before, 1e3 * self.allowed)
        numbers = numbers_of(tape)
        yield from self.with_factors(number, wanted, before, base, linear, numbers)
        sources = [mistakes_of(tape, self.gates)]
        if self.previous is not None and not before:
            sources.append(stale(tape, self.previous.tapes[number]))
        for source in sources:
            for mistake in source:
                if self.late():
                    return
                if not wanted <= mistake.reaches:
                    continue
                ratio = linear.ratio(mistake.edits)
                if ratio is not None:
                    planted = self.replay(tape, both(before, mistake.edits))
                    if planted is not None:
                        yield from self.times(Fit(mistake, 0.0, number), planted, ratio, numbers)
        if not before and number == 0:
            yield from self.early(tape, base)

    def times(
        self, fit: Fit, planted: dict[str, Tensor], ratio: float, numbers: dict[str, float]
    ) -> Iterator[tuple[Fit, dict[str, Tensor]]]:
        """The same, and where all of it is off by a known factor, that factor with it."""
        yield fit, planted
        if abs(ratio - 1) < 1e-6 or not math.isfinite(ratio):
            return
        for factor in factors_for(ratio, numbers, 1e3 * self.eps):
            if factor.kind != "forgotten-path" and factor.known:
                scaled = {n: p * factor.value for n, p in planted.items()}
                yield replace(fit, times=factor), scaled

    def with_factors(
        self,
        number: int,
        wanted: set[str],
        before: Edits,
        base: Gradients,
        linear: Projection,
        numbers: dict[str, float],
    ) -> Iterator[tuple[Fit, dict[str, Tensor]]]:
        """A factor on an edge. The gradients are linear in it, so it can be solved for."""
        tape = self.sample.tapes[number]
        for edges in edge_groups(tape):
            if self.late():
                return
            if not wanted <= edges.reaches:
                continue
            if len(edges.edges) == 1 and not linear.may_have_factor(*edges.edges[0]):
                continue
            cut = self.replay(tape, both(before, edges.times(0.0)))
            if cut is None:
                continue
            if edges.linear:
                values = self.solve(base, cut, wanted, numbers)
            else:
                sizes = {
                    float(s) for op, _ in edges.edges for v in op.outputs for s in v.tensor.shape
                }
                values = [0.0, -1.0, 2.0, 0.5]
                values += [f for s in sorted(sizes) if s > 2 for f in (s, 1 / s)]
            for value in values:
                if edges.linear:
                    planted = {n: cut[n] + value * (base[n] - cut[n]) for n in base}
                else:
                    found = self.replay(tape, both(before, edges.times(value)))
                    if found is None:
                        continue
                    planted = found
                for factor in factors_for(value, numbers, self.eps):
                    mistake = Mistake(
                        factor.kind,
                        f"{edges.what} {factor.words}",
                        edges.place,
                        edges.times(value),
                        edges.reaches,
                        rank_of(edges.edges[0][0]) + (not edges.linear),
                    )
                    yield Fit(mistake, 0.0, number, edges, factor), planted

    def solve(
        self, base: Gradients, cut: Gradients, wanted: set[str], numbers: dict[str, float]
    ) -> list[float]:
        """The factor s with mine = cut + s (base − cut), if it is not 1 and can be told."""
        above = below = 0.0
        count = 0
        for name in wanted:
            mine = self.mine[name]
            if mine.shape != base[name].shape or base[name].shape != cut[name].shape:
                return []
            through = (base[name] - cut[name]).double()
            above += float((through * (mine - cut[name]).double()).sum())
            below += float((through * through).sum())
            count += int((through != 0).sum())
        if below == 0 or not math.isfinite(above):
            return []
        factor = above / below
        if abs(factor - 1) < 1e3 * self.eps:
            return []
        found = factors_for(factor, numbers, self.eps)[0]
        if count < 2 and not found.known:
            return []  # through a single number any factor fits
        return [found.value]

    def early(self, tape: Tape, base: Gradients) -> Iterator[tuple[Fit, dict[str, Tensor]]]:
        """Weights already updated, by −lr times their gradient, when the error passes them."""
        parameters = [name for name in tape.order() if not name.startswith("input")]
        used = {name: self.mine.get(name, base[name]) for name in parameters}
        modules = {name.rpartition(".")[0] for name in parameters}
        sets = [[name] for name in parameters]
        sets += [[n for n in parameters if n.rpartition(".")[0] == m] for m in sorted(modules)]
        sets += [parameters[:i] for i in range(1, len(parameters) + 1)]
        for names in {frozenset(names): names for names in sets}.values():
            if self.late():
                return
            once = self.replay(tape, updated(tape, dict.fromkeys(names, 1.0), used))
            if once is None:
                continue
            changed = [n for n in self.wrong if not torch.equal(once[n], base[n])][:1]
            steps = {self.lr}
            if sum(tape.leaves[name].tensor.numel() for name in names) > 1:
                steps.add(self.solve_step(base, once, changed))  # one number moves anywhere
            for lr in steps - {None}:
                planted = self.replay(
                    tape, updated(tape, dict.fromkeys(names, float(lr or 0)), used)
                )
                if planted is None or all(torch.equal(planted[n], base[n]) for n in self.wrong):
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
                yield Fit(mistake, 0.0), planted

    def solve_step(self, base: Gradients, once: Gradients, changed: Sequence[str]) -> float | None:
        """The learning rate, from the first quantity that an early update changes."""
        for name in changed:
            change = (once[name] - base[name]).double()
            square = float((change * change).sum())
            if self.mine[name].shape == change.shape and square > 0 and change.numel() > 1:
                step = float((change * (self.mine[name] - base[name]).double()).sum()) / square
                if step > 0 and math.isfinite(step):
                    short = float(f"{step:.6g}")
                    return short if abs(short - step) <= 1e7 * self.eps * step else step
        return None

    # ---- the search

    def run(self) -> Diagnosis:
        """The whole of it."""
        found = Diagnosis(tuple(self.wrong))
        if not self.wrong:
            return found
        first = self.wrong[0]
        found.where = where(first, self.mine[first], self.sample.right[first], self.allowed)
        fits = []
        for number in range(len(self.sample.tapes)):
            for fit, planted in self.candidates(number, self.wrong, {}):
                distance = self.fit(planted)
                if distance is not None:
                    fits.append(replace(fit, distance=distance, spares=self.spares(planted)))
        if any(fit.spares for fit in fits):
            fits = [fit for fit in fits if fit.spares]
        if fits:
            found.verdicts, found.apart = self.told_apart(fits)
        elif (plain := self.plain()) is not None:
            found.verdicts = [plain]
        else:
            found.verdicts = self.pairs()
        found.tried, found.untried = self.tried, self.untried
        return found

    def plain(self) -> Verdict | None:
        """What needs no replay: the right numbers in another shape, or with digits lost."""
        right, names = self.sample.right, ", ".join(self.wrong)
        if all(
            self.mine[n].numel() == right[n].numel()
            and self.distance(n, {n: right[n].reshape(self.mine[n].shape)}) <= self.allowed
            for n in self.wrong
        ):
            first = self.wrong[0]
            shapes = tuple(self.mine[first].shape), tuple(right[first].shape)
            what = f"the gradient of {names} has the right numbers in the shape {shapes[0]}"
            proof = f"in the shape {shapes[1]} it equals PyTorch's"
            return Verdict("shape", what, f"the gradient of {first}", FIXES["shape"], proof, 0.0)
        worst = max(self.distance(name, right) for name in self.wrong)
        if worst <= LOST * self.eps and worst <= 1e-3:
            return Verdict(
                "lost-digits",
                f"{names}: no term is wrong, but digits are lost on the way",
                f"the gradient of {self.wrong[0]}",
                "look for a difference of nearly equal numbers, a constant of few digits, or a "
                "lower precision in between",
                f"the largest distance is {worst:.1e} of the size, {worst / self.eps:.2g} eps",
                worst,
            )
        return None

    def consequences(self, sample: Sample, fits: Sequence[Fit]) -> dict[Any, Gradients]:
        """What the same mistakes would give on another input, by their identity."""
        found: dict[Any, Gradients] = {}
        for number, tape in enumerate(sample.tapes):
            wanted = {fit.identity: fit for fit in fits if fit.tape == number}
            numbers = numbers_of(tape)
            plain = {(number, *fit.mistake.identity) for fit in fits if fit.edges is None}
            if plain:
                for mistake in mistakes_of(tape, self.gates):
                    key = (number, *mistake.identity)
                    if key not in plain:
                        continue
                    planted = self.replay(tape, mistake.edits)
                    for fit in wanted.values() if planted is not None else ():
                        if fit.edges is None and (number, *fit.mistake.identity) == key:
                            factor = fit.times.on(numbers) if fit.times else 1.0
                            assert planted is not None
                            scaled = {n: p * (factor or 0) for n, p in planted.items()}
                            found.setdefault(fit.identity, scaled)
            edged = [fit for fit in wanted.values() if fit.edges and fit.factor]
            if edged:
                groups = {
                    (e.what, *sorted({op.index for op, _ in e.edges})): e for e in edge_groups(tape)
                }
                for fit in edged:
                    assert fit.edges is not None
                    assert fit.factor is not None
                    group = (fit.edges.what, *sorted({op.index for op, _ in fit.edges.edges}))
                    value = fit.factor.on(numbers)
                    if group in groups and value is not None:
                        planted = self.replay(tape, groups[group].times(value))
                        if planted is not None:
                            found[fit.identity] = planted
        return found

    def told_apart(self, fits: list[Fit]) -> tuple[list[Verdict], str]:
        """Those that other inputs confirm; and what gives the same numbers always is one."""
        unique = list({fit.identity: fit for fit in fits}.values())
        clusters = [unique]
        apart = ""
        for sample in self.samples[1:]:
            results = self.consequences(sample, unique)
            if sample.mine is not None:
                kept = {
                    fit.identity
                    for fit in unique
                    if fit.identity not in results
                    or self.fit(results[fit.identity], sample) is not None
                }
                if kept:
                    clusters = [[f for f in c if f.identity in kept] for c in clusters]
                    clusters = [c for c in clusters if c]
            finer = []
            for cluster in clusters:
                finer += split(cluster, results, self.order, self.allowed)
            if len(finer) > len(clusters) and sample.mine is None:
                apart = f"an input of shape {sample.shapes}, as they differ there"
            clusters = finer
        verdicts = []
        for cluster in clusters:
            cluster.sort(key=telling)
            first, *rest = cluster
            said = {(first.edges and first.edges.what) or first.mistake.what}
            same = []
            for fit in rest:  # one factor of many names on the same edge is one description
                words = (fit.edges and fit.edges.what) or fit.mistake.what
                if words not in said and (fit.times is None) == (first.times is None):
                    said.add(words)
                    same.append(f"{fit.mistake.kind}: {fit.mistake.what}")
            verdicts.append((first, self.verdict(first, tuple(same))))
        verdicts.sort(key=lambda pair: telling(pair[0]))
        if len(verdicts) == 1:
            apart = ""
        elif not apart:
            apart = "other sizes on every axis, and more samples"
        return [verdict for _, verdict in verdicts], apart

    def verdict(self, fit: Fit, same: tuple[str, ...] = ()) -> Verdict:
        names = ", ".join(self.wrong)
        closely = "exactly" if fit.distance == 0 else f"to {fit.distance:.1e}"
        proof = (
            f"{names}: equal, {closely}, to what PyTorch's own backward gives with this mistake "
            "planted"
        )
        m, what = fit.mistake, fit.mistake.what
        if fit.times is not None:
            what += f"; and the whole {fit.times.words}"
        if not fit.spares:
            what = f"in the formula for {names} alone: {what}"
        return Verdict(m.kind, what, m.place, m.fix, proof, fit.distance, same)

    def pairs(self) -> list[Verdict]:
        """Two mistakes together: one explains the first wrong quantity, the other all the rest."""
        first = self.wrong[0]
        for number, tape in enumerate(self.sample.tapes):
            firsts = []
            for fit, planted in self.candidates(number, [first], {}):
                if fit.mistake.edits and self.distance(first, planted) <= self.allowed:
                    left = len(self.left(planted))
                    m = fit.mistake
                    firsts.append((left, KINDS.index(m.kind), m.rank, len(m.edits), fit))
            firsts.sort(key=lambda entry: entry[:4])
            for *_, one in firsts[:FIRSTS]:
                base = self.replay(tape, one.mistake.edits)
                if base is None or self.late():
                    break
                found = []
                for two, planted in self.candidates(number, self.left(base), one.mistake.edits):
                    distance = self.fit(planted)
                    if distance is not None:
                        found.append(replace(two, distance=distance))
                if found:
                    found.sort(key=lambda f: (KINDS.index(f.mistake.kind), f.mistake.rank))
                    a, b = self.verdict(one), self.verdict(found[0])
                    return [
                        Verdict(
                            f"{a.kind} + {b.kind}",
                            f"two mistakes: {a.what}; and {b.what}",
                            f"{a.place}; {b.place}",
                            f"{a.fix}; {b.fix}",
                            b.proof.replace("this mistake", "these two mistakes"),
                            b.distance,
                        )
                    ]
        return []


def telling(fit: Fit) -> tuple[Any, ...]:
    """What makes one of several names for the same numbers the better one."""
    mistake = fit.mistake
    kind = KINDS.index(mistake.kind)
    if fit.factor is not None and abs(fit.factor.value) in (0.5, 2):
        kind = KINDS.index("mean-for-sum")  # a 2 too many or too few says it best
    return fit.times is not None, mistake.rank > 2, kind, mistake.rank, len(mistake.edits)


def both(one: Edits, two: Edits) -> Edits:
    """The edits of two mistakes, the first one's first."""
    return {index: [*one.get(index, ()), *two.get(index, ())] for index in {*one, *two}}


def split(
    cluster: list[Fit], results: Mapping[Any, Gradients], names: Sequence[str], allowed: float
) -> list[list[Fit]]:
    """Mistakes with the same numbers stay together."""
    found: list[list[Fit]] = []
    for fit in cluster:
        here = results.get(fit.identity)
        for group in found:
            there = results.get(group[0].identity)
            if here is None or there is None or equal(here, there, names, allowed):
                group.append(fit)
                break
        else:
            found.append([fit])
    return found


def equal(one: Gradients, two: Gradients, names: Sequence[str], allowed: float) -> bool:
    """Whether two replays give the same numbers for what is judged, but for rounding."""
    for name in names:
        a, b = one[name], two[name]
        if a.shape != b.shape:
            return False
        if a.numel() and float((a - b).abs().max()) > 10 * allowed * (float(b.abs().max()) or 1.0):
            return False
    return True


def diagnose(
    samples: Sequence[Sample],
    tolerance: float,
    lr: float | None = None,
    previous: Sample | None = None,
    gates: Mapping[int, str] | None = None,
    seconds: float = SECONDS,
) -> Diagnosis:
    """Name the mistake behind the gradients of the first sample; see `Search`."""
    return Search(samples, tolerance, lr, previous, gates, seconds).run()
