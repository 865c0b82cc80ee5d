"""Check someone's backward pass against PyTorch: what agrees, what does not, and why not.

`check(mine, reference, *inputs)` runs both on the same numbers, compares outputs and gradients,
names the mistake where they differ, and looks for what is easily forgotten: arguments changed,
memory shared, a second backward, a second and a smaller batch, a batch of one, float32.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..diagnosis.recording import record
from ..diagnosis.samples import Sample, gates_of
from ..diagnosis.search import diagnose
from ..diagnosis.verdict import Diagnosis, Verdict
from ..parity.distance import Report, compare
from ..parity.one_pass import Criterion, Passed, Quantities
from ..parity.tolerance import EPS, Allowed, allowed_at_most
from ..twin import to_numpy, to_torch
from .candidates.choice import candidate
from .candidates.functions import FunctionsCandidate
from .layouts import CandidateError
from .reference import (
    Array,
    autograd,
    descent,
    every_parameter,
    is_array,
    masked,
    outputs_of,
    parameters_of,
    prepared,
    random_like,
)
from .report import Checked, Note, output_words


class Check:
    """One check, from what was handed in to its report; see `check`."""

    def __init__(
        self,
        mine: Any,
        reference: Any,
        inputs: Sequence[Any],
        layouts: Mapping[str, str] | None = None,
        extra: Sequence[Any] = (),
        loss: Callable[[torch.Tensor], torch.Tensor] | None = None,
        lr: float | None = None,
        steps: int = 0,
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
        self.seed, self.loss, self.lr, self.steps = seed, loss, lr, steps
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
        label = getattr(reference, "__name__", type(reference).__name__)
        self.mine.partial = "loss" in label.lower() or "error" in label.lower()
        self.theirs = {n: v.copy() for n, v in self.mine.parameters.items()}
        self.loaded = self.start
        self.mine.load(self.start)
        shapes_out = self.shapes_of_outputs(self.inputs)
        if isinstance(self.mine, FunctionsCandidate):
            self.mine.turn(self.inputs, shapes_out)
        self.warnings: list[str] = [
            f"{name} is held at zero: {self.mine.name} has none" for name in self.mine.absent
        ]
        self.notes: list[Note] = []
        self.first_shape: tuple[int, ...] = ()
        self.order: list[str] | None = None
        if len(self.inputs) and is_array(self.inputs[0]) and self.inputs[0].shape[:1] == (1,):
            self.warnings.append("a batch of one does not tell a mean from a sum")

    def upstream(self, outputs: Sequence[torch.Tensor]) -> list[Any]:
        """Random and non-uniform, or the loss's; its target is the first batch's."""
        self.first_shape = self.first_shape or tuple(outputs[0].shape)
        if self.loss is not None and tuple(outputs[0].shape) == self.first_shape:
            return Criterion(self.loss)(outputs)
        if not self.mine.takes_upstream:
            return [torch.ones_like(y) for y in outputs]
        return random_like(outputs, self.seed + 1)

    def allowed(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Allowed:
        """What rounding alone explains."""
        return allowed_at_most([value.shape for value in self.start.values()], inputs, outputs)

    def run(self, inputs: Sequence[Any]) -> "Run":
        """Both sides once."""
        self.mine.load(self.loaded)  # backward may have updated it
        self.mine.zero_grad()
        handed = [x.copy() if is_array(x) else x for x in inputs]
        outputs = self.mine.forward(handed)
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
        mine: Quantities = {("output", str(i)): y for i, y in enumerate(outputs)}
        mine |= {("gradient", name): value for name, value in gradients.items()}
        for key in list(theirs):
            if key not in mine and self.mine.partial and key[1].startswith("input"):
                del theirs[key]
        handed_on = passed.upstream
        return Run(list(inputs), handed, handed_on, upstream, mine, theirs, reference, before)

    def sample(self, run: "Run") -> Sample:
        mine = {n: to_torch(np.asarray(v)) for (kind, n), v in run.mine.items() if kind != "output"}
        tensors = [to_torch(x) for x in run.inputs]
        return Sample.of(run.reference, tensors, run.given, mine)

    def result(self) -> Checked:
        """The whole check; what was handed in gets its own parameters back."""
        try:
            return self.checked()
        finally:
            self.mine.restore(self.theirs)

    def checked(self) -> Checked:
        first = self.run(self.inputs)
        report = self.compared(first)
        first, report = self.turned(first, report)
        self.zero_warnings(report)
        checked = Checked(report, Diagnosis(), self.notes, self.warnings)
        if any(not row.agrees for row in report.rows if row.kind == "output"):
            checked.diagnosis = Diagnosis(("output",), output_words(report))
        self.hands_off(first)
        if not report.agrees:
            if checked.diagnosis.agrees:
                checked.diagnosis = self.diagnosed(first, report)
            return checked
        mixed = self.second_backward(first)
        if mixed is not None:  # later gradients are sums of two batches: nothing more to learn
            checked.diagnosis = mixed
            return checked
        self.other_batches(first, checked)
        if self.steps:
            outputs = [v for (kind, _), v in first.theirs.items() if kind == "output"]
            self.trained(checked, self.allowed(self.inputs, outputs))
        self.single_precision()
        return checked

    def turned(self, first: "Run", report: Report) -> tuple["Run", Report]:
        """Square matrices lie as PyTorch's or transposed: the output tells which it is."""
        if all(row.agrees for row in report.rows if row.kind == "output"):
            return first, report
        names = self.mine.turned()
        if not names:
            return first, report
        again = self.run(self.inputs)
        other = self.compared(again)
        if all(row.agrees for row in other.rows if row.kind == "output"):
            which = ", ".join(names)
            self.warnings.append(f"{which} is square and read as transposed: so the output agrees")
            return again, other
        self.mine.turned()
        return self.run(self.inputs), report

    def compared(self, run: "Run") -> Report:
        outputs = [v for (kind, _), v in run.theirs.items() if kind == "output"]
        scale = max((float(np.abs(g).max(initial=0)) for g in run.upstream), default=1.0)
        report = compare(run.mine, run.theirs, self.allowed(run.inputs, outputs), scale)
        if self.order is None:
            self.order = self.backward_order(run)
        order = {("gradient", name): i for i, name in enumerate(self.order)}
        report.rows.sort(key=lambda row: order.get((row.kind, row.name), -1))
        return report

    def backward_order(self, run: "Run") -> list[str]:
        """The quantities as the backward pass completes them; the same for every batch."""
        try:
            return record(run.reference, [to_torch(x) for x in run.inputs]).order()
        except NotImplementedError:
            return []

    def diagnosed(self, first: "Run", report: Report, previous: Sample | None = None) -> Diagnosis:
        """The search, with a second batch of another size to confirm what it finds."""
        bad = [row for row in report.rows if not row.agrees]
        usable = [row for row in bad if not row.problem or row.problem.startswith("shape")]
        if len(usable) < len(bad) or any(
            not math.isfinite(row.mine) for row in usable if not row.problem
        ):
            row = next(r for r in bad if r not in usable or not math.isfinite(r.mine))
            what = row.problem or f"is {row.mine} at {list(row.worst)}"
            return Diagnosis(tuple(r.name for r in bad), f"the gradient of {row.name}: {what}")
        try:
            samples = [self.sample(first)]
        except NotImplementedError as error:
            names = tuple(row.name for row in bad)
            return Diagnosis(names, f"the gradient of {names[0]}", untried=str(error))
        for inputs in (self.smaller(), self.redrawn(2)):
            try:
                run = self.run(inputs)
                samples.append(self.sample(run))
            except (CandidateError, RuntimeError, ValueError, IndexError, TypeError):
                continue  # this batch is not one that both take: it confirms nothing
        return diagnose(
            samples, report.rows[0].tolerance, self.lr, previous, gates_of(self.reference)
        )

    # ---- what is easily forgotten

    def note(self, name: str, passed: bool, detail: str = "") -> None:
        self.notes.append(Note(name, passed, detail))

    def zero_warnings(self, report: Report) -> None:
        for row in report.rows:
            if row.kind == "gradient" and row.scale == 0 and not row.problem:
                self.warnings.append(
                    f"the true gradient of {row.name} is zero here: agreement proves nothing"
                )

    def hands_off(self, run: "Run") -> None:
        """Arguments unchanged, nothing shared."""
        changed = [
            f"input {i}"
            for i, (before, after) in enumerate(zip(run.inputs, run.handed, strict=True))
            if is_array(before) and not np.array_equal(before, after, equal_nan=False)
        ]
        changed += [
            f"upstream gradient {i}"
            for i, (before, after) in enumerate(zip(run.given, run.upstream, strict=False))
            if not np.array_equal(to_numpy(before), after)
        ]
        now = self.mine.parameters
        changed += [n for n, before in run.before.items() if not np.array_equal(before, now[n])]
        self.note("arguments unchanged", not changed, f"changed in place: {', '.join(changed)}")
        grads = {n: v for (kind, n), v in run.mine.items() if kind == "gradient"}
        others = {f"input {i}": x for i, x in enumerate(run.handed) if is_array(x)}
        others = {f"{n} itself": x for n, x in (others | now).items()}
        others |= {f"upstream gradient {i}": g for i, g in enumerate(run.upstream)}
        shared = [
            (name, other)
            for i, (name, grad) in enumerate(grads.items())
            for other, x in [*others.items(), *list(grads.items())[:i]]
            if np.may_share_memory(grad, x)
        ]
        # Handing the gradient on as it came is a habit worth knowing of, but right.
        handed_on = [p for p in shared if all(n.startswith(("input", "upstream")) for n in p)]
        handed_on = [p for p in handed_on if not p[1].endswith("itself")]
        for name, other in handed_on[:2]:
            self.warnings.append(f"the gradient of {name} shares its memory with {other}")
        wrong = [f"the gradient of {n} with {o}" for n, o in shared if (n, o) not in handed_on]
        self.note("no memory shared", not wrong, "; ".join(wrong[:3]))

    def second_backward(self, first: "Run") -> Diagnosis | None:
        """Forward and backward again, nothing reset: gradients all add up, or all start anew."""
        once = {n: np.copy(v) for (kind, n), v in first.mine.items() if kind == "gradient"}
        self.mine.forward([np.copy(x) if is_array(x) else x for x in first.inputs])
        if first.reference is self.reference:  # not where a new mask is drawn
            given = first.given[: len(first.upstream)]
            again = self.mine.backward([np.array(to_numpy(g)) for g in given])
            ways: dict[str, list[str]] = {"start anew": [], "add up": [], "do neither": []}
            for name, value in once.items():
                if name not in again:
                    ways["do neither"].append(name)
                elif np.allclose(again[name], value, rtol=1e-5, atol=0):
                    ways["start anew"].append(name)
                elif not name.startswith("input") and np.allclose(again[name], 2 * value, 1e-5, 0):
                    ways["add up"].append(name)
                else:
                    ways["do neither"].append(name)
            ways["start anew"] = [
                n for n in ways["start anew"] if not n.startswith("input") and once[n].any()
            ]
            mixed = {way: names for way, names in ways.items() if names}
            detail = "; ".join(f"{', '.join(names)} {way}" for way, names in mixed.items())
            passed = len(mixed) <= 1 and not ways["do neither"]
            self.note("a second backward", passed, detail)
            self.mine.adds = bool(ways["add up"])
            if not passed and ways["add up"]:
                return accumulation(ways, detail)
        return None

    def redrawn(self, seed: int) -> list[Any]:
        """Another batch from the same values: the rows in another order, mixed."""
        generator = np.random.default_rng(self.seed + seed)
        size = len(self.inputs[0]) if self.inputs and np.ndim(self.inputs[0]) else 0
        order = np.roll(np.arange(size), 1)
        made = []
        for x in self.inputs:
            if is_array(x) and x.ndim and len(x) == size:
                x = x[order]
                if x.dtype.kind == "f" and len(x) and not (x[0] == x).all():
                    x = x * x.dtype.type(generator.uniform(0.85, 0.95))
            made.append(x.copy() if is_array(x) else x)
        return made

    def smaller(self, size: int | None = None) -> list[Any]:
        """The last batch of an epoch: fewer samples."""
        full = len(self.inputs[0]) if self.inputs and np.ndim(self.inputs[0]) else 0
        size = max(1, full - 2) if size is None else size
        return [
            x[:size].copy() if is_array(x) and x.ndim and len(x) == full else x for x in self.inputs
        ]

    def other_batches(self, first: "Run", checked: Checked) -> None:
        for name, inputs in (
            ("a second batch", self.redrawn(3)),
            ("a smaller batch", self.smaller()),
            ("a batch of one", self.smaller(1)),
        ):
            try:
                self.shapes_of_outputs(inputs)
            except CandidateError:
                continue  # PyTorch itself refuses this batch, or is not finite there
            try:
                run = self.run(inputs)
            except CandidateError as error:
                self.note(name, False, str(error))
                continue
            report = self.compared(run)
            worst = next((row for row in report.rows if not row.agrees), None)
            detail = "" if worst is None else f"{worst.kind} of {worst.name}: {worst.verdict}"
            self.note(name, worst is None, detail)
            if worst is not None and checked.diagnosis.agrees:
                before = self.sample(first) if name == "a second batch" else None
                checked.diagnosis = self.diagnosed(run, report, before)

    def shapes_of_outputs(self, inputs: Sequence[Any]) -> list[tuple[int, ...]]:
        """What the reference makes of these inputs, if it takes them."""
        reference = self.reference
        if isinstance(reference, torch.nn.Module):
            reference = copy.deepcopy(reference)
        with torch.no_grad():
            outputs = outputs_of(reference, [to_torch(x) for x in inputs])
        if not all(bool(torch.isfinite(y).all()) for y in outputs):
            raise CandidateError("the reference itself is not finite on these inputs")
        return [tuple(y.shape) for y in outputs]

    def trained(self, checked: Checked, allowed: Allowed) -> None:
        """Weights after some steps of gradient descent on the same batch."""
        lr = 0.1 if self.lr is None else self.lr
        self.mine.load(self.start)
        held = getattr(self.mine, "made", None) or getattr(self.mine, "module", None)
        step = next((getattr(held, n) for n in ("step", "update") if hasattr(held, n)), None)
        after_one: dict[str, Array] = {}
        first: Passed | None = None
        path = descent(self.reference, self.inputs, self.upstream, lr, self.steps, allowed)
        for theirs in path:
            self.mine.zero_grad()
            before = {n: v.copy() for n, v in self.mine.parameters.items()}
            self.mine.forward([np.copy(x) if is_array(x) else x for x in self.inputs])
            upstream = [np.array(to_numpy(g)) for g in theirs.passed.upstream]
            gradients = self.mine.backward(upstream)
            if step is not None:
                step(lr)
            else:
                self.mine.load({n: before[n] - lr * gradients[n] for n in theirs.weights})
            if first is None:
                first = theirs.passed
                after_one = {n: v.copy() for n, v in self.mine.parameters.items()}
        kind = f"after {self.steps} steps"
        rows = compare(
            {(kind, n): v for n, v in self.mine.parameters.items()},
            {(kind, n): v for n, v in theirs.weights.items()},
            Allowed(explained={(kind, n): eps for n, eps in theirs.explained.items()}),
        )
        checked.rows.rows += rows.rows
        if not rows.agrees and checked.diagnosis.agrees and first is not None:
            checked.diagnosis = diagnose_step(
                self.reference, self.inputs, first.upstream, self.start, after_one, lr
            )

    def single_precision(self) -> None:
        """The same in float32, where a careless constant makes float64 of it."""
        if self.dtype != np.float64:
            return
        half = [
            x.astype(np.float32) if is_array(x) and x.dtype.kind == "f" else x for x in self.inputs
        ]
        reference = self.reference
        if isinstance(reference, torch.nn.Module):
            self.reference = copy.deepcopy(reference).to(torch.float32)
        try:
            self.loaded = {n: v.astype(np.float32) for n, v in self.start.items()}
            run = self.run(half)
            wide = [n for (_, n), v in run.mine.items() if v.dtype == np.float64]
            if wide:
                self.warnings.append(
                    f"given float32, it computes {', '.join(wide)} in float64: a constant or a "
                    "buffer is float64"
                )
            run.mine = {
                key: v.astype(np.float32) if v.dtype == np.float64 else v
                for key, v in run.mine.items()
            }
            report = self.compared(run)
            row = next((r for r in report.rows if not r.agrees), None)
            detail = "" if row is None else f"{row.kind} of {row.name}: {row.verdict}"
            self.note("float32", row is None, detail)
        except CandidateError as error:
            self.note("float32", False, str(error))
        finally:
            self.reference, self.loaded = reference, self.start


@dataclass
class Run:
    """One forward and backward of both sides."""

    inputs: list[Any]
    handed: list[Any]
    given: list[torch.Tensor]
    upstream: list[Array]
    mine: Quantities
    theirs: Quantities
    reference: Any
    before: dict[str, Array]


def accumulation(ways: Mapping[str, Sequence[str]], detail: str) -> Diagnosis:
    """Some gradients add up over two backward passes and some do not."""
    odd = min((names for names in ways.values() if names), key=len)
    verdict = Verdict(
        "accumulation",
        f"after a second forward and backward {detail}",
        f"the gradient of {odd[0]}",
        "let all gradients add up, with a zero_grad to start anew, or none",
        "the same batch twice",
        0.0,
    )
    return Diagnosis(tuple(odd), f"the gradient of {odd[0]}, in a second backward", [verdict])


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
) -> Checked:
    """Check someone's backward pass against PyTorch's.

    Args:
        mine: an object with `forward` and `backward`; a pair of functions `(forward, backward)`;
            a `torch.autograd.Function`; or an `nn.Module`.
        reference: an `nn.Module` or a function of tensors. Mine gets its parameters.
        inputs: arrays or tensors, float32 or float64; integers where the reference takes them.
        layouts: where a parameter of the reference stands in mine, as in
            `{"weight": "W.T", "weight_hh_l0": "Wh.T@ifog"}`.
        extra: further arguments of a course-style forward, after the parameters.
        loss: of the first output; its gradient is the upstream one, which is random otherwise.
        lr: the learning rate, if mine updates weights.
        steps: compare also the weights after as many steps of gradient descent.
    Raises:
        CandidateError: mine cannot be run.
    """
    return Check(mine, reference, inputs, layouts, extra, loss, lr, steps, seed).result()
