"""`backprop list`: name the experiments."""

import argparse
from typing import Any


def add_parser(commands: Any) -> Any:
    return commands.add_parser("list", help="name the experiments", epilog="example: backprop list")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(arguments: argparse.Namespace) -> bool:
    from ..training.experiments import EXPERIMENTS

    for name, experiment in EXPERIMENTS.items():
        print(f"{name:16}{experiment.summary}\n{'':16}{experiment.defaults.options()}")
    return True
