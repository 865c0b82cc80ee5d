"""The whole state of a training run: taken out of it, and put back into one that was built anew.

Both sides' weights, statistics, optimizers, schedules and generators; the shadows that say what
rounding may do; what was the furthest so far; and what the dashboard has not written yet.
"""

from dataclasses import fields
from typing import Any

import numpy as np

from ..parity.distance import Comparison, Report
from ..safe_files import InputError
from .checkpoints import same
from .dashboard import Dashboard
from .experiment import Run
from .lockstep import Step


def state_of(run: Run, dashboard: Dashboard) -> dict[str, Any]:
    """All that a run would go on from, as dicts, lists, numbers and arrays."""
    pair, shadows = run.pair, run.pair.shadows
    return {
        "step": pair.steps,
        "by hand": [pair.network.state_dict(), pair.optimizer.state_dict(), drawing(pair.network)],
        "autograd": [pair.twin.state_dict(), pair.twin_optimizer.state_dict(), drawing(pair.twin)],
        "schedules": [schedule.state_dict() for schedule in pair.schedules],
        "batches": generator_state(run.problem.generator),
        "shadows": [
            [
                shadow.module.state_dict(),
                shadow.optimizer.state_dict(),
                drawing(shadow.module),
                [shadow.moves.next, shadow.moves.signs.astype(np.int8)],
            ]
            for shadow in shadows.both
        ],
        "furthest of shadows": shadows.furthest,
        "scales": pair.running.scales,
        "rejoined": pair.rejoined,
        "furthest": {key: (entries(row), step) for key, (row, step) in pair.furthest.items()},
        "seen": run.seen,
        "parted": parted_entries(run.parted),
        "curve": dashboard.curve,
        "distances": {key: entries(row) for key, row in dashboard.distances.items()},
        "distances over the run": dashboard.parted,
    }


def restore(state: dict[str, Any], run: Run, dashboard: Dashboard) -> None:
    """Put the state into a run that was built from the same settings.

    The batches that were taken have been drawn once more: their generator is there already.

    Raises:
        InputError: it is of another run, or not all of it can be taken over.
    """
    pair, shadows = run.pair, run.pair.shadows
    try:
        sides: Any = (
            ("by hand", pair.network, pair.optimizer),
            ("autograd", pair.twin, pair.twin_optimizer),
        )
        for side, network, optimizer in sides:
            weights, moments, generators = state[side]
            network.load_state_dict(weights)
            optimizer.load_state_dict(moments)
            take_drawing(network, generators)
        for schedule, saved in zip(pair.schedules, state["schedules"], strict=True):
            schedule.load_state_dict(saved)
        for shadow, (weights, moments, generators, (place, signs)) in zip(
            shadows.both, state["shadows"], strict=True
        ):
            shadow.module.load_state_dict(weights)
            shadow.optimizer.load_state_dict(moments)
            take_drawing(shadow.module, generators)
            shadow.moves.next, shadow.moves.signs = place, signs.astype(np.float64)
        shadows.furthest = state["furthest of shadows"]
        pair.running.scales, pair.rejoined = state["scales"], state["rejoined"]
        pair.steps = state["step"]
        pair.furthest = {key: (comparison(row), n) for key, (row, n) in state["furthest"].items()}
        run.seen, run.parted = state["seen"], parted_step(state["parted"])
        dashboard.curve = state["curve"]
        dashboard.distances = {key: comparison(row) for key, row in state["distances"].items()}
        dashboard.parted = state["distances over the run"]
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"the checkpoint is of another run ({error})") from None
    now = state_of(run, dashboard)
    for name, value in state.items():
        if not same(now[name], value):
            raise InputError(f"the checkpoint cannot be gone on from: {name} is not as it was")


def drawing(module: Any) -> list[Any]:
    """The states of the generators that a network draws from."""
    return [generator_state(part.generator) for part in drawing_parts(module)]


def drawing_parts(module: Any) -> list[Any]:
    return [part for part in module.modules() if getattr(part, "generator", None) is not None]


def take_drawing(module: Any, states: list[Any]) -> None:
    for part, saved in zip(drawing_parts(module), states, strict=True):
        part.generator.bit_generator.state = saved["state"]
        if "second" in saved:
            part.generator._second = saved["second"]


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """What a generator would go on from."""
    state = {"state": generator.bit_generator.state}
    return state | ({"second": generator._second} if hasattr(generator, "_second") else {})


def entries(row: Comparison) -> dict[str, Any]:
    return {f.name: getattr(row, f.name) for f in fields(row)} | {"dtype": str(row.dtype)}


def comparison(saved: dict[str, Any]) -> Comparison:
    return Comparison(**(saved | {"dtype": np.dtype(saved["dtype"])}))


def parted_entries(step: Step | None) -> list[Any] | None:
    if step is None:
        return None
    rows = [entries(row) for row in step.report.rows]
    return [step.number, step.loss, step.torch_loss, rows, step.diverged]


def parted_step(saved: list[Any] | None) -> Step | None:
    if saved is None:
        return None
    number, loss, torch_loss, rows, diverged = saved
    return Step(number, loss, torch_loss, Report([comparison(row) for row in rows]), diverged)
