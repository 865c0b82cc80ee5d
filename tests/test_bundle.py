"""Bundles: what is written can be read back and judged; what is hostile is refused."""

import io
import json
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from torch_ref.cli import main

LINEAR = ["--against", "torch.nn.Linear", "--args", "3", "4"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """torch.nn.Linear(3, 4) on five samples, and three steps."""
    out = tmp_path / "linear"
    words = ("torch.nn.Linear", "--args", "3", "4", "--input", "5,3", "--steps", "3")
    assert run(capsys, "bundle", *words, "--out", str(out))[0] == 0
    return out


def change(bundle: Path, group: str, name: str, how: Any) -> None:
    index = json.loads((bundle / "index.json").read_text())
    path = bundle / index[group][name]["file"]
    np.save(path, how(np.load(path)))


def edit(bundle: Path, how: Any) -> None:
    path = bundle / "index.json"
    index = json.loads(path.read_text())
    how(index)
    path.write_text(json.dumps(index))


def test_the_references_own_bundle_agrees(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "check", str(bundle), *LINEAR)
    assert (code, err) == (0, "")
    for name in ("output 0", "gradient of weight", "after step 3: bias"):
        assert name in out


def test_it_is_plain_npy_and_json(bundle: Path) -> None:
    index = json.loads((bundle / "index.json").read_text())
    assert index["format"] == "backprop-parity bundle 1"
    x, g = (np.load(bundle / f"{n}_0.npy", allow_pickle=False) for n in ("input", "upstream"))
    entry = index["gradients"]["weight"]
    assert entry["shape"] == [4, 3]
    weight = np.load(bundle / entry["file"], allow_pickle=False)
    np.testing.assert_allclose(weight, g.T @ x, rtol=1e-13)
    assert len(index["trajectory"]) == 3


def test_a_mistake_made_elsewhere_is_named(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(bundle, "gradients", "bias", lambda g: g / 5)
    code, out, _ = run(capsys, "check", str(bundle), *LINEAR)
    assert code == 1
    assert "verdict: mean-for-sum: the gradient of bias is divided by 5" in out


def test_a_wrong_forward_pass_is_told_first(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(bundle, "outputs", "0", lambda y: y + 1)
    code, out, _ = run(capsys, "check", str(bundle), *LINEAR)
    assert code == 1
    assert "output 0 of the forward pass" in out


def test_intermediates_stand_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "xor"
    assert run(capsys, "bundle", "xor", "--out", str(out), "--steps", "2")[0] == 0
    assert run(capsys, "check", str(out), "--against", "xor")[0] == 0
    change(out, "intermediates", "layers.0", lambda y: y * 2)
    code, printed, _ = run(capsys, "check", str(out), "--against", "xor")
    assert code == 1
    assert "intermediate layers.0 of the forward pass" in printed


def test_the_articles_slip_in_a_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One round with w5 … w8 updated first, as somebody else's program would write it."""
    out = tmp_path / "article"
    words = ("bundle", "worked-example", "--steps", "1", "--out", str(out))
    assert run(capsys, *words)[0] == 0
    index = json.loads((out / "index.json").read_text())

    def load(group: str, name: str) -> np.ndarray:
        return np.load(out / index[group][name]["file"])

    x, lr = load("inputs", "0"), index["lr"]
    hidden, output = load("parameters", "hidden.0.weight"), load("parameters", "output.0.weight")
    h, y = load("intermediates", "hidden"), load("outputs", "0")
    delta = load("upstream", "0") * y * (1 - y)
    output = output - lr * delta.T @ h  # too early
    hidden = hidden - lr * (delta @ output * h * (1 - h)).T @ x
    step = index["trajectory"][0]
    np.save(out / step["hidden.0.weight"]["file"], hidden)
    code, printed, _ = run(capsys, "check", str(out), "--against", "worked-example")
    assert code == 1
    assert "verdict: early-update" in printed
    assert "output.0.weight" in printed
    assert "learning rate 0.5" in " ".join(printed.split())


# ---- hostile: refused with a reason, exit code 2


def save_objects(path: Path) -> None:
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def save_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps([1, 2]))


def save_huge(path: Path) -> None:
    header = io.BytesIO()
    shape = (10**9, 10**9)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )
    path.write_bytes(header.getvalue() + b"\0" * 64)


def save_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-16])


def save_nothing(path: Path) -> None:
    path.write_bytes(b"")


def save_text(path: Path) -> None:
    np.save(path, np.array(["a", "b"]))


FILES = {
    "objects": (save_objects, "not a readable .npy array"),
    "a pickle": (save_pickle, "not a readable .npy array"),
    "huge": (save_huge, "not a readable .npy array"),
    "truncated": (save_truncated, "not a readable .npy array"),
    "empty": (save_nothing, "the file is empty"),
    "text": (save_text, "expected plain numbers"),
    "missing": (lambda path: path.unlink(), "there is no such file"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_hostile_file_is_refused(
    what: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, message = FILES[what]
    spoil(bundle / "input_0.npy")
    code, out, err = run(capsys, "check", str(bundle), *LINEAR)
    assert (code, out) == (2, "")
    assert message in err
    assert "input_0.npy" in err
    assert err.count("\n") == 1


def outside(index: Any) -> None:
    index["inputs"]["0"]["file"] = "../secret.npy"


def absolute(index: Any) -> None:
    index["inputs"]["0"]["file"] = "/etc/hostname"


INDEXES = {
    "outside": (outside, "outside the bundle"),
    "absolute": (absolute, "outside the bundle"),
    "shape": (lambda i: i["inputs"]["0"].update(shape=[5, 9]), "the index says [5, 9]"),
    "format": (lambda i: i.update(format="2"), "expected the format"),
    "list": (lambda i: i.update(inputs=[1]), "expected names, each with a file"),
    "no file": (lambda i: i["inputs"].update({"0": {}}), "0 has no file"),
    "numbers": (lambda i: i["inputs"].update({"7": i["inputs"]["0"]}), "expected 0, 1"),
    "loss": (lambda i: i.update(loss="none"), "loss 'none', expected"),
    "lr": (lambda i: i.update(lr=float("nan")), "lr nan, expected a number above 0"),
    "a strange loss": (lambda i: i.update(loss={"a": 1}), "expected half-squared"),
    "a huge lr": (lambda i: i.update(lr=10**400), "is beyond int64"),
    "a long name": (lambda i: i["inputs"]["0"].update(file="a" * 5000), "no plain file name"),
    "a strange name": (lambda i: i["inputs"]["0"].update(file="\ud800"), "no plain file name"),
    "no target": (lambda i: i.update(loss="mse"), "without a target"),
    "trajectory": (lambda i: i.update(trajectory={}), "trajectory: expected a list"),
    "parameters": (lambda i: i["parameters"].pop("bias"), "the reference's"),
    "unknown gradient": (
        lambda i: i["gradients"].update(gamma=i["gradients"]["bias"]),
        "the reference has no gradient gamma",
    ),
    "two upstream gradients": (
        lambda i: i["upstream"].update({"1": i["upstream"]["0"]}),
        "2 upstream gradients, the reference has 1 outputs",
    ),
    "an upstream gradient's shape": (
        lambda i: i["upstream"].update(i["inputs"]),
        "upstream gradient 0 has the shape (5, 3), the reference's output (5, 4)",
    ),
    "an input's shape": (
        lambda i: i["inputs"].update(i["upstream"]),
        "the reference does not take this bundle: mat1 and mat2 shapes cannot be multiplied",
    ),
    "nothing": (
        lambda i: [i.update({g: {}}) for g in ("outputs", "gradients")] + [i.update(trajectory=[])],
        "no output, gradient or trajectory",
    ),
}


@pytest.mark.parametrize("what", INDEXES)
def test_a_hostile_index_is_refused(
    what: str, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, message = INDEXES[what]
    edit(bundle, spoil)
    code, out, err = run(capsys, "check", str(bundle), *LINEAR)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_names_that_a_file_cannot_keep_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two capitals, a blank and a stroke: each quantity has its own numbers."""
    code = "import torch\n\n\nclass Both(torch.nn.Module):\n    def __init__(self):\n"
    code += "        super().__init__()\n"
    for name in ("W", "w", "input_0"):
        code += f"        self.{name} = torch.nn.Parameter(torch.empty(3))\n"
    code += (
        "\n    def forward(self, x):\n        return x * self.W + x**2 * self.w + self.input_0\n"
    )
    (tmp_path / "both.py").write_text(code)
    reference, out = f"{tmp_path / 'both.py'}:Both", tmp_path / "bundle"
    words = ["bundle", reference, "--input", "2,3", "--steps", "1", "--out", str(out)]
    assert run(capsys, *words)[0] == 0
    index = json.loads((out / "index.json").read_text())
    groups = ("inputs", "parameters", "upstream", "outputs", "gradients")
    files = [entry["file"] for group in groups for entry in index[group].values()]
    files += [entry["file"] for entry in index["trajectory"][0].values()]
    assert len({file.lower() for file in files}) == len(files) == len(list(out.glob("*.npy")))
    drawn = [np.load(out / entry["file"]) for entry in index["parameters"].values()]
    assert len({array.tobytes() for array in drawn}) == 3
    assert run(capsys, "check", str(out), "--against", reference)[0] == 0


def test_an_index_that_leads_out_of_the_bundle(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(bundle / "index.json", tmp_path / "elsewhere.json")
    (bundle / "index.json").symlink_to(tmp_path / "elsewhere.json")
    code, out, err = run(capsys, "check", str(bundle), *LINEAR)
    assert (code, out) == (2, "")
    assert "leads out of the bundle" in err


def test_other_byte_orders_are_taken(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(bundle, "gradients", "bias", lambda g: g.astype(">f8"))
    change(bundle, "inputs", "0", lambda x: x.astype(">f8"))
    assert run(capsys, "check", str(bundle), *LINEAR)[0] == 0


def test_a_pipe_is_not_waited_for(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "input_0.npy").unlink()
    os.mkfifo(bundle / "input_0.npy")
    code, _, err = run(capsys, "check", str(bundle), *LINEAR)
    assert code == 2
    assert "not a regular file" in err


def test_what_was_given_in_another_dtype_is_refused(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(bundle, "upstream", "0", lambda g: g.astype(np.float32))
    code, _, err = run(capsys, "check", str(bundle), *LINEAR)
    assert code == 2
    assert "upstream 0: float32, expected float64" in err


def test_half_precision_is_refused(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(bundle, "inputs", "0", lambda x: x.astype(np.float16))
    code, _, err = run(capsys, "check", str(bundle), *LINEAR)
    assert code == 2
    assert "float16, expected float32 or float64" in err


def test_random_numbers_make_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("torch.nn.Dropout", "--input", "5,3", "--out", str(tmp_path / "drop"))
    code, _, err = run(capsys, "bundle", *words)
    assert code == 2
    assert "draws random numbers" in err
    assert not list(tmp_path.iterdir())


def test_a_link_out_of_the_bundle_is_refused(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(bundle / "input_0.npy", tmp_path / "elsewhere.npy")
    (bundle / "input_0.npy").symlink_to(tmp_path / "elsewhere.npy")
    code, _, err = run(capsys, "check", str(bundle), *LINEAR)
    assert code == 2
    assert "outside the bundle" in err


@pytest.mark.parametrize("text", ["", "[", "[]", "1", '"x"', "[" * 100_000, "\xff"])
def test_an_index_that_is_none(text: str, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle / "index.json").write_bytes(text.encode("latin-1"))
    code, _, err = run(capsys, "check", str(bundle), *LINEAR)
    assert code == 2
    assert "index.json" in err
    assert err.count("\n") == 1


def test_no_bundle_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "check", str(tmp_path), *LINEAR)
    assert code == 2
    assert "there is no index.json" in err


def test_nothing_is_overwritten_or_half_written(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    words = ("bundle", "torch.nn.Linear", "--args", "3", "4", "--input", "5,3", "--out")
    code, _, err = run(capsys, *words, str(bundle))
    assert code == 2
    assert "something there already" in err
    code, _, err = run(capsys, *words, str(bundle / "index.json" / "deeper"))
    assert code == 2
    assert "cannot be written" in err
    assert sorted(tmp_path.rglob("*")) == before
