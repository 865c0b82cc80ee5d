"""Both sides of a check, run on the same numbers and compared."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..diagnosis.recording import record
from ..diagnosis.samples import Sample
from ..parity.distance import Report, compare
from ..parity.one_pass import Criterion, Quantities
from ..parity.tolerance import EPS, Allowed, allowed_at_most
from ..twin import to_numpy, to_torch
from .candidates.choice import candidate
from .candidates.functions import FunctionsCandidate
from .layouts import Array, CandidateError
from .reference import (
    autograd,
    every_parameter,
    is_array,
    masked,
    outputs_of,
    parameters_of,
    prepared,
    random_like,
)
from .report import Note
from .settling import Nearby, settle

NEARLY = 1e-9


@dataclass
class Trial:
    """One forward and backward pass of both sides.

    Attributes:
        inputs, upstream: what the reference was run on; the upstream gradients are tensors.
        handed_inputs, handed_upstream: the copies that someone's code was handed.
        mine, theirs: outputs and gradients.
        reference: as it was run: of dropout, with the mask that someone's code drew.
        before: the parameters of someone's code ahead of its backward.
        overwritten: the outputs that its backward has changed.
    """

    inputs: list[Any]
    upstream: list[torch.Tensor]
    handed_inputs: list[Any]
    handed_upstream: list[Array]
    mine: Quantities
    theirs: Quantities
    reference: Any
    before: dict[str, Array]
    overwritten: list[int]


class Sides:
    """Someone's code and its reference, and what is found out about them on the way.

    Attributes:
        notes: what is easily forgotten, and whether it was; `warnings`: what could not be proved.
        order: the gradients in the order of the backward pass.
    """

    def __init__(
        self,
        mine: Any,
        reference: Any,
        inputs: Sequence[Any],
        layouts: Mapping[str, str] | None = None,
        extra: Sequence[Any] = (),
        loss: Callable[[torch.Tensor], torch.Tensor] | None = None,
        seed: int = 0,
    ) -> None:
        self.inputs = [np.asarray(to_numpy(x)) if is_array(x) else x for x in inputs]
        floats = [x.dtype for x in self.inputs if is_array(x) and x.dtype.kind == "f"]
        self.dtype = floats[0] if floats else np.dtype(np.float64)
        if self.dtype not in EPS or np.dtype(np.longdouble) == self.dtype:
            raise CandidateError(f"inputs in {self.dtype}: PyTorch is checked in float32, float64")
        if isinstance(reference, type):
            raise CandidateError(
                f"the reference is the class {reference.__name__}: expected an object"
            )
        for i, x in enumerate(self.inputs):
            if is_array(x) and not x.size:
                raise CandidateError(f"input {i} is empty: nothing can be checked")
        self.seed, self.loss = seed, loss
        self.reference = prepared(reference, to_torch(self.dtype), seed)
        frozen = [n for n, p in every_parameter(self.reference).items() if not p.requires_grad]
        if not hasattr(mine, "named_parameters"):  # there a parameter is one like all others
            for name in frozen:
                every_parameter(self.reference)[name].requires_grad_()
        self.start = {n: to_numpy(p).copy() for n, p in parameters_of(self.reference).items()}
        shapes = {name: value.shape for name, value in self.start.items()}
        self.mine = candidate(mine, shapes, self.inputs, layouts, extra)
        for name in self.mine.absent:
            with torch.no_grad():
                parameters_of(self.reference)[name].zero_().requires_grad_(False)
            self.start.pop(name)
        self.theirs = {n: v.copy() for n, v in self.mine.parameters.items()}
        self.loaded = self.start
        self.mine.load(self.start)
        shapes_out = self.shapes_of_outputs(self.inputs)
        self.mine.partial = is_a_loss(reference, shapes_out)
        if isinstance(self.mine, FunctionsCandidate):
            self.mine.orient(self.inputs, shapes_out)
        self.warnings: list[str] = [
            f"{name} is held at zero: {self.mine.name} has none" for name in self.mine.absent
        ]
        self.notes: list[Note] = []
        self.first_shape: tuple[int, ...] = ()  # of the output that the loss has a target for
        self.order: list[str] | None = None
        if len(self.inputs) and is_array(self.inputs[0]) and self.inputs[0].shape[:1] == (1,):
            self.warnings.append("a batch of one does not tell a mean from a sum")

    def upstream(self, outputs: Sequence[torch.Tensor]) -> list[Any]:
        """The upstream gradients: the loss's where its target fits the output, else random ones."""
        self.first_shape = self.first_shape or tuple(outputs[0].shape)
        if self.loss is not None and tuple(outputs[0].shape) == self.first_shape:
            return Criterion(self.loss)(outputs)
        if not self.mine.takes_upstream:
            return [torch.ones_like(y) for y in outputs]
        return random_like(outputs, self.seed + 1)

    def allowed(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Allowed:
        """The distances that rounding alone explains."""
        return allowed_at_most([value.shape for value in self.start.values()], inputs, outputs)

    def run(self, inputs: Sequence[Any], handed: Sequence[Any] = ()) -> Trial:
        """Run both sides on these inputs.

        Args:
            handed: the same numbers, laid out as someone's code is to have them; else copies.
        Raises:
            CandidateError: someone's code cannot be run on them, or returns too much.
        """
        self.mine.load(self.loaded)  # backward may have updated it
        self.mine.zero_grad()
        handed = list(handed) or [x.copy() if is_array(x) else x for x in inputs]
        given_out = self.mine.forward(handed)
        outputs = [y.copy() for y in given_out]  # as they were ahead of backward
        reference = masked(self.reference, inputs, outputs)
        passed = autograd(reference, inputs, self.upstream)
        wanted = len(passed.outputs)
        if len(outputs) < wanted:  # as where a course's LSTM returns no last state
            missing = ", ".join(str(i) for i in range(len(outputs), wanted))
            warning = f"{self.mine.name} returns no output {missing}: not compared"
            self.warnings += [warning] if warning not in self.warnings else []
            cut = [
                g if i < len(outputs) else torch.zeros_like(g)
                for i, g in enumerate(passed.upstream)
            ]
            passed = autograd(reference, inputs, cut)
            del passed.outputs[len(outputs) :]
        elif len(outputs) > wanted:
            raise CandidateError(
                f"{self.mine.name}: forward returned {len(outputs)} outputs, expected {wanted}"
            )
        theirs = passed.quantities
        upstream = [np.array(to_numpy(g)) for g in passed.upstream[: len(outputs)]]
        before = {name: value.copy() for name, value in self.mine.parameters.items()}
        gradients = self.mine.backward(upstream)
        overwritten = [
            i
            for i, (y, now) in enumerate(zip(outputs, given_out, strict=True))
            if not np.array_equal(y, now, equal_nan=y.dtype.kind == "f")
        ]
        if reference is not self.reference and (self.inputs[0] == 0).any():
            own = gradients.get("input 0")
            reference = masked(self.reference, inputs, outputs, upstream[0], own)
            theirs = autograd(reference, inputs, passed.upstream).quantities
        mine: Quantities = {("output", str(i)): y for i, y in enumerate(outputs)}
        mine |= {("gradient", name): value for name, value in gradients.items()}
        for key in list(theirs):
            if key not in mine and key[1].startswith("input"):
                if key[1] in self.mine.silent:
                    warning = f"no gradient of {key[1]} was returned: not judged"
                    self.warnings += [warning] if warning not in self.warnings else []
                elif not self.mine.partial:
                    continue
                del theirs[key]
        return Trial(
            list(inputs),
            passed.upstream,
            handed,
            upstream,
            mine,
            theirs,
            reference,
            before,
            overwritten,
        )

    def sample(self, trial: Trial) -> Sample:
        """A trial as the diagnosis takes it."""
        mine = {
            n: to_torch(np.asarray(v)) for (kind, n), v in trial.mine.items() if kind != "output"
        }
        tensors = [to_torch(x) for x in trial.inputs]
        return Sample.of(trial.reference, tensors, trial.upstream, mine)

    def shapes_of_outputs(self, inputs: Sequence[Any]) -> list[tuple[int, ...]]:
        """The shapes of the reference's outputs on these inputs.

        Raises:
            CandidateError: it does not take them, or is not finite there.
        """
        reference = self.reference
        if isinstance(reference, torch.nn.Module):
            reference = copy.deepcopy(reference)
        with torch.no_grad():
            outputs = outputs_of(reference, [to_torch(x) for x in inputs])
        if not all(bool(torch.isfinite(y).all()) for y in outputs):
            raise CandidateError("the reference itself is not finite on these inputs")
        return [tuple(y.shape) for y in outputs]

    def compare(self, trial: Trial) -> Report:
        """A row for each quantity, in the order of the backward pass."""
        outputs = [v for (kind, _), v in trial.theirs.items() if kind == "output"]
        scale = max((float(np.abs(g).max(initial=0)) for g in trial.handed_upstream), default=1.0)
        report = compare(trial.mine, trial.theirs, self.allowed(trial.inputs, outputs), scale)
        report.rows = [
            replace(row, problem=self.mine.misfits[row.name])
            if row.problem.startswith("shape") and row.name in self.mine.misfits
            else row
            for row in report.rows
        ]
        if self.order is None:
            self.order = self.backward_order(trial)
        order = {("gradient", name): i for i, name in enumerate(self.order)}
        report.rows.sort(key=lambda row: order.get((row.kind, row.name), -1))
        return report if report.agrees or not outputs_agree(report) else self.settled(trial, report)

    def settled(self, trial: Trial, report: Report) -> Report:
        """A report in which what is no mistake agrees, with a warning that says why."""
        mine = {n: v for (kind, n), v in trial.mine.items() if kind == "gradient"}
        try:
            sample: Sample | None = self.sample(trial)
        except NotImplementedError:
            sample = None
        near = Nearby(trial.reference, trial.inputs, trial.upstream)
        try:
            report, excuses = settle(report, mine, sample, near)
        except RuntimeError:
            return report  # it does not run in float64, so that nothing is known of it nearby
        for name, words in excuses.items():
            about = f"gradient of {name}: {words}"
            kind = about.partition(",")[0].rstrip("0123456789 ")
            if not any(warning.startswith(kind) for warning in self.warnings):
                self.warnings.append(about)
        return report

    def backward_order(self, trial: Trial) -> list[str]:
        """The gradients as the backward pass completes them; none if it cannot be followed."""
        try:
            return record(trial.reference, [to_torch(x) for x in trial.inputs]).order()
        except NotImplementedError:
            return []

    def note(self, name: str, passed: bool, detail: str = "") -> None:
        self.notes.append(Note(name, passed, detail))

    def run_first_trial(self) -> tuple[Trial, Report]:
        """Run both sides on the inputs as they are; the output tells how square matrices lie."""
        trial = self.run(self.inputs)
        report = self.compare(trial)
        if outputs_agree(report):
            return trial, report
        names = self.mine.transpose_square()
        if not names:
            return trial, report
        again = self.run(self.inputs)
        other = self.compare(again)
        if outputs_agree(other):
            which = ", ".join(names)
            self.warnings.append(f"{which} is square and read as transposed: so the output agrees")
            return again, other
        self.mine.transpose_square()
        return self.run(self.inputs), report

    def mixed_batch(self, seed: int) -> list[Any]:
        """Another batch, made from the inputs: the rows in another order, scaled."""
        generator = np.random.default_rng(self.seed + seed)
        size = self.samples
        order = np.roll(np.arange(size), 1)
        batch = []
        for x in self.inputs:
            if is_array(x) and x.ndim and len(x) == size:
                x = x[order]
                if x.dtype.kind == "f" and len(x) and not (x[0] == x).all():
                    x = x * x.dtype.type(generator.uniform(0.85, 0.95))
            batch.append(x.copy() if is_array(x) else x)
        return batch

    def smaller_batch(self, size: int | None = None) -> list[Any]:
        """The first `size` samples, two less than all by default, as at the end of an epoch."""
        size = max(1, self.samples - 2) if size is None else size
        return [
            x[:size].copy() if is_array(x) and x.ndim and len(x) == self.samples else x
            for x in self.inputs
        ]

    def wider_batch(self) -> list[Any]:
        """The inputs, four times as large: beyond the corners of what is made of pieces."""
        return [
            x * x.dtype.type(4) if is_array(x) and x.dtype.kind == "f" else x for x in self.inputs
        ]

    @property
    def samples(self) -> int:
        """The length of the first axis of the first input."""
        return len(self.inputs[0]) if self.inputs and np.ndim(self.inputs[0]) else 0


def outputs_agree(report: Report) -> bool:
    return all(row.agrees for row in report.rows if row.kind == "output")


def outputs_nearly_agree(report: Report) -> bool:
    """Whether the outputs differ by no more than a constant such as 1e-12 in one of them makes."""
    outputs = [row for row in report.rows if row.kind == "output"]
    return all(not row.problem and row.relative <= NEARLY for row in outputs)


def is_a_loss(reference: Any, outputs: Sequence[tuple[int, ...]]) -> bool:
    """Whether a reference measures its first input against others, whose gradients are optional."""
    if isinstance(reference, torch.nn.modules.loss._Loss):
        return True
    forward = getattr(reference, "forward", reference)
    try:
        takes_target = "target" in inspect.signature(forward).parameters
    except (TypeError, ValueError):  # a builtin of PyTorch's
        takes_target = False
    return takes_target or (len(outputs) == 1 and outputs[0] == ())
