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
from ..report import Checked
from .arrays import UntraceableError, cuts
from .differences import (
    TOLD,
    Slopes,
    gradient_by_differences,
    in_double,
    unfit,
)
from .programs import Program, program_of
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
    lr: float | None = None,
    steps: int = 0,
    seed: int = 0,
    audit: bool = False,
    sweep: bool = False,
) -> Checked:
    """Check someone's backward pass against their own forward pass.

    Args:
        mine: an object with `forward` and `backward`; a pair of functions; a function that returns
            a loss and its gradients; a `torch.autograd.Function` or an `nn.Module` with such in it.
        inputs: arrays or tensors, integers where their code takes them; NumPy code is run in
            float64.
        lr: the learning rate, if their backward updates weights.
        steps: compare also the weights after as many steps of gradient descent.
        audit, sweep: as of `check`.
    Raises:
        CandidateError: mine cannot be run, or gives no gradient.
    """
    further: dict[str, Any] = {"lr": lr, "steps": steps, "audit": audit, "sweep": sweep}
    if isinstance(mine, type) and issubclass(mine, torch.autograd.Function):
        return check(mine, forward_of(mine), *inputs, seed=seed, **further)
    if isinstance(mine, torch.nn.Module):
        return check(Own(mine), ByAutograd(mine), *inputs, seed=seed, **further)
    program = program_of(mine)
    arrays = in_double([np.asarray(to_numpy(x)) if is_array(x) else x for x in inputs])
    known = study(program, arrays, 0.1 if lr is None else lr)
    reached: list[str] | None = None
    try:
        reached = reached_by(known, arrays)
        leave_out_unused(known, reached, arrays, seed)
        sides = traced_sides(known, arrays, seed)
    except UntraceableError as error:
        checked = check_by_differences(known, arrays, seed, str(error))
    else:
        checked = examine(sides, single_precision=False, **further)
        checked.warnings += conventions(known, checked)
    checked.warnings[:0] = unjudged(known, reached)
    return checked


def check_both(mine: Any, reference: Any, *inputs: Any, **options: Any) -> Checked:
    """Check against a reference; where the forward passes differ, also against mine's own.

    So both questions are answered: whether mine computes what the reference does, and whether its
    backward fits its forward.
    """
    checked = check(mine, reference, *inputs, **options)
    if not outputs_agree(checked.report):
        try:
            checked.own = check_own(
                mine, *inputs, lr=options.get("lr"), seed=options.get("seed", 0)
            )
        except CandidateError as error:
            checked.warnings.append(f"not checked against its own forward pass: {error}")
    return checked


def unjudged(known: Study, reached: Sequence[str] | None) -> list[str]:
    """What was not judged, and why.

    Args:
        reached: the arrays that a gradient reaches; None if that is not known.
    """
    said = list(known.unfit)
    names = [n for n in known.unmatched if reached is None or n in reached]
    names = [name for name in names if not any(f" {name} " in text for text in said)]
    if names:
        said.append(f"not judged, for no gradient of it was found: {', '.join(names)}")
    if known.unused:
        said.append(f"not judged, for the forward pass does not use it: {', '.join(known.unused)}")
    return said


def conventions(known: Study, checked: Checked) -> list[str]:
    """What may be meant as it is."""
    said = []
    if known.mean:
        said.append("its backward is that of the mean of its outputs, so this mean is checked")
    kinds = {verdict.kind for verdict in checked.diagnosis.verdicts}
    if "mean-for-sum" in kinds and "input 0" not in checked.diagnosis.wrong:
        said.append(
            "some courses divide a parameter's gradient by the number of samples, where the loss "
            "is a mean and what comes in has not been divided: then that is no mistake"
        )
    return said


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

    def compare(self, trial: Trial) -> Report:
        """The rows; digits that a formula loses, as 1 − y² does near y = 1, are no mistake."""
        report = super().compare(trial)
        for i, row in enumerate(report.rows):
            if not row.problem and row.relative <= TOLD:
                report.rows[i] = replace(row, tolerance=max(row.tolerance, row.distance))
        return report

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
