"""The command `backprop`.

Only the command that is named builds its options, for these show what there is to choose from and
load it. PyTorch is imported only once there is something to run.
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

COMMANDS = (
    "list",
    "train",
    "board",
    "sample",
    "explain",
    "check",
    "bundle",
    "bench",
)  # a file each in commands/
AGREE, DISAGREE, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


class Parser(argparse.ArgumentParser):
    """argparse, with one line for an error."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """The named command's arguments; what it runs is its argument `run`."""
    top = Parser(
        prog="backprop",
        description="Backpropagation by hand in NumPy beside PyTorch, and proof that they agree.",
        epilog="example: backprop train worked-example",
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    named = next((word for word in words if word in COMMANDS), None)
    for name in COMMANDS:
        command = importlib.import_module(f"{__package__}.commands.{name}")
        parser = command.add_parser(commands)
        if name == named:
            command.add_arguments(parser)
            parser.set_defaults(run=command.run)
    arguments = top.parse_args(words)
    if arguments.command is None:
        names = f"{', '.join(COMMANDS[:-1])} or {COMMANDS[-1]}"
        top.error(f"expected a command: {names}; --help says more")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 0 for yes, 1 for "they disagree", 2 for bad input."""
    if hasattr(signal, "SIGPIPE"):  # `backprop list | head` ends without a word
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    arguments = parse(sys.argv[1:] if argv is None else argv)
    from manual.article.description import DescriptionError  # not for --help: it loads NumPy

    from .safe_files import InputError

    try:
        return AGREE if arguments.run(arguments) else DISAGREE
    except (InputError, DescriptionError) as error:
        print(f"backprop {arguments.command}: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        logged = "; what was logged so far is kept" if arguments.command == "train" else ""
        print(f"\nbackprop {arguments.command}: interrupted{logged}", file=sys.stderr)
        return INTERRUPTED
