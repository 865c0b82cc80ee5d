"""Files that others wrote, and files written whole or not at all; and what is printed anywhere."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from torch_ref import cli, safe_files
from torch_ref.output import LONGEST, escaped, in_ascii, quoted
from torch_ref.safe_files import InputError, read_json, write_whole


def put(path: Path, text: str) -> None:
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), str(path))


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "deep" / "file", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    put(link, "new")
    assert link.is_symlink()
    assert (target.read_text(), link.read_text()) == ("new", "new")
    assert sorted(p.name for p in target.parent.iterdir()) == ["file"]


def test_a_link_to_nothing_yet_makes_what_it_leads_to(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "target")
    put(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_device_stays_a_device() -> None:
    before = os.stat(os.devnull)
    put(Path(os.devnull), "nothing of it is kept")
    after = os.stat(os.devnull)
    assert (after.st_mode, after.st_rdev) == (before.st_mode, before.st_rdev)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_gets_what_is_written(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    put(pipe, "all of it")
    reader.join(30)
    assert read == ["all of it"]
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_a_file_takes_its_place_only_when_it_is_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails on the way there leaves the old one, and nothing beside it."""
    path, done = tmp_path / "file", list[str]()
    put(path, "old")
    replace = os.replace

    def replaced(*paths: Path) -> None:
        done.append("replaced")
        replace(*paths)

    monkeypatch.setattr(safe_files, "synced", lambda p: done.append(p.name))
    monkeypatch.setattr(os, "replace", replaced)
    put(path, "new")
    assert done == ["file", "replaced", tmp_path.name]

    def fails(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safe_files, "synced", fails)
    with pytest.raises(InputError, match="No space left"):
        put(path, "newest")
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_said() -> None:
    with pytest.raises(InputError, match=r"/dev/full: cannot be written \(No space left"):
        put(Path("/dev/full"), "something")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """Nobody writes into it: reading would never end."""
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="not a regular file"):
        read_json(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="not a regular file"):
        read_json(Path("/dev/zero"))


REFUSED = {
    '{"a": 1, "b": 2, "a": 1}': "the key 'a' stands there twice",
    '[{"x": 1}, {"y": {"z": 0, "z": 0}}]': "the key 'z' stands there twice",
    "[1e400]": "1e400 is beyond float64",
    "[-1e999]": "-1e999 is beyond float64",
    f"[{2**63}]": "is beyond int64",
    f"[{'9' * 5000}]": "is beyond int64",
    "[1, 2": "not readable as JSON",
    "[" * 100_000: "not readable as JSON",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_what_json_would_silently_lose_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x\.json: not readable as JSON") as caught:
        read_json(path)
    assert REFUSED[text] in str(caught.value)
    assert len(str(caught.value)) < 300


def test_json_is_read_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for text, value in {
        '{"a": [1, 2.5, -3e2], "b": null}': {"a": [1, 2.5, -300.0], "b": None},
        f"[{2**63 - 1}, {-(2**63) + 1}]": [2**63 - 1, -(2**63) + 1],
        "[1e308]": [1e308],
    }.items():
        path.write_text(text)
        assert read_json(path) == value


# ---- output


@pytest.mark.parametrize(
    ("text", "shown"),
    {
        "a\x1b[2Jb": "a\\x1b[2Jb",
        "a\rb\x00\x9b": "a\\x0db\\x00\\x9b",
        "lines\n\tand tabs σ": "lines\n\tand tabs σ",
    }.items(),
)
def test_control_characters_are_spelled_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_what_is_quoted_is_cut() -> None:
    assert quoted("x" * LONGEST) == "x" * LONGEST
    long = quoted("x" * (LONGEST + 1))
    assert long.startswith("x" * LONGEST)
    assert long.endswith(f"({LONGEST + 1} characters)")


@pytest.mark.parametrize(
    ("signs", "read"),
    {
        "σ(x) − ½": "sigma(x) - 1/2",
        "⎡x̂₁⎤ Σ η": "[x1] Sigma eta",
        "∂E/∂w⁺ ≤ é": "dE/dw+ <= e",
        "Ж": "?",
    }.items(),
)
def test_signs_are_read_in_ascii(signs: str, read: str) -> None:
    assert "".join(c if c.isascii() else in_ascii(c) for c in signs) == read


def test_every_sign_of_the_table_is_needed() -> None:
    from torch_ref.output import READ_AS

    assert all(not sign.isascii() and value.isascii() for sign, value in READ_AS.items())


# ---- the program's end


def run(*words: str, stdout: Any = subprocess.PIPE, encoding: str = "utf-8") -> Any:
    """The command, as a process of its own."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "torch_ref", *words]
    return subprocess.run(
        command,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment,
        encoding=encoding,
        timeout=120,
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_is_said_can_be_read_in_any_encoding(encoding: str) -> None:
    ended = run("explain", "Sigmoid", encoding=encoding)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "dL/dx" in ended.stdout
    assert "sigma" in ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", ["list", "explain Sigmoid", "explain"])
def test_a_full_disk_is_no_success(words: str) -> None:
    with open("/dev/full", "w") as full:
        ended = run(*words.split(), stdout=full)
    assert ended.returncode == cli.NOT_WRITTEN
    name = words.partition(" ")[0]
    said = f"backprop {name}: what it says cannot be written (No space left on device)\n"
    assert ended.stderr == said


LEAVING = """import sys
import numpy as np

class Leaves:
    def forward(self, x):
        return x

    def backward(self, g):
        sys.exit({code})

def reference(x):
    sys.exit({code})

class Prints:
    def forward(self, x):
        print("from the code", "\\x1b[2J")
        return 2 * x

    def backward(self, g):
        print("from the code")
        return 2 * g

class Names:
    def __init__(self):
        self.params = {{"W\\x1b[2J": np.ones(3)}}
        self.grads = {{}}

    def forward(self, x):
        self.x = x
        return x * self.params["W\\x1b[2J"]

    def backward(self, g):
        self.grads["W\\x1b[2J"] = g.sum(axis=0)
        return g * self.params["W\\x1b[2J"]
"""


LEFT = {  # where the program is ended: the words of a check
    "its backward pass": ["FILE:Leaves", "--against", "torch.nn.Identity"],
    "its own forward pass as the reference": ["FILE:Leaves"],
    "the reference": ["FILE:Prints", "--against", "FILE:reference"],
    "the file": ["FILE:Prints"],
}


@pytest.mark.parametrize("where", LEFT)
@pytest.mark.parametrize("code", ["0", "1", "", "'all agrees'"])
def test_code_that_ends_the_program_gets_no_verdict(
    where: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    at_once = f"\nsys.exit({code})\n" if where == "the file" else ""
    path.write_text(LEAVING.format(code=code) + at_once)
    words = [word.replace("FILE", str(path)) for word in LEFT[where]]
    assert cli.main(["check", *words, "--input", "2,3"]) == cli.BAD_INPUT
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("backprop check: ")
    assert "SystemExit" in printed.err or "ended the program" in printed.err


def test_what_the_code_prints_is_no_part_of_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(LEAVING.format(code=0))
    words = ["check", f"{tmp_path / 'mine.py'}:Prints", "--input", "2,3", "--json"]
    assert cli.main(words) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["agrees"] is True
    assert "from the code" in printed.err


def test_a_name_cannot_clear_the_screen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(LEAVING.format(code=0))
    cli.main(["check", f"{tmp_path / 'mine.py'}:Names", "--input", "2,3"])
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert "\\x1b[2J" in printed.out + printed.err


def test_a_fault_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from torch_ref.commands import list as listing

    def fails(arguments: Any) -> bool:
        raise ZeroDivisionError("of this program")

    monkeypatch.setattr(listing, "run", fails)
    assert cli.main(["list"]) == cli.FAULT == 70
    said = capsys.readouterr().err
    assert "ZeroDivisionError: of this program" in said  # what to report
    assert "a fault of this program, and no verdict" in said
