"""Losses that compare scores with the class that is true.

Both are l = −Σ_c W_c log p_c, with weights W made of all that the target says: the true class or
the probabilities of the classes, the weight of each class, label smoothing, and what is to be
ignored. Where only the true class has a weight, it stands by itself. NLLLoss is given log p;
CrossEntropyLoss takes it from the scores by log softmax.
"""

from functools import lru_cache
from typing import Any

import numpy as np

from ..arrays import Array
from ..special import exponentials
from .loss import Loss, check_within


class NLLLoss(Loss):
    """l = −w_t x_t: how surprised a sample's log-probabilities x are by its true class t.

    ∂l/∂x_c = −w_t [c = t]      l is a line in x_t, and has no other x in it
    mean divides the sum by Σₙ w_t, the weight of the samples that count.

    Shapes: input (N, C), (N, C, d₁, …) or (C,); target (N,), (N, d₁, …) or (), integers from 0 to
    C − 1, or `ignore_index` for a sample that does not count.

    Args:
        weight: w, one for each class.
    """

    weight: Array | None

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index

    def sum_lengths(self, input: Array, target: Array) -> dict[str, int]:
        classes = input.shape[min(1, input.ndim - 1)]
        alone = self.reduction == "none"
        return {"output": classes if alone else input.size, "input": classes}

    def class_weight(self, classes: int, x: Array) -> Array:
        """The weight of each class, (C,); ones where none was set."""
        if self.weight is None:
            return np.ones(classes, x.dtype)
        self.check_input(self.weight, x.dtype, "weight")
        if self.weight.shape != (classes,):
            raise ValueError(
                f"{self!r}: weight has shape {self.weight.shape}, expected ({classes},)"
            )
        return self.weight

    def check_classes(self, input: Array, target: Array) -> bool:
        """Raise unless the target has a class for each of the input's samples.

        Returns:
            Whether every sample counts.
        """
        self.check_input(input)
        if input.ndim == 0:
            raise ValueError(f"{self!r}: input is a number, expected (C,), (N, C) or (N, C, …)")
        self.check_array(target, "target")
        samples = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
        if target.shape != samples:
            raise ValueError(f"{self!r}: target has shape {target.shape}, expected {samples}")
        classes = input.shape[min(1, input.ndim - 1)]
        if target.dtype.kind in "iu":
            if target.size and target.min() >= 0 and target.max() < classes:
                return not (target == self.ignore_index).any()
            target = np.where(target == self.ignore_index, 0, target)
        self.check_indices(target, "target", 0, classes - 1)
        return False

    def of_true_class(self, x: Array, target: Array, all_count: bool) -> tuple[Any, Any, Any]:
        """Where in x (*, C) the true classes stand, their weights (*), what mean divides by.

        The weights are None where all of them are 1.
        """
        if all_count and self.weight is None:
            return (*places(target.shape), target), None, x.dtype.type(target.size)
        w = self.class_weight(x.shape[-1], x)
        counts = target != self.ignore_index
        true = np.where(counts, target, 0)
        place = (*places(true.shape), true)
        weight = w[true] * counts
        return place, weight, weight.sum()

    def forward(self, input: Array, target: Array) -> Any:
        all_count = self.check_classes(input, target)
        x = classes_last(input)
        place, weight, count = self.of_true_class(x, target, all_count)
        self.save_for_backward(x.shape, x.dtype, place, weight, count)
        return self.reduced(-weighted(weight, x[place]), count)

    def backward(self, grad_output: Any = 1) -> Array:
        shape, dtype, place, weight, count = self.take_saved(grad_output)
        slopes = np.zeros(shape, dtype)
        slopes[place] = -1 if weight is None else -weight
        return self.to_classes(grad_output, count, slopes)

    def to_classes(self, grad_output: Any, count: Any, slopes: Array) -> Array:
        """The upstream gradient times each sample's slopes, classes back on their own axis."""
        gradient = self.per_sample(grad_output, count) * slopes
        if gradient.ndim <= 2:
            return gradient
        return np.ascontiguousarray(np.moveaxis(gradient, -1, 1))


@lru_cache
def places(shape: tuple[int, ...]) -> tuple[Array, ...]:
    """Indices of every sample, on each axis."""
    return np.indices(shape, sparse=True)


def classes_last(x: Array) -> Array:
    """(N, C, …) -> (N, …, C): a view."""
    return x if x.ndim <= 2 else np.moveaxis(x, 1, -1)


def weighted(W: Array | None, log_p: Array) -> Any:
    """W log p, where a class of no weight counts 0 even if log p is −∞; None for weights of 1."""
    if W is None:
        return log_p
    with np.errstate(invalid="ignore"):
        terms = np.asarray(W * log_p)
    terms[W == 0] = 0
    return terms


class CrossEntropyLoss(NLLLoss):
    """l = −Σ_c W_c log p_c: how surprised p, the softmax of the scores x, is by the target W.

    p_c = e^x_c/Σₖ e^xₖ
    W_c = w_c ((1 − ε) q_c + ε/C)       q is 1 for the true class and 0 for others, or the target's
                                        probabilities; w weighs the classes; ε smooths q
    Backward, with yₖ = log pₖ, see LogSoftmax:
        ∂yₖ/∂x_c = [k = c] − p_c
        ∂l/∂x_c = −Σₖ Wₖ ∂yₖ/∂x_c       chain rule: x_c reaches l through every yₖ
                = −Σₖ Wₖ ([k = c] − p_c)
                = p_c Σₖ Wₖ − W_c       [k = c] leaves one term; p_c is in all others
    Of probabilities as targets:
        ∂l/∂q_c = −log p_c ∂W_c/∂q_c    chain rule: q_c reaches l through W_c
                = −(1 − ε) w_c log p_c
    One true class t, of weight 1 and not smoothed:
        l = −log p_t
        ∂l/∂x_c = p_c − [c = t]

    Shapes: input (N, C), (N, C, d₁, …) or (C,); target (N,), (N, d₁, …) or (), integers from 0 to
    C − 1 or `ignore_index`, or probabilities of the input's shape and dtype. mean divides as in
    NLLLoss; for probabilities by the number of samples.

    Args:
        weight: w, one for each class.
        label_smoothing: ε, from 0 to 1.
    """

    def __init__(
        self,
        weight: Array | None = None,
        size_average: None = None,
        ignore_index: int = -100,
        reduce: None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        if not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"CrossEntropyLoss: label_smoothing is {label_smoothing}, expected 0 to 1"
            )
        self.label_smoothing = label_smoothing

    def forward(self, input: Array, target: Array) -> Any:
        self.check_array(target, "target")
        likely = target.dtype.kind == "f"
        if likely:
            self.check_input(input)
            self.check_input(target, input.dtype, "target")
            if input.ndim == 0:
                raise ValueError(f"{self!r}: input is a number, expected (C,), (N, C) or (N, C, …)")
            if target.shape != input.shape:
                raise ValueError(
                    f"{self!r}: target has shape {target.shape}, expected {input.shape}, "
                    "probabilities; classes are integers: take target.astype(np.int64)"
                )
            check_within(self, "target", target, 0, np.inf)
            if self.ignore_index >= 0:
                raise ValueError(
                    f"{self!r}: ignore_index is {self.ignore_index}, which names a class, and the "
                    "target has probabilities"
                )
        all_count = not likely and self.check_classes(input, target)
        shifted, e, total = exponentials(classes_last(input), axis=-1)
        p = e / total
        if not likely and not self.label_smoothing:  # only the true class has a weight
            place, W, count = self.of_true_class(p, target, all_count)
            self.save_for_backward(p, place, W, count, None, None)
            return self.reduced(-weighted(W, shifted[place] - np.log(total[..., 0])), count)
        log_p = shifted - np.log(total)
        w = self.class_weight(p.shape[-1], p)
        if likely:
            W = w * self.smoothed(classes_last(target))
            count = self.count(log_p[..., 0])
        else:
            place, _, count = self.of_true_class(p, target, all_count)
            onehot = np.zeros_like(p)
            onehot[place] = 1
            counts = (target != self.ignore_index)[..., np.newaxis]
            W = w * self.smoothed(onehot) * counts
        self.save_for_backward(p, None, W, count, w if likely else None, log_p)
        return self.reduced(-weighted(W, log_p).sum(axis=-1), count)

    def smoothed(self, q: Array) -> Array:
        """q ← (1 − ε) q + ε/C"""
        smoothing = self.label_smoothing
        return q * (1 - smoothing) + q.dtype.type(smoothing / q.shape[-1])

    def backward(self, grad_output: Any = 1, with_target: bool = False) -> Any:
        p, place, W, count, w, log_p = self.take_saved(grad_output)
        if place is None:
            by_x = p * W.sum(axis=-1, keepdims=True) - W
        else:  # only the true class has a weight
            by_x = p if W is None else p * W[..., np.newaxis]
            by_x[place] -= 1 if W is None else W
        grad_input = self.to_classes(grad_output, count, by_x)
        if with_target:
            return grad_input, self.to_target(grad_output, count, w, log_p)
        return grad_input

    def to_target(self, grad_output: Any, count: Any, w: Array | None, log_p: Array) -> Any:
        """The gradient of the target's probabilities; classes have none."""
        if w is None:
            return None
        return self.to_classes(grad_output, count, -(1 - self.label_smoothing) * w * log_p)
