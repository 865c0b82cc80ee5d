"""`backprop list`: name the experiments."""

import argparse
from typing import Any

from ..training.experiments import EXPERIMENTS


def add_parser(commands: Any) -> Any:
    return commands.add_parser("list", help="name the experiments", epilog="example: backprop list")


def run(arguments: argparse.Namespace) -> bool:
    for name, experiment in EXPERIMENTS.items():
        print(f"{name:16}{experiment.summary}\n{'':16}{experiment.defaults.options()}")
    return True
