"""The house: which room may see which, what each room's page names, how long a file may be.

ARROWS is the map: a newcomer can read it, and every import of both packages is held to it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("manual", "torch_ref")
LONGEST = 450  # lines; longer tables of tests are among tests/, longer files are two

# A room is a package, or a file beside packages. It sees its own files and those of these rooms.
BASE = [
    *("manual.arrays", "manual.names", "manual.reductions", "manual.parameter", "manual.passes"),
    *("manual.hooks", "manual.tree", "manual.module", "manual.containers", "manual.special"),
    *("manual.generator", "manual.initializers"),
]
ARROWS = {
    **{room: BASE[:i] for i, room in enumerate(BASE)},
    "manual.layers": BASE,
    "manual.losses": BASE,
    "manual.optim": BASE,
    "manual.schedules": ["manual.optim"],
    "manual.models": [*BASE, "manual.layers"],
    "manual.article": [*BASE, "manual.layers", "manual.losses", "manual.optim", "manual.models"],
    "manual.__main__": ["manual.article"],
    "torch_ref.models": ["manual"],
    "torch_ref.twin": ["manual", "torch_ref.models"],
    "torch_ref.safe_files": [],
    "torch_ref.output": [],
    "torch_ref.parity": ["manual", "torch_ref.twin"],
    "torch_ref.diagnosis": [],
    "torch_ref.training": [
        *("manual", "torch_ref.models", "torch_ref.twin", "torch_ref.safe_files"),
        "torch_ref.parity",
    ],
    "torch_ref.checking": [
        *("manual", "torch_ref.models", "torch_ref.twin", "torch_ref.safe_files"),
        *("torch_ref.parity", "torch_ref.diagnosis"),
    ],
    "torch_ref.benchmarks": [
        "manual",
        "torch_ref.twin",
        "torch_ref.safe_files",
        "torch_ref.parity",
    ],
    "torch_ref.explaining": [
        *("manual", "torch_ref.models", "torch_ref.twin", "torch_ref.safe_files"),
        *("torch_ref.parity", "torch_ref.training"),
    ],
    "torch_ref.commands": [
        *("manual", "torch_ref.models", "torch_ref.twin", "torch_ref.safe_files"),
        *("torch_ref.output", "torch_ref.training", "torch_ref.benchmarks"),
        *("torch_ref.checking", "torch_ref.explaining"),
    ],
    # It finds the commands by their names.
    "torch_ref.cli": [
        *("manual", "torch_ref.safe_files", "torch_ref.output", "torch_ref.training"),
    ],
    "torch_ref.__main__": ["torch_ref.cli"],
    "torch_ref.pytest_plugin": ["torch_ref.checking"],
}

FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def from_imports(module: str) -> Iterator[tuple[str, str]]:
    """The name and the place of each thing that a file imports from others, wherever in it."""
    path = MODULES[module]
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            start = ".".join(filter(None, (above, node.module)))
            yield from ((alias.name, start) for alias in node.names)


# What torch_ref hands on, and where it is.
HANDED_ON = {name: place for name, place in from_imports("torch_ref") if "torch_ref." in place}


def imports_of(module: str) -> Iterator[str]:
    """The modules of both packages that a file imports, wherever in it."""
    names = [
        alias.name
        for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8")))
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    for name, start in from_imports(module):
        place = HANDED_ON.get(name, start) if start == "torch_ref" else start
        names.append(f"{start}.{name}" if f"{start}.{name}" in MODULES else place)
    yield from (name for name in names if name.partition(".")[0] in PACKAGES)


def room_of(module: str) -> str:
    """`torch_ref.checking.candidates.base` -> `torch_ref.checking`; a package itself: `manual`."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", [m for m in MODULES if m not in PACKAGES])
def test_imports_follow_the_arrows(module: str) -> None:
    room = room_of(module)
    seen = {
        "manual"
        if imported.startswith("manual") and not room.startswith("manual")
        else room_of(imported)
        for imported in imports_of(module)
    }
    assert seen - {room} <= set(ARROWS[room])


def test_the_map_is_of_the_rooms_that_there_are_and_has_no_circle() -> None:
    assert set(ARROWS) == {room_of(m) for m in MODULES} - set(PACKAGES)
    above: set[str] = {"manual"}
    for room in ARROWS:  # in the order of reading
        if room.startswith("torch_ref") or room in BASE:
            assert set(ARROWS[room]) <= above, room
        above.add(room)


@pytest.mark.parametrize("package", [m for m, path in MODULES.items() if path.stem == "__init__"])
def test_a_room_s_page_names_its_files_in_the_order_of_reading(package: str) -> None:
    """Each imports only those named above it."""
    text = ast.get_docstring(ast.parse(MODULES[package].read_text("utf-8")), False) or ""
    listed = re.findall(r"^(?:    )?((?:\w+/?, )*\w+/?) {2,}\S", text, re.MULTILINE)
    named = [name.rstrip("/") for names in listed for name in names.split(", ")]
    own = [m for m in MODULES if m.rpartition(".")[0] == package and not m.endswith("__")]
    assert sorted(named) == sorted(m.rpartition(".")[2] for m in own)
    for place, name in enumerate(named):
        for inside in [m for m in MODULES if f"{m}.".startswith(f"{package}.{name}.")]:
            for imported in imports_of(inside):
                first = imported.removeprefix(f"{package}.").partition(".")[0]
                if imported.startswith(f"{package}.") and first in named:
                    assert named.index(first) <= place, f"{inside} sees {imported}"


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_no_file_is_long_or_called_after_nothing(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST
    assert path.stem not in ("utils", "util", "common", "helpers", "misc")
