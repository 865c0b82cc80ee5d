"""Name the mistake behind a wrong gradient, with proof: counterfactual backpropagation.

The backward pass of the reference is replayed once for every mistake of the catalogue, with that
one mistake planted. A replay that gives the very numbers that were handed in, to rounding, is the
verdict, and the distance between the two is its proof. When no single mistake fits, two together
are tried. When several fit, all are named, and what would tell them apart.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import torch

from .mistakes import (
    FIXES,
    KINDS,
    Edges,
    Mistake,
    edge_groups,
    mistakes_of,
    rank_of,
    stale,
    updated,
)
from .tape import Edits, Op, Tape, Tensor, record

SECONDS = 20.0  # how long one search may take
FIRSTS = 40  # mistakes that explain the first wrong quantity, each tried together with a second
LOST = 1e9  # a distance of fewer eps than this is digits lost, if no mistake gives it

Gradients = Mapping[str, Tensor]


@dataclass(frozen=True)
class Verdict:
    """One explanation of the numbers handed in.

    Attributes:
        kind: one of `mistakes.KINDS`, or "lost-digits"; of two mistakes, joined by " + ".
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
    """

    wrong: tuple[str, ...] = ()
    where: str = ""
    verdicts: list[Verdict] = field(default_factory=list)
    apart: str = ""
    tried: int = 0
    untried: str = ""

    @property
    def agrees(self) -> bool:
        return not self.wrong

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"agrees": self.agrees, **asdict(self)}

    def __str__(self) -> str:
        if self.agrees:
            return "agrees"
        lines = [f"first wrong, in the order of the backward pass: {self.where}"]
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
            lines += [f"  the same, in other words: {other}" for other in verdict.same[:2]]
        if self.apart:
            lines.append(f"to tell them apart: {self.apart}")
        if self.untried:
            lines.append(f"not tried: {self.untried}")
        return "\n".join(lines)


@dataclass
class Sample:
    """One input: the reference's tapes for it, and perhaps the gradients that were handed in.

    Attributes:
        tapes: the operations opened, and as PyTorch ran them.
        right: autograd's gradients, by leaf.
        mine: those handed in; a leaf that is not there is not judged.
        scale: of the upstream gradients.
    """

    tapes: list[Tape]
    right: dict[str, Tensor]
    mine: dict[str, Tensor] | None
    scale: float
    shapes: str = ""

    @classmethod
    def of(
        cls,
        reference: Any,
        inputs: Sequence[Any],
        upstream: Sequence[Tensor],
        mine: Gradients | None = None,
    ) -> "Sample":
        """Run the reference on these inputs; random numbers are drawn as on the run before.

        Args:
            reference: an `nn.Module` or a function of tensors.
            upstream: the gradient of each output.
        """
        tapes: list[Tape] = []
        for opened in (True, False):
            tape = record(reference, inputs, opened)
            right = tape.backward(upstream)
            if not tapes or len(tape.ops) != len(tapes[0].ops):
                tapes.append(tape)
        right = tapes[0].replay({})
        scale = max((float(g.abs().max()) for g in upstream if g.numel()), default=1.0)
        shapes = " and ".join(str(tuple(x.shape)) for x in inputs if torch.is_tensor(x))
        judged = None
        if mine is not None:  # another dtype is told by the report; here only numbers count
            judged = {n: m.to(right[n].dtype) for n, m in mine.items() if n in right}
        return cls(tapes, right, judged, scale or 1.0, shapes)


def gates_of(reference: Any) -> dict[int, str]:
    """The names of a recurrent layer's gates, by their number."""
    names: dict[int, str] = {}
    for part in reference.modules() if isinstance(reference, torch.nn.Module) else ():
        if isinstance(part, torch.nn.LSTM | torch.nn.LSTMCell):
            names[4] = "ifgo"
        if isinstance(part, torch.nn.GRU | torch.nn.GRUCell):
            names[3] = "rzn"
    return names


def numbers_of(tape: Tape) -> dict[str, float]:
    """The numbers that a wrong factor may be made of, each by what it is."""
    found: dict[str, float] = {}
    tensors = {name: value.tensor for name, value in tape.leaves.items()}
    tensors |= {f"output {i}": v.tensor for i, v in enumerate(tape.outputs)}
    for name, tensor in tensors.items():
        for axis, size in enumerate(tensor.shape):
            found[f"the size of axis {axis} of {name}"] = float(size)
        found[f"the number of elements of {name}"] = float(tensor.numel())
    for op in tape.ops:
        for position, number in enumerate(op.flat):
            if isinstance(number, float | int) and not isinstance(number, bool):
                number = abs(float(number))
                if math.isfinite(number):
                    found[f"a number in {op.name} ({op.index}, {position})"] = number
                    found[f"1 − a number in {op.name} ({op.index}, {position})"] = 1 - number
    return found


@dataclass(frozen=True)
class Factor:
    """A wrong factor: ± number^power, or a value that is none of the known numbers."""

    value: float
    kind: str
    number: str = ""
    power: int = 1

    @property
    def known(self) -> bool:
        """Whether it is a number that stands somewhere, not just any."""
        return bool(self.number) or abs(self.value) in (0, 0.5, 1, 2)

    @property
    def words(self) -> str:
        if self.kind == "forgotten-path":
            return "is left out"
        if self.value == -1:
            return "has the wrong sign"
        turned = ", with the wrong sign" if self.value < 0 else ""
        size = abs(self.value)
        if not self.number:
            return f"is multiplied by {size:.9g}{turned}"
        known = size ** (1 / self.power)
        square = "the square of " if abs(self.power) == 2 else ""
        how = "divided" if self.power < 0 else "multiplied"
        number = self.number.partition(" (")[0]
        return f"is {how} by {square}{known:.6g}, {number}{turned}"

    def on(self, numbers: Mapping[str, float]) -> float | None:
        """The same factor where the numbers are others; None where there is no such number."""
        if not self.number:
            return self.value
        if self.number not in numbers or not numbers[self.number]:
            return None
        return math.copysign(numbers[self.number] ** self.power, self.value)


def factors_for(value: float, numbers: Mapping[str, float], eps: float) -> list[Factor]:
    """What a factor may be; sizes are told from 2 and ½ only by another input."""

    def close(other: float) -> bool:
        return abs(value - other) <= 1e7 * eps * abs(other)

    if abs(value) < 1e7 * eps:
        return [Factor(0.0, "forgotten-path")]
    if close(-1):
        return [Factor(-1.0, "sign")]
    found = [Factor(plain, "scale") for plain in (2.0, 0.5, -2.0, -0.5) if close(plain)]
    for name, number in numbers.items():
        counts = name.startswith("the ")
        for power in (-1, 1, -2, 2):
            if number <= 0 or number == 1 or not close(math.copysign(number**power, value)):
                continue
            kind = {-1: "mean-for-sum", 1: "sum-for-mean"}.get(power, "scale")
            value = math.copysign(number**power, value)
            found.append(Factor(value, kind if counts else "scale", name, power))
    return found or [Factor(value, "scale")]


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
        linear = Linear(tape, judged, base, before, 1e3 * self.allowed)
        numbers = numbers_of(tape)
        yield from self.with_factors(number, wanted, before, base, linear)
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
        self, number: int, wanted: set[str], before: Edits, base: Gradients, linear: "Linear"
    ) -> Iterator[tuple[Fit, dict[str, Tensor]]]:
        """A factor on an edge. The gradients are linear in it, so it can be solved for."""
        tape = self.sample.tapes[number]
        numbers = numbers_of(tape)
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
            steps = {self.lr, self.solve_step(base, once, changed)}
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
                if words not in said:
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


class Linear:
    """Tells without a replay that a mistake at one operation can not give the numbers handed in.

    Args:
        tape: after `backward`.
        mine: the gradients handed in.
        base: those of the replay that further mistakes are planted into.
        before: the edits of that replay.
        allowed: relative.
    """

    def __init__(
        self, tape: Tape, mine: Gradients, base: Gradients, before: Edits, allowed: float
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
        result = 0.0
        for value, old, new in zip(op.inputs, grads, changed, strict=True):
            if old is None or new is None or new is old:
                continue
            if new.shape != old.shape:
                return None
            result += float((tangents[id(value)] * (new - old)).sum())
        return result

    def ratio(self, edits: Edits) -> float | None:
        """None if a mistake can not give the numbers; else the factor that would then be missing.

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
                changed = edit(op, self.tape.above(op, self.flow), changed)
        except (RuntimeError, IndexError, ValueError, TypeError):
            return 1.0  # `Search.replay` deals with it
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


def telling(fit: Fit) -> tuple[Any, ...]:
    """What makes one of several names for the same numbers the better one."""
    mistake = fit.mistake
    kind = KINDS.index(mistake.kind)
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
