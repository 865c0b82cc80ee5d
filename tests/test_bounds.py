"""The bounds of what layers and losses take: past them it is refused, on them it is taken.

What is taken is right as well: test_kinks.py.
"""

from typing import Any

import numpy as np
import pytest

import manual

F64 = np.float64
X = np.array([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5], [-2.0, 1.5, 0.75]])
PAST_1, BELOW_1, PAST_0, BELOW_0 = np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0), 1e-300, -1e-300
NAN = float("nan")


def beside(value: Any, kind: Any = F64) -> np.ndarray:
    """One value among good ones."""
    return np.array([1, value, 1], kind)


def axes(count: int) -> np.ndarray:
    return np.full((2,) * count, 0.5)


def spelled(blank: int = 0, steps: int = 7, labels: int = 2, count: int = 3, label: int = 1) -> Any:
    """CTC of two samples over 7 steps and 5 classes, the second with these numbers."""
    log_p = np.full((7, 2, 5), -np.log(5))
    targets = np.array([[1, 2, 3], [2, label, 1]])[:, :count]
    return manual.CTCLoss(blank)(log_p, targets, np.array([7, steps]), np.array([1, labels]))


# (what has bounds, what makes or runs it with a value, the error and what it says, values that are
# refused, values on the bound that are taken)
LIMITS: list[tuple[str, Any, type, str, list[Any], list[Any]]] = [
    (
        "CELU alpha",
        manual.CELU,
        ValueError,
        "CELU: alpha is {}, expected more than 0",
        [0, BELOW_0, NAN],
        [PAST_0],
    ),
    (
        "Softshrink lambd",
        manual.Softshrink,
        ValueError,
        "Softshrink: lambd is {}, expected at least 0",
        [BELOW_0, NAN],
        [0],
    ),
    (
        "Hardtanh max_val",
        lambda v: manual.Hardtanh(1.0, v),
        ValueError,
        "Hardtanh: max_val is {}, expected more than min_val 1.0",
        [1.0, BELOW_1, NAN],
        [PAST_1],
    ),
    (
        "SmoothL1Loss beta",
        lambda v: manual.SmoothL1Loss(beta=v),
        ValueError,
        "SmoothL1Loss: beta is {}, expected at least 0",
        [BELOW_0, NAN],
        [0],
    ),
    (
        "HuberLoss delta",
        lambda v: manual.HuberLoss(delta=v),
        ValueError,
        "HuberLoss: delta is {}, expected more than 0",
        [0, BELOW_0, NAN],
        [PAST_0],
    ),
    (
        "GaussianNLLLoss eps",
        lambda v: manual.GaussianNLLLoss(eps=v),
        ValueError,
        "GaussianNLLLoss: eps is {}, expected more than 0",
        [0, BELOW_0, NAN],
        [PAST_0],
    ),
    *(
        (
            f"{made.__name__} p",
            made,
            ValueError,
            f"{made.__name__}: p is {{}}, expected a probability",
            [BELOW_0, PAST_1, NAN],
            [0, 1],
        )
        for made in (manual.Dropout, manual.Dropout1d, manual.Dropout2d, manual.AlphaDropout)
    ),
    (
        "CrossEntropyLoss label_smoothing",
        lambda v: manual.CrossEntropyLoss(label_smoothing=v),
        ValueError,
        "CrossEntropyLoss: label_smoothing is {}, expected 0 to 1",
        [BELOW_0, PAST_1, NAN],
        [0, 1],
    ),
    (
        "TripletMarginLoss margin",
        manual.TripletMarginLoss,
        ValueError,
        "TripletMarginLoss: margin is {}, expected more than 0",
        [0, BELOW_0, NAN],
        [PAST_0],
    ),
    (
        "TripletMarginLoss p",
        lambda v: manual.TripletMarginLoss(p=v),
        NotImplementedError,
        "TripletMarginLoss: p={} is not supported, from 1 up is",
        [BELOW_1, float("inf"), NAN],
        [1],
    ),
    (
        "MultiMarginLoss p",
        manual.MultiMarginLoss,
        ValueError,
        "MultiMarginLoss: p is {}, expected 1 or 2",
        [0, 3, 1.5, NAN],
        [1, 2],
    ),
    (
        "Linear in_features",
        lambda v: manual.Linear(v, 1),
        ValueError,
        "Linear: in_features is {}, expected a whole number of at least 1",
        [0, -1, 1.0, True],
        [1],
    ),
    (
        "MLP sizes",
        lambda v: manual.MLP((3, v, 2)),
        ValueError,
        "MLP: size is {}, expected a whole number of at least 1",
        [0, -1],
        [1],
    ),
    (
        "MLP layers",
        lambda v: manual.MLP((3,) * v),
        ValueError,
        "MLP: sizes is .*, expected at least an input and an output",
        [0, 1],
        [2],
    ),
    (
        "PReLU num_parameters",
        lambda v: manual.PReLU(v, dtype=F64)(X),
        ValueError,
        "expected (a whole number of at least 1|2|4)",
        [0, 2, 4],
        [1, 3],
    ),
    (
        "Embedding padding_idx",
        lambda v: manual.Embedding(5, 3, padding_idx=v),
        ValueError,
        "Embedding: padding_idx is {}, expected one of 5 rows",
        [-6, 5],
        [-5, 4],
    ),
    (
        "Embedding index",
        lambda v: manual.Embedding(5, 3)(beside(v, int)),
        IndexError,
        r"Embedding\(5, 3\): input has {} at \[1\], expected 0 to 4",
        [-1, 5],
        [0, 4],
    ),
    (
        "NLLLoss class",
        lambda v: manual.NLLLoss()(X, beside(v, int)),
        IndexError,
        r"NLLLoss\(\): target has {} at \[1\], expected 0 to 2",
        [-1, 3],
        [0, 2, -100],
    ),
    (
        "CrossEntropyLoss class",
        lambda v: manual.CrossEntropyLoss()(X, beside(v, int)),
        IndexError,
        r"CrossEntropyLoss\(\): target has {} at \[1\], expected 0 to 2",
        [-1, 3],
        [0, 2, -100],
    ),
    (
        "CrossEntropyLoss probability",
        lambda v: manual.CrossEntropyLoss()(X[:1], beside(v)[np.newaxis]),
        ValueError,
        r"CrossEntropyLoss\(\): target has values from {} to 1(\.0)?, expected 0 or more",
        [BELOW_0],
        [0],
    ),
    (
        "MultiMarginLoss class",
        lambda v: manual.MultiMarginLoss()(X, beside(v, int)),
        IndexError,
        r"MultiMarginLoss\(\): target has {} at \[1\], expected 0 to 2",
        [-1, 3],
        [0, 2],
    ),
    (
        "MultiLabelMarginLoss class",
        lambda v: manual.MultiLabelMarginLoss()(X[0], beside(v, int)),
        IndexError,
        r"MultiLabelMarginLoss\(\): target has {} at \[1\], expected -1 to 2",
        [-2, 3],
        [-1, 0, 2],
    ),
    (
        "BCELoss input",
        lambda v: manual.BCELoss()(beside(v), axes(0) * beside(1)),
        ValueError,
        r"BCELoss\(\): input has values from .*{}.*, expected 0 to 1",
        [BELOW_0, PAST_1, NAN],
        [0, 1],
    ),
    (
        "BCELoss target",
        lambda v: manual.BCELoss()(axes(0) * beside(1), beside(v)),
        ValueError,
        r"BCELoss\(\): target has values from .*{}.*, expected 0 to 1",
        [BELOW_0, PAST_1, NAN],
        [0, 1],
    ),
    (
        "GaussianNLLLoss var",
        lambda v: manual.GaussianNLLLoss()(beside(0), beside(2), beside(v)),
        ValueError,
        r"GaussianNLLLoss\(\): var has values from {} to .*, expected 0 or more",
        [BELOW_0],
        [0, NAN],
    ),
    *(
        (
            f"{name} target",
            run,
            ValueError,
            r"target has {} at \[1\], expected 1 or -1",
            [0.0, BELOW_1, NAN],
            [-1, 1],
        )
        for name, run in {
            "HingeEmbeddingLoss": lambda v: manual.HingeEmbeddingLoss()(X[0], beside(v)),
            "CosineEmbeddingLoss": lambda v: manual.CosineEmbeddingLoss()(X, X + 1, beside(v)),
        }.items()
    ),
    (
        "CTCLoss blank",
        lambda v: spelled(blank=v),
        ValueError,
        "blank is {}, expected one of 5 classes",
        [-1, 5],
        [0, 4],
    ),
    (
        "CTCLoss input_lengths",
        lambda v: spelled(steps=v),
        ValueError,
        r"input_lengths \[.*{}\], expected 0 to 7",
        [-1, 8],
        [0, 7],
    ),
    (
        "CTCLoss target_lengths",
        lambda v: spelled(labels=v),
        ValueError,
        r"target_lengths \[ *1 +{}\]",
        [-1, 4],
        [0, 3],
    ),
    (
        "CTCLoss class",
        lambda v: spelled(label=v),
        IndexError,
        r"target 1 has {} at \[1\], expected 0 to 4",
        [-1, 5],
        [0, 4],
    ),
    (
        "Softmax dim",
        lambda v: manual.Softmax(v)(X),
        IndexError,
        "input has 2 axes, dim {} is not one of them",
        [-3, 2],
        [-2, 1],
    ),
    (
        "LogSoftmax dim",
        lambda v: manual.LogSoftmax(v)(X),
        IndexError,
        "input has 2 axes, dim {} is not one of them",
        [-3, 2],
        [-2, 1],
    ),
    (
        "Flatten start_dim",
        lambda v: manual.Flatten(v)(X),
        IndexError,
        "input has 2 axes, start_dim {} is not one",
        [-3, 2],
        [-2, 1],
    ),
    (
        "Flatten end_dim",
        lambda v: manual.Flatten(0, v)(X),
        IndexError,
        "input has 2 axes, end_dim {} is not one",
        [-3, 2],
        [-2, 1],
    ),
    (
        "Flatten order",
        lambda v: manual.Flatten(v, 0)(X),
        ValueError,
        "start_dim is after end_dim for input of 2 axes",
        [1, -1],
        [0, -2],
    ),
    (
        "Unflatten dim",
        lambda v: manual.Unflatten(v, (3, 1))(X),
        IndexError,
        "input has 2 axes, dim {} is not one of them",
        [-3, 2],
        [-2, 1],
    ),
    (
        "Softmax2d axes",
        lambda v: manual.Softmax2d()(axes(v)),
        ValueError,
        "input has {} axes, expected 3 or 4",
        [2, 5],
        [3, 4],
    ),
    (
        "Dropout1d axes",
        lambda v: manual.Dropout1d()(axes(v)),
        ValueError,
        "input has {} axes, expected 2 or 3",
        [1, 4],
        [2, 3],
    ),
    (
        "Dropout2d axes",
        lambda v: manual.Dropout2d()(axes(v)),
        ValueError,
        "input has {} axes, expected 4",
        [3, 5],
        [4],
    ),
    (
        "NLLLoss axes",
        lambda v: manual.NLLLoss()(axes(v), np.zeros((2,) * max(v - 1, 0), int)),
        ValueError,
        r"input is a number, expected \(C,\), \(N, C\) or \(N, C, …\)",
        [0],
        [1, 2, 4],
    ),
    (
        "MultiMarginLoss axes",
        lambda v: manual.MultiMarginLoss()(axes(v), np.zeros((2,) * max(v - 1, 0), int)),
        ValueError,
        r"input has shape \(2, 2, 2\), expected \(N, C\) or \(C,\)",
        [3],
        [0, 1, 2],
    ),
    (
        "MultiLabelSoftMarginLoss axes",
        lambda v: manual.MultiLabelSoftMarginLoss()(axes(v), axes(v)),
        ValueError,
        r"input is a number, expected \(\*, C\)",
        [0],
        [1, 3],
    ),
    (
        "CosineEmbeddingLoss axes",
        lambda v: manual.CosineEmbeddingLoss()(axes(v), axes(v), np.ones((2,) * max(v - 1, 0))),
        ValueError,
        r"inputs .* and target .*, expected \(N, D\) and \(N,\), or \(D,\) and \(\)",
        [0, 3],
        [1, 2],
    ),
    (
        "CTCLoss axes",
        lambda v: manual.CTCLoss()(
            -axes(v),
            np.array([[1], [1]])[: max(1, 2 * v - 4)],
            *[np.full(max(1, 2 * v - 4), 1)] * 2,
        ),
        ValueError,
        "log_probs has {} axes, expected 2 or 3",
        [1, 4],
        [2, 3],
    ),
]


def each(which: int) -> list[Any]:
    """The table's rows, one for each of the values that are refused, or taken."""
    return [
        pytest.param(do, error, message, value, id=f"{name}={value}")
        for name, do, error, message, *values in LIMITS
        for value in values[which]
    ]


@pytest.mark.parametrize(("do", "error", "message", "value"), each(0))
def test_what_is_past_a_bound_is_refused(do: Any, error: type, message: str, value: Any) -> None:
    with pytest.raises(error, match=message.replace("{}", str(value))):
        do(value)


@pytest.mark.parametrize(("do", "error", "message", "value"), each(1))
def test_what_is_on_a_bound_is_taken(do: Any, error: type, message: str, value: Any) -> None:
    do(value)
