"""What is easily forgotten in a backward pass whose gradients are right."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ..diagnosis.verdict import Diagnosis, Verdict
from ..parity.distance import Report
from ..twin import to_numpy
from .comparing import Sides, Trial
from .layouts import CandidateError
from .reference import is_array


def warn_of_zero_gradients(sides: Sides, report: Report) -> None:
    """Warn of gradients that are zero: no mistake that multiplies them would show."""
    for row in report.rows:
        if row.kind == "gradient" and row.agrees and not row.proves:
            sides.warnings.append(
                f"the true gradient of {row.name} is zero here: agreement proves nothing"
            )


def check_optional_upstream(sides: Sides, trial: Trial) -> None:
    """Check `backward(dout=1)`: all gradients are to go with dout, or, at an end, none."""
    name = sides.mine.optional_upstream
    if not name:
        return
    sides.mine.load(sides.loaded)
    sides.mine.zero_grad()
    outputs = sides.mine.forward([np.copy(x) if is_array(x) else x for x in trial.inputs])
    twice = sides.mine.backward_of([np.full_like(y, 2) for y in outputs])
    once = {n: v for (kind, n), v in trial.mine.items() if kind == "gradient" and np.any(v)}
    ignoring = [n for n, v in once.items() if n in twice and np.array_equal(twice[n], v)]
    if len(ignoring) == len(once):
        sides.warnings.append(
            f"backward ignores {name}: right where nothing comes after it, as after a loss"
        )
    elif ignoring:
        sides.note(f"{name} other than 1", False, f"not multiplied by it: {', '.join(ignoring)}")


def check_same_pass_again(sides: Sides, trial: Trial) -> Diagnosis | None:
    """Check that backward leaves its outputs, and what forward saved, as they are.

    PyTorch allows a second backward over the same forward pass; code in NumPy need not.
    """
    torn = [f"output {i}" for i in trial.overwritten]
    if not sides.mine.runs_back_again:
        if torn:
            sides.warnings.append(f"backward overwrites {', '.join(torn)}")
        return None
    first = {n: v for (kind, n), v in trial.mine.items() if kind == "gradient"}
    sides.mine.forward([np.copy(x) if is_array(x) else x for x in trial.inputs])
    upstream = [np.array(to_numpy(g)) for g in trial.upstream[: len(trial.handed_upstream)]]
    sides.mine.backward([g.copy() for g in upstream])
    try:
        again = sides.mine.backward(upstream)
    except CandidateError:  # autograd itself has noticed
        again, torn = {}, torn or ["what forward has saved"]
    other = [n for n, v in again.items() if not np.allclose(v, first[n], rtol=1e-5, atol=0)]
    if not torn and not other:
        sides.note("a second backward over the same forward", True)
        return None
    detail = f"backward overwrites {', '.join(torn) or 'what forward has saved'}"
    if other:
        detail += f": the second time it gives another gradient of {', '.join(other)}"
    sides.note("a second backward over the same forward", False, detail)
    verdict = Verdict(
        "overwritten-saved",
        detail,
        "backward",
        "write into an array of backward's own: what forward saved or returned stays as it is",
        "backward twice over the same forward pass",
        0.0,
    )
    return Diagnosis((*torn, *other), "the second backward over the same forward pass", [verdict])


def check_hands_off(sides: Sides, trial: Trial) -> None:
    """Check that arguments are left unchanged, and that no memory is shared."""
    changed = [
        f"input {i}"
        for i, (before, after) in enumerate(zip(trial.inputs, trial.handed_inputs, strict=True))
        if is_array(before) and not np.array_equal(before, after, equal_nan=False)
    ]
    changed += [
        f"upstream gradient {i}"
        for i, (before, after) in enumerate(
            zip(trial.upstream, trial.handed_upstream, strict=False)
        )
        if not np.array_equal(to_numpy(before), after)
    ]
    now = sides.mine.parameters
    changed += [n for n, before in trial.before.items() if not np.array_equal(before, now[n])]
    sides.note("arguments unchanged", not changed, f"changed in place: {', '.join(changed)}")
    grads = {n: v for (kind, n), v in trial.mine.items() if kind == "gradient"}
    others = {f"input {i}": x for i, x in enumerate(trial.handed_inputs) if is_array(x)}
    others = {f"{n} itself": x for n, x in (others | now).items()}
    others |= {f"upstream gradient {i}": g for i, g in enumerate(trial.handed_upstream)}
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
        sides.warnings.append(f"the gradient of {name} shares its memory with {other}")
    wrong = [f"the gradient of {n} with {o}" for n, o in shared if (n, o) not in handed_on]
    sides.note("no memory shared", not wrong, "; ".join(wrong[:3]))


def check_second_backward(sides: Sides, first: Trial) -> Diagnosis | None:
    """Run a batch again, nothing reset: the outputs must be the same, and the gradients must all
    add up, or all start anew."""
    once = {n: np.copy(v) for (kind, n), v in first.mine.items() if kind == "gradient"}
    outputs = sides.mine.forward([np.copy(x) if is_array(x) else x for x in first.inputs])
    if first.reference is sides.reference:  # not where a new mask is drawn
        other = [
            str(i)
            for i, y in enumerate(outputs)
            if not np.allclose(y, first.mine["output", str(i)], rtol=1e-5, atol=0)
        ]
        if other:
            detail = f"the same input gives another output {', '.join(other)} the second time"
            sides.note("a second forward", False, detail)
            return kept_state(other, detail)
        upstream = first.upstream[: len(first.handed_upstream)]
        again = sides.mine.backward([np.array(to_numpy(g)) for g in upstream])
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
        sides.note("a second backward", passed, detail)
        sides.mine.adds = bool(ways["add up"])
        if not passed and ways["add up"]:
            return accumulation(ways, detail)
    return None


def check_single_precision(sides: Sides) -> None:
    """Check the batch in float32, where a careless constant makes float64 of it."""
    if sides.dtype != np.float64:
        return
    half = [
        x.astype(np.float32) if is_array(x) and x.dtype.kind == "f" else x for x in sides.inputs
    ]
    reference = sides.reference
    if isinstance(reference, torch.nn.Module):
        sides.reference = copy.deepcopy(reference).to(torch.float32)
    try:
        sides.loaded = {n: v.astype(np.float32) for n, v in sides.start.items()}
        trial = sides.run(half)
        wide = [n for (_, n), v in trial.mine.items() if v.dtype == np.float64]
        if wide:
            sides.warnings.append(
                f"given float32, it computes {', '.join(wide)} in float64: a constant or a "
                "buffer is float64"
            )
        trial.mine = {
            key: v.astype(np.float32) if v.dtype == np.float64 else v
            for key, v in trial.mine.items()
        }
        report = sides.compare(trial)
        row = next((r for r in report.rows if not r.agrees), None)
        detail = "" if row is None else f"{row.kind} of {row.name}: {row.verdict}"
        sides.note("float32", row is None, detail)
    except CandidateError as error:
        sides.note("float32", False, str(error))
    finally:
        sides.reference, sides.loaded = reference, sides.start


def kept_state(outputs: Sequence[str], detail: str) -> Diagnosis:
    """The diagnosis that a forward changes what the next one gives, where PyTorch's does not."""
    verdict = Verdict(
        "kept-state",
        f"{detail}: a forward has changed what the next one computes with",
        "forward",
        "let a forward change nothing that it reads, such as running statistics in evaluation",
        "the same batch twice",
        0.0,
    )
    return Diagnosis(tuple(f"output {i}" for i in outputs), "the second forward", [verdict])


def accumulation(ways: Mapping[str, Sequence[str]], detail: str) -> Diagnosis:
    """The diagnosis that over two backward passes some gradients add up and some do not."""
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
