"""`backprop sample`: what a network that was trained on text has to say."""

import argparse
from pathlib import Path
from typing import Any


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "sample",
        help="text from a network that was trained on some, by both sides",
        description="Both sides draw by equal random numbers: they are to say the same.",
        epilog="example: backprop sample text-gpt --prompt 'The value' --temperature 0.8",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_name", metavar="RUN", help="a run of text-lstm, text-gpt or microgpt")
    parser.add_argument("--prompt", default="", help="what the text begins with")
    parser.add_argument("--length", type=int, default=400, help="characters; default: 400")
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        help="below 1 what is likely becomes likelier; 0 takes the likeliest; default: 1",
    )
    parser.add_argument(
        "--top-k", type=int, help="draw from so many of the likeliest; default: all"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws; default: 0")
    parser.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")


def run(arguments: argparse.Namespace) -> bool:
    """Print what both sides say; whether it is the same."""
    from ..training.settings import SettingError

    for name, value, holds, wish in (
        ("length", arguments.length, arguments.length >= 1, "at least 1"),
        ("temperature", arguments.temperature, 0 <= arguments.temperature < 1e6, "0 or more"),
        ("top-k", arguments.top_k, arguments.top_k is None or arguments.top_k >= 1, "at least 1"),
        ("seed", arguments.seed, arguments.seed >= 0, "0 or more"),
    ):
        if not holds:
            raise SettingError(f"--{name} {value}: expected {wish}")
    from ..training.restored import restored
    from ..training.text import TextExperiment, told

    problem, pair = restored(arguments.logdir / arguments.run_name)
    experiment = problem.experiment
    if not isinstance(experiment, TextExperiment):
        raise SettingError(f"{arguments.run_name}: {experiment.name} was not trained on text")
    mine, theirs = experiment.sample(
        problem,
        pair,
        arguments.prompt,
        arguments.length,
        arguments.seed,
        temperature=arguments.temperature,
        top_k=arguments.top_k,
    )
    print("\n".join(told(mine, theirs)))
    return mine == theirs
