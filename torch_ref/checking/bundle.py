"""A bundle: one forward and backward pass as .npy files, which any language can write and read.

    index.json          what there is: names, files, shapes
    input_0.npy …       inputs, parameters, and the upstream gradient of each output: given
    output_0.npy …      outputs, intermediate results, gradients, and the weights after each step of
                        a trajectory: what the reference computed, or what somebody else did

`write` makes one from a reference; `check_bundle` compares a filled-in one with a reference.
"""

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..diagnosis.samples import Sample, gates_of
from ..diagnosis.search import diagnose
from ..diagnosis.verdict import Diagnosis
from ..models.losses import LOSSES
from ..parity.distance import compare
from ..parity.one_pass import Criterion, Quantities, Upstream
from ..parity.tolerance import Allowed, allowed_at_most
from ..safe_files import one_line, read_array, read_json, write_whole
from ..twin import to_numpy, to_torch
from .layouts import CandidateError
from .reference import (
    Descended,
    autograd,
    descent,
    drawing_of,
    every_parameter,
    outputs_of,
    parameters_of,
    prepared,
    random_like,
)
from .report import Checked
from .trajectory import diagnose_step

FORMAT = "backprop-parity bundle 1"
GIVEN = ("inputs", "parameters", "upstream", "target")
COMPUTED = ("outputs", "intermediates", "gradients")
Arrays = dict[str, np.ndarray]


def upstream_of(loss: str | None, target: Any, gradients: Sequence[Any]) -> Upstream:
    """A function from outputs to their gradients: the loss's, or those handed in."""

    def upstream(outputs: Sequence[torch.Tensor]) -> list[Any]:
        if loss is None:
            if len(outputs) != len(gradients):
                raise CandidateError(
                    f"{len(gradients)} upstream gradients, the reference has {len(outputs)} outputs"
                )
            for i, (y, g) in enumerate(zip(outputs, gradients, strict=True)):
                if tuple(y.shape) != np.shape(g):
                    raise CandidateError(
                        f"upstream gradient {i} has the shape {np.shape(g)}, the reference's "
                        f"output {tuple(y.shape)}"
                    )
            return list(gradients)
        return Criterion(LOSSES[loss], target)(outputs)

    return upstream


def compute(
    reference: Any, inputs: Sequence[Any], upstream: Upstream, lr: float, steps: int
) -> tuple[Quantities, list[torch.Tensor], list[Descended], Allowed]:
    """What the reference computes for a bundle.

    Returns:
        The quantities of its pass, the upstream gradients, each step of plain gradient descent, and
        what rounding allows.
    """
    if drawing_of(reference):
        raise CandidateError(
            f"{type(drawing_of(reference)[0]).__name__} draws random numbers, others every time"
        )
    passed = autograd(reference, inputs, upstream, inside=True)
    shapes = [tuple(p.shape) for p in parameters_of(reference).values()]
    allowed = allowed_at_most(shapes, inputs, passed.outputs)
    path = list(descent(reference, inputs, upstream, lr, steps, allowed))
    quantities: Quantities = {
        ("intermediate" if kind == "inside" else kind, name): value
        for wanted in ("inside", "output", "gradient")
        for (kind, name), value in passed.quantities.items()
        if kind == wanted
    }
    return quantities, passed.upstream, path, allowed


def write(
    out: Path,
    reference: Any,
    inputs: Sequence[np.ndarray],
    upstream: Any,
    name: str,
    loss: str | None = None,
    target: np.ndarray | None = None,
    lr: float = 0.1,
    steps: int = 0,
) -> Path:
    """Write the reference's bundle, whole or not at all.

    Args:
        upstream: from the outputs to their gradients.
        name: the reference's, for the reader.
    Raises:
        CandidateError: there is something at `out`, or it cannot be written.
    """
    quantities, handed, path, _ = compute(reference, inputs, upstream, lr, steps)
    groups: dict[str, Arrays] = {
        "inputs": {str(i): np.asarray(x) for i, x in enumerate(inputs)},
        "parameters": {n: to_numpy(p) for n, p in every_parameter(reference).items()},
        "upstream": {str(i): to_numpy(g) for i, g in enumerate(handed)},
        "target": {} if target is None else {"0": np.asarray(target)},
        "outputs": {n: to_numpy(v) for (k, n), v in quantities.items() if k == "output"},
        "intermediates": {
            n: to_numpy(v) for (k, n), v in quantities.items() if k == "intermediate"
        },
        "gradients": {n: to_numpy(v) for (k, n), v in quantities.items() if k == "gradient"},
    }
    index: dict[str, Any] = {"format": FORMAT, "reference": name, "loss": loss, "lr": lr}
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CandidateError(f"--out {out}: there is something there already")

    def write_into(directory: Path) -> None:
        directory.mkdir()
        for group, arrays in groups.items():
            index[group] = write_arrays(directory, group.rstrip("s"), arrays)
        index["trajectory"] = [
            write_arrays(directory, f"step_{number}", step.weights)
            for number, step in enumerate(path, 1)
        ]
        (directory / "index.json").write_text(json.dumps(index, indent=2) + "\n")

    write_whole(out, write_into, f"--out {out}", parents=True)
    return out


def write_arrays(directory: Path, group: str, arrays: Arrays) -> dict[str, Any]:
    """Write these arrays, and return their entry of the index.

    Each has a file of its own, also where two names differ only in what a file's name cannot keep
    apart: `W` and `w`, `input 0` and `input_0`.
    """
    entry = {}
    taken = {file.name.lower() for file in directory.iterdir()}
    for name, array in arrays.items():
        plain = f"{group}_{name}".replace(" ", "_").replace("/", "_")
        names = (f"{plain}-{n}.npy" if n > 1 else f"{plain}.npy" for n in count(1))
        file = next(file for file in names if file.lower() not in taken)
        taken.add(file.lower())
        np.save(directory / file, array, allow_pickle=False)
        entry[name] = {"file": file, "shape": list(array.shape), "dtype": str(array.dtype)}
    return entry


class Bundle:
    """A bundle as read from a directory. Nothing in it is run or unpickled.

    Raises:
        CandidateError: it is no bundle, or a file of it is missing, damaged or not what the index
            says.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        path = directory / "index.json"
        if not path.exists():
            raise CandidateError(f"{directory}: no bundle, there is no index.json")
        if not path.resolve().is_relative_to(directory.resolve()):
            raise CandidateError(f"{path}: leads out of the bundle")
        index = read_json(path)
        if not isinstance(index, dict) or index.get("format") != FORMAT:
            raise CandidateError(f"{path}: expected the format {FORMAT!r}")
        self.groups = {group: self.read(group, index.get(group)) for group in GIVEN + COMPUTED}
        trajectory = index.get("trajectory", [])
        if not isinstance(trajectory, list):
            raise CandidateError(f"{path}: trajectory: expected a list, a step each")
        self.trajectory = [
            self.read(f"trajectory step {number}", entry)
            for number, entry in enumerate(trajectory, 1)
        ]
        self.loss = index.get("loss")
        if self.loss is not None and not (isinstance(self.loss, str) and self.loss in LOSSES):
            raise CandidateError(
                f"{path}: loss {self.loss!r}, expected {', '.join(LOSSES)} or null"
            )
        self.lr = index.get("lr", 0.1)
        number = isinstance(self.lr, int | float) and not isinstance(self.lr, bool)
        if not number or not 0 < self.lr < 1e300:
            raise CandidateError(f"{path}: lr {str(self.lr)[:20]}, expected a number above 0")

    def read(self, group: str, entry: Any) -> Arrays:
        """The arrays of one group of the index."""
        where = f"{self.directory / 'index.json'}: {group}"
        if entry is None:
            return {}
        if not isinstance(entry, dict):
            raise CandidateError(f"{where}: expected names, each with a file")
        arrays = {}
        for name, item in entry.items():
            file = item.get("file") if isinstance(item, dict) else item
            if not isinstance(file, str) or not file:
                raise CandidateError(f"{where}: {name} has no file")
            path = self.directory / file
            if len(file) > 200 or not file.isprintable():
                raise CandidateError(f"{where}: {name!a} is no plain file name")
            if not path.resolve().is_relative_to(self.directory.resolve()):
                raise CandidateError(f"{where}: {name} is {file!r}, outside the bundle")
            array = read_array(path, f"{group} {name} ({file})")
            shape = item.get("shape") if isinstance(item, dict) else None
            if shape is not None and shape != list(array.shape):
                raise CandidateError(
                    f"{where}: {name} has the shape {list(array.shape)}, the index says {shape}"
                )
            arrays[str(name)] = array
        return arrays

    def listed(self, group: str) -> list[np.ndarray]:
        """The arrays of a group that is numbered from 0."""
        arrays = self.groups[group]
        if sorted(arrays) != sorted(map(str, range(len(arrays)))):
            raise CandidateError(
                f"{self.directory}: {group} are {', '.join(arrays)}, expected 0, 1 …"
            )
        return [arrays[str(i)] for i in range(len(arrays))]


def check_bundle(bundle: Bundle, reference: Any) -> Checked:
    """Compare what a bundle holds with what the reference computes from what it was given.

    Args:
        reference: an `nn.Module` or a function of tensors; it gets the bundle's parameters.
    Raises:
        CandidateError: the two do not belong together.
    """
    inputs = bundle.listed("inputs")
    floats = [
        x.dtype for x in [*inputs, *bundle.groups["parameters"].values()] if x.dtype.kind == "f"
    ]
    dtype = floats[0] if floats else np.dtype(np.float64)
    if dtype not in (np.float32, np.float64):
        raise CandidateError(f"{bundle.directory}: {dtype}, expected float32 or float64")
    for group in ("inputs", "parameters", "upstream"):
        for name, value in bundle.groups[group].items():
            if value.dtype != dtype and (group != "inputs" or value.dtype.kind == "f"):
                raise CandidateError(
                    f"{bundle.directory}: {group} {name}: {value.dtype}, expected {dtype}"
                )
    reference = prepared(reference, to_torch(dtype), 0)
    wanted = {name: tuple(p.shape) for name, p in every_parameter(reference).items()}
    shapes = {name: value.shape for name, value in bundle.groups["parameters"].items()}
    if wanted != shapes:
        raise CandidateError(
            f"{bundle.directory}: its parameters are {shapes or 'none'}, "
            f"the reference's {wanted or 'none'}"
        )
    with torch.no_grad():
        for name, parameter in every_parameter(reference).items():
            parameter.copy_(to_torch(bundle.groups["parameters"][name]))
    target = bundle.groups["target"].get("0")
    if bundle.loss is not None and target is None:
        raise CandidateError(f"{bundle.directory}: loss {bundle.loss} without a target")
    upstream = upstream_of(bundle.loss, target, bundle.listed("upstream"))
    if not any(bundle.groups[group] for group in COMPUTED) and not bundle.trajectory:
        raise CandidateError(f"{bundle.directory}: no output, gradient or trajectory to check")
    try:
        theirs, handed, path, allowed = compute(
            reference, inputs, upstream, bundle.lr, len(bundle.trajectory)
        )
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise CandidateError(
            f"the reference does not take this bundle: {one_line(error)}"
        ) from None
    return compare_bundle(bundle, reference, inputs, theirs, handed, path, allowed)


def compare_bundle(
    bundle: Bundle,
    reference: Any,
    inputs: Sequence[np.ndarray],
    theirs: Quantities,
    handed: Sequence[torch.Tensor],
    path: Sequence[Descended],
    allowed: Allowed,
) -> Checked:
    """The report on a bundle: what it holds, in the order of the pass, and the diagnosis."""
    kinds = {"intermediates": "intermediate", "outputs": "output", "gradients": "gradient"}
    mine: Quantities = {
        (kinds[group], name): value
        for group in ("intermediates", "outputs", "gradients")
        for name, value in bundle.groups[group].items()
    }
    unknown = [f"{kind} {name}" for kind, name in mine if (kind, name) not in theirs]
    if unknown:
        known = ", ".join(name for kind, name in theirs if kind == unknown[0].partition(" ")[0])
        raise CandidateError(
            f"{bundle.directory}: the reference has no {unknown[0]}; it has {known}"
        )
    try:
        sample = Sample.of(reference, [to_torch(x) for x in inputs], handed)
    except NotImplementedError as error:
        raise CandidateError(f"the reference cannot be followed: {error}") from None
    position = {name: i for i, name in enumerate(sample.tapes[0].order())}
    keys = sorted(mine, key=lambda key: position.get(key[1], -1) if key[0] == "gradient" else -1)
    report = compare(
        {k: mine[k] for k in keys}, {k: theirs[k] for k in keys}, allowed, sample.scale
    )
    checked = Checked(report)
    for number, (ours, right) in enumerate(zip(bundle.trajectory, path, strict=True), 1):
        label = f"after step {number}:"
        explained = Allowed(explained={(label, n): eps for n, eps in right.explained.items()})
        report.rows += compare(
            {(label, n): v for n, v in ours.items()},
            {(label, n): right.weights[n] for n in ours if n in right.weights},
            explained,
        ).rows
    bad = [row for row in report.rows if not row.agrees]
    if not bad:
        return checked
    first = bad[0]
    gradients = {n: to_torch(v) for n, v in bundle.groups["gradients"].items()}
    shaped = all(not row.problem or row.problem.startswith("shape") for row in bad)
    if first.kind in ("intermediate", "output"):
        detail = first.problem or (
            f"{first.mine:.9g} at {list(first.worst)}, expected {first.reference:.9g}"
        )
        checked.diagnosis = Diagnosis(
            (f"{first.kind} {first.name}",),
            f"{first.kind} {first.name} of the forward pass: {detail}; gradients are judged once "
            "it agrees",
        )
    elif first.kind == "gradient" and shaped:
        sample.mine = {n: g for n, g in gradients.items() if g.dtype == sample.right[n].dtype}
        checked.diagnosis = diagnose(
            [sample, *larger(reference, inputs)],
            allowed.backward,
            bundle.lr,
            None,
            gates_of(reference),
        )
    elif (
        first.kind == "after step 1:"
        and shaped
        and all(n in bundle.trajectory[0] for n in parameters_of(reference))
    ):
        start = {n: bundle.groups["parameters"][n] for n in bundle.trajectory[0]}
        checked.diagnosis = diagnose_step(
            reference, inputs, handed, start, bundle.trajectory[0], bundle.lr
        )
    else:
        detail = first.problem or "disagrees"
        checked.diagnosis = Diagnosis((first.name,), f"{first.kind} {first.name}: {detail}")
    return checked


def larger(reference: Any, inputs: Sequence[np.ndarray]) -> list[Sample]:
    """The reference on more samples, which may tell several mistakes apart; none if it refuses."""
    size = len(inputs[0]) if inputs and inputs[0].ndim else 0
    more = [
        np.concatenate([x, x[::-1][:2] * x.dtype.type(0.5) if x.dtype.kind == "f" else x[:2]])
        if x.ndim and len(x) == size and size
        else x
        for x in inputs
    ]
    try:
        tensors = [to_torch(x) for x in more]
        with torch.no_grad():
            outputs = outputs_of(reference, tensors)
        return [Sample.of(reference, tensors, random_like(outputs, 2))]
    except (CandidateError, NotImplementedError):
        return []  # it does not take more samples: there is nothing to tell apart by
