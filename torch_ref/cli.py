"""The command `backprop`.

Only the command that is named builds its options, for these show what there is to choose from and
load it. PyTorch is imported only once there is something to run.
"""

import argparse
import errno
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn, TypeGuard

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
AGREE, DISAGREE, BAD_INPUT, DIVERGED = 0, 1, 2, 3
FAULT, NOT_WRITTEN, INTERRUPTED = 70, 74, 130  # the latter 128 and the signal's number


class Version(argparse.Action):
    """Print which version this is, and of what it stands on; nothing of it is loaded for that."""

    def __call__(self, parser: argparse.ArgumentParser, *words: Any) -> NoReturn:
        from importlib.metadata import version

        under = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch"))
        print(f"backprop-parity {version('backprop-parity')} ({under})")
        parser.exit(AGREE)


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
    top.add_argument("--version", action=Version, nargs=0, help="which one this is")
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
    """Run the command; its exit code.

    It is 0 for yes, 1 for "they disagree", 2 for bad input, 3 for a run that diverged, 70 for a
    fault of this program, 74 if what it says cannot be written, and 128 and the signal's number if
    it was interrupted. So no crash is a verdict.
    """
    if hasattr(signal, "SIGPIPE"):  # `backprop list | head` ends without a word
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    arguments = parse(sys.argv[1:] if argv is None else argv)
    from manual.article.description import DescriptionError  # not for --help: it loads NumPy

    from .output import escaped, print_anywhere
    from .safe_files import InputError
    from .training.settings import DivergenceError, InterruptedRunError

    print_anywhere()
    who = f"backprop {arguments.command}"
    try:
        verdict = AGREE if arguments.run(arguments) else DISAGREE
        sys.stdout.flush()
        return verdict
    except (InputError, DescriptionError) as error:
        print(f"{who}: {escaped(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except SystemExit as ended:  # nothing of ours does so once it runs
        print(f"{who}: the code that was run ended the program ({ended.code!r})", file=sys.stderr)
        return BAD_INPUT
    except InterruptedRunError as error:
        print(f"\n{who}: {escaped(str(error))}", file=sys.stderr)
        return 128 + error.signal
    except DivergenceError as error:
        print(f"{who}: {escaped(str(error))}", file=sys.stderr)
        return DIVERGED
    except KeyboardInterrupt:
        logged = "; what was logged so far is kept" if arguments.command == "train" else ""
        print(f"\n{who}: interrupted{logged}", file=sys.stderr)
        return INTERRUPTED
    except MemoryError as error:
        print(f"{who}: it takes more memory than there is: {error}", file=sys.stderr)
        return BAD_INPUT
    except Exception as error:
        if is_of_output(error):
            print(f"{who}: what it says cannot be written ({error.strerror})", file=sys.stderr)
            sys.stdout = open(os.devnull, "w")  # Python would try once more  # noqa: SIM115
            return NOT_WRITTEN
        traceback.print_exc()
        print(f"{who}: a fault of this program, and no verdict: please report it", file=sys.stderr)
        return FAULT


def is_of_output(error: Exception) -> TypeGuard[OSError]:
    """Whether it was the terminal, pipe or file that output goes to which failed."""
    kinds = (errno.ENOSPC, errno.EIO, errno.EPIPE)
    return isinstance(error, OSError) and error.errno in kinds and not error.filename
