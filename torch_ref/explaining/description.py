"""A network, its data and its step, read from a file."""

import json
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from manual.article.description import (
    Description,
    DescriptionError,
    activations_of,
    check_description,
    loss_named,
)

from ..safe_files import InputError, read_json, write_whole
from .quantities import given_numbers


def read_description(path: Path) -> Description:
    """A network, its data and its step from a JSON file.

    Keys: `weights` and `biases` (a list each, a layer each), `x`, `t`, and perhaps `activation`
    (one name, of the hidden layers or of the only one, or one for each layer), `loss` and `lr`.
    `x` and `t` of one sample may be flat lists.

    Raises:
        CandidateError: it cannot be read.
        DescriptionError: what it says is no network.
    """
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise DescriptionError(f"{path}: expected an object with weights, biases, x and t")
    missing = [key for key in ("weights", "biases", "x", "t") if key not in entries]
    if missing:
        raise DescriptionError(f"{path}: there is no {', no '.join(missing)}")
    known = {"weights", "biases", "x", "t", "activation", "loss", "lr"}
    if entries.keys() - known:
        raise DescriptionError(
            f"{path}: {', '.join(sorted(entries.keys() - known))} is not known, only "
            f"{', '.join(sorted(known))}"
        )
    for key in ("weights", "biases"):
        if not isinstance(entries[key], list):
            raise DescriptionError(f"{path}: {key}: expected a list, a layer each")
    weights = [
        array(w, f"{path}: weights of layer {i}") for i, w in enumerate(entries["weights"], 1)
    ]
    biases = [array(b, f"{path}: bias of layer {i}") for i, b in enumerate(entries["biases"], 1)]
    loss = entries.get("loss", "mse")
    if not isinstance(loss, str):
        raise DescriptionError(f"{path}: loss: expected a name, not {loss!r}")
    loss = loss_named(loss)
    names = entries.get("activation")
    if names is None or isinstance(names, str):
        names = list(activations_of(len(weights), names))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DescriptionError(f"{path}: activation: expected a name, or one for each layer")
    x = array(entries["x"], f"{path}: x")
    t = array(entries["t"], f"{path}: t", whole=loss == "cross-entropy")
    if x.ndim == 1:
        x = x[np.newaxis]
        t = t if t.ndim > 1 or loss == "cross-entropy" else t[np.newaxis]
    lr = entries.get("lr", 0.1)
    if isinstance(lr, bool) or not isinstance(lr, int | float) or lr > 1e300:
        raise DescriptionError(f"{path}: lr: expected a number, not {lr!r:.20}")
    try:
        return check_description(
            Description(
                tuple(weights),
                tuple(biases),
                tuple(names),
                loss,
                x,
                t,
                float(lr),
            )
        )
    except DescriptionError as error:
        raise DescriptionError(f"{path}: {error}") from None


def array(numbers: Any, name: str, whole: bool = False) -> np.ndarray:
    """Nested lists of numbers as an array."""
    try:
        values = np.asarray(numbers)
        if values.dtype.kind not in "fiu":
            raise ValueError
    except ValueError:
        raise DescriptionError(f"{name}: expected numbers in lists of equal length") from None
    return values if whole else values.astype(np.float64)


def with_numbers(d: Description, changes: Sequence[str]) -> Description:
    """The network with some of its numbers changed, each as in `w5=0.3`.

    Raises:
        DescriptionError: there is no such number, or it is none.
    """
    if len(d.x) > 1:
        raise DescriptionError(f"--set names numbers of one sample, and there are {len(d.x)}")
    known = {term.name: term for term in given_numbers(d)}
    arrays = {"x": d.x.copy(), "t": d.t.copy(), "η": np.array(d.lr)}
    for i, (w, b) in enumerate(zip(d.weights, d.biases, strict=True), 1):
        arrays |= {f"W{i}": w.copy(), f"b{i}": b.copy()}
    for change in changes:
        name, _, text = change.partition("=")
        if name not in known:
            close = get_close_matches(name, known, n=3, cutoff=0.4) or list(known)[:3]
            raise DescriptionError(f"--set {change}: there is no {name}; is it {', '.join(close)}?")
        try:
            value = float(text)
        except ValueError:
            raise DescriptionError(f"--set {change}: expected a number, as in {name}=0.3") from None
        term = known[name]
        shared = d.article and name.startswith("b")
        arrays[term.key][() if shared or not term.index else term.index] = value
    numbers = range(1, d.layers + 1)
    return check_description(
        replace(
            d,
            weights=tuple(arrays[f"W{i}"] for i in numbers),
            biases=tuple(arrays[f"b{i}"] for i in numbers),
            x=arrays["x"],
            t=arrays["t"],
            lr=float(arrays["η"]),
        )
    )


def write_description(path: Path, d: Description) -> None:
    """The network as a file to change, from which `read_description` reads it.

    Raises:
        InputError: there is such a file, or it cannot be written.
    """
    if path.exists():
        raise InputError(f"--init {path}: there is one already")
    entries = {
        "weights": [w.tolist() for w in d.weights],
        "biases": [b.tolist() for b in d.biases],
        "x": d.x.tolist(),
        "t": d.t.tolist(),
        "activation": [name.lower() for name in d.activations],
        "loss": d.loss,
        "lr": d.lr,
    }
    lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in entries.items()]
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    write_whole(path, lambda new: new.write_text(text, encoding="utf-8"), f"--init {path}")
