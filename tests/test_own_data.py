"""Data of one's own: what is read, what is refused, and what a network is given of it."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torch_ref import safe_files
from torch_ref.safe_files import InputError
from torch_ref.training.preparing import Scale, prepare
from torch_ref.training.sources import SETS, Samples, from_arrays, read_samples

FLOAT = np.dtype(np.float64)
BAD_BYTES = b"a,b\n1,2\n3,\xe9\n"


def read(text: str | bytes, tmp_path: Path, target: str | None = None, **options: Any) -> Samples:
    path = tmp_path / "data.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_samples(str(path), target, **options)


# ---- tables

# The file's text, what is asked for, the inputs' names, the first row, the target.
TABLES: dict[str, tuple[str, dict[str, Any], tuple[str, ...], list[float], list[Any]]] = {
    "a header": ("a,b,c\n1,2,3\n4,5,6\n", {}, ("a", "b"), [1, 2], [3, 6]),
    "no header": ("1,2,3\n4,5,6\n", {}, ("1", "2"), [1, 2], [3, 6]),
    "a target by name": ("a,b\n1,2\n4,5\n", {"target": "a"}, ("b",), [2], [1, 4]),
    "a target by number": ("a,b\n1,2\n4,5\n", {"target": "1"}, ("b",), [2], [1, 4]),
    "categories": (
        "size,color,y\n1,red,a\n2,blue,b\n",
        {},
        ("size", "color=blue", "color=red"),
        [1, 0, 1],
        ["a", "b"],
    ),
    "numbers that are names": (
        "zip,y\n9,1\n10,2\n9,3\n",
        {"categories": ["zip"]},
        ("zip=9", "zip=10"),
        [1, 0],
        [1, 2, 3],
    ),
    "a column left out": ("id,a,y\nk1,2,3\nk2,5,6\n", {"drop": ["id"]}, ("a",), [2], [3, 6]),
    "missing where it is left out": ("id,a,y\n,2,3\n,5,6\n", {"drop": ["1"]}, ("a",), [2], [3, 6]),
    "semicolons": ("a;b\n1;2\n4;5\n", {}, ("a",), [1], [2, 5]),
    "tabs": ("a\tb\n1\t2\n4\t5\n", {}, ("a",), [1], [2, 5]),
    "quotes": ('"a, b",c\n"1", 2\n4,5\n', {}, ("a, b",), [1], [2, 5]),
    "a mark of its encoding": ("\ufeffa,b\n1,2\n4,5\n", {}, ("a",), [1], [2, 5]),
    "other ends of lines, and an empty one": ("a,b\r\n1,2\r\n\r\n4,5", {}, ("a",), [1], [2, 5]),
    "a header of numbers": (
        "2019,y\n1,2\n4,5\n",
        {"header": "yes"},
        ("2019",),
        [1],
        [2, 5],
    ),
    "names only": ("p,x\nq,z\n", {"header": "no"}, ("1=p", "1=q"), [1, 0], ["x", "z"]),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_read(name: str, tmp_path: Path) -> None:
    text, options, inputs, first, target = TABLES[name]
    samples = read(text, tmp_path, **options)
    assert samples.inputs == inputs
    assert samples.x.dtype == FLOAT
    assert samples.x[0].tolist() == first
    assert samples.t.tolist() == target
    assert samples.measured.tolist() == ["=" not in name for name in inputs]


NO_TABLES: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "nothing": ("", {}, "the file is empty"),
    "a header alone": ("a,b\n", {}, "there is no row below the header"),
    "one column": ("a\n1\n2\n", {}, "one column, expected at least an input and a target"),
    "an empty cell": ("a,b\n1,2\n,3\n", {}, "row 3, column 'a': the value is missing ('')"),
    "NaN": ("a,b\n1,NaN\n", {}, "row 2, column 'b': the value is missing ('NaN')"),
    "a question mark": ("1,2\n3,?\n", {}, "row 2, column '2': the value is missing ('?')"),
    "infinity": (
        "a,b\n1,2\ninf,3\n",
        {},
        "row 3, column 'a': 'inf', expected a number as in row 2",
    ),
    "a word among numbers": (
        "a,b\n1,2\n4,x\n",
        {},
        "row 3, column 'b': 'x', expected a number as in row 2; or --categories b",
    ),
    "a number among words": ("a,b\nx,2\n4,3\n", {}, "row 2, column 'a': 'x', expected a number"),
    "an underscore": ("a,b\n1,2\n1_0,3\n", {}, "row 3, column 'a': '1_0', expected a number"),
    "a header with a number": (
        "2019,b\n1,2\n",
        {},
        "row 1, column '2': 'b', expected a number as in row 2; or --header yes",
    ),
    "a short row": ("a,b\n1,2\n3\n", {}, "row 3: 1 cells, expected 2 as in the first row"),
    "a long row": ("a,b\n1,2\n\n3,4,5\n", {}, "row 4: 3 cells, expected 2"),
    "one name twice": ("a,a\n1,2\n", {}, "row 1: two columns are called 'a'"),
    "too many names": (
        "id,b\n" + "".join(f"n{i},{i}\n" for i in range(101)),
        {},
        "row 102, column 'id': more than 100 different names, which is too many for categories; "
        "--drop id",
    ),
    "an open quote": ('a,b\n1,"2\n', {}, "after row 1: not readable (unexpected end of data)"),
    "other bytes": (BAD_BYTES, {}, "row 3: expected text in UTF-8"),
    "no such target": ("a,b\n1,2\n", {"target": "c"}, "--target c: there is no such column"),
    "no column 3": ("a,b\n1,2\n", {"drop": ["3"]}, "--drop 3: there is no such column"),
    "no such category": ("a,b\n1,2\n", {"categories": ["0"]}, "--categories 0: there is no"),
}


@pytest.mark.parametrize("name", NO_TABLES)
def test_what_is_no_table_is_told_by_row_and_column(name: str, tmp_path: Path) -> None:
    text, options, message = NO_TABLES[name]
    with pytest.raises(InputError) as refused:
        read(text, tmp_path, **options)
    assert message in str(refused.value)
    assert "data.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match=r"a\.csv: not a regular file"):
        read_samples(str(tmp_path / "a.csv"), None)
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    monkeypatch.setattr(safe_files, "LARGEST", 10)
    with pytest.raises(InputError, match=r"a\.npz: x: larger than 80 bytes"):
        read_samples(str(tmp_path / "a.npz"), None)


def test_as_many_names_as_may_be(tmp_path: Path) -> None:
    samples = read("id,b\n" + "".join(f"n{i},{i}\n" for i in range(100)), tmp_path)
    assert samples.x.shape == (100, 100)


@pytest.mark.slow
def test_a_large_table_takes_its_own_size(tmp_path: Path) -> None:
    """Twice over: the columns, and the table made of them."""
    rows, columns = 4_000, 20
    numbers = np.random.default_rng(0).normal(size=(rows, columns + 1))
    np.savetxt(tmp_path / "data.csv", numbers, fmt="%.6g", delimiter=",")
    tracemalloc.start()
    try:
        samples = read_samples(str(tmp_path / "data.csv"), None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    np.testing.assert_allclose(samples.x, numbers[:, :-1], rtol=1e-5)
    assert peak < 2.6 * 8 * rows * (columns + 1)


# ---- arrays

X = np.arange(12.0).reshape(6, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


def test_arrays_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", x=X, y=Y.astype(str))
    samples = read_samples(str(tmp_path / "both.npz"), None)
    np.testing.assert_array_equal(samples.x, X)
    assert (samples.target, samples.t.tolist()) == ("y", list("012012"))
    np.savez_compressed(tmp_path / "named.npz", pixels=X.reshape(6, 1, 2), digit=Y)
    samples = read_samples(str(tmp_path / "named.npz"), "digit")
    assert (samples.x.shape, samples.inputs) == ((6, 1, 2), ())
    np.save(tmp_path / "x.npy", X[:, 0])
    np.save(tmp_path / "y.npy", Y[:, np.newaxis])
    samples = read_samples(str(tmp_path / "x.npy"), str(tmp_path / "y.npy"))
    assert (samples.x.shape, samples.t.shape) == ((6, 1), (6,))


NAN = np.where(X == 5, np.nan, X)
NO_ARRAYS: dict[str, tuple[dict[str, Any] | bytes | None, str | None, str]] = {
    "no file": (None, None, "there is no such file"),
    "no archive": (b"hello", None, "not a .npz file, or damaged"),
    "objects": ({"x": np.array([{}]), "y": Y}, None, "not a readable .npz file"),
    "one array": ({"x": X}, None, "has x; expected two arrays x and y"),
    "three arrays": ({"a": X, "b": Y, "c": Y}, "c", "has a, b, c; expected two arrays"),
    "no such target": ({"x": X, "y": Y}, "z", "or two and --target NAME"),
    "other lengths": ({"x": X, "y": Y[:5]}, None, "y: 5 of them, expected 6, as many as in"),
    "not a number": ({"x": NAN, "y": Y}, None, "x: nan at row 2, column 1 (from 0), expected"),
    "names as inputs": ({"x": Y.astype(str), "y": Y}, None, "x: <U21 of shape (6, 1), expected"),
    "a target of three axes": ({"x": X, "y": X[..., None]}, None, "y: float64 of shape (6, 2, 1)"),
    "complex numbers": ({"x": X * 1j, "y": Y}, None, "expected an array of plain numbers or text"),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_arrays_that_are_none_are_refused(name: str, tmp_path: Path) -> None:
    content, target, message = NO_ARRAYS[name]
    path = tmp_path / "data.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(InputError) as refused:
        read_samples(str(path), target)
    assert message in str(refused.value)
    assert "data.npz" in str(refused.value)


def test_options_of_tables_are_for_tables(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    for source in (str(tmp_path / "a.npz"), "iris"):
        with pytest.raises(InputError, match="--header: only for a table in a file"):
            read_samples(source, None, header="no")
        with pytest.raises(InputError, match="--categories: only for a table in a file"):
            read_samples(source, None, categories=["1"])
    with pytest.raises(InputError, match="--drop: only for a table in a file"):
        read_samples(str(tmp_path / "a.npz"), None, drop=["1"])
    assert read_samples("iris", None, drop=["1", "2"]).x.shape == (150, 2)
    with pytest.raises(InputError, match=r"expected --target FILE\.npy"):
        read_samples(str(tmp_path / "x.npy"), None)
    with pytest.raises(InputError, match="expected iris, wine"):
        read_samples(str(tmp_path / "x.parquet"), None)


# ---- sets


@pytest.mark.parametrize("name", SETS)
def test_a_set_of_scikit_learn_by_its_name(name: str) -> None:
    samples = read_samples(name, None)
    assert samples.x.shape == (len(samples.t), len(samples.inputs))
    assert samples.of_classes == (name != "diabetes")


def target_of(values: Any) -> Samples:
    t = np.array(values)
    return from_arrays(np.zeros((len(t), 1)), t)


OF_CLASSES: dict[str, tuple[Any, bool]] = {
    "names": (["a", "b"], True),
    "few whole numbers": ([1, 2, 1, 2], True),
    "the same as floats": ([1.0, 2.0, 1.0, 2.0], True),
    "truth": ([True, False, True, False], True),
    "halves": ([1.5, 2.0, 1.5, 2.0], False),
    "as many as there are samples": ([1, 2, 3, 4], False),
    "twenty": ([*range(20)] * 2, True),
    "twenty-one": ([*range(21)] * 2, False),
    "rows": ([[1, 0], [1, 0]], False),
}


@pytest.mark.parametrize("name", OF_CLASSES)
def test_whether_a_target_reads_like_classes(name: str) -> None:
    values, wanted = OF_CLASSES[name]
    assert target_of(values).of_classes == wanted


# ---- what a network is given


def test_samples_are_divided_and_scaled_by_those_trained_on(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'red' if i % 3 else 'blue'},7,{i * i}\n" for i in range(50))
    samples = read(f"a,color,same,y\n{rows}", tmp_path)
    prepared = prepare(samples, False, 0.2, True, FLOAT, np.random.default_rng(0))
    data = prepared.data
    assert data.held_out is not None
    assert (len(data.x), len(data.held_out[0])) == (40, 10)
    both = prepared.x_scale.back(np.concatenate([data.x, data.held_out[0]]))
    np.testing.assert_allclose(np.sort(both[:, 0]), np.arange(50), atol=1e-12)
    assert not np.array_equal(both[:, 0], np.arange(50))
    np.testing.assert_allclose(data.x[:, 0].mean(), 0, atol=1e-15)
    np.testing.assert_allclose(data.x[:, 0].std(), 1)
    assert {*np.unique(data.x[:, 1:3])} == {0, 1}  # categories stay
    assert (data.x[:, 3] == 7).all()  # and what never changes
    targets = prepared.t_scale.back(np.concatenate([data.t, data.held_out[1]]))
    np.testing.assert_allclose(targets[:, 0], both[:, 0] ** 2, atol=1e-9)
    assert prepared.notes()["input mean"].startswith("[")
    plain = prepare(samples, False, 0.0, False, FLOAT, np.random.default_rng(0))
    assert plain.data.held_out is None
    assert sorted(plain.data.x[:, 0]) == [*range(50)]


def test_images_have_one_unit() -> None:
    x = np.random.default_rng(0).normal(size=(6, 2, 3, 3)) * 4 + 9
    scale = Scale.of(x, np.array([]))
    assert scale.mean.shape == ()
    np.testing.assert_allclose((scale(x).mean(), scale(x).std()), (0, 1), atol=1e-12)


def test_classes_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    samples = read("a,y\n1,10\n2,9\n3,10\n4,9\n", tmp_path)
    prepared = prepare(samples, True, 0.0, False, FLOAT, np.random.default_rng(0))
    assert prepared.classes == ("9", "10")
    assert prepared.data.t.dtype == np.int64
    np.testing.assert_array_equal(prepared.data.t, prepared.data.x[:, 0] % 2)


def test_whole_numbers_stay_whole_where_they_are_tokens() -> None:
    samples = from_arrays(np.arange(8).reshape(4, 2), np.array([0, 1, 0, 1]))
    for tokens, dtype in ((True, np.int64), (False, np.float32)):
        generator = np.random.default_rng(0)
        prepared = prepare(
            samples, True, 0.0, False, np.dtype(np.float32), generator, tokens=tokens
        )
        assert prepared.data.x.dtype == dtype


NOT_WHAT_IS_WANTED: dict[str, tuple[Callable[[], Samples], bool, str]] = {
    "fractions": (lambda: target_of([0.5, 1, 2]), True, "t: 0.5, expected classes"),
    "one class": (lambda: target_of([1, 1, 1]), True, "t: 1 everywhere, expected at least two"),
    "rows": (lambda: target_of([[1, 2], [3, 4]]), True, "t: 2 numbers a sample, expected one"),
    "one number": (lambda: target_of([2.5, 2.5]), False, "t: 2.5 everywhere, expected numbers"),
    "names": (lambda: target_of(["a", "b"]), False, "t: names, as 'a' is one, expected numbers"),
}


@pytest.mark.parametrize("name", NOT_WHAT_IS_WANTED)
def test_a_target_of_another_kind_is_refused(name: str) -> None:
    make, of_classes, message = NOT_WHAT_IS_WANTED[name]
    with pytest.raises(InputError) as refused:
        prepare(make(), of_classes, 0.0, False, FLOAT, np.random.default_rng(0))
    assert message in str(refused.value)
