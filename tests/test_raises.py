"""The script that lists the refusals which no test reaches."""

import ast
from pathlib import Path

import pytest

from .raises import PACKAGES, ROOT, main, not_executed, of_the_packages, refusals

SOURCE = """
def size(text):
    try:
        return int(text)
    except ValueError:
        if not text:
            raise
        raise TypeError(
            f"{text}: expected "
            "a number"
        ) from None


def words(parser, log):
    if not parser.words:
        parser.error("expected words")
    return log.error
"""
PATH = ROOT / "manual" / "of_this_test.py"


def test_raises_and_errors_of_parsers_are_refusals() -> None:
    lines = [(one.first, one.last, str(one)) for one in refusals(SOURCE, PATH)]
    name = "manual/of_this_test.py"
    assert lines == [
        (7, 7, f"{name}:7: raise"),
        (8, 11, f'{name}:8: raise TypeError( f"{{text}}: expected " "a number" ) from None'),
        (16, 16, f'{name}:16: parser.error("expected words")'),
    ]


@pytest.mark.parametrize(
    ("executed", "missed"),
    [([], [7, 8, 16]), ([6, 7, 12], [8, 16]), ([7, 9, 16], []), ([11, 15], [7, 16])],
)
def test_any_line_of_a_statement_counts(executed: list[int], missed: list[int]) -> None:
    left = not_executed(refusals(SOURCE, PATH), lambda path: executed)
    assert [one.first for one in left] == missed


def test_every_raise_of_both_packages_is_there() -> None:
    """As often as the word stands at the beginning of a line that is code."""
    counts = {
        path: sum(line.split()[:1] == ["raise"] for line in path.read_text("utf-8").splitlines())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    raises = [
        one for one in of_the_packages() if isinstance(ast.parse(one.text).body[0], ast.Raise)
    ]
    assert {one.path for one in raises} == {path for path, count in counts.items() if count}
    assert len(raises) == sum(counts.values())


def test_what_was_not_reached_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coverage = pytest.importorskip("coverage")
    every = of_the_packages()
    for left_out, code in ((0, 0), (1, 1)):
        data = coverage.CoverageData(str(tmp_path / f"data-{left_out}"))
        data.add_lines({str(one.path): [] for one in every})
        for one in every[left_out:]:
            data.add_lines({str(one.path): [one.last]})
        data.write()
        data.close()
        assert main([str(tmp_path / f"data-{left_out}")]) == code
        last = f"{left_out} of {len(every)} refusals were never reached"
        listed = capsys.readouterr().out.splitlines()
        assert listed == [*map(str, every[:left_out]), last]


def test_no_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "none")])
    assert stopped.value.code == 2
    assert "there is no such file" in capsys.readouterr().err
