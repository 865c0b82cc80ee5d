"""What is loaded before there is anything to do: time that everyone waits, every time."""

import subprocess
import sys
from importlib.metadata import version

import pytest

from torch_ref.cli import COMMANDS


def program(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)


@pytest.mark.parametrize("words", [["--help"], ["board", "--help"], ["list", "--help"]], ids=str)
def test_what_shows_no_choices_loads_none(words: list[str]) -> None:
    """NumPy and `manual` take several times longer to load than such an answer to write."""
    done = program(
        "import sys; sys.modules['numpy'] = sys.modules['torch'] = None\n"
        f"from torch_ref.cli import main; main({words})"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: backprop {' '.join(words[:-1])}".rstrip())


def test_the_help_says_what_each_command_is_for() -> None:
    lines = program("from torch_ref.cli import main; main(['--help'])").stdout.splitlines()
    for command in COMMANDS:
        said = [words for line in lines if (words := line.split())[:1] == [command]]
        assert len(said) == 1, command
        assert len(said[0]) > 1, command


def test_no_command_and_none_of_that_name_are_refused_without_numpy() -> None:
    for words, message in (
        ([], "expected a command: list, train, board"),
        (["nonsense"], "invalid choice: 'nonsense'"),
    ):
        done = program(
            "import sys; sys.modules['numpy'] = None\n"
            f"from torch_ref.cli import main; main({words})"
        )
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_manual_loads_no_page_of_the_article_and_makes_no_dataclass() -> None:
    done = program(
        "import sys, numpy.random; known = {*sys.modules}\n"
        "import manual; print(*sys.modules.keys() - known)"
    )
    assert done.returncode == 0, done.stderr
    loaded = {*done.stdout.split()}
    assert {"manual", "manual.layers.linear"} <= loaded
    assert not loaded & {"manual.article", "dataclasses", "torch"}


def test_the_version_is_told_without_numpy() -> None:
    done = program(
        "import sys; sys.modules['numpy'] = sys.modules['torch'] = None\n"
        "from torch_ref.cli import main; main(['--version'])"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"backprop-parity {version('backprop-parity')} "
        f"(numpy {version('numpy')}, torch {version('torch')})\n"
    )
