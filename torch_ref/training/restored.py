"""A run that was trained before, from what it left in its directory."""

from dataclasses import fields, replace
from pathlib import Path

from ..safe_files import InputError, read_json
from .experiment import Problem
from .experiments import EXPERIMENTS
from .lockstep import Lockstep
from .session import lockstep_of
from .weights import FILE, load_weights


def restored(path: Path) -> tuple[Problem, Lockstep]:
    """The problem of a finished run, and both sides with the weights that it ended with.

    Raises:
        InputError: there is no such run, it has not ended, or its text has changed since.
    """
    settings = read_json(path / "settings.json")
    name = settings.get("experiment") if isinstance(settings, dict) else None
    if name not in EXPERIMENTS:
        raise InputError(f"{path / 'settings.json'}: {name!r} is no experiment")
    experiment = EXPERIMENTS[name]
    known = {field.name for field in fields(experiment.defaults)}
    if settings.keys() != known or not isinstance(settings["hidden"], list):
        raise InputError(f"{path / 'settings.json'}: not the settings of {name}")
    settings["hidden"] = tuple(settings["hidden"])
    try:
        problem = experiment.build(replace(experiment.defaults, **settings).resolve())
    except TypeError as error:
        raise InputError(f"{path / 'settings.json'}: {error}") from None
    if not (path / FILE).exists():
        raise InputError(f"{path}: the run has left no {FILE}: it did not come to its end")
    notes = load_weights(path / FILE, problem.network)
    if notes != experiment.notes(problem):
        raise InputError(f"{path}: the text that it was trained on is no longer the same")
    return problem, lockstep_of(problem)
