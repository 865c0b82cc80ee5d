"""Weights after some steps of plain gradient descent."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from ..diagnosis.samples import Sample, gates_of
from ..diagnosis.search import diagnose
from ..diagnosis.verdict import Diagnosis
from ..parity.distance import Report, compare
from ..parity.one_pass import Passed
from ..parity.tolerance import Allowed, allowed_at_most
from ..twin import to_numpy, to_torch
from .comparing import Sides, Trial
from .layouts import Array
from .reference import descent, is_array


def compare_trajectory(
    sides: Sides, trial: Trial, steps: int, lr: float
) -> tuple[Report, Diagnosis]:
    """The weights after so many steps on the trial's batch; the mistake in the first step."""
    outputs = [value for (kind, _), value in trial.theirs.items() if kind == "output"]
    allowed = sides.allowed(sides.inputs, outputs)
    sides.mine.load(sides.start)
    code = getattr(sides.mine, "code", None) or getattr(sides.mine, "module", None)
    step = next((getattr(code, n) for n in ("step", "update") if hasattr(code, n)), None)
    after_one: dict[str, Array] = {}
    first: Passed | None = None
    path = descent(sides.reference, sides.inputs, sides.upstream, lr, steps, allowed)
    for theirs in path:
        sides.mine.zero_grad()
        before = {n: v.copy() for n, v in sides.mine.parameters.items()}
        sides.mine.forward([np.copy(x) if is_array(x) else x for x in sides.inputs])
        upstream = [np.array(to_numpy(g)) for g in theirs.passed.upstream]
        gradients = sides.mine.backward(upstream)
        if step is not None:
            step(lr)
        else:
            sides.mine.load({n: before[n] - lr * gradients[n] for n in theirs.weights})
        if first is None:
            first = theirs.passed
            after_one = {n: v.copy() for n, v in sides.mine.parameters.items()}
    kind = f"after {steps} steps"
    report = compare(
        {(kind, n): v for n, v in sides.mine.parameters.items()},
        {(kind, n): v for n, v in theirs.weights.items()},
        Allowed(explained={(kind, n): eps for n, eps in theirs.explained.items()}),
    )
    if report.agrees or first is None:
        return report, Diagnosis()
    return report, diagnose_step(
        sides.reference, sides.inputs, first.upstream, sides.start, after_one, lr
    )


def diagnose_step(
    reference: Any,
    inputs: Sequence[Any],
    upstream: Sequence[torch.Tensor],
    before: Mapping[str, Array],
    after: Mapping[str, Array],
    lr: float,
) -> Diagnosis:
    """The mistake behind weights after one step of gradient descent: (before − after)/lr is the
    gradient that was used."""
    gradients = {}
    worst = 1.0
    tensors = [to_torch(x) for x in inputs]
    sample = Sample.of(reference, tensors, upstream)
    for name, start in before.items():
        used = (start - after[name]) / start.dtype.type(lr)
        gradients[name] = to_torch(used)
        size = float(sample.right[name].abs().max())
        if size:  # the weights' rounding, as seen from the gradient
            worst = max(worst, 4 * float(np.abs(start).max()) / (lr * size))
    sample.mine = gradients
    eps = allowed_at_most([start.shape for start in before.values()], inputs, upstream).backward
    return diagnose([sample], eps * worst, lr, None, gates_of(reference))
