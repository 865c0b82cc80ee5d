"""Check someone's step rule against PyTorch's: several steps on several tensors."""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ...parity.distance import measure
from ...parity.tolerance import EPS, Allowed, Moves
from ..layouts import Array, CandidateError
from ..report import Checked
from .calling import Trajectory, run
from .forms import Form, Way, form_of
from .formulas import FORMULAS, rounded
from .names import options_by_name
from .naming import Trial, diagnose
from .problem import FLOAT, Problem, drawn
from .reference import (
    Paths,
    allowed_for,
    formula_path,
    measured,
    options_of,
    reference_path,
    stacked,
)
from .schedules import LR, check_schedule, is_schedule
from .schedules import STEPS as RATES

STEPS = 8


def is_step_rule(reference: Any) -> bool:
    """Whether a reference is an optimizer of PyTorch's, a class or an object."""
    kind = reference if isinstance(reference, type) else type(reference)
    return issubclass(kind, torch.optim.Optimizer)


def shaken(options: Mapping[str, Any], moves: Moves | None) -> dict[str, Any]:
    """Options moved by what rounding may do to what is made of them, such as 1 − βᵗ."""
    return {
        name: tuple(rounded(moves, np.float64(v)) for v in value)
        if isinstance(value, tuple)
        else float(rounded(moves, np.float64(value)))
        if isinstance(value, float)
        else value
        for name, value in options.items()
    }


class Side:
    """PyTorch's side of one problem: its weights, its states, and what is allowed."""

    def __init__(self, rule: Any, options: Mapping[str, Any], problem: Problem) -> None:
        self.problem = problem
        everything = options_of(rule, options)
        self.paths, self.states = reference_path(rule, options, problem)
        named = {n: v for n, v in everything.items() if n in inspect.signature(rule).parameters}
        self.allowed = allowed_for(
            lambda moves: reference_path(rule, shaken(named, moves), problem, moves)[0],
            self.paths,
        )
        if rule.__name__ in FORMULAS:  # which shows what the rounding inside does too
            inside = allowed_for(
                lambda moves: formula_path(rule.__name__, everything, problem, moves), self.paths
            )
            explained = {
                key: max(eps, inside.explained[key]) for key, eps in self.allowed.explained.items()
            }
            self.allowed = Allowed(explained=explained)

    @property
    def keys(self) -> list[str]:
        """PyTorch's names for what it keeps between steps."""
        return list(dict.fromkeys(key for key, _ in self.states))

    def of(self, names: Sequence[str]) -> Paths:
        return {name: self.paths[name] for name in names}


def check_step_rule(
    mine: Any,
    rule: Any,
    options: Mapping[str, Any] | None = None,
    *,
    mine_options: Mapping[str, Any] | None = None,
    steps: int = STEPS,
    seed: int = 0,
) -> Checked:
    """Check someone's step rule against an optimizer of PyTorch's.

    Args:
        mine: a class with `step` or `update`; a function of weights and gradients; or two, the
            first of which makes the state that the second takes.
        rule: a class of `torch.optim`, or an optimizer whose options count.
        options: for its constructor; mine gets all of them by the names that it has for them.
        mine_options: further values for mine, by its own names.
        steps: so many are taken.
    Raises:
        CandidateError: mine cannot be run.
    """
    if not isinstance(rule, type):
        options, rule = {**rule.defaults, **(options or {})}, type(rule)
        options = {k: v for k, v in options.items() if k in options_of(rule, {})}
        if rule is torch.optim.AdamW:
            options.pop("decoupled_weight_decay")
    explicit = dict(options or {})
    everything = options_of(rule, explicit)
    form = form_of(mine, everything, mine_options or {}, explicit)
    eps = float(everything.get("eps") or 1e-8)
    refused: dict[Way, CandidateError] = {}
    # A state that is shared fits only tensors of one shape.
    for unlikely, alike in ((False, False), (False, True), (True, False)):
        sides = [Side(rule, explicit, drawn(steps, eps, seed + other, alike)) for other in (0, 1)]
        ran = run_ways(form, form.ways(unlikely), sides[0], refused)
        if not ran:
            continue
        checked, way = judged(form, ran, sides, rule.__name__, everything, alike)
        if alike:
            if checked.agrees:
                break
            checked.warnings.append(f"tensors of one shape, as otherwise {refused[way]}")
        if not checked.agrees:
            warn_of_options(checked, form, explicit)
            warn_of_single_precision(checked)
        return checked
    raise next(iter(refused.values()))


def check_steps(
    mine: Any,
    reference: Any,
    options: Mapping[str, Any] | None = None,
    *,
    mine_options: Mapping[str, Any] | None = None,
    lr: float | None = None,
    steps: int = 0,
    seed: int = 0,
) -> Checked:
    """The check of a step rule or of a schedule, whichever the reference is; 0 steps: as usual."""
    if is_schedule(reference):
        lr = LR if lr is None else lr
        steps = steps or RATES
        return check_schedule(
            mine, reference, options, mine_options=mine_options, lr=lr, steps=steps
        )
    options = {**(options or {}), **({} if lr is None else {"lr": lr})}
    steps = steps or STEPS
    return check_step_rule(
        mine, reference, options, mine_options=mine_options, steps=steps, seed=seed
    )


def count_of(form: Form, problem: Problem) -> Problem:
    """As many tensors as the rule takes at once, where it names each."""
    pairs = len(form.called.pairs)
    return problem.first(pairs) if pairs > 1 and len(problem.weights) % pairs else problem


def run_ways(
    form: Form, ways: Iterable[Way], side: Side, refused: dict[Way, CandidateError]
) -> dict[Way, Trajectory]:
    """The ways that run, or the one of them that agrees; `refused` gets what the others raise."""
    ran: dict[Way, Trajectory] = {}
    problem = count_of(form, side.problem)
    for way in ways:
        try:
            path = run(form, way, problem.weights, problem.gradients, side.keys)
        except CandidateError as error:
            refused.setdefault(way, error)
            continue
        paths = stacked(path.weights)
        if measured(paths, side.of(list(paths)), side.allowed).agrees:
            return {way: path}
        ran[way] = path
    return ran


def judged(
    form: Form,
    ran: Mapping[Way, Trajectory],
    sides: Sequence[Side],
    rule: str,
    options: Mapping[str, Any],
    alike: bool,
) -> tuple[Checked, Way]:
    """The report on what ran, and the way that it is about.

    Where several ways ran, it is about the first that one mistake explains, or else two.
    """
    reports: dict[Way, Checked] = {}
    for pairs in (False, True):
        for way, path in ran.items():
            mine = stacked(path.weights)
            theirs = sides[0].of(list(mine))
            reports[way] = checked = Checked(measured(mine, theirs, sides[0].allowed))
            checked.warnings += way.words
            if checked.report.agrees:
                checked.warnings += other_states(path, sides[0])
                return checked, way
            first, second = (count_of(form, side.problem) for side in sides)
            again = stacked(run(form, way, second.weights, second.gradients, ()).weights)
            trials = [Trial(first, mine, theirs), Trial(second, again, sides[1].of(list(again)))]
            checked.diagnosis = diagnose(rule, options, trials, alike, pairs)
            checked.diagnosis.wrong = tuple(r.name for r in checked.report.rows if not r.agrees)
            checked.diagnosis.where = where(mine, theirs, sides[0])
            if checked.diagnosis.verdicts:
                return checked, way
    way = next(iter(reports))
    return reports[way], way


def other_states(path: Trajectory, side: Side) -> list[str]:
    """What is kept in another form than PyTorch keeps it: a convention, where the weights agree."""
    told = {}
    for (key, name), values in path.states.items():
        theirs = side.states.get((key, name))
        if theirs is None:
            continue
        row = measure(key, name, np.stack(values), np.stack(theirs), 2 * side.allowed("", ""))
        if not row.agrees:
            told[key] = (
                f"{key} is kept in another form than PyTorch's; the weights agree all the same"
            )
    return list(told.values())


def where(mine: Mapping[str, Array], theirs: Mapping[str, Array], side: Side) -> str:
    """After which step which tensor is first off, and by how much."""
    steps = len(next(iter(mine.values())))
    for t in range(1, steps):
        for name, path in theirs.items():
            row = measure(
                "weight", name, mine[name][: t + 1], path[: t + 1], side.allowed("weight", name)
            )
            if not row.agrees:
                change, right = mine[name][t] - mine[name][t - 1], path[t] - path[t - 1]
                off = np.abs(mine[name][t] - path[t]) > row.tolerance * EPS[FLOAT] * row.scale
                off |= ~np.isfinite(mine[name][t])
                return (
                    f"{name} after step {t} ({int(off.sum())} of {off.size} elements); "
                    f"{sizes(change[off], right[off])}"
                )
    return "the weights"


def sizes(change: Array, right: Array) -> str:
    """How large the steps were that disagree."""
    if not np.isfinite(change).all():
        return "not a number there"
    moved = right != 0
    if not moved.any():
        return "they should not move"
    ratio = change[moved] / right[moved]
    low, high = float(ratio.min()), float(ratio.max())
    if high - low <= 1e-6 * abs(high):
        return f"they move {high:.6g} times as far as they should"
    return f"they move {low:.3g} to {high:.3g} times as far as they should"


def warn_of_options(checked: Checked, form: Form, explicit: Mapping[str, Any]) -> None:
    """Say which of the options that were given mine has no name for."""
    taken = {n.lower() for s in (form.made, form.called) for n in s.values}
    holds_options = form.called.has("state") or form.made.open
    for option in explicit if not holds_options else ():
        spelled = options_by_name({option: explicit[option]})
        names = {name for names in spelled.values() for name in names}
        if not names & taken:
            checked.warnings.append(f"{form.name} has no argument {option}: it was not handed on")


def warn_of_single_precision(checked: Checked) -> None:
    """Say so where what disagrees is as small as what float32 rounds off."""
    furthest = max((row.relative for row in checked.report.rows), default=0.0)
    if not checked.diagnosis.verdicts and furthest < 64 * EPS[np.dtype(np.float32)]:
        checked.warnings.append(
            f"they are {furthest:.1e} apart, as rounding in float32 is: is something kept in it?"
        )
