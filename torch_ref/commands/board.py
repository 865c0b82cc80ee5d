"""`backprop board`: TensorBoard on the runs."""

import argparse
import errno
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from .options import count


def add_parser(commands: Any) -> Any:
    return commands.add_parser(
        "board",
        help="open TensorBoard on the runs",
        description="Ends with Ctrl-C, or SIGTERM. Every point of every curve is kept.",
        epilog="example: backprop board --port 6007",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--logdir", type=Path, default=Path("runs"), help="default: runs")
    parser.add_argument("--port", type=count, default=6006, help="default: 6006")


def run(arguments: argparse.Namespace) -> bool:
    """TensorBoard in the foreground, until it or this is stopped."""
    from ..training.settings import SettingError

    if not arguments.logdir.is_dir():
        raise SettingError(f"--logdir {arguments.logdir}: there is no such directory yet")
    if not 0 < arguments.port < 65536:
        raise SettingError(f"--port {arguments.port}: expected 1 to 65535")
    if not is_free(arguments.port):
        free = next(filter(is_free, range(arguments.port + 1, 65536)), None)
        cure = "" if free is None else f"; the next free one: --port {free}"
        raise SettingError(f"--port {arguments.port}: in use{cure}")
    words = [sys.executable, "-m", "tensorboard.main", "--logdir", str(arguments.logdir)]
    # 0 would stand for all of them, but TensorBoard's fast data server takes it for none.
    words += ["--samples_per_plugin", "scalars=100000,images=100", "--port", str(arguments.port)]
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as if by Ctrl-C
    try:
        with subprocess.Popen(words) as board:
            try:
                code = board.wait()
            except KeyboardInterrupt:
                board.terminate()
                return True
    finally:
        signal.signal(signal.SIGTERM, before)
    if code:
        raise SettingError(f"TensorBoard ended with exit code {code}")
    return True


def is_free(port: int) -> bool:
    """Whether nothing listens on this port of this machine."""
    with socket.socket() as listener:
        if sys.platform != "win32":  # one that was closed just now is free; there that means more
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("localhost", port))
        except OSError as error:  # TensorBoard says itself what else may be wrong
            return error.errno != errno.EADDRINUSE
    return True
