"""A network, its data and its step, read from a file."""

from pathlib import Path
from typing import Any

import numpy as np

from manual.article.description import (
    Description,
    DescriptionError,
    check_description,
    loss_named,
)

from ..safe_files import read_json


def read_description(path: Path) -> Description:
    """A network, its data and its step from a JSON file.

    Keys: `weights` and `biases` (a list each, a layer each), `x`, `t`, and perhaps `activation`
    (one name, or one for each layer), `loss` and `lr`.

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
    names = entries.get("activation", "sigmoid")
    if isinstance(names, str):
        names = [*[names] * (len(weights) - 1), "identity"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DescriptionError(f"{path}: activation: expected a name, or one for each layer")
    x = array(entries["x"], f"{path}: x")
    t = array(entries["t"], f"{path}: t", whole=loss == "cross-entropy")
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
