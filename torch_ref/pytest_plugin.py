"""The pytest plugin: a fixture `parity` for tests of one's own backward passes.

It is there as soon as this project is installed. `parity.check(mine, reference, *inputs)` fails the
test with the report and the verdict; `--parity-report FILE` collects all reports as JSON.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .checking.check import Checked


REPORTS = pytest.StashKey[list[dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "gradients written by hand against PyTorch's")
    group.addoption("--parity-report", metavar="FILE", help="write all parity reports, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORTS] = []
    path = config.getoption("parity_report", None)
    if path and not Path(path).absolute().parent.is_dir():
        raise pytest.UsageError(f"--parity-report {path}: there is no such directory")


class Parity:
    """What the fixture `parity` gives a test."""

    def __init__(self, test: str, reports: list[dict[str, Any]]) -> None:
        self.test, self.reports = test, reports

    def check(self, mine: Any, reference: Any, *inputs: Any, **options: Any) -> "Checked":
        """Fail the test unless both agree; see `torch_ref.checking.check`."""
        __tracebackhide__ = True
        from .checking.check import check
        from .checking.layouts import CandidateError

        refused = ""
        try:
            checked = check(mine, reference, *inputs, **options)
        except CandidateError as error:
            refused = str(error)
        if refused:
            self.reports.append({"test": self.test, "agrees": False, "error": refused})
            pytest.fail(refused, pytrace=False)
        self.reports.append({"test": self.test, **checked.as_dict()})
        if not checked.agrees:
            pytest.fail(f"by hand and autograd disagree\n{checked}", pytrace=False)
        return checked


@pytest.fixture
def parity(request: pytest.FixtureRequest) -> Parity:
    """Check a backward pass of one's own against PyTorch: `parity.check(mine, reference, x)`."""
    return Parity(request.node.nodeid, request.config.stash[REPORTS])


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("parity_report")
    if path:
        text = json.dumps(session.config.stash[REPORTS], indent=2, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")
