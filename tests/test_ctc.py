"""CTC: what the shared table cannot say about it."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.parity.judge import CAN_JUDGE, differences

from .cases.draws import spelling


def log_probabilities() -> Any:
    scores, *rest = spelling()(np.random.default_rng(0))
    return (scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True)), *rest)


def read(path: tuple[int, ...]) -> list[int]:
    """What a path spells: repeats merged, then blanks dropped."""
    merged = [c for i, c in enumerate(path) if i == 0 or path[i - 1] != c]
    return [c for c in merged if c != 0]


def test_the_loss_is_the_sum_over_all_paths() -> None:
    generator = np.random.default_rng(0)
    for target in ([1, 2], [1, 1], [2], [], [2, 1, 2]):
        log_p = np.log(generator.dirichlet(np.ones(3), size=5))  # (T, C)
        total = sum(
            np.exp(sum(log_p[t, c] for t, c in enumerate(path)))
            for path in product(range(3), repeat=5)
            if read(path) == target
        )
        loss = manual.CTCLoss(reduction="sum")(
            log_p[:, np.newaxis],
            np.array([target or [1]]),
            np.array([5]),
            np.array([len(target)]),
        )
        assert loss == pytest.approx(-np.log(total), rel=1e-13)


@pytest.mark.skipif(not CAN_JUDGE, reason="longdouble is float64 here: it cannot judge")
def test_ours_is_the_gradient_of_the_log_probabilities() -> None:
    """Central differences agree with −γ; PyTorch returns eᵖ − γ, right only below a log softmax."""
    inputs = log_probabilities()
    loss = manual.CTCLoss(reduction="sum")
    assert differences(loss, inputs, (np.array(1.0),)).agrees
    loss(*inputs)
    mine = loss.backward()
    theirs = torch.from_numpy(inputs[0]).requires_grad_()
    torch.nn.CTCLoss(reduction="sum")(theirs, *map(torch.from_numpy, inputs[1:])).backward()
    steps = np.arange(len(mine))[:, np.newaxis] < inputs[2]  # within each sample's length
    expected = mine + np.exp(inputs[0]) * steps[..., np.newaxis]
    assert theirs.grad is not None
    np.testing.assert_allclose(theirs.grad, expected, atol=1e-14)


def test_targets_in_one_axis() -> None:
    log_p, targets, lengths, sizes = log_probabilities()
    joined = np.concatenate([row[:n] for row, n in zip(targets, sizes, strict=True)])
    both = []
    for given in (targets, joined):
        loss = manual.CTCLoss()
        both.append((loss(log_p, given, lengths, sizes), loss.backward()))
    assert both[0][0] == both[1][0]
    np.testing.assert_array_equal(both[0][1], both[1][1])


@pytest.mark.parametrize("zero_infinity", [True, False])
def test_a_target_that_is_too_long(zero_infinity: bool) -> None:
    log_p, targets, lengths, sizes = log_probabilities()
    lengths = np.array([7, 1, 7, 5])  # two labels in one step
    mine = manual.CTCLoss(reduction="none", zero_infinity=zero_infinity)
    theirs = torch.nn.CTCLoss(reduction="none", zero_infinity=zero_infinity)
    expected = theirs(*map(torch.from_numpy, (log_p, targets, lengths, sizes)))
    np.testing.assert_allclose(mine(log_p, targets, lengths, sizes), expected, rtol=1e-13)
    gradient = mine.backward(np.ones(4))
    assert np.isfinite(gradient[:, [0, 2, 3]]).all()
    assert (gradient[:, 1] == 0).all() if zero_infinity else np.isnan(gradient[0, 1]).any()


def test_one_sample_without_a_batch_has_one_loss() -> None:
    log_p, targets, lengths, sizes = log_probabilities()
    for reduction in ("none", "mean", "sum"):
        one = manual.CTCLoss(reduction=reduction)
        mine = one(log_p[:, 0], targets[0], lengths[0], sizes[0])
        by_one = one.backward(np.float64(1))
        batch = manual.CTCLoss(reduction=reduction)
        of_batch = batch(log_p[:, :1], targets[:1], lengths[:1], sizes[:1])
        assert np.shape(mine) == ()
        assert mine == np.reshape(of_batch, ())
        assert by_one.shape == (7, 5)
        by_batch = batch.backward(np.ones(1) if reduction == "none" else np.float64(1))
        np.testing.assert_array_equal(by_one, by_batch[:, 0])


@pytest.mark.parametrize("targets", [np.zeros((0, 3), int), np.zeros(0, int)], ids=["rows", "one"])
def test_no_samples_at_all(targets: Any) -> None:
    nothing = np.zeros(0, int)
    loss = manual.CTCLoss(reduction="sum")
    assert loss(np.zeros((7, 0, 5)), targets, nothing, nothing) == 0
    assert loss.backward().shape == (7, 0, 5)


def test_no_steps_at_all() -> None:
    """The empty target is then certain, and every other impossible."""
    log_p, targets, _, _ = log_probabilities()
    lengths, sizes = np.array([0, 0, 7, 5]), np.array([0, 1, 1, 0])
    mine = manual.CTCLoss(reduction="none")(log_p, targets, lengths, sizes)
    theirs = torch.nn.CTCLoss(reduction="none")
    expected = theirs(*map(torch.from_numpy, (log_p, targets, lengths, sizes))).numpy()
    np.testing.assert_allclose(mine, expected, rtol=1e-13, atol=1e-15)
    assert mine[0] == 0
    assert mine[1] == np.inf


@pytest.mark.parametrize(
    ("lengths", "sizes", "message"),
    [
        ([-1, 6, 7, 5], [1, 1, 1, 1], "input_lengths"),
        ([8, 6, 7, 5], [1, 1, 1, 1], "input_lengths"),
        ([7, 6, 7, 5], [-1, 1, 1, 1], "target_lengths"),
        ([7, 6, 7, 5], [4, 1, 1, 1], "targets of shape"),
    ],
)
def test_lengths_that_cannot_be(lengths: list, sizes: list, message: str) -> None:
    log_p, targets, *_ = log_probabilities()
    with pytest.raises(ValueError, match=message):
        manual.CTCLoss()(log_p, targets, np.array(lengths), np.array(sizes))
