"""The bounds of what layers and losses take: what stands on them is refused, or right."""

from typing import Any

import numpy as np
import pytest
import torch

import manual

from .cases import Case, Draw, Recipe, exactly, plain, typed
from .conftest import assert_agreement, make_pair

F64 = np.float64
X = np.array([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5], [-2.0, 1.5, 0.75]])
PAST_1, BELOW_1, PAST_0, BELOW_0 = np.nextafter(1.0, 2.0), np.nextafter(1.0, 0.0), 1e-300, -1e-300
NAN = float("nan")


def inputs(*arrays: Any) -> Draw:
    """Just these inputs."""
    return lambda g: tuple(np.asarray(array) for array in arrays)


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
        [BELOW_0, NAN],
        [0],
    ),
    *(
        (
            f"{name} target",
            run,
            ValueError,
            "target has other values than 1 and -1",
            [0, BELOW_1, NAN],
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


# Modules at their bounds and at the kinks of their formulas, on numbers whose results are exact.
ON_IT = [
    Case("Softshrink-lambd=0", plain(manual.Softshrink, 0.0), exactly(-1.0, 0.0, 0.5)),
    Case("Hardshrink-lambd=0", plain(manual.Hardshrink, 0.0), exactly(-1.0, 0.0, 0.5)),
    Case("Softplus-at its threshold", plain(manual.Softplus, 2.0, 4.0), exactly(1.75, 2.0, 2.25)),
    Case("Threshold-on it", plain(manual.Threshold, 0.5, -2.0), exactly(0.25, 0.5, 0.75)),
    Case("LeakyReLU-negative_slope=0", plain(manual.LeakyReLU, 0.0), exactly(-1.0, 0.0, 1.0)),
    Case("ELU-alpha=0", plain(manual.ELU, 0.0), exactly(-1.0, 0.0, 1.0)),
    Case(
        "SmoothL1Loss-beta=0",
        plain(manual.SmoothL1Loss, beta=0.0),
        inputs([1.0, 0.0, -2.0], [1.0, 2.0, 0.5]),
    ),
    Case(
        "SmoothL1Loss-at beta",
        plain(manual.SmoothL1Loss, beta=0.5),
        inputs([0.5, -0.5, 0.25, 1.0], [0.0] * 4),
    ),
    Case(
        "HuberLoss-at delta",
        plain(manual.HuberLoss, delta=0.5),
        inputs([0.5, -0.5, 0.25, 1.0], [0.0] * 4),
    ),
    Case("L1Loss-at 0", plain(manual.L1Loss), inputs([1.0, 2.0], [1.0, 0.5])),
    Case(
        "GaussianNLLLoss-var 0 and eps",
        plain(manual.GaussianNLLLoss, eps=0.5, reduction="none"),
        inputs([1.0, 2.0, 3.0], [0.5, 0.5, 0.5], [0.0, 0.5, 1.0]),
    ),
    *(
        Case(
            f"CrossEntropyLoss-label_smoothing={smoothing}-{kind}",
            plain(manual.CrossEntropyLoss, label_smoothing=smoothing),
            inputs(X, target),
        )
        for smoothing in (0.0, 1.0)
        for kind, target in (("classes", [0, 2, 1]), ("shares", np.eye(3)))
    ),
    *(
        Case(
            f"HingeEmbeddingLoss-at its kink-margin={margin}",
            plain(manual.HingeEmbeddingLoss, margin),
            inputs([margin, margin, margin - 1, margin + 1], [-1.0, 1.0, -1.0, -1.0]),
        )
        for margin in (0.0, 1.0)
    ),
    *(
        Case(
            f"MarginRankingLoss-at its kink-margin={margin}",
            plain(manual.MarginRankingLoss, margin),
            inputs([margin, -margin, 2.0], [0.0, 0.0, 0.0], [1.0, -1.0, 1.0]),
        )
        for margin in (0.0, 1.0)
    ),
    *(
        Case(
            f"MultiMarginLoss-at its kink-p={p}",
            plain(manual.MultiMarginLoss, p),
            inputs([[1.0, 0.0, 0.5], [2.0, 0.0, 0.0]], [0, 0]),
        )
        for p in (1, 2)
    ),
    Case(
        "MultiLabelMarginLoss-at its kink",
        plain(manual.MultiLabelMarginLoss),
        inputs([[1.0, 0.0, 0.5], [2.0, 0.0, 1.0]], [[0, -1, 1], [0, 2, -1]]),
    ),
    Case(
        "CosineEmbeddingLoss-at its kink",
        plain(manual.CosineEmbeddingLoss),
        inputs([[1.0, 0.0], [1.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]], [-1.0, -1.0]),
    ),
    *(
        Case(
            f"TripletMarginLoss-at its kink-p={p}",
            plain(manual.TripletMarginLoss, 1.0, p, 0.0),
            inputs([[0.0, 0.5]] * 2, [[1.0, 0.5], [2.0, 0.5]], [[2.0, 0.5]] * 2),
        )
        for p in (1.0, 2.0)
    ),
    Case("Embedding-first and last row", typed(manual.Embedding, 5, 3), inputs([0, 4, 0])),
    *(
        Case(
            f"Embedding-padding_idx={row}",
            typed(manual.Embedding, 5, 3, padding_idx=row),
            inputs([0, 4, 2]),
        )
        for row in (-5, 4)
    ),
    Case("Linear-1", typed(manual.Linear, 1, 1), inputs([[2.0]])),
    *(
        Case(f"Dropout-p={p}", Recipe(made, (p,), draws=True), inputs(X))
        for p in (0.0, 1.0)
        for made in (manual.Dropout, manual.AlphaDropout, manual.Dropout1d)
    ),
]


@pytest.mark.parametrize("case", ON_IT, ids=lambda case: case.name)
def test_on_a_bound_it_is_what_pytorch_gives(case: Case) -> None:
    assert_agreement(make_pair(case, F64).gradients())


@pytest.mark.parametrize("p", [0.0, 1.0])
@pytest.mark.parametrize("name", ["Dropout", "AlphaDropout", "Dropout1d"])
def test_dropout_of_nothing_and_of_all_is_pytorchs_own(name: str, p: float) -> None:
    """There PyTorch draws no numbers that could differ; it is the twin that is left out here."""
    mine, theirs = getattr(manual, name)(p), getattr(torch.nn, name)(p)
    np.testing.assert_array_equal(mine(X), theirs(torch.from_numpy(X)))
    np.testing.assert_array_equal(mine.backward(X), X * (1 - p))


# Where PyTorch's gradient of the target is NaN or infinite at the bound, and by hand it is finite.
ON_IT_BUT_FOR_THE_TARGET: dict[str, tuple[str, dict[str, Any], Any, Any]] = {
    "certain": ("BCELoss", {}, [0.0, 1.0, 0.0, 1.0, 0.5], [0.0, 1.0, 1.0, 0.0, 1.0]),
    "a class that never is": ("KLDivLoss", {}, np.log([0.5, 0.25, 0.25]), [0.5, 0.0, 0.5]),
    "Stirling begins": ("PoissonNLLLoss", {"full": True}, [0.5, 0.25, 1.0], [0.0, 1.0, 2.0]),
}


@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("what", ON_IT_BUT_FOR_THE_TARGET)
def test_on_a_bound_loss_and_gradient_are_pytorchs(what: str, reduction: str) -> None:
    """To seven digits: the 1e-12 of PyTorch's BCE is a float32."""
    name, options, *values = ON_IT_BUT_FOR_THE_TARGET[what]
    x, t = map(np.asarray, values)
    mine, theirs = (
        getattr(lib, name)(reduction=reduction, **options) for lib in (manual, torch.nn)
    )
    leaf = torch.from_numpy(x).requires_grad_()
    expected = theirs(leaf, torch.from_numpy(t))
    expected.sum().backward()
    loss = np.asarray(mine(x, t))
    np.testing.assert_allclose(loss, expected.detach(), rtol=1e-14)
    np.testing.assert_allclose(mine.backward(np.ones_like(loss)), leaf.grad, rtol=1e-7)


def test_kl_divergence_of_a_class_that_never_is_costs_nothing() -> None:
    """t log t is 0 at t = 0, and the loss and its gradient are too."""
    loss = manual.KLDivLoss(reduction="none")
    x = np.log([0.5, 0.25, 0.25])
    assert loss(x, np.array([0.5, 0.0, 0.5]))[1] == 0
    assert loss.backward(np.ones(3))[1] == 0


@pytest.mark.parametrize("blank", [0, 4])
def test_ctc_with_the_first_and_the_last_class_as_blank(blank: int) -> None:
    """One sample spells nothing, one has as many steps as labels."""
    scores = np.random.default_rng(0).normal(size=(3, 3, 5))
    rest = np.array([[1, 2, 3]] * 3), np.array([3, 3, 2]), np.array([0, 3, 1])
    log_softmax = manual.LogSoftmax(-1)
    mine, theirs = (lib.CTCLoss(blank, reduction="sum") for lib in (manual, torch.nn))
    leaf = torch.from_numpy(scores).requires_grad_()
    expected = theirs(leaf.log_softmax(-1), *map(torch.from_numpy, rest))
    expected.backward()
    np.testing.assert_allclose(mine(log_softmax(scores), *rest), expected.detach(), rtol=1e-13)
    gradient = log_softmax.backward(mine.backward())
    np.testing.assert_allclose(gradient, leaf.grad, rtol=1e-12, atol=1e-14)
