"""A run that was trained before, from what it left in its directory."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

from ..safe_files import InputError, read_json
from .experiment import Experiment, Problem
from .experiments import EXPERIMENTS
from .lockstep import Lockstep
from .session import lockstep_of
from .weights import FILE, load_weights


def named(name: str) -> Experiment:
    """An experiment of the catalogue."""
    if name not in EXPERIMENTS:
        raise InputError(f"{name!r} is no experiment")
    return EXPERIMENTS[name]


def problem_of(path: Path, experiment_of: Callable[[str], Experiment] = named) -> Problem:
    """The problem of a run, built anew from the settings that it left.

    Args:
        experiment_of: finds an experiment by its name.
    Raises:
        InputError: there is no such run, or its settings are none.
    """
    settings = read_json(path / "settings.json")
    name = settings.get("experiment") if isinstance(settings, dict) else None
    if not isinstance(name, str):
        raise InputError(f"{path / 'settings.json'}: {name!r} is no experiment")
    try:
        experiment = experiment_of(name)
    except InputError as error:
        raise InputError(f"{path / 'settings.json'}: {error}") from None
    known = {field.name for field in fields(experiment.defaults)}
    if settings.keys() != known or not isinstance(settings["hidden"], list):
        raise InputError(f"{path / 'settings.json'}: not the settings of {name}")
    settings["hidden"] = tuple(settings["hidden"])
    try:
        return experiment.build(experiment.resolve(replace(experiment.defaults, **settings)))
    except TypeError as error:
        raise InputError(f"{path / 'settings.json'}: {error}") from None


def restored(path: Path) -> tuple[Problem, Lockstep]:
    """The problem of a finished run, and both sides with the weights that it ended with.

    Raises:
        InputError: there is no such run, it has not ended, or its text has changed since.
    """
    problem = problem_of(path)
    if not (path / FILE).exists():
        raise InputError(f"{path}: the run has left no {FILE}: it did not come to its end")
    notes = load_weights(path / FILE, problem.network)
    if notes != problem.experiment.notes(problem):
        raise InputError(f"{path}: the text that it was trained on is no longer the same")
    return problem, lockstep_of(problem)
