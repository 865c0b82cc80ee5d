"""What a test that agrees would have missed: the catalogue of mistakes, planted into the reference.

Each mistake is looked for on the very inputs that the check has compared. One that does not show
there is tried on others: more samples, numbers of both signs, other upstream gradients.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from ..diagnosis.missed import mistakes_missed
from ..diagnosis.samples import Sample, gates_of
from ..parity.distance import Report
from ..twin import to_torch
from .comparing import Sides, Trial
from .layouts import CandidateError
from .reference import is_floating, outputs_of, random_like
from .report import Audit

SAMPLES = 4  # where one alone cannot tell


def audit_of(sides: Sides, trial: Trial, report: Report) -> Audit:
    """Plant the catalogue into a reference, and see what the trials of a check show of it.

    Raises:
        NotImplementedError: the reference cannot be followed operation by operation.
    """
    judged = [row.name for row in report.rows if row.kind == "gradient" and not row.problem]
    tolerance = max(row.tolerance for row in report.rows)
    tests = [sample_of(trial.reference, trial.inputs, trial.upstream)]
    for inputs in (sides.mixed_batch(3), sides.smaller_batch()):
        try:
            tests.append(sample_of(trial.reference, inputs, upstream_of(sides, trial, inputs)))
        except (CandidateError, RuntimeError, ValueError, IndexError, TypeError):
            continue  # this batch is not one that the reference takes
    others = dict(other_samples(sides, trial))
    gates = gates_of(trial.reference)
    return Audit(*mistakes_missed(tests, others, judged, tolerance, gates))


def sample_of(reference: Any, inputs: Sequence[Any], upstream: Sequence[torch.Tensor]) -> Sample:
    return Sample.of(reference, [to_torch(x) for x in inputs], upstream)


def upstream_of(sides: Sides, trial: Trial, inputs: Sequence[Any]) -> list[torch.Tensor]:
    """The upstream gradients that a check would hand in for these inputs."""
    with torch.no_grad():
        reference = copy.deepcopy(trial.reference)
        return sides.upstream(outputs_of(reference, [to_torch(x) for x in inputs]))


def other_samples(sides: Sides, trial: Trial) -> Iterator[tuple[str, Sample]]:
    """What shows a mistake that the test does not, by what it is."""
    generator = np.random.default_rng(sides.seed + 17)
    signed = [
        (2 * generator.normal(size=x.shape)).astype(x.dtype) if is_floating(x) else x
        for x in sides.inputs
    ]
    drawn = [redrawn(x, generator) if is_floating(x) else x for x in sides.inputs]
    several = [
        np.concatenate([x if i == 0 else redrawn(x, generator) for i in range(SAMPLES)])
        if is_floating(x) and x.ndim
        else np.repeat(x, SAMPLES, 0)
        if np.ndim(x)
        else x
        for x in sides.inputs
    ]
    ways: dict[str, Sequence[Any]] = {
        "inputs of both signs": signed,
        "inputs of other numbers": drawn,
        "an upstream gradient of other numbers": sides.inputs,
    }
    if sides.samples == 1:
        ways = {"more than one sample": several, **ways}
    for words, inputs in ways.items():
        other_upstream = inputs is sides.inputs
        if other_upstream and not sides.mine.takes_upstream:
            continue
        try:
            sides.shapes_of_outputs(inputs)  # they may not be finite there
            upstream = upstream_of(sides, trial, inputs)
            upstream = random_like(upstream, sides.seed + 5) if other_upstream else upstream
            yield words, sample_of(trial.reference, inputs, upstream)
        except (CandidateError, NotImplementedError, RuntimeError, ValueError, IndexError):
            continue  # the reference does not take these


def redrawn(x: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """An array of this shape with other numbers; probabilities stay such."""
    if x.size and x.min() >= 0 and x.max() <= 1:
        return generator.uniform(0.05, 0.95, size=x.shape).astype(x.dtype)
    return (2 * generator.normal(size=x.shape)).astype(x.dtype)
