"""`backprop board`: it ends with what it started, and a port in use is told with a free one."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from torch_ref.cli import main
from torch_ref.commands.board import is_free


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that something listens on."""
    with socket.create_server(("localhost", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_with_the_next_free_one(
    busy: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["board", "--logdir", str(tmp_path), "--port", str(busy)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"backprop board: --port {busy}: in use; the next free one: --port ")
    free = int(said.split()[-1])
    assert busy < free
    assert is_free(free)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGTERM to be caught")
def test_sigterm_takes_tensorboard_with_it(busy: int, tmp_path: Path) -> None:
    port = next(filter(is_free, range(busy + 1, 65536)))
    words = [sys.executable, "-m", "torch_ref", "board", "--logdir", str(tmp_path)]
    with subprocess.Popen([*words, "--port", str(port)], stderr=subprocess.DEVNULL) as board:
        while not answers(port):
            assert board.poll() is None, f"ended with {board.returncode}"
            time.sleep(0.1)
        board.send_signal(signal.SIGTERM)
        assert board.wait() == 0
    assert not answers(port)
