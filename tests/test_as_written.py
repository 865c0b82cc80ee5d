"""Code in the forms that books and courses teach, checked as it is written: `tests/as_written/`.

The first lines of each file say how it is checked, `#: NAME ARGUMENTS`, and which mistakes it is
checked with: `# what is written ==> what is put in its place :: the kind of mistake`. Of a kind
left empty only that it is told counts.
"""

import re
import shlex
import sys
from pathlib import Path

import pytest

from torch_ref.cli import main

FILES = sorted((Path(__file__).parent / "as_written").glob("*.py"))
SLOW = (
    "TwoLayerNet",
    "nonlin",
    "lossFun",
    "WithLoss",
    "conv_forward",
    "Loss_C",
    "MLP",
    "TwoNeurons",
    "Value",
    "L_model",
    "svm",
    "lstm",
)


def commands_of(path: Path) -> list[str]:
    return re.findall(r"^#: (.*)$", path.read_text("utf-8"), re.MULTILINE)


def mistakes_of(path: Path) -> list[tuple[str, ...]]:
    text = path.read_text("utf-8")
    return re.findall(r"^# (.+?) ==> (.+?) :: ?(.*)$", text, re.MULTILINE)


def check(path: Path, command: str) -> int:
    """The exit code of `backprop check`."""
    sys.modules.pop(f"checked_{path.stem}", None)
    return main(["check", *shlex.split(f"{path}:{command}")])


RIGHT = [
    pytest.param(
        path,
        command,
        id=f"{path.stem}: {command.split()[0]}",
        marks=[pytest.mark.slow] if any(word in command for word in SLOW) else [],
    )
    for path in FILES
    for command in commands_of(path)
]
WRONG = [
    pytest.param(path, *mistake, id=f"{path.stem}: {mistake[0]}")
    for path in FILES
    for mistake in mistakes_of(path)
]


@pytest.mark.parametrize(("path", "command"), RIGHT)
def test_right_code_agrees_as_it_is_written(path: Path, command: str) -> None:
    assert check(path, command) == 0


@pytest.mark.slow
@pytest.mark.parametrize(("path", "right", "wrong", "kind"), WRONG)
def test_a_mistake_in_it_is_told_and_named(
    path: Path,
    right: str,
    wrong: str,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    head, start, body = path.read_text("utf-8").partition("import ")
    assert right in body
    copy = tmp_path / path.name
    copy.write_text(head + start + body.replace(right, wrong, 1), "utf-8")
    for command in commands_of(path):
        code = check(copy, command)
        out = capsys.readouterr().out
        if code:
            break
    assert code == 1
    assert not kind or f"verdict: {kind}" in out, out
