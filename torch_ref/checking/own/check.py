"""Check someone's backward pass against their own forward pass: no reference is needed.

PyTorch traces the forward pass and says what its backward should give; differences of the real
forward pass watch over that. Where it cannot be traced, they decide alone.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ...diagnosis.verdict import Diagnosis, where
from ...parity.distance import Report, compare
from ...parity.one_pass import flat
from ...parity.tolerance import EPS, Allowed
from ...twin import to_numpy, to_torch
from ..check import check, examine
from ..comparing import Sides, Trial, outputs_agree
from ..layouts import CandidateError
from ..reference import autograd, is_array, is_floating, parameters_of, random_like
from ..report import Checked, likeliest
from .against import studied
from .arrays import UntraceableError, cuts
from .conventions import (
    common_factor,
    conventions,
    divided_by_samples,
    note_missing,
    unjudged,
)
from .differences import (
    TOLD,
    Slopes,
    gradient_by_differences,
    in_double,
    unfit,
)
from .fitting import with_usual_loss
from .losses import WithLoss
from .programs import Program
from .readings import readings_of
from .sides import OwnCandidate, OwnForward
from .state import at
from .study import Study, number, study
from .torch_code import ByAutograd, Own, forward_of
from .tracing import outputs_at, trace

MOST = 400  # elements of a leaf that differences look at
KINKS = 100  # wrong elements of a gradient that are looked at for a kink


def check_own(
    mine: Any,
    *inputs: Any,
    named: Mapping[str, Any] | None = None,
    lr: float | None = None,
    steps: int = 0,
    seed: int = 0,
    audit: bool = False,
    sweep: bool = False,
) -> Checked:
    """Check someone's backward pass against their own forward pass.

    Args:
        mine: an object with `forward` and `backward`; a pair of functions, or three, with a loss
            between them; a function that returns a loss and its gradients; a class of scalar
            nodes; a `torch.autograd.Function` or an `nn.Module` with such in it.
        inputs: arrays or tensors, integers where their code takes them, and dicts and tuples of
            them; NumPy code is run in float64. What forward does not take is for backward.
        named: arguments by name; those that name none are put into forward's dict.
        lr: the learning rate, if their backward updates weights.
        steps: compare also the weights after as many steps of gradient descent.
        audit, sweep: as of `check`.
    Raises:
        CandidateError: mine cannot be run, or gives no gradient.
    """
    further: dict[str, Any] = {"lr": lr, "steps": steps, "audit": audit, "sweep": sweep}
    if isinstance(mine, type) and issubclass(mine, torch.autograd.Function):
        given = (*inputs, *(named or {}).values())
        return check(mine, forward_of(mine), *given, seed=seed, **further)
    if isinstance(mine, torch.nn.Module):
        return check(Own(mine), ByAutograd(mine), *inputs, seed=seed, **further)
    wrong: list[Checked] = []
    refusal: CandidateError | None = None
    readings = readings_of(mine, inputs, named)
    if len(readings) > 1:  # a search for the mistake in what is meant otherwise takes long
        readings.sort(key=lambda program: not looks_right(program, lr, seed))
    for program in readings:
        try:
            checked = check_program(program, seed=seed, **further)
        except CandidateError as error:
            refusal = refusal or error
            continue
        if checked.agrees:
            return checked
        wrong.append(checked)
    if not wrong:
        raise refusal or CandidateError("nothing to check")
    return likeliest(wrong)


def looks_right(program: Program, lr: float | None, seed: int) -> bool:
    """Whether the gradients of one way to understand someone's code are right."""
    try:
        return check_program(program, lr, 0, seed, search=False).agrees
    except CandidateError:
        return False


def check_program(
    program: Program,
    lr: float | None,
    steps: int,
    seed: int,
    search: bool = True,
    audit: bool = False,
    sweep: bool = False,
) -> Checked:
    """Check one way to understand someone's code.

    Args:
        search: look for mistakes that do not show at once, and for the name of one that does.
        audit, sweep: as of `check`.
    """
    arrays = in_double([np.asarray(to_numpy(x)) for x in program.handed.arrays])
    rate = 0.1 if lr is None else lr
    program.assumed_rate = 1.0 if lr is None else lr
    without_loss = program.handed.more or program.kept_target
    if without_loss and not isinstance(program, WithLoss):
        program = with_usual_loss(program, arrays, rate)
    known = study(program, arrays, rate)
    reached: list[str] | None = None
    try:
        reached = reached_by(known, arrays)
        leave_out_unused(known, reached, arrays, seed)
        sides = traced_sides(known, arrays, seed)
    except UntraceableError as error:
        checked = check_by_differences(known, arrays, seed, str(error))
    else:
        if not search:
            return Checked(sides.run_first_trial()[1])
        checked = examine(sides, lr, steps, single_precision=False, audit=audit, sweep=sweep)
        checked.warnings += conventions(known, checked)
    if program.unsure and not checked.agrees:
        raise CandidateError(program.unsure)
    note_missing(known, reached, checked)
    missing = [row.name for row in checked.report.rows if row.problem == "missing"]
    said = [program.meaning, program.handed.legend, *unjudged(known, reached, missing)]
    checked.warnings[:0] = [words for words in said if words]
    return checked


def check_both(mine: Any, reference: Any, *inputs: Any, **options: Any) -> Checked:
    """Check against a reference; where the forward passes differ, also against mine's own.

    So both questions are answered: whether mine computes what the reference does, and whether its
    backward fits its forward.
    """
    try:
        checked = check(mine, reference, *inputs, **options)
    except CandidateError as error:
        checked = check_studied(mine, reference, inputs, options, error)
    if not outputs_agree(checked.report):
        try:
            checked.own = check_own(
                mine, *inputs, lr=options.get("lr"), seed=options.get("seed", 0)
            )
        except CandidateError as error:
            checked.warnings.append(f"not checked against its own forward pass: {error}")
    return checked


def check_studied(
    mine: Any,
    reference: Any,
    inputs: Sequence[Any],
    options: Mapping[str, Any],
    refusal: CandidateError,
) -> Checked:
    """Check code whose form is not the usual one, as its study understands it.

    Raises:
        CandidateError: nor can that be compared with the reference.
    """
    rest = {k: v for k, v in options.items() if k not in ("layouts", "extra")}
    if options.get("layouts") or options.get("extra") or isinstance(mine, type):
        raise refusal
    wrong: list[Checked] = []
    try:
        for candidate in studied(mine, reference, inputs, options.get("lr")):
            checked = check(candidate, reference, *inputs, **rest)
            if checked.agrees:
                return checked
            wrong.append(checked)
        return likeliest(wrong)
    except CandidateError as error:
        also = "" if str(error) in str(refusal) else f"; {error}"
        raise CandidateError(
            f"{refusal}{also}; without --against, its own forward pass is the reference"
        ) from error


def takes_the_mean(sides: "OwnSides", right: Mapping[str, Any]) -> bool:
    """Whether a backward without upstream gradients is nearer to that of its outputs' mean."""
    outputs = sides.mine.forward([x.copy() if is_array(x) else x for x in sides.inputs])
    count = outputs[0].size
    if sides.mine.takes_upstream or count < 2:
        return False
    gradients = sides.mine.backward([np.ones_like(y) for y in outputs])
    apart = [0.0, 0.0]
    for name, mine in gradients.items():
        if mine.shape == right[name].shape:
            sizes = np.abs(mine), np.abs(right[name])  # a sign may be wrong
            apart[0] += float(np.abs(sizes[0] - sizes[1]).sum())
            apart[1] += float(np.abs(count * sizes[0] - sizes[1]).sum())
    return apart[1] < apart[0]


def reached_by(known: Study, inputs: Sequence[Any]) -> list[str]:
    """Of the arrays and numbers that the code holds, those that the traced forward pass uses.

    Raises:
        UntraceableError: it cannot be traced.
    """
    paths = {n: x.path for n, x in (known.leaves | known.unmatched).items() if x.path is not None}
    values = {n: to_torch(number(at(known.program.root, path))) for n, path in paths.items()}
    leaves = {name: value.requires_grad_() for name, value in values.items()}
    tensors = [to_torch(x) if is_array(x) else x for x in inputs]
    outputs = [y for y in trace(known.program, paths, leaves, tensors) if y.requires_grad]
    if not outputs:
        return []
    ones = [torch.ones_like(y) for y in outputs]
    found = torch.autograd.grad(outputs, list(leaves.values()), ones, allow_unused=True)
    return [name for name, g in zip(leaves, found, strict=True) if g is not None]


def leave_out_unused(
    known: Study, reached: Sequence[str], inputs: Sequence[Any], seed: int
) -> None:
    """Do not judge what their forward pass does not use, if that does not move with it, either.

    Raises:
        UntraceableError: it does.
        CandidateError: nothing is left to judge.
    """
    unused = {n: leaf for n, leaf in known.leaves.items() if leaf.path and n not in reached}
    if not unused:
        return
    program, paths = known.program, known.paths
    outputs = outputs_at(program, paths, known.values, inputs)
    weights = [np.random.default_rng(seed).normal(size=y.shape) for y in outputs]
    slopes = Slopes(program, paths, known.values, inputs, weights)
    zeros = {name: np.zeros(leaf.shape) for name, leaf in unused.items()}
    refuse_if_lost(unfit(slopes, unused, zeros, seed))
    for name in unused:
        del known.leaves[name], known.sources[name], known.values[name]
    known.unused += list(unused)
    if not known.leaves:
        raise CandidateError(
            f"{program.name}: what backward gives is the gradient of nothing that its forward uses"
        )


def refuse_if_lost(names: Sequence[str]) -> None:
    """Refuse a trace in which these gradients are not what differences show."""
    if names:
        cut = f"{cuts[0]}: numbers become text; " if cuts else ""
        raise UntraceableError(
            f"{cut}traced, the gradient of {', '.join(names)} is not the slope of the forward pass"
        )


class OwnSides(Sides):
    """A program and its own forward pass traced."""

    def __init__(self, known: Study, reference: OwnForward, inputs: Sequence[Any], seed: int):
        self.known = known
        super().__init__(OwnCandidate(known), reference, inputs, seed=seed)

    def shapes_of_outputs(self, inputs: Sequence[Any]) -> list[tuple[int, ...]]:
        program, paths = self.known.program, self.known.paths
        outputs = outputs_at(program, paths, getattr(self, "loaded", self.start), inputs)
        if not all(np.isfinite(y).all() for y in outputs):
            raise CandidateError(f"{program.name} is not finite on these inputs")
        return [y.shape for y in outputs]

    def backward_order(self, trial: Trial) -> list[str]:
        """The gradients as autograd completes them, which is much less work than a tape."""
        reference = copy.deepcopy(self.reference)
        tensors = [to_torch(x) if is_array(x) else x for x in trial.inputs]
        leaves = {f"input {i}": x for i, x in enumerate(tensors) if is_floating(x)}
        leaves |= parameters_of(reference)
        order: list[str] = []
        for name, leaf in leaves.items():
            leaf.requires_grad_().register_post_accumulate_grad_hook(
                lambda _, name=name: order.append(name)
            )
        pairs = zip(flat(reference(*tensors)), trial.upstream, strict=True)
        reached = [(y, g) for y, g in pairs if y.requires_grad]
        torch.autograd.backward([y for y, _ in reached], [g for _, g in reached])
        return order

    def upstream(self, outputs: Sequence[torch.Tensor]) -> list[Any]:
        upstream = super().upstream(outputs)
        if self.known.mean:
            return [g / g.numel() for g in upstream]
        return upstream

    def run(self, inputs: Sequence[Any], handed: Sequence[Any] = ()) -> Trial:
        """One pass of both sides; gradients that are divided by convention are not any more."""
        trial = super().run(inputs, handed)
        if self.known.guessed:
            self.known.guessed = False
            keys = [("gradient", name) for name in self.moved]
            pairs = [(trial.mine[key], to_numpy(trial.theirs[key])) for key in keys]
            factor, count = common_factor([(m, r) for m, r in pairs if m.shape == r.shape])
            if count and factor != 1:
                self.known.rate *= factor
                self.warnings.append(f"its learning rate is taken to be {self.known.rate:g}")
                trial = super().run(inputs, handed)
        if not self.known.divided and divided_by_samples(trial.mine, trial.theirs, inputs):
            self.known.divided = divided_by_samples(trial.mine, trial.theirs, inputs)
            self.warnings.append(
                "a convention: its parameters' gradients are divided by the number of samples "
                "(columns), so that what comes in is not to be; they are compared undivided"
            )
            trial = super().run(inputs, handed)
        return trial

    def compare(self, trial: Trial) -> Report:
        """The rows; digits that a formula loses, as 1 − y² does near y = 1, are no mistake."""
        report = super().compare(trial)
        for i, row in enumerate(report.rows):
            if not row.problem and row.relative <= TOLD:
                report.rows[i] = replace(row, tolerance=max(row.tolerance, row.distance))
            elif not row.problem and row.name in self.moved and row.scale:
                weight = float(np.abs(self.loaded[row.name]).max(initial=0))
                rounding = 4 * weight / (self.known.rate * row.scale)  # of (old − new) / rate
                report.rows[i] = replace(row, tolerance=max(row.tolerance, rounding))
        return report

    @property
    def moved(self) -> list[str]:
        """The weights whose gradients are read from how far they moved."""
        return [name for name, source in self.known.sources.items() if source.kind == "moved"]

    def wider_batch(self) -> list[Any]:
        """Probabilities stay such: beyond 0 and 1 their code need not be right."""
        pairs = zip(self.inputs, super().wider_batch(), strict=True)
        return [x if is_floating(x) and within(x, 0, 1) else wide for x, wide in pairs]


def within(x: np.ndarray, low: float, high: float) -> bool:
    return bool((x >= low).all() and (x <= high).all())


def traced_sides(known: Study, inputs: Sequence[Any], seed: int) -> OwnSides:
    """Both sides, once differences of the real forward pass have confirmed the traced one.

    Raises:
        UntraceableError: it cannot be traced, or what is traced is not what really runs.
    """
    program, paths = known.program, known.paths
    values = {name: to_torch(np.asarray(value)) for name, value in known.values.items()}
    tensors = [to_torch(x) if is_array(x) else x for x in inputs]
    with torch.no_grad():
        traced = trace(program, paths, values, tensors)
    real = outputs_at(program, paths, known.values, inputs)
    if len(traced) != len(real) or not all(
        close(t.numpy(), y) for t, y in zip(traced, real, strict=True)
    ):
        raise UntraceableError("traced, the forward pass gives other outputs than it does in NumPy")
    sides = OwnSides(known, OwnForward(program, paths, values), inputs, seed)
    try:
        passed = autograd(sides.reference, sides.inputs, sides.upstream)
    except CandidateError as error:
        raise UntraceableError(f"no gradient comes through its forward pass ({error})") from error
    except RuntimeError as error:
        raise UntraceableError(str(error).splitlines()[0]) from error
    slopes = Slopes(
        program, paths, sides.start, in_double(sides.inputs), [to_numpy(g) for g in passed.upstream]
    )
    gradients = {name: to_numpy(passed.gradients[name]) for name in known.leaves}
    known.mean = takes_the_mean(sides, gradients)
    refuse_if_lost(unfit(slopes, known.leaves, gradients, seed))
    return sides


def close(traced: np.ndarray, real: np.ndarray) -> bool:
    size = float(np.abs(real).max(initial=0)) or 1.0
    eps = 1e-4 if traced.dtype == np.float32 else 1e-9
    return traced.shape == real.shape and bool(
        np.allclose(traced, real, rtol=0, atol=eps * size, equal_nan=True)
    )


def check_by_differences(known: Study, inputs: Sequence[Any], seed: int, why: str) -> Checked:
    """Compare with differences of the real forward pass; a mistake gets no name."""
    program: Program = known.program
    candidate = OwnCandidate(known)
    doubles = in_double(inputs)
    candidate.load({name: np.asarray(value) for name, value in known.values.items()})
    candidate.zero_grad()
    outputs = candidate.forward([x.copy() if is_array(x) else x for x in doubles])
    if program.takes_upstream:
        upstream = [
            to_numpy(g) for g in random_like([to_torch(np.asarray(y)) for y in outputs], seed + 1)
        ]
    else:
        upstream = [np.ones_like(y) for y in outputs]
    gradients = candidate.backward([np.array(g) for g in upstream])
    slopes = Slopes(program, known.paths, known.values, doubles, upstream)
    warnings = [
        f"the forward pass cannot be traced ({why}): compared with differences of it, which are "
        f"good to {TOLD:.0e}; a mistake gets no name"
    ]
    mine, theirs = {}, {}
    for name, value in gradients.items():
        leaf = known.leaves[name]
        key = ("gradient", name)
        mine[key] = np.asarray(value, float)
        if mine[key].shape != leaf.shape:
            theirs[key] = np.zeros(leaf.shape)
            continue
        theirs[key], looked_at, kinks = gradient_by_differences(slopes, leaf, mine[key], MOST)
        if looked_at < mine[key].size:
            warnings.append(f"of the gradient of {name}, {looked_at} elements are compared")
        if kinks:
            warnings.append(
                f"{kinks} elements of the gradient of {name} lie within a step of a kink"
            )
    allowed = Allowed(backward=2 * TOLD / EPS[np.dtype(np.float64)])
    scale = max((float(np.abs(g).max(initial=0)) for g in upstream), default=1.0)
    report = compare(mine, theirs, allowed, scale)
    checked = Checked(report, warnings=warnings)
    bad = [row for row in report.rows if not row.agrees]
    if bad:
        key = ("gradient", bad[0].name)
        tensors = torch.from_numpy(mine[key]), torch.from_numpy(theirs[key])
        sits = where(bad[0].name, *tensors, allowed.backward * EPS[np.dtype(np.float64)])
        checked.diagnosis = Diagnosis(tuple(row.name for row in bad), sits)
    return checked
