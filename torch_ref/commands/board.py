"""`backprop board`: TensorBoard on the runs."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

from .options import count


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "board",
        help="open TensorBoard on the runs",
        description="Ends with Ctrl-C. Every point of every curve is kept.",
        epilog="example: backprop board --port 6007",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--port", type=count, default=6006, help="default: 6006")


def run(arguments: argparse.Namespace) -> bool:
    """TensorBoard in the foreground, until it is interrupted."""
    from ..training.settings import SettingError

    if not arguments.logdir.is_dir():
        raise SettingError(f"--logdir {arguments.logdir}: there is no such directory yet")
    if not 0 < arguments.port < 65536:
        raise SettingError(f"--port {arguments.port}: expected 1 to 65535")
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(arguments.logdir)]
    # 0 would stand for all of them, but TensorBoard's fast data server takes it for none.
    words += ["--samples_per_plugin", "scalars=100000,images=100", "--port", str(arguments.port)]
    board = subprocess.Popen(words)
    try:
        if board.wait() == 0:
            return True
    except KeyboardInterrupt:
        board.terminate()
        board.wait()
        return True
    raise SettingError(f"TensorBoard ended with exit code {board.returncode}")
