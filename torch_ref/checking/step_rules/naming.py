"""Which mistake gives someone's weights: the rule's formula is replayed with one after another."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...diagnosis.verdict import Diagnosis, Verdict
from ...parity.tolerance import EPS
from .formulas import FORMULAS
from .mistakes import Mistake, mistakes, pairs
from .problem import FLOAT, Problem
from .reference import Paths, allowed_for, apart, formula_path, measured

FAR = math.sqrt(EPS[FLOAT])  # where rounding alone goes as far, a replay proves nothing


@dataclass
class Trial:
    """One problem, with what came out on both sides."""

    problem: Problem
    mine: Paths
    theirs: Paths


def diagnose(
    rule: str, options: Mapping[str, Any], trials: Sequence[Trial], alike: bool, two: bool
) -> Diagnosis:
    """The mistakes that give someone's weights in all trials; or, to try `two`, pairs of them."""
    diagnosis = Diagnosis(order="step by step")
    if rule not in FORMULAS:
        diagnosis.untried = f"the mistakes of {rule}: only those of {', '.join(FORMULAS)} are known"
        return diagnosis
    replay = partial(formula_path, rule)
    for trial in trials:
        path = partial(formula_path, rule, options, trial.problem)
        if not measured(path(None), trial.theirs, allowed_for(path, trial.theirs)).agrees:
            diagnosis.untried = f"all mistakes: with these options {rule} is not the formula known"
            return diagnosis
    first = trials[0]
    allowed = allowed_for(partial(formula_path, rule, options, first.problem), first.theirs)
    single = [
        mistake
        for mistake in mistakes(rule, options, alike)
        if not measured(
            replay({**options, **mistake.changes}, first.problem), first.theirs, allowed
        ).agrees
    ]
    diagnosis.tried = len(single) if two else 0
    fitting = fits(replay, options, pairs(single) if two else single, trials, diagnosis)
    if fitting:
        diagnosis.verdicts = grouped(replay, options, fitting, trials[0], rule)
    if len(diagnosis.verdicts) > 1:
        diagnosis.apart = "other options, or other gradients: --seed"
    return diagnosis


def fits(
    replay: Callable[..., Paths],
    options: Mapping[str, Any],
    tried: Iterable[Mistake],
    trials: Sequence[Trial],
    diagnosis: Diagnosis,
) -> list[tuple[Mistake, float]]:
    """Those mistakes that give someone's weights, and how closely."""
    fitting = []
    for mistake in tried:
        diagnosis.tried += 1
        furthest = [fit(replay, {**options, **mistake.changes}, trial) for trial in trials]
        if all(distance is not None for distance in furthest):
            fitting.append((mistake, max(d for d in furthest if d is not None)))
    return fitting


def fit(replay: Callable[..., Paths], turned: Mapping[str, Any], trial: Trial) -> float | None:
    """How far, relative to its size, a replay is from someone's weights; None if they differ."""
    path = partial(replay, turned, trial.problem)
    planted = path(None)
    if any(apart(trial.mine[n], planted[n]) * EPS[FLOAT] > FAR for n in planted):
        return None
    allowed = allowed_for(path, planted)
    if max(allowed.explained.values()) * EPS[FLOAT] > FAR:
        return None
    report = measured(trial.mine, planted, allowed)
    return max(row.relative for row in report.rows) if report.agrees else None


def grouped(
    replay: Callable[..., Paths],
    options: Mapping[str, Any],
    fitting: list[tuple[Mistake, float]],
    trial: Trial,
    rule: str,
) -> list[Verdict]:
    """A verdict for each set of numbers: mistakes that give the same are one, in other words."""
    first = replay({**options, **fitting[0][0].changes}, trial.problem)
    verdicts: list[Verdict] = []
    same: list[str] = []
    for mistake, distance in fitting:
        path = partial(replay, {**options, **mistake.changes}, trial.problem)
        if verdicts and measured(path(None), first, allowed_for(path, first)).agrees:
            same.append(f"{mistake.kind}: {mistake.what}")
            continue
        proof = (
            f"the weights of all {trial.problem.steps} steps: equal, to {distance:.1e}, to what "
            f"PyTorch's {rule} gives with this mistake planted"
        )
        place = f"the step of {rule}"
        verdicts.append(Verdict(mistake.kind, mistake.what, place, mistake.fix, proof, distance))
    if same:
        one = verdicts[0]
        verdicts[0] = Verdict(
            one.kind, one.what, one.place, one.fix, one.proof, one.distance, tuple(same)
        )
    return verdicts
