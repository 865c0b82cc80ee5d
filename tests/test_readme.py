"""What the README shows is what a reader gets: every block of it is run, or computed anew.

What is the same on every processor is compared to the last digit shown. Rounding is not the same:
how far two right results are apart, and where they are furthest apart. There it is asked that what
is shown, and what is printed here, are both within what is allowed.
"""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from manual.article.description import LOSSES
from manual.article.figures import FIGURES, figures_table
from torch_ref.checking.comparing import Sides, Trial
from torch_ref.checking.step_rules import check as step_rules
from torch_ref.checking.step_rules.reference import Paths
from torch_ref.cli import main, parse
from torch_ref.parity.distance import Comparison, Report
from torch_ref.parity.judge import CAN_JUDGE
from torch_ref.parity.one_pass import Quantities
from torch_ref.parity.tolerance import Allowed
from torch_ref.pytest_plugin import Parity
from torch_ref.training.article import article_round
from torch_ref.training.experiments import EXPERIMENTS
from torch_ref.training.lockstep import step_by_autograd
from torch_ref.training.session import lockstep_of
from torch_ref.twin import to_torch

from .__main__ import COLUMNS, row_of
from .conftest import NO_JUDGE
from .mutants import EQUIVALENT, Mutant, mutants, outcome
from .test_initializers import FUSED

ROOT = Path(__file__).parent.parent
# The README of the whole, then those of the rooms, which are about them.
PAGES = [
    ROOT / "README.md",
    *sorted(p for d in ("manual", "torch_ref") for p in (ROOT / d).rglob("README.md")),
]
README = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
EPS = float(np.finfo(np.float64).eps)

# ---- The blocks, by what they are

SORTS = {  # language and beginning; of commands, all of it
    "set-up": ("sh", r"python3 -m venv .*\n$"),
    "commands": ("sh", r"(backprop .*\n)+$"),
    "counts": ("sh", r"\.venv/bin/python -m tests(\.mutants)?\n$"),  # imported and compared below
    "file": ("python", r"# \w+\.py\n"),
    "snippet": ("python", r"import "),
    "training": ("python", r"from torch_ref import train_both\n"),
    "report": ("", r"quantity  "),
    "run": ("", r" +the article  "),
    "judge": ("", r"class  "),
    "step": ("", r"δ_"),
    "house": ("", r"manual/  "),
}


@dataclass(frozen=True)
class Block:
    """One fenced block of the README, and how many stand above it."""

    number: int
    language: str
    text: str

    @property
    def sorts(self) -> list[str]:
        """What it is: one of `SORTS`, each of which has its test below."""
        return [
            sort
            for sort, (language, beginning) in SORTS.items()
            if language == self.language and re.match(beginning, self.text)
        ]

    @property
    def commands(self) -> list[list[str]]:
        """The words of each line of commands, without the first."""
        return [shlex.split(line, comments=True)[1:] for line in self.text.splitlines()]

    def __str__(self) -> str:
        start = " ".join(self.text.split())[:40].strip()
        return f"{self.number} {'/'.join(self.sorts) or 'unknown'}: {start}"


BLOCKS = [
    Block(number, language, text)
    for number, (language, text) in enumerate(
        re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    )
]
PROSE = " ".join(re.sub(r"^```.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL).split())


def of(sort: str) -> list[Block]:
    return [block for block in BLOCKS if sort in block.sorts]


def the(sort: str) -> Block:
    (block,) = of(sort)
    return block


def each(sort: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", of(sort), ids=str)


FILES = {block.text.split()[1]: block.text for block in of("file")}


def command_above(report: Block) -> list[str]:
    """The check that prints this report."""
    above = [block for block in of("commands") if block.number < report.number]
    (command,) = above[-1].commands
    return command


def is_wrong(report: Block) -> bool:
    return report.text.endswith("DISAGREES\n")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_every_block_has_its_test(block: Block) -> None:
    assert len(block.sorts) == 1, f"of no sort that is tested here:\n{block.text}"


def test_fences_are_read_in_pairs() -> None:
    assert len(BLOCKS) == len(re.findall(r"^ *(?:```|~~~)", README, re.MULTILINE)) / 2


# ---- Commands


@pytest.fixture
def readers_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory with the README's files, and a table."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    houses = (f"{30 + i},{'town' if i % 3 else 'village'},{i % 2},{5 * i}" for i in range(40))
    (tmp_path / "houses.csv").write_text("\n".join(["size,place,sold,price", *houses]))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield tmp_path
    for name in FILES:
        sys.modules.pop(Path(name).stem, None)


def test_the_set_up_is_what_ci_runs() -> None:
    """As .ci/run takes it from the README; its lines up to `tests=` are run for that."""
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    (taking,) = re.findall(r"^readme_command\(\).*?^tests=.*?$", script, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        ["bash", "-euc", f'{taking}\nprintf "%s\\n" "$train" "$tests"'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "".join(block.text for block in of("set-up"))
    assert [block.text.splitlines()[0].split("&& ")[-1] for block in of("set-up")] == [
        ".venv/bin/backprop train worked-example",
        ".venv/bin/pytest",
    ]


@pytest.mark.slow
@each("commands")
def test_the_commands_run(block: Block, readers_files: Path) -> None:
    """One after the other. Training stops after 5 steps; TensorBoard is not started."""
    shown_wrong = [command_above(report) for report in of("report") if is_wrong(report)]
    for words in block.commands:
        parse(words)
        if words[0] == "train":
            words = [*words, "--epochs" if "--epochs" in words else "--steps", "5"]
        if words[0] != "board":
            assert main(words) == int(words in shown_wrong), words


@pytest.mark.parametrize(
    "command", re.findall(r"`(?:\.venv/bin/)?backprop ([^`]+)`", PROSE), ids=str
)
def test_a_command_in_the_prose_parses(command: str) -> None:
    words = shlex.split(command)
    if "--help" in words:
        with pytest.raises(SystemExit) as ended:
            parse(words)
        assert ended.value.code == 0
    else:
        parse(words)


# ---- Python


@each("snippet")
def test_a_snippet_prints_what_its_comments_say(
    block: Block, readers_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a print has no comment, it prints a distance: rounding in float32."""
    if "TorchGenerator" in block.text and not FUSED:
        pytest.skip("it holds as PyTorch draws on a processor with AVX2, which the README says")
    exec(compile(block.text, f"README.md, {block}", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    prints = [line for line in block.text.splitlines() if line.startswith("print(")]
    assert prints
    for line, value in zip(prints, printed, strict=True):
        _, comment, shown = line.partition("  # ")
        if comment:
            assert value == shown, line
        else:
            assert float(value) < 1e-5, line


@each("training")
def test_a_network_is_trained_from_python(
    block: Block, readers_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line printed is what its comment says."""
    exec(compile(block.text, f"README.md, {block}", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    (shown,) = re.findall(r"^print\(.*\)  # (.*)$", block.text, re.MULTILINE)
    assert printed[-1] == shown
    assert "By hand and autograd agree at every step." in printed
    assert any(line.strip().startswith("http://localhost:6006/") for line in printed)
    if "savefig" in block.text:
        assert (readers_files / "boundary.png").stat().st_size > 1_000


@each("file")
def test_a_file_is_used(block: Block, readers_files: Path, parity: Parity) -> None:
    """By a command; or it is a test, which fails with the report that is shown for its layer."""
    name = block.text.split()[1]
    if not name.startswith("test_"):
        assert re.search(rf"^backprop (check|train) {name}:", README, re.MULTILINE)
        return
    (layer,) = re.findall(r"^from (\w+) import", block.text, re.MULTILINE)
    (report,) = [r for r in of("report") if f"{layer}.py:" in command_above(r)[1]]
    names: dict[str, Any] = {}
    exec(compile(block.text, name, "exec"), names)
    (test,) = [value for key, value in names.items() if key.startswith("test_")]
    with pytest.raises(pytest.fail.Exception) as failed:
        test(parity)
    lines, rows = parts_of(str(failed.value).partition("\n")[2])
    shown_lines, shown_rows = parts_of(report.text)
    assert [PROOF.sub("", line) for line in lines] == [PROOF.sub("", line) for line in shown_lines]
    assert [row[:2] for row in rows] == [row[:2] for row in shown_rows]


# ---- Reports of a check

PROOF = re.compile(r"(?<=equal, )(?:to (\S+)|exactly)(?=, to what)")


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def parts_of(report: str) -> tuple[list[str], list[list[str]]]:
    """Lines of text, each in one piece, and the cells of the table's rows."""
    header, *lines = re.sub(r"\n {9,}", " ", report.strip()).splitlines()
    assert cells(header) == ["quantity", "distance in eps", "worst at", "yours", "reference"]
    rows = [cells(line) for line in lines if re.match(r".*  (agrees|DISAGREES)  ", line)]
    return lines[len(rows) :], rows


@each("report")
def test_a_report_is_what_is_printed(
    block: Block,
    readers_files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    watched: list[tuple[Quantities, Quantities, Report]] = []
    compare, measured = Sides.compare, step_rules.measured

    def watch(self: Sides, trial: Trial) -> Report:
        watched.append((trial.mine, trial.theirs, compare(self, trial)))
        return watched[-1][2]

    def watch_steps(mine: Paths, theirs: Paths, allowed: Allowed) -> Report:
        both = [{("weight", name): path for name, path in side.items()} for side in (mine, theirs)]
        watched.append((both[0], both[1], measured(mine, theirs, allowed)))
        return watched[-1][2]

    monkeypatch.setattr(Sides, "compare", watch)
    monkeypatch.setattr(step_rules, "measured", watch_steps)
    assert main(command_above(block)) == int(is_wrong(block))
    *sides, report = watched[0]
    lines, rows = parts_of(capsys.readouterr().out)
    shown_lines, shown_rows = parts_of(block.text)
    for shown, printed, row in zip(shown_rows, rows, report.rows, strict=True):
        compare_row(shown, printed, row, sides)
    allowed = max(row.tolerance for row in report.rows) * EPS
    for shown_line, line in zip(shown_lines, lines, strict=True):
        assert PROOF.sub("", line) == PROOF.sub("", shown_line)
        for match in (PROOF.search(line), PROOF.search(shown_line)):
            assert match is None or float(match[1] or 0) <= allowed, match.string


def compare_row(shown: list[str], printed: list[str], row: Comparison, sides: list[Any]) -> None:
    """Numbers stand at the place that is named; of a right quantity, rounding chooses which."""
    assert shown[:2] == printed[:2]
    drawn = 1e-8 if FUSED else 1e-6  # weights are drawn in float32, up to its last bit
    mine, reference = (side[row.kind, row.name] for side in sides)
    apart = []
    for (_, _, distance, at, *values), rel in ((shown, drawn), (printed, 1e-8)):
        place = tuple(map(int, at.split(",")))
        both = float(mine[place]), float(reference[place])
        assert [float(value) for value in values] == pytest.approx(both, rel=rel, abs=0)
        apart.append(abs(both[0] - both[1]))
        if row.agrees:
            assert re.fullmatch(r"0|\d\.\d+|\d+", distance)
            assert float(distance) <= row.tolerance
    if not row.agrees:
        assert shown[2] == printed[2]
        assert apart[0] == pytest.approx(
            apart[1], rel=1e-8, abs=0
        )  # the same place, or as far apart


# ---- The run of the worked example


@pytest.mark.slow
def test_the_article_s_figures_are_what_is_printed() -> None:
    """By hand and by autograd, over all of its rounds."""
    settings = EXPERIMENTS["worked-example"].defaults.resolve()
    problem = EXPERIMENTS["worked-example"].build(settings)
    pair, x, t = lockstep_of(problem), problem.data.x, problem.data.t
    wanted = {figure.said_of for figure in FIGURES}
    autograd = {}
    for n in range(max(wanted) + 1):
        if n in wanted:
            network: Any = pair.twin
            autograd[n] = article_round(network, to_torch(x), to_torch(t), settings.lr)
        step_by_autograd(pair.twin, pair.twin_loss, pair.twin_optimizer, x, t, None)
    printed = figures_table("simultaneous", "fixed", autograd).splitlines()
    shown = the("run").text.partition("largest distance")[0].rstrip().splitlines()
    places = [printed.index(line) for line in shown if line]
    assert all(one < next_one for one, next_one in pairwise(places))


@pytest.mark.slow
def test_the_largest_distances_are_rounding(
    readers_files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the first 1,500 steps, among which were the largest of all 10,000."""
    assert main(["train", "worked-example", "--steps", "1500"]) == 0
    header, *lines = printed_from("largest distance", capsys.readouterr().out)
    shown_header, *shown = printed_from("largest distance", the("run").text)
    assert header == shown_header
    *shown_rows, verdict = shown
    assert verdict in lines
    printed = {kind: row for kind, *row in map(cells, lines) if len(row) == 5}
    for kind, *row in map(cells, shown_rows):
        for relative, eps, allowed, step, tensor in (row, printed[kind]):
            assert float(eps) <= float(allowed)
            assert float(relative) == pytest.approx(float(eps) * EPS, rel=0.1, abs=0)
            assert 1 <= int(step.replace(",", "")) <= 10_000
            assert (tensor == "output") == (kind == "output")
            assert tensor in ("output", "hidden.0.weight", "output.0.weight")
        assert alike(row[2], printed[kind][2])


def printed_from(start: str, text: str) -> list[str]:
    return [line for line in text[text.index(start) :].splitlines() if line]


def alike(shown: str, printed: str) -> bool:
    """Two sizes of rounding: of the same order, or as small as one rounding is."""
    a, b = (float(size.rstrip("%")) for size in (shown, printed))
    return max(a, b) <= max(4 * min(a, b), 2)


# ---- The judge's table, the mutants' counts


@pytest.mark.skipif(not CAN_JUDGE, reason=NO_JUDGE)
@pytest.mark.parametrize("line", the("judge").text.splitlines()[1:], ids=lambda x: x.split()[0])
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
def test_the_judge_says_what_is_shown(line: str) -> None:
    header = the("judge").text.splitlines()[0]
    assert (*cells(header), "") == COLUMNS
    row, further = row_of(line.split()[0])
    assert not further
    *_, note = row
    shown = cells(line)
    assert shown[:2] == list(row[:2])
    assert shown[len(COLUMNS) - 1 :] == ([note] if note else [])
    for column, size, printed in zip(COLUMNS[2:-1], shown[2:], row[2:-1], strict=False):
        assert alike(size, printed), column
        assert size.endswith("%") == column.startswith("used")


COUNTS = (
    r"Of (?P<all>\d+) mistakes of backpropagation \(.*?\), (?P<equivalent>\d+) change nothing, "
    r"the cases catch the other (?P<killed>\d+), and (?P<rightly>\d+) are named rightly, "
    r"(?P<wrongly>\w+) wrongly, (?P<not_named>\w+) not\.",
    r"Of (?P<all>\d+) slips of the pen .*?, (?P<equivalent>\d+) change nothing, "
    r"(?P<killed>\d+) are caught and (?P<rightly>\d+) named rightly;",
)


@pytest.fixture(scope="module")
def planted() -> list[Mutant]:
    return mutants()


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")
@pytest.mark.parametrize("slip", [False, True], ids=["mistakes", "slips"])
def test_the_mutants_are_counted(slip: bool, planted: list[Mutant]) -> None:
    """How many there are, and change nothing. What becomes of the others takes a minute to run:
    here it only adds up. That a mutant is known to change nothing is not enough: it is planted."""
    match = re.search(COUNTS[slip], PROSE)
    assert match is not None, "the sentence with the mutants' counts reads differently"
    shown = {key: int(n.replace("none", "0")) for key, n in match.groupdict().items()}
    own = [mutant for mutant in planted if mutant.slip == slip]
    known = [m for m in own if {(m.function, m.name), (m.function, m.name, m.now)} & EQUIVALENT]
    with np.errstate(all="ignore"):
        equivalent = [mutant for mutant in known if outcome(mutant).named == "equivalent"]
    assert (shown["all"], shown["equivalent"]) == (len(own), len(equivalent))
    assert shown["killed"] + shown["equivalent"] == shown["all"]
    if slip:
        assert shown["rightly"] <= shown["killed"]
    else:
        assert shown["rightly"] + shown["wrongly"] + shown["not_named"] == shown["killed"]


# ---- The keys of a bundle, the files


def test_the_keys_of_a_bundle(readers_files: Path) -> None:
    """Each is in the table, with what it holds."""
    (block,) = [block for block in of("commands") if block.text.startswith("backprop bundle")]
    assert main(block.commands[0]) == 0
    index = json.loads((readers_files / "reference/index.json").read_text())
    table = re.findall(r"^\| (`.*?) \| ?(given|yours|) \| (.*) \|$", README, re.MULTILINE)
    keys = [re.findall(r"`(\w+)`", names) for names, _, _ in table]
    assert sorted(key for names in keys for key in names) == sorted(index)
    assert f'`"{index["format"]}"`' in table[0][2]
    assert json.dumps(index["inputs"])[:-1] in table[1][2]
    assert all(f"`{loss}`" in table[0][2] for loss in ("null", *LOSSES))


def test_the_keys_of_a_report(readers_files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is in the table of what --json prints, and nothing else is."""
    block = next(block for block in of("commands") if "torch.nn.Linear" in block.text)
    assert main([*block.commands[0], "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    diagnosis = found["diagnosis"]
    shown = re.search(r"^\| `agrees` \|.*?\n\n", README, re.MULTILINE | re.DOTALL)
    assert shown is not None
    rows = dict(re.findall(r"^\| `(\w+)` \|.*?\| (.*) \|$", shown[0], re.MULTILINE))
    assert sorted(rows) == sorted([*found, "verdicts"])
    kinds = {"output", "gradient", "weight", "rate"}
    for key, value in (
        ("rows", found["rows"][0]),
        ("diagnosis", diagnosis),
        ("verdicts", diagnosis["verdicts"][0]),
        ("notes", found["notes"][0]),
    ):
        assert sorted({*re.findall(r"`(\w+)`", rows[key])} - kinds) == sorted(value)


@pytest.mark.parametrize("directory", ["manual", "torch_ref"])
def test_the_house_names_its_rooms(directory: str) -> None:
    """Every one, once, each with what it is; the rooms' own pages name the files."""
    (part,) = re.findall(rf"^{directory}/ .*\n((?:  .*\n)+)", the("house").text, re.MULTILINE)
    rooms = re.findall(r"^  (\w+)/ +\S", part, re.MULTILINE)
    packages = [path.parent.name for path in (ROOT / directory).glob("*/__init__.py")]
    assert sorted(rooms) == sorted(packages)
    for name in re.findall(r"\w+\.py", part):
        assert (ROOT / directory / name).exists()


def test_a_step_is_followed_through_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """But for how far the two sides are apart, which is rounding."""
    assert main(["explain", "LSTMCell"]) == 0
    printed = capsys.readouterr().out
    shown, apart = the("step").text.rsplit("apart ", 1)
    assert shown in printed
    assert float(apart.replace("−", "-")) < EPS


def test_the_rest_of_the_house_is_there() -> None:
    names = re.findall(r"^(\w+)/ ", the("house").text, re.MULTILINE)
    assert names == ["manual", "torch_ref", "tests", "runs"]
    assert all((ROOT / name).is_dir() for name in names if name != "runs")
    assert all(
        (ROOT / path).exists() for path in re.findall(r"`(\w+(?:/\w+)*/(?:\w+\.py)?)`", PROSE)
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere_and_every_page_is_reached(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (page.parent / link).is_file(), link
    assert page == PAGES[0] or f"({page.relative_to(ROOT).as_posix()})" in PAGES[0].read_text(
        "utf-8"
    )


def test_the_first_page_is_short() -> None:
    assert len(PAGES[0].read_text(encoding="utf-8").splitlines()) <= 200
