"""Gradient clipping against torch.nn.utils."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.parity.distance import EPS
from torch_ref.twin import to_torch

INF, NAN = float("inf"), float("nan")
NORMS = [0, 0.5, 1, 2, 3, -1, -2, INF, -INF, "inf", "-inf"]
GRADIENTS = {
    "one": [[3.0, -4.0]],
    "several": [[1.0, 2.0, -3.0], [0.5], [-0.25, 0.125]],
    "zeros": [[0.0, 0.0], [0.0, 2.0], [1.0, -3.0]],
    "all zero": [[0.0, 0.0], [0.0]],
}


def both(gradients: list[list[float]], dtype: Any) -> tuple[list[Any], list[Any]]:
    """Parameters of each side with these gradients, and one that has none."""
    mine = [manual.Parameter(np.zeros(len(g), dtype)) for g in [*gradients, [0.0]]]
    theirs = [torch.nn.Parameter(to_torch(p.data)) for p in mine]
    for p, q, g in zip(mine, theirs, gradients, strict=False):
        p.grad = np.array(g, dtype)
        q.grad = to_torch(p.grad)
    return mine, theirs


def assert_same_gradients(mine: list[Any], theirs: list[Any], rtol: float = 0) -> None:
    assert mine[-1].grad is None
    for p, q in zip(mine[:-1], theirs[:-1], strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), rtol=rtol, atol=0)


@pytest.mark.parametrize("norm_type", NORMS)
@pytest.mark.parametrize("max_norm", [0.1, 1e6, 0.0, -1.0, INF])
@pytest.mark.parametrize("gradients", GRADIENTS.values(), ids=GRADIENTS)
def test_clip_grad_norm(gradients: list, max_norm: float, norm_type: Any, dtype: Any) -> None:
    mine, theirs = both(gradients, dtype)
    norm = manual.clip_grad_norm_(mine, max_norm, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type).numpy()
    assert norm.dtype == expected.dtype == dtype
    assert norm == pytest.approx(expected, rel=16 * EPS[dtype])
    assert_same_gradients(mine, theirs, rtol=16 * EPS[dtype])


STRANGE = {
    "nan": [[NAN, 1.0], [2.0]],
    "infinite": [[INF, 1.0], [2.0]],
    "overflowing": [[1e30, 1.0], [2.0]],
}


@pytest.mark.parametrize("gradients", STRANGE.values(), ids=STRANGE)
def test_a_norm_that_is_not_finite_is_spread_not_hidden(gradients: list) -> None:
    mine, theirs = both(gradients, np.dtype(np.float32))
    norm = manual.clip_grad_norm_(mine, 1.0)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.0).numpy()
    assert not np.isfinite(norm)
    np.testing.assert_equal(norm, expected)
    assert_same_gradients(mine, theirs)


@pytest.mark.parametrize("gradients", STRANGE.values(), ids=STRANGE)
def test_a_norm_that_is_not_finite_is_an_error_if_wanted(gradients: list) -> None:
    mine, theirs = both(gradients, np.dtype(np.float32))
    with pytest.raises(RuntimeError, match=r"clip_grad_norm_: .* norm is (nan|inf), expected"):
        manual.clip_grad_norm_(mine, 1.0, error_if_nonfinite=True)
    assert_same_gradients(mine, theirs)


def test_a_finite_norm_is_never_an_error() -> None:
    mine, _ = both([[3.0, 4.0]], np.dtype(np.float64))
    assert manual.clip_grad_norm_(mine, 1.0, error_if_nonfinite=True) == 5.0


@pytest.mark.parametrize("norm_type", [0, 2, 3])
def test_empty_gradients_count_for_nothing(norm_type: float, dtype: Any) -> None:
    mine, theirs = both([[], [3.0, 4.0], []], dtype)
    norm = manual.clip_grad_norm_(mine, 1.0, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type).numpy()
    assert norm == pytest.approx(expected, rel=16 * EPS[dtype])
    assert_same_gradients(mine, theirs, rtol=16 * EPS[dtype])


@pytest.mark.parametrize("norm_type", [INF, -INF, -1])
def test_empty_gradients_count_for_nothing_where_pytorch_gives_up(norm_type: float) -> None:
    with_empty, theirs = both([[], [3.0, 4.0]], np.dtype(np.float64))
    without, _ = both([[3.0, 4.0]], np.dtype(np.float64))
    norms = [manual.clip_grad_norm_(side, 1.0, norm_type) for side in (with_empty, without)]
    assert norms[0] == norms[1] > 0
    with pytest.raises(RuntimeError, match="on an empty tensor"):
        torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type)


@pytest.mark.parametrize("parameters", [[], [manual.Parameter(np.ones(2))]], ids=["none", "unused"])
def test_without_gradients_the_norm_is_zero(parameters: list) -> None:
    norm = manual.clip_grad_norm_(parameters, 1.0)
    assert (norm, norm.dtype) == (0, np.float32)  # PyTorch's too


@pytest.mark.parametrize("clip_value", [0.25, 2.0, 0.0, -1.0, INF])
def test_clip_grad_value(clip_value: float, dtype: Any) -> None:
    mine, theirs = both([[], [1.0, 0.25, -3.0], [NAN, INF, -INF]], dtype)
    manual.clip_grad_value_(mine, clip_value)
    torch.nn.utils.clip_grad_value_(theirs, clip_value)
    assert_same_gradients(mine, theirs)


CLIPS = ["clip_grad_norm_", "clip_grad_value_"]


@pytest.mark.parametrize("name", CLIPS)
def test_a_single_parameter_and_an_iterator_will_do(name: str) -> None:
    clip = getattr(manual, name)
    (alone, _), (first, _) = (both([[3.0, 4.0]], np.dtype(np.float64))[0] for _ in range(2))
    clip(alone, 1.0)
    clip(iter([first]), 1.0)
    np.testing.assert_array_equal(alone.grad, first.grad)
    assert (alone.grad < 3).all()


@pytest.mark.parametrize("name", CLIPS)
def test_signatures_are_pytorchs(name: str) -> None:
    mine, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
        for function in (getattr(manual, name), getattr(torch.nn.utils, name))
    )
    assert mine == theirs


@pytest.mark.parametrize("name", CLIPS)
def test_foreach_is_not_supported(name: str) -> None:
    mine, theirs = both([[3.0, 4.0]], np.dtype(np.float64))
    with pytest.raises(NotImplementedError, match=f"^{name}: foreach is not supported$"):
        getattr(manual, name)(mine, 1.0, foreach=True)
    assert_same_gradients(mine, theirs)
    getattr(manual, name)(mine, 1.0, foreach=False)
