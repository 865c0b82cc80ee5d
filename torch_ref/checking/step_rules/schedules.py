"""Check someone's learning rate schedule against PyTorch's, step by step."""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

import manual
from manual.schedules.schedule import LRScheduler

from ...diagnosis.verdict import Diagnosis, Verdict
from ...parity.distance import Report, measure
from ...parity.tolerance import EPS, ROUNDINGS
from ...twin import all_in
from ..candidates.base import call_code
from ..layouts import Array, CandidateError
from ..report import Checked
from .names import COUNT
from .problem import FLOAT

STEPS, LR = 24, 0.1
EXPECTED = (
    "expected a function of the step, rate(t, lr), or a class with step() and get_last_lr() or an "
    "attribute lr"
)
RATE = ("lr", "base_lr", "initial_lr", "lr0", "lr_0", "eta0", "learning_rate", "eta", "eta_max")
READ = ("get_last_lr", "get_lr", "last_lr", "lr", "learning_rate", "current_lr", "rate")
NAMES = {  # what PyTorch's options are called elsewhere
    "T_max": ("t_max", "total_steps", "total", "max_steps", "num_steps", "n_steps", "steps"),
    "T_0": ("t_0", "t0", "period"),
    "eta_min": ("eta_min", "min_lr", "lr_min", "minimum"),
    "gamma": ("gamma", "decay", "decay_rate", "drop", "factor"),
    "step_size": ("step_size", "every", "period", "epochs_drop", "drop_every"),
    "total_iters": ("total_iters", "warmup", "warmup_steps", "total_steps", "num_steps", "total"),
    "max_lr": ("max_lr", "lr_max", "lr", "learning_rate"),
}
FIXES = {
    "schedule-off-by-one": "the rate of the first step, t = 0, is the one that is given",
    "factor-for-rate": "multiply by the learning rate that is given",
    "stays": "PyTorch's goes on after that: clip t only where the schedule is to end",
    "option-ignored": "the option is given: use it",
    "count-off-by-one": "count as PyTorch does: from 0, and not one more or fewer",
    "half-period": "T_max is half of the cosine's period: cos(π t/T_max)",
    "inverse": "multiply by γ; do not divide by it",
}


def is_schedule(reference: Any) -> bool:
    """Whether a reference is a class of PyTorch's learning rate schedules."""
    kind = torch.optim.lr_scheduler.LRScheduler
    return isinstance(reference, type) and issubclass(reference, kind)


def optimizer_at(lr: float) -> torch.optim.Optimizer:
    """One for a schedule to act on; schedules of courses find the rate in its attribute `lr`."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.5)
    optimizer.lr = optimizer.learning_rate = lr  # type: ignore[attr-defined]
    return optimizer


def optimizer_for(mine: Any, lr: float) -> Any:
    """The optimizer that someone's schedule takes: that of `manual` where it is made for that."""
    if isinstance(mine, type) and issubclass(mine, LRScheduler):
        return manual.SGD([manual.Parameter(np.zeros(1))], lr=lr, momentum=0.5)
    return optimizer_at(lr)


def rates_of(schedule: Any, options: Mapping[str, Any], lr: float, steps: int) -> Array:
    """PyTorch's rates, the first before any step; as many as it gives."""
    with all_in(FLOAT), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no optimizer has stepped
        optimizer = optimizer_at(lr)
        scheduler = call_code(schedule.__name__, partial(schedule, optimizer, **options))
        rates = []
        while True:
            rates.append(float(optimizer.param_groups[0]["lr"]))
            if len(rates) == steps:
                break
            try:
                scheduler.step()
            except ValueError:  # one that ends, such as OneCycleLR
                break
    return np.array(rates)


def check_schedule(
    mine: Any,
    schedule: Any,
    options: Mapping[str, Any] | None = None,
    *,
    mine_options: Mapping[str, Any] | None = None,
    lr: float = LR,
    steps: int = STEPS,
) -> Checked:
    """Check someone's schedule against one of PyTorch's.

    Args:
        mine: a function of the number of steps taken, or a class with `step`.
        schedule: a class of `torch.optim.lr_scheduler`.
        options: for its constructor; mine gets them by the names that it has for them.
        mine_options: further values for mine, by its own names.
        lr: the learning rate that both start from.
        steps: so many rates are compared.
    Raises:
        CandidateError: mine cannot be run.
    """
    options = dict(options or {})
    if "metrics" in inspect.signature(schedule.step).parameters:
        raise CandidateError(
            f"{schedule.__name__} follows a measure, not the step: only schedules of the step "
            "number are compared"
        )
    theirs = rates_of(schedule, options, lr, steps)
    paths = list(
        mine_rates(mine, {**defaults_of(schedule), **options}, mine_options or {}, lr, len(theirs))
    )
    rows = [compared(path, theirs) for path in paths]
    if not any(row.agrees for row in rows) and ends(paths[0], options.get("T_max")):
        end = int(options["T_max"])
        row = compared(paths[0][: end + 1], theirs[: end + 1])
        if row.agrees:
            words = f"it ends at step {end}, its T_max; PyTorch's goes up again after that"
            return Checked(Report([row]), warnings=[words])
    best = next((i for i, row in enumerate(rows) if row.agrees), 0)
    checked = Checked(Report([rows[best]]))
    if best:
        checked.warnings.append("what step() returns is taken for the rate after that step")
    if not rows[best].agrees:
        checked.diagnosis = diagnose(paths[0], theirs, schedule, options, lr)
    return checked


def compared(mine: Array, theirs: Array) -> Any:
    """One row. PyTorch goes from rate to rate: each step may round as often as one may."""
    return measure("rate", "by step", mine, theirs, ROUNDINGS * (len(theirs) + 1))


def ends(mine: Array, t_max: Any) -> bool:
    """Whether a schedule stays as it is once it has reached its T_max."""
    return type(t_max) is int and 0 < t_max < len(mine) - 1 and len({*mine[t_max:]}) == 1


def defaults_of(schedule: Any) -> dict[str, Any]:
    return {
        name: p.default
        for name, p in inspect.signature(schedule).parameters.items()
        if p.default is not p.empty and name != "last_epoch"
    }


# ---- someone's


def arguments_of(
    name: str, function: Any, options: Mapping[str, Any], given: Mapping[str, Any], lr: float
) -> tuple[dict[str, Any], str]:
    """What a function or class is called with, by name; and which argument counts the steps."""
    arguments, count = {}, ""
    taken: set[str] = set()
    for n, parameter in inspect.signature(function).parameters.items():
        low = n.lower()
        option = next(
            (o for o in options if low in (o.lower(), *NAMES.get(o, ())) and o not in taken), None
        )
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if n in given:
            arguments[n] = given[n]
        elif low == "optimizer":
            arguments[n] = optimizer_for(function, lr)
        elif option is not None:
            arguments[n] = options[option]
            taken.add(option)
        elif low in RATE:
            arguments[n] = lr
        elif low in COUNT and not count:
            count = n
        elif parameter.default is parameter.empty:
            raise CandidateError(
                f"{name}: what is its argument {n}? Known by name are t, lr, optimizer and "
                f"{', '.join(options)}; hand it in with --mine-args {n}=VALUE, or rename it"
            )
    return arguments, count


def mine_rates(
    mine: Any, options: Mapping[str, Any], given: Mapping[str, Any], lr: float, steps: int
) -> Iterator[Array]:
    """Someone's rates; twice where it is open whether the first is that before or after a step."""
    name = getattr(mine, "__name__", type(mine).__name__)
    if not callable(mine):
        raise CandidateError(f"{name} is no schedule: {EXPECTED}")
    arguments, count = arguments_of(name, mine, options, given, lr)
    if not isinstance(mine, type):
        if inspect.isgeneratorfunction(mine):
            rates = call_code(
                name, lambda: [next(made) for made in [mine(**arguments)] for _ in range(steps)]
            )
        elif not count:
            raise CandidateError(f"{name} takes no number of steps: {EXPECTED}")
        else:
            rates = [
                call_code(name, lambda t=t: mine(**arguments, **{count: t})) for t in range(steps)
            ]
        yield as_rates(name, rates)
        return
    made = call_code(name, lambda: mine(**arguments))
    of_step = next(
        (m for m in ("__call__", "get_lr", "value") if callable(getattr(made, m, None))), ""
    )
    if of_step and not hasattr(made, "step"):
        function = getattr(made, of_step)
        more, count = arguments_of(f"{name}.{of_step}", function, options, given, lr)
        if count:
            rates = [
                call_code(name, lambda t=t: function(**more, **{count: t})) for t in range(steps)
            ]
            yield as_rates(name, rates)
            return
    if not callable(getattr(made, "step", None)):
        raise CandidateError(f"the class {name} has no step: {EXPECTED}")
    optimizer = arguments.get("optimizer")
    reader = reader_of(made, optimizer, lr)
    returned, rates = [], []
    for t in range(steps):
        rates.append(reader() if reader else None)
        takes = count_argument(made.step)
        if optimizer is not None:
            optimizer.step()
        count_now = (t + 1,) if takes else ()
        returned.append(call_code(f"{name}.step", made.step, *count_now))
    moved = reader is not None and len({float(np.ravel(r)[0]) for r in rates}) > 1
    if moved or (reader is not None and returned[0] is None):
        yield as_rates(name, rates)
    elif returned[0] is not None:
        yield as_rates(name, returned)
        yield as_rates(name, [lr, *returned[:-1]])
    else:
        raise CandidateError(f"{name} shows no rate: {EXPECTED}")


def count_argument(step: Any) -> str:
    """The required argument of a step that counts."""
    required = [n for n, p in inspect.signature(step).parameters.items() if p.default is p.empty]
    return required[0] if required and required[0].lower() in COUNT else ""


def reader_of(made: Any, optimizer: Any, lr: float) -> Callable[[], Any] | None:
    """How someone's object says its rate."""
    for name in READ:
        if hasattr(made, name):
            value = getattr(made, name)
            if not callable(value):
                return lambda name=name: getattr(made, name)  # type: ignore[misc]
            if all(p.default is not p.empty for p in inspect.signature(value).parameters.values()):
                return lambda value=value: call_code(type(made).__name__, value)  # type: ignore[misc]
    if optimizer is None:
        return None

    def of_optimizer() -> float:
        rates = [getattr(optimizer, name, lr) for name in ("lr", "learning_rate")]
        rates.append(optimizer.param_groups[0]["lr"])
        return float(next((rate for rate in rates if rate != lr), lr))

    return of_optimizer


def as_rates(name: str, rates: list[Any]) -> Array:
    try:
        values = [float(np.ravel(rate)[0]) for rate in rates]
    except (TypeError, ValueError, IndexError):
        raise CandidateError(f"{name} gives {type(rates[0]).__name__}s, expected numbers") from None
    return np.array(values)


# ---- the mistake


def planted(
    theirs: Array, schedule: Any, options: Mapping[str, Any], lr: float
) -> Iterator[tuple[str, str, Array]]:
    """Kind, words and rates of each mistake."""
    steps = len(theirs)
    further = rates_of(schedule, options, lr, steps + 1)
    if len(further) > steps:
        what = "the schedule is one step ahead: its first rate is PyTorch's after one step"
        yield "schedule-off-by-one", what, further[1:]
    what = "the schedule is one step behind: PyTorch's rate comes one step later"
    yield "schedule-off-by-one", what, np.concatenate([theirs[:1], theirs[:-1]])
    yield "factor-for-rate", "what is given is the factor, not the rate", theirs / lr
    for t in range(2, steps - 2):
        if not np.isclose(theirs[t], theirs[t + 1], rtol=1e-9, atol=0):
            stays = np.concatenate([theirs[: t + 1], np.full(steps - t - 1, theirs[t])])
            yield "stays", f"from step {t} on the rate stays as it is", stays
    defaults = defaults_of(schedule)
    for name, value in options.items():
        turned: list[tuple[str, str, Any]] = []
        if name in defaults and defaults[name] != value:
            turned.append(("option-ignored", f"{name} is ignored", defaults[name]))
        if type(value) is int:
            for other in (value + 1, value - 1):
                turned.append(("count-off-by-one", f"{name} is {other} for {value}", other))
            if name == "T_max":
                what = "a whole period of the cosine fits in T_max, not a half"
                turned.append(("half-period", what, value / 2))
        if name == "gamma" and value:
            turned.append(("inverse", "the rate is divided by γ", 1 / value))
        for kind, what, changed in turned:
            if changed != 0 or type(value) is not int:
                yield kind, what, rates_of(schedule, {**options, name: changed}, lr, steps)


def diagnose(
    mine: Array, theirs: Array, schedule: Any, options: Mapping[str, Any], lr: float
) -> Diagnosis:
    """The mistakes that give someone's rates."""
    off = np.abs(mine - theirs) > ROUNDINGS * (len(theirs) + 1) * EPS[FLOAT] * np.abs(theirs).max()
    off |= ~np.isfinite(mine)
    first = int(off.argmax())
    found = Diagnosis(
        ("by step",),
        f"the rate of step {first} ({int(off.sum())} of {off.size}): {mine[first]:.9g}, expected "
        f"{theirs[first]:.9g}",
        order="step by step",
    )
    name = schedule.__name__
    numbers: list[Array] = []
    for kind, what, rates in planted(theirs, schedule, options, lr):
        found.tried += 1
        if len(rates) != len(mine) or not compared(mine, rates).agrees:
            continue
        if any(compared(rates, one).agrees for one in numbers):
            continue
        numbers.append(rates)
        distance = float(np.abs(mine - rates).max() / np.abs(rates).max())
        proof = (
            f"all {len(mine)} rates: equal, to {distance:.1e}, to PyTorch's {name} with it planted"
        )
        found.verdicts.append(Verdict(kind, what, name, FIXES[kind], proof, distance))
    return found
