"""Connectionist temporal classification: a loss for a label sequence whose timing is unknown."""

from typing import Any

import numpy as np

from ..arrays import Array
from .loss import Loss


class CTCLoss(Loss):
    """−log of the probability that the outputs, read as CTC reads them, spell the target.

    Each of T steps emits a class or a blank; a path is read by merging repeats and then dropping
    blanks. So the target l₁ … l_S, with blanks between and around, l′ of length 2S + 1, is walked
    through from left to right: at each step stay, go one on, or go two on past a blank, if the two
    labels around it differ.

    Forward, with p_t(c) the log-probabilities and e_t(s) = e^(p_t(l′_s)), what step t gives l′_s:
        α_t(s), the probability of all ways to be at l′_s at step t, that step's output included:
        α_1(1) = e_1(1), α_1(2) = e_1(2), else 0       a path begins with a blank or a label
        α_t(s) = e_t(s) (α_t−1(s) + α_t−1(s−1) + [may skip to s] α_t−1(s−2))
        L = −log(α_T(2S+1) + α_T(2S))                  and ends with the last blank or label
    Backward:
        β_t(s), the probability of all ways from l′_s at step t to the end, its output left out:
        β_T(2S+1) = β_T(2S) = 1, else 0
        β_t(s) = Σ over s′ = s, s+1, [may skip to s+2] s+2 of e_t+1(s′) β_t+1(s′)
        which is α's walk over the labels and steps turned round
        γ_t(s) = α_t(s) β_t(s) e^L, the probability to be at l′_s at step t, given the target
        ∂L/∂p_t(c) = −Σ_s γ_t(s) over all s with l′_s = c
    since p_t(c) is in the exponent of exactly those paths that emit c at step t.

    PyTorch returns eᵖ − Σ γ instead: what reaches the scores through log softmax is the same, since
    the extra term is lost there; only taken as the gradient of p itself is it not one.

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
