"""What `train` was given becomes an experiment's settings."""

import argparse
from dataclasses import fields, replace

from manual.names import name_meant

from ..training.experiment import Experiment
from ..training.experiments import EXPERIMENTS
from ..training.settings import SettingError, Settings


def options_of_their_own() -> dict[str, list[Experiment]]:
    """The options that not every experiment has, and those that have them."""
    owners: dict[str, list[Experiment]] = {}
    for experiment in EXPERIMENTS.values():
        for option in experiment.defaults.own():
            owners.setdefault(option, []).append(experiment)
    return owners


def settings_from(arguments: argparse.Namespace) -> Settings:
    """The experiment's defaults with what was given on the command line put in.

    Raises:
        SettingError: there is no such experiment, it has no such choice, or one has no meaning.
    """
    name = name_meant(arguments.experiment, EXPERIMENTS)
    if name is None:
        raise SettingError(
            f"there is no experiment {arguments.experiment!r}: choose from {', '.join(EXPERIMENTS)}"
        )
    defaults = EXPERIMENTS[name].defaults
    known = [field.name for field in fields(defaults)]
    for option, owners in options_of_their_own().items():
        value = getattr(arguments, option)
        if value is not None and option not in known:
            names = " and ".join(owner.name for owner in owners)
            raise SettingError(f"--{option} {value}: only {names} has a choice of {option}")
    asked = {option: getattr(arguments, option) for option in known}
    asked = {option: value for option, value in asked.items() if value is not None}
    return replace(defaults, **asked | {"experiment": name}).resolve()
