"""Connectionist temporal classification: a loss for a label sequence whose timing is unknown."""

from typing import Any

import numpy as np

from ..arrays import Array
from .loss import Loss


class CTCLoss(Loss):
    """−log of the probability P that the outputs, read as CTC reads them, spell the target.

    At each of T steps a class or a blank is put out, c with the log-probability pₜ(c). Such a path
    is read by merging repeats, then dropping blanks. Its probability is the product of those of its
    outputs, and P is the sum over all paths that spell the target: too many to list, so they are
    walked. The target of S labels, with blanks between and around, is l′, of length 2S + 1; at each
    step stay at l′ₛ, go one on, or two, past a blank, where k allows it: not between equal labels.

    Forward, with αₜ(s) all ways to be at l′ₛ at step t, its output included:
        qₜ(s) = e^pₜ(l′ₛ)                           the probability of that output
        k(s) = [s > 2 and l′ₛ ≠ l′ₛ₋₂]              whether s may be reached from s − 2
        α₁(s) = [s ≤ 2] q₁(s)                       a path begins with a blank or the first label
        αₜ(s) = qₜ(s) (αₜ₋₁(s) + αₜ₋₁(s − 1) + k(s) αₜ₋₁(s − 2)) for t > 1
        P = α_T(2S + 1) + α_T(2S)                   and ends with the last blank or label
        L = −log P
    Backward, with βₜ(s) all ways from l′ₛ at step t to the end, its output left out:
        β_T(s) = [s ≥ 2S]
        βₜ(s) = Σᵣ ([r = s or r = s + 1] + [r = s + 2] k(r)) qₜ₊₁(r) βₜ₊₁(r) for t < T
    Multiplied out, (sum of the ways in) · (sum of the ways on) has one product for every path that
    is at l′ₛ at step t. Every path is at one place at step t, so
        P = Σₛ αₜ(s) βₜ(s)                          whatever t
    e^pₜ(c), which is its own derivative, is a factor of those products that put out c at step t:
        ∂L/∂pₜ(c) = −1/P Σ_{s: l′ₛ = c} αₜ(s) βₜ(s)     chain rule: the slope of −log P is −1/P
    In 3 steps of two classes, each of probability ½, a is spelt by a––, aa–, aaa, –a–, –aa, ––a:
        P = 6/8
        α₂(2) = ½ (½ + ½) = ½                       to a at step 2: –a or aa
        β₂(2) = ½ + ½ = 1                           and on: – or a
        ∂L/∂p₂(a) = −½/(6/8) = −2/3                 four of the six paths have a there
    The code has log α and log β, so that nothing underflows: products are sums there, and sums are
    logaddexp. With both at hand `forward` computes the gradient too; `backward` only scales it.

    PyTorch returns eᵖ − Σ αβ/P instead: what reaches the scores through log softmax is the same,
    since the extra term is lost there; only taken as the gradient of p itself is it not one.

    mean divides each loss by its target's length and takes the mean over the batch.

    Shapes: log_probs (T, N, C) or (T, C); targets (N, S), or all targets one after the other in one
    axis; input_lengths and target_lengths (N,) or ().

    Source: Graves et al., 2006.

    Args:
        blank: the class that is the blank.
        zero_infinity: a target that cannot be spelt in so few steps counts 0, not infinity.
    """

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__(reduction=reduction)
        self.blank, self.zero_infinity = blank, zero_infinity

    def sum_lengths(
        self, log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array
    ) -> dict[str, int]:
        steps, samples = log_probs.shape[0], np.size(input_lengths)
        return {"output": steps + samples, "input": 2 * steps}

    def forward(
        self, log_probs: Array, targets: Array, input_lengths: Array, target_lengths: Array
    ) -> Any:
        self.check_input(log_probs, name="log_probs")
        if log_probs.ndim not in (2, 3):
            raise ValueError(f"{self!r}: log_probs has {log_probs.ndim} axes, expected 2 or 3")
        batched = log_probs.ndim == 3
        log_p = log_probs if batched else log_probs[:, np.newaxis]
        steps, samples, classes = log_p.shape
        lengths = np.atleast_1d(input_lengths)
        sizes = np.atleast_1d(target_lengths)
        if lengths.shape != (samples,) or sizes.shape != (samples,):
            raise ValueError(
                f"{self!r}: lengths of shapes {lengths.shape} and {sizes.shape}, "
                f"expected one for each of {samples} samples"
            )
        if sizes.size and sizes.min() < 0:
            raise ValueError(f"{self!r}: target_lengths {sizes}, expected 0 or more")
        if lengths.size and not (0 <= lengths.min() and lengths.max() <= steps):
            raise ValueError(f"{self!r}: input_lengths {lengths}, expected 0 to {steps}")
        if not 0 <= self.blank < classes:
            raise ValueError(f"{self!r}: blank is {self.blank}, expected one of {classes} classes")
        self.check_array(targets, "targets")
        rows = self.rows(targets, sizes, batched)
        losses = np.empty(samples, log_p.dtype)
        slopes = np.zeros_like(log_p)
        for n, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            self.check_indices(row, f"target {n}", 0, classes - 1)
            losses[n], slopes[:length, n] = self.align(log_p[:length, n], row)
        if self.zero_infinity:
            impossible = np.isinf(losses)
            losses[impossible] = 0
            slopes[:, impossible] = 0
        self.save_for_backward(slopes, np.maximum(sizes, 1), log_probs.shape)
        if self.reduction == "mean":
            losses = losses / np.maximum(sizes, 1).astype(losses.dtype)
        reduced = self.reduced(losses)
        return reduced if batched or self.reduction != "none" else reduced[0]

    def rows(self, targets: Array, sizes: Array, batched: bool) -> list[Array]:
        """Each sample's target, without padding."""
        if targets.ndim == 2 or not batched:
            table = np.atleast_2d(targets)
            if table.shape[0] != len(sizes) or sizes.max(initial=0) > table.shape[1]:
                raise ValueError(
                    f"{self!r}: targets of shape {targets.shape} for target_lengths {sizes}"
                )
            return [row[:size] for row, size in zip(table, sizes, strict=True)]
        if targets.shape != (sizes.sum(),):
            raise ValueError(
                f"{self!r}: targets of shape {targets.shape}, expected ({sizes.sum()},)"
            )
        return np.split(targets, np.cumsum(sizes))[:-1]

    def align(self, log_p: Array, target: Array) -> tuple[Any, Array]:
        """One sample's loss, and its gradient with respect to log_p (T, C)."""
        labels = np.full(2 * len(target) + 1, self.blank)
        labels[1::2] = target
        skips = np.zeros(len(labels), bool)  # whether l′_s may be reached from l′_s−2
        skips[3::2] = target[1:] != target[:-1]
        emitted = log_p[:, labels]  # (T, 2S + 1)
        if not len(emitted):
            return log_p.dtype.type(0 if not len(target) else np.inf), np.zeros_like(log_p)

        alpha = walk(emitted, skips) + emitted
        # From the end it is the same walk, over the labels and steps turned round.
        beta = walk(emitted[::-1, ::-1], np.roll(skips[::-1], 2))[::-1, ::-1]
        loss = -np.logaddexp.reduce(alpha[-1, -2:])
        slopes = np.zeros_like(log_p)
        with np.errstate(invalid="ignore"):  # an infinite loss has no gradient
            gamma = np.exp(alpha + beta + loss)
        np.add.at(slopes.T, labels, -gamma.T)
        return loss, slopes

    def backward(self, grad_output: Any = 1) -> Array:
        slopes, sizes, shape = self.take_saved(grad_output)
        if self.reduction == "mean":
            grad_output = grad_output / (sizes * len(sizes)).astype(slopes.dtype)
        if isinstance(grad_output, np.ndarray):
            grad_output = np.atleast_1d(grad_output)[:, np.newaxis]
        return (grad_output * slopes).reshape(shape)


def walk(emitted: Array, skips: Array) -> Array:
    """log of the probability to reach each label at each step, that step's own output left out."""
    reached = np.full_like(emitted, -np.inf)
    reached[0, :2] = 0
    for t in range(1, len(emitted)):
        before = reached[t - 1] + emitted[t - 1]
        reached[t] = before
        reached[t, 1:] = np.logaddexp(reached[t, 1:], before[:-1])
        two_back = np.where(skips[2:], before[:-2], -np.inf)
        reached[t, 2:] = np.logaddexp(reached[t, 2:], two_back)
    return reached
