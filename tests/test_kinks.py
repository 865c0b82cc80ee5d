"""Layers and losses on their bounds and at the kinks of their formulas: they give PyTorch's."""

from typing import Any

import numpy as np
import pytest
import torch

import manual

from .cases import Case
from .cases.case import Recipe, plain, typed
from .cases.draws import Draw, exactly
from .conftest import assert_agreement, make_pair

F64 = np.float64
X = np.array([[0.5, -1.0, 2.0], [1.0, 0.25, -0.5], [-2.0, 1.5, 0.75]])


def inputs(*arrays: Any) -> Draw:
    """Just these inputs."""
    return lambda g: tuple(np.asarray(array) for array in arrays)


# On numbers with which sums and differences are exact.
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
    leaf: Any = torch.from_numpy(x).requires_grad_()
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


@pytest.mark.parametrize("t", [-0.5, np.nan])
def test_kl_divergence_of_what_is_no_probability_is_nan(t: float) -> None:
    """Of that element alone; by hand it was finite for a negative t."""
    x, target = np.log([0.5, 0.25, 0.25]), np.array([0.5, t, 0.5])
    loss = manual.KLDivLoss(reduction="none")
    theirs = torch.nn.KLDivLoss(reduction="none")(*map(torch.from_numpy, (x, target)))
    np.testing.assert_allclose(loss(x, target), theirs, rtol=1e-14)
    assert np.isnan(loss(x, target)).tolist() == [False, True, False]
    loss.forget_passes()
    loss(x, target)
    assert np.isnan(loss.backward(np.ones(3), with_target=True)[1][1])


@pytest.mark.parametrize("blank", [0, 4])
def test_ctc_with_the_first_and_the_last_class_as_blank(blank: int) -> None:
    """One sample spells nothing, one has as many steps as labels."""
    scores = np.random.default_rng(0).normal(size=(3, 3, 5))
    rest = np.array([[1, 2, 3]] * 3), np.array([3, 3, 2]), np.array([0, 3, 1])
    log_softmax = manual.LogSoftmax(-1)
    mine, theirs = (lib.CTCLoss(blank, reduction="sum") for lib in (manual, torch.nn))
    leaf: Any = torch.from_numpy(scores).requires_grad_()
    expected = theirs(leaf.log_softmax(-1), *map(torch.from_numpy, rest))
    expected.backward()
    np.testing.assert_allclose(mine(log_softmax(scores), *rest), expected.detach(), rtol=1e-13)
    gradient = log_softmax.backward(mine.backward())
    np.testing.assert_allclose(gradient, leaf.grad, rtol=1e-12, atol=1e-14)
