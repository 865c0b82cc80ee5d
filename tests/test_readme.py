"""What the README shows is what a reader gets."""

import re
import shlex
from pathlib import Path

import pytest

from torch_ref.cli import main

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
FILES = {
    match.group(1): text
    for kind, text in BLOCKS
    if kind == "python" and (match := re.match(r"# (\w+\.py)\n", text))
}
CHECKS = [text.strip() for kind, text in BLOCKS if kind == "sh" and "backprop check" in text]
SHOWN = [text for kind, text in BLOCKS if not kind and text.startswith("quantity")]


@pytest.fixture
def readers_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(3))
def test_an_example_prints_what_is_shown(
    number: int, readers_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to the last digits of the proof, which are the processor's."""
    command = [line for line in CHECKS if ".py:" in line][number]
    assert main(shlex.split(command)[1:]) == 1
    printed = capsys.readouterr().out
    digits = re.compile(r"to \d\.\de-1\d|exactly")
    columns = re.compile(r"[ \d.e+-]+(?=\s)")
    shown, given = (columns.sub(" ", digits.sub("", t)) for t in (SHOWN[number], printed))
    assert given == shown
    assert "verdict: " in printed


def test_there_are_three_examples() -> None:
    assert len(SHOWN) == 3
    assert {"layer.py", "function.py", "course.py", "test_mine.py"} <= FILES.keys()


def test_the_bundle_commands(readers_files: Path) -> None:
    (both,) = [text for text in CHECKS if text.startswith("backprop bundle")]
    for line in both.splitlines():
        assert main(shlex.split(line)[1:]) == 0
