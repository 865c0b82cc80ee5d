"""What may be meant as it is, or is missing: said, and not taken for a mistake without need."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...diagnosis.verdict import Diagnosis
from ...parity.distance import Comparison
from ...parity.one_pass import Quantities
from ..report import Checked
from .study import Study
from .words import is_parameter

USUAL = {float(f"{base}e-{k}") for base in (1, 2, 3, 5) for k in range(7)}  # learning rates


def unjudged(known: Study, reached: Sequence[str] | None, missing: Sequence[str] = ()) -> list[str]:
    """What was not judged, and why.

    Args:
        reached: the arrays that a gradient reaches; None if that is not known.
        missing: those that were judged, for they are to have one.
    """
    said = list(known.unfit)
    names = [n for n in known.unmatched if reached is None or n in reached]
    names = [name for name in names if name not in missing]
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


def divided_by_samples(mine: Quantities, theirs: Quantities, inputs: Sequence[Any]) -> list[str]:
    """The parameters of a layer that are divided by the number of samples; none if not all are.

    So does a course in which every column is a sample and b has the shape (n, 1): what comes in is
    not divided, as the loss's mean is taken here.
    """
    output = theirs.get(("output", "0"))
    if output is None or np.ndim(output) != 2:
        return []
    rows, samples = np.shape(output)
    columns = [f"input {i}" for i, x in enumerate(inputs) if np.shape(x)[-1:] == (samples,)]
    own = [key for key in mine if key[0] == "gradient" and key[1] not in columns]
    sizes = [np.shape(theirs[key]) for key in own]
    if samples < 2 or len(own) < 2 or (rows, 1) not in sizes or (1, 1) in sizes:
        return []

    def divided(key: tuple[str, str]) -> bool:
        value, right = np.asarray(mine[key]), np.asarray(theirs[key]) / samples
        size = float(np.abs(right).max(initial=0))
        return (
            value.shape == right.shape
            and size > 0
            and bool(np.abs(value - right).max() <= 1e-10 * size)
        )

    return [name for _, name in own] if all(map(divided, own)) else []


def common_factor(pairs: Sequence[tuple[Any, Any]]) -> tuple[float, int]:
    """The positive number by which the most of these arrays are those beside them, multiplied.

    Returns:
        It, a usual one if several do; and of how many this is so.
    """
    factors = []
    for mine, right in pairs:
        size = float((right * right).sum())
        factor = float((mine * right).sum()) / size if size else 0.0
        if factor > 0 and np.allclose(mine, factor * right, rtol=1e-6, atol=1e-9 * size**0.5):
            factors.append(float(f"{factor:.6g}"))
    counted = {factor: factors.count(factor) for factor in factors}
    return max(counted.items(), key=lambda one: (one[1], one[0] in USUAL), default=(1.0, 0))


def note_missing(known: Study, reached: Sequence[str] | None, checked: Checked) -> None:
    """Call a weight or bias wrong that has no gradient at all, where those beside it have one."""
    for name, leaf in known.unmatched.items():
        if reached is None or name not in reached or leaf.path is None:
            continue
        beside = [x.path for x in known.leaves.values() if x.path and x.path[:-1] == leaf.path[:-1]]
        if not (beside and is_parameter(str(leaf.path[-1]))) or leaf.shape in known.unclaimed:
            continue
        words = f"the gradient of {name} is missing: none is given, and backward does not update it"
        row = Comparison("gradient", name, leaf.shape, np.dtype(float), 0.0, problem="missing")
        checked.report.rows.append(row)
        if checked.diagnosis.agrees:
            checked.diagnosis = Diagnosis((name,), words)
