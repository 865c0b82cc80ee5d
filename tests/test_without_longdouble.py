"""Where `np.longdouble` is float64, as on Windows and Apple silicon, only the judge is missing."""

import subprocess
import sys

import pytest

from .conftest import NO_JUDGE

pytestmark = pytest.mark.slow

# What NumPy says there, before anything is imported that looks at it.
SIMULATED = "import sys, numpy; numpy.longdouble = numpy.float64\n"
TESTS = (
    "tests/test_judge.py",
    "tests/test_tolerance.py",
    "tests/test_parity.py",
    "-k",
    "Linear or CELU or Hardsigmoid or GELU or CrossEntropyLoss-reduction or MLP-deep",
)


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SIMULATED + program], capture_output=True, text=True
    )


def test_the_judges_tests_skip_with_their_reason_and_all_else_passes() -> None:
    options = ["-q", "-n", "0", "-p", "no:cacheprovider", *TESTS]
    done = run(f"import pytest; sys.exit(pytest.main({options}))")
    assert done.returncode == 0, done.stdout
    assert " passed, " in done.stdout
    assert "failed" not in done.stdout
    reasons = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert reasons
    assert all(NO_JUDGE in line for line in reasons)


def test_the_table_of_the_classes_says_so_in_one_line() -> None:
    program = "from tests import __main__ as table; table.CASES = table.CASES[:30]\n"
    done = run(program + "sys.exit(table.main())")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(NO_JUDGE) == 1
    assert "used float64" in done.stdout
    assert "torch float64" not in done.stdout


def test_training_and_explaining_need_no_judge() -> None:
    program = "from torch_ref.cli import main\nassert main(['explain', 'GELU']) == 0\n"
    program += "import tempfile\nwith tempfile.TemporaryDirectory() as runs:\n"
    program += "    sys.exit(main(['train', 'xor', '--steps', '20', '--logdir', runs]))"
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert "By hand and autograd agree at every step." in done.stdout
