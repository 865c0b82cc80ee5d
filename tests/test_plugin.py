"""The pytest plugin, in a project that has never heard of this one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import numpy as np
import torch

class Linear:
    def __init__(self):
        self.W, self.b = np.zeros((3, 4)), np.zeros(4)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dy):
        self.dW, self.db = self.x.T @ dy, dy.sum(axis=0)
        return dy @ self.W.T

class Averaging(Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.db = dy.mean(axis=0)
        return dx

class Broken(Linear):
    def backward(self, dy):
        raise ValueError("not yet")

X = np.random.default_rng(0).normal(size=(5, 3))

def test_right(parity):
    assert parity.check(Linear(), torch.nn.Linear(3, 4), X).agrees

def test_wrong(parity):
    parity.check(Averaging(), torch.nn.Linear(3, 4), X)

def test_broken(parity):
    parity.check(Broken(), torch.nn.Linear(3, 4), X)

def test_nothing_to_do_with_it():
    pass
"""


@pytest.mark.slow
def test_the_fixture_fails_with_the_verdict(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(TESTS)
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "pytest", "-q", "--parity-report", str(report)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "2 failed, 2 passed" in ended.stdout
    assert "verdict: mean-for-sum: the gradient of bias is divided by 5" in ended.stdout
    assert "Broken.backward raised ValueError at test_theirs.py" in ended.stdout
    found = json.loads(report.read_text())
    assert [entry["agrees"] for entry in found] == [True, False, False]
    assert found[0]["test"] == "test_theirs.py::test_right"
    assert found[1]["diagnosis"]["verdicts"][0]["kind"] == "mean-for-sum"


def test_importing_the_plugin_does_not_import_torch() -> None:
    """Every pytest run of the machine imports it."""
    code = "import sys, torch_ref.pytest_plugin; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_run_without_the_fixture_does_not_load_torch(tmp_path: Path) -> None:
    test = "import sys\n\ndef test_it():\n    assert not {'torch', 'numpy'} & {*sys.modules}\n"
    (tmp_path / "test_theirs.py").write_text(test)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:hypothesispytest"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
