"""Check someone's backward pass against PyTorch: what agrees, what does not, and why not.

`check(mine, reference, *inputs)` runs both on the same numbers, compares outputs and gradients,
names the mistake where they differ, and looks for what is easily forgotten: arguments changed,
memory shared, a second backward, a second and a smaller batch, a batch of one, float32.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from ..diagnosis.forwards import name_output
from ..diagnosis.samples import Sample, gates_of
from ..diagnosis.search import diagnose
from ..diagnosis.verdict import Diagnosis, Verdict
from ..parity.distance import Report
from ..parity.tolerance import EPS
from ..twin import to_torch
from .audit import audit_of
from .comparing import Sides, Trial, outputs_agree, outputs_nearly_agree
from .habits import (
    check_hands_off,
    check_optional_upstream,
    check_same_pass_again,
    check_second_backward,
    check_single_precision,
    warn_of_zero_gradients,
)
from .layouts import CandidateError
from .pieces import unvisited
from .reference import is_array
from .report import Checked, output_words
from .step_rules.check import check_steps, is_step_rule
from .step_rules.schedules import is_schedule
from .sweep import sweep_of
from .trajectory import compare_trajectory

LOOSER = 100.0  # times the distance of two outputs may their gradients differ, if they fit them


def check(
    mine: Any,
    reference: Any,
    *inputs: Any,
    layouts: Mapping[str, str] | None = None,
    extra: Sequence[Any] = (),
    loss: Callable[[torch.Tensor], torch.Tensor] | None = None,
    lr: float | None = None,
    steps: int = 0,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    audit: bool = False,
    sweep: bool = False,
) -> Checked:
    """Check someone's backward pass against PyTorch's; or a step rule, or a schedule.

    Args:
        mine: an object with `forward` and `backward`; a pair of functions `(forward, backward)`;
            a `torch.autograd.Function`; or an `nn.Module`.
        reference: an `nn.Module` or a function of tensors. Mine gets its parameters. For a step
            rule an optimizer of PyTorch's, for a schedule a class of its schedules; then there
            are no inputs.
        inputs: arrays or tensors, float32 or float64; integers where the reference takes them.
            Lists of numbers are arrays too, a list of arrays is several inputs.
        layouts: where a parameter of the reference stands in mine, as in
            `{"weight": "W.T", "weight_hh_l0": "Wh.T@ifog"}`.
        extra: further arguments of a course-style forward, after the parameters.
        loss: of the first output; its gradient is the upstream one, which is random otherwise.
        lr: the learning rate, if mine updates weights.
        steps: compare also the weights after as many steps of gradient descent.
        options: of PyTorch's optimizer or schedule, by name.
        audit: where all agrees, say also which mistakes this check would have missed.
        sweep: check also other ranks, sizes of one, an empty batch and strided arrays.
    Raises:
        CandidateError: mine cannot be run.
    """
    if is_step_rule(reference) or is_schedule(reference):
        if inputs or layouts or extra or loss is not None or audit or sweep:
            raise CandidateError(
                "a step rule is given tensors: only options, lr, steps and seed count"
            )
        return check_steps(mine, reference, options, lr=lr, steps=steps, seed=seed)
    if options:
        raise CandidateError("options are an optimizer's or a schedule's: the reference is neither")
    sides = Sides(mine, reference, as_inputs(inputs), layouts, extra, loss, seed)
    try:
        return examine(sides, lr, steps, audit=audit, sweep=sweep)
    finally:
        sides.mine.restore(sides.theirs)  # what was handed in gets its own parameters back


def as_inputs(values: Sequence[Any]) -> list[Any]:
    """Inputs as arrays: a list of arrays is several, a list of numbers is one."""
    inputs: list[Any] = []
    for value in values:
        if isinstance(value, list) and value and all(is_array(one) for one in value):
            inputs += value
        elif isinstance(value, list):
            try:
                inputs.append(np.asarray(value))
            except ValueError:
                raise CandidateError("an input is a list of lists of unequal lengths") from None
        else:
            inputs.append(value)
    return inputs


def examine(
    sides: Sides,
    lr: float | None,
    steps: int,
    single_precision: bool = True,
    audit: bool = False,
    sweep: bool = False,
) -> Checked:
    """Run all parts of a check, in the order in which they build on each other."""
    checked, trial = compared(sides, lr, steps, single_precision)
    if audit and checked.agrees:
        try:
            checked.audit = audit_of(sides, trial, checked.report)
        except NotImplementedError as error:
            checked.warnings.append(f"no audit: {error}")
    if sweep:
        checked.sweep = sweep_of(sides)
    return checked


def compared(
    sides: Sides, lr: float | None, steps: int, single_precision: bool
) -> tuple[Checked, Trial]:
    """The check itself, and its first trial."""
    trial, report = sides.run_first_trial()
    warn_of_zero_gradients(sides, report)
    checked = Checked(report, Diagnosis(), sides.notes, sides.warnings)
    if not outputs_agree(report):
        checked.diagnosis = Diagnosis(("output",), output_words(report))
        if outputs_nearly_agree(report):
            checked.diagnosis = behind_another_output(sides, trial, report, lr)
        else:
            checked.diagnosis.verdicts = mistake_in_the_forward_pass(sides, trial, report)
    check_hands_off(sides, trial)
    if not report.agrees:
        if checked.diagnosis.agrees:
            checked.diagnosis = diagnose_trial(sides, trial, report, lr)
        return checked, trial
    check_optional_upstream(sides, trial)
    torn = check_same_pass_again(sides, trial)
    if torn is not None:
        checked.diagnosis = torn
        return checked, trial
    mixed = check_second_backward(sides, trial)
    if mixed is not None:  # later gradients are sums of two batches: nothing more to learn
        checked.diagnosis = mixed
        return checked, trial
    check_other_batches(sides, trial, checked, lr)
    check_other_pieces(sides, trial, checked, lr)
    if steps and not set(sides.start) <= set(sides.mine.parameters):
        sides.warnings.append(f"its backward takes its steps itself: --steps {steps} is left out")
    elif steps:
        after, diagnosis = compare_trajectory(sides, trial, steps, 0.1 if lr is None else lr)
        report.rows += after.rows
        if checked.diagnosis.agrees:
            checked.diagnosis = diagnosis
    if single_precision:
        check_single_precision(sides)
    return checked, trial


def diagnose_trial(
    sides: Sides, trial: Trial, report: Report, lr: float | None, previous: Sample | None = None
) -> Diagnosis:
    """Search for the mistake in a trial; batches of other sizes confirm what is found.

    Args:
        previous: the batch before, to find a stale cache.
    """
    bad = [row for row in report.rows if not row.agrees]
    usable = [row for row in bad if not row.problem or row.problem.startswith("shape")]
    if len(usable) < len(bad) or any(
        not math.isfinite(row.mine) for row in usable if not row.problem
    ):
        row = next(r for r in bad if r not in usable or not math.isfinite(r.mine))
        detail = row.problem or f"is {row.mine} at {list(row.worst)}"
        return Diagnosis(tuple(r.name for r in bad), f"the gradient of {row.name}: {detail}")
    try:
        samples = [sides.sample(trial)]
    except NotImplementedError as error:
        names = tuple(row.name for row in bad)
        return Diagnosis(names, f"the gradient of {names[0]}", untried=str(error))
    for inputs in (sides.smaller_batch(), sides.mixed_batch(2)):
        try:
            samples.append(sides.sample(sides.run(inputs)))
        except (CandidateError, RuntimeError, ValueError, IndexError, TypeError):
            continue  # this batch is not one that both take: it confirms nothing
    return diagnose(
        samples, max(row.tolerance for row in report.rows), lr, previous, gates_of(sides.reference)
    )


def mistake_in_the_forward_pass(sides: Sides, trial: Trial, report: Report) -> list[Verdict]:
    """Which mistake in the forward pass gives these outputs; another batch confirms it."""
    trials = [trial]
    for inputs in (sides.mixed_batch(3), sides.smaller_batch()):
        try:
            trials.append(sides.run(inputs))
        except (CandidateError, RuntimeError, ValueError, IndexError, TypeError):
            continue  # this batch is not one that both take
    try:
        samples = [sides.sample(one) for one in trials]
    except NotImplementedError:
        return []  # the reference cannot be followed
    outputs = [
        [to_torch(np.asarray(y)) for (kind, _), y in one.mine.items() if kind == "output"]
        for one in trials
    ]
    tolerance = max(row.tolerance for row in report.rows)
    return name_output(samples, outputs, tolerance)


def behind_another_output(
    sides: Sides, trial: Trial, report: Report, lr: float | None
) -> Diagnosis:
    """What is wrong with the gradients where the outputs differ in their last digits only."""
    words = output_words(report).partition("; ")[0]
    worst = max(row.relative for row in report.rows if row.kind == "output")
    rows = [
        replace(row, tolerance=max(row.tolerance, LOOSER * worst / EPS[row.dtype]))
        for row in report.rows
    ]
    loose = Report(rows)
    if loose.agrees:
        return Diagnosis(("output",), words)
    diagnosis = diagnose_trial(sides, trial, loose, lr)
    diagnosis.where = f"{words}; {diagnosis.where}"
    return diagnosis


def check_other_batches(sides: Sides, first: Trial, checked: Checked, lr: float | None) -> None:
    """Check further batches: stale caches and sizes that were kept pass on one batch only."""
    for name, inputs in (
        ("a second batch", sides.mixed_batch(3)),
        ("a smaller batch", sides.smaller_batch()),
        ("a batch of one", sides.smaller_batch(1)),
    ):
        try:
            sides.shapes_of_outputs(inputs)
        except CandidateError:
            continue  # PyTorch itself refuses this batch, or is not finite there
        try:
            trial = sides.run(inputs)
        except CandidateError as error:
            sides.note(name, False, str(error))
            continue
        report = sides.compare(trial)
        worst = next((row for row in report.rows if not row.agrees), None)
        detail = "" if worst is None else f"{worst.kind} of {worst.name}: {worst.verdict}"
        sides.note(name, worst is None, detail)
        if worst is not None and checked.diagnosis.agrees:
            before = sides.sample(first) if name == "a second batch" else None
            checked.diagnosis = diagnose_trial(sides, trial, report, lr, before)


def check_other_pieces(sides: Sides, first: Trial, checked: Checked, lr: float | None) -> None:
    """Check wider inputs, if these have not visited all pieces of a function that has several."""
    wider = sides.wider_batch()
    missing = unvisited(first.reference, first.inputs, wider)
    if not missing:
        return
    try:
        sides.shapes_of_outputs(wider)
        trial = sides.run(wider)
    except CandidateError:
        return  # one of the two does not take such inputs
    report = sides.compare(trial)
    if not outputs_agree(report):
        return
    worst = next((row for row in report.rows if not row.agrees), None)
    where = ", ".join(f"the slope of {name} is {slope}" for name, slope in missing.items())
    detail = "" if worst is None else f"{worst.kind} of {worst.name}, where {where}"
    sides.note("where these inputs have not been", worst is None, detail)
    if worst is not None and checked.diagnosis.agrees:
        checked.diagnosis = diagnose_trial(sides, trial, report, lr)
