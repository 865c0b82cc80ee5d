"""What `train` was given becomes an experiment and its settings."""

import argparse
from dataclasses import fields, replace
from functools import partial

from manual.names import name_meant

from ..training.experiment import Experiment
from ..training.experiments import EXPERIMENTS
from ..training.own import Own
from ..training.settings import SettingError, Settings
from ..training.sources import SETS, is_source


def options_of_their_own() -> dict[str, list[Experiment]]:
    """The options that not every experiment has, and those that have them."""
    owners: dict[str, list[Experiment]] = {}
    for experiment in (*EXPERIMENTS.values(), Own("DATA")):
        for option in experiment.defaults.own():
            owners.setdefault(option, []).append(experiment)
    return owners


def experiment_of(name: str) -> Experiment:
    """A named experiment, or one of one's own: on data, or with a network from a file.

    Raises:
        InputError: there is none of that name.
    """
    if meant := name_meant(name, EXPERIMENTS):
        return EXPERIMENTS[meant]
    if ".py:" in name:
        from .networks import network_of

        return Own(name, partial(network_of, name))
    if is_source(name):
        return Own(name)
    raise SettingError(
        f"there is no experiment {name!r}: choose from {', '.join(EXPERIMENTS)}; "
        f"or data of your own: {', '.join(SETS)}, FILE.csv, FILE.npz, FILE.npy; "
        "or a network of your own: FILE.py:NAME"
    )


def settings_from(arguments: argparse.Namespace, experiment: Experiment) -> Settings:
    """The experiment's defaults with what was given on the command line put in.

    Raises:
        InputError: it has no such choice, or one has no meaning.
    """
    defaults = experiment.defaults
    known = [field.name for field in fields(defaults)]
    for option, owners in options_of_their_own().items():
        value = getattr(arguments, option)
        if value is not None and option not in known:
            names = " and ".join(owner.name for owner in owners)
            written = option.replace("_", "-")
            raise SettingError(f"--{written} {value}: only {names} has a choice of {written}")
    asked = {option: getattr(arguments, option) for option in known}
    asked = {option: value for option, value in asked.items() if value is not None}
    if asked.get("steps") and asked.get("epochs"):
        raise SettingError("--steps and --epochs: expected one of the two")
    asked["experiment"] = defaults.experiment  # however it was typed
    resolved: Settings = experiment.resolve(replace(defaults, **asked))
    return resolved
