"""Losses: a line for each, with what it is given and the options it is made with."""

from typing import Any

import numpy as np
import torch

import manual

from .case import Case, each, over, plain
from .draws import (
    answers,
    between,
    densities,
    inside,
    labels,
    log_probabilities,
    logarithms,
    normal,
    scores,
    shares,
    signed,
    spelling,
)


class SpelledFromScoresTwin(torch.nn.Module):
    """CTC of log softmax, in PyTorch."""

    def __init__(self, reduction: str) -> None:
        super().__init__()
        self.ctc = torch.nn.CTCLoss(reduction=reduction)

    def forward(self, scores: Any, *targets: Any) -> Any:
        return self.ctc(scores.log_softmax(-1), *targets)


class SpelledFromScores(manual.Module):
    """CTC of log softmax: there PyTorch's gradient and the true one agree, see CTCLoss."""

    twin_class = SpelledFromScoresTwin

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction
        self.log_softmax = manual.LogSoftmax(-1)
        self.ctc = manual.CTCLoss(reduction=reduction)

    def forward(self, scores: Any, *targets: Any) -> Any:
        return self.ctc(self.log_softmax(scores), *targets)

    def backward(self, g: Any = 1) -> Any:
        return self.log_softmax.backward(self.ctc.backward(g))


REDUCED: dict[str, Any] = {"reduction": ("none", "mean", "sum")}
SHAPES = {"": (5, 3), "-unbatched": (7,), "-axes": (2, 3, 4), "-number": ()}
NOT_NUMBERS = {suffix: shape for suffix, shape in SHAPES.items() if shape}
CLASSES = {"": (5, 3), "-unbatched": (3,), "-axes": (2, 3, 4), "-more-axes": (2, 3, 4, 2)}
W3 = np.array([0.5, 2.0, 1.25])

PAIRS = {suffix: normal(shape, shape) for suffix, shape in SHAPES.items()}
ODDS = {suffix: inside(shape, shape) for suffix, shape in SHAPES.items()}
LOGITS = {suffix: answers(shape) for suffix, shape in SHAPES.items()}
COUNTS = {suffix: between(shape, (0.2, 2), (0.1, 5)) for suffix, shape in SHAPES.items()}
SIGNS = {suffix: signed(shape, shape) for suffix, shape in SHAPES.items()}
RANKS = {suffix: signed(shape, shape, shape) for suffix, shape in NOT_NUMBERS.items()}
LOGS = {suffix: logarithms(shape, False) for suffix, shape in NOT_NUMBERS.items()}
BOTH_LOGS = {suffix: logarithms(shape, True) for suffix, shape in NOT_NUMBERS.items()}
DENSITIES = {
    **{suffix: densities(shape, shape, shape) for suffix, shape in NOT_NUMBERS.items()},
    "-shared": densities((5, 3), (5, 3), (5, 1)),
}
SURE = {suffix: log_probabilities(shape) for suffix, shape in CLASSES.items()}
SCORES = {suffix: scores(shape, scale=2.0) for suffix, shape in CLASSES.items()}
SHARES = {f"-shares{suffix}": shares(shape) for suffix, shape in CLASSES.items()}
ANGLES = {"": signed((6, 3), (6, 3), (6,)), "-unbatched": signed((3,), (3,), ())}
TRIPLETS = {"": normal((6, 4), (6, 4), (6, 4)), "-unbatched": normal((4,), (4,), (4,))}


def size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "number"


# One variance, or one target, is used along an axis: its gradient is the sum of its uses.
USED_OFTEN = {
    f"-target={size(target)}-var={size(var)}": densities((4, 3), target, var)
    for target, var in (
        ((4, 3), (1, 3)),
        ((4, 3), (4,)),
        ((4, 3), (4, 1)),
        ((1, 3), (4, 3)),
        ((3,), (4, 3)),
        ((4, 1), (4, 3)),
        ((1, 1), (4, 3)),
        ((), (4, 3)),
        ((1, 3), (4,)),
        ((4, 1), (1, 3)),
    )
}


def only(draws: dict[str, Any], *suffixes: str) -> dict[str, Any]:
    return {suffix: draws[suffix] for suffix in suffixes}


LOSSES = [
    Case("HalfSquaredError", plain(manual.HalfSquaredError), PAIRS[""]),
    Case("HalfSquaredError-axes", plain(manual.HalfSquaredError), PAIRS["-axes"]),
    *each(manual.L1Loss, PAIRS, **REDUCED),
    *each(manual.MSELoss, PAIRS, **REDUCED),
    *each(manual.SmoothL1Loss, PAIRS, [{}, {"beta": 0.5}, {"beta": 0.0}], **REDUCED),
    *each(manual.HuberLoss, PAIRS, [{}, {"delta": 0.5}], **REDUCED),
    *each(manual.BCELoss, ODDS, **REDUCED),
    *each(manual.BCELoss, only(ODDS, ""), [{"weight": W3}], **REDUCED),
    *each(manual.BCEWithLogitsLoss, LOGITS, **REDUCED),
    *each(
        manual.BCEWithLogitsLoss,
        only(LOGITS, ""),
        [{"weight": W3}, {"pos_weight": W3}, {"weight": W3, "pos_weight": W3[::-1].copy()}],
        **REDUCED,
    ),
    *each(
        manual.KLDivLoss,
        LOGS,
        [{"log_target": False}],
        reduction=(*REDUCED["reduction"], "batchmean"),
    ),
    *each(
        manual.KLDivLoss,
        BOTH_LOGS,
        [{"log_target": True}],
        reduction=(*REDUCED["reduction"], "batchmean"),
    ),
    *each(
        manual.PoissonNLLLoss, COUNTS, over(log_input=(True, False), full=(False, True)), **REDUCED
    ),
    *each(manual.GaussianNLLLoss, DENSITIES, [{}, {"full": True}], **REDUCED),
    *each(manual.GaussianNLLLoss, USED_OFTEN, **REDUCED),
    # A variance below eps counts as eps, but gets the gradient all the same.
    *each(manual.GaussianNLLLoss, DENSITIES, [{"eps": 0.5}], smooth=False, **REDUCED),
    *each(manual.NLLLoss, SURE, [{}, {"weight": W3}], **REDUCED),
    *each(manual.NLLLoss, {"": scores((5, 3), ignored=-7)}, [{"ignore_index": -7}], **REDUCED),
    *each(
        manual.CrossEntropyLoss,
        SCORES,
        [{}, {"weight": W3}, {"label_smoothing": 0.2}],
        **REDUCED,
    ),
    *each(
        manual.CrossEntropyLoss,
        {"-ignored": scores((6, 3), ignored=1)},
        [{"weight": W3, "label_smoothing": 0.2, "ignore_index": 1}],
        **REDUCED,
    ),
    *each(
        manual.CrossEntropyLoss,
        SHARES,
        [{}, {"weight": W3}, {"weight": W3, "label_smoothing": 0.2}],
        **REDUCED,
    ),
    *each(manual.CrossEntropyLoss, {"-huge": scores((6, 4), scale=1e4)}, smooth=False),
    *each(manual.HingeEmbeddingLoss, SIGNS, [{}, {"margin": 0.3}], **REDUCED),
    *each(manual.SoftMarginLoss, SIGNS, **REDUCED),
    *each(manual.MarginRankingLoss, RANKS, [{}, {"margin": 0.5}], **REDUCED),
    *each(
        manual.MultiMarginLoss,
        {"": scores((5, 3)), "-unbatched": scores((3,))},
        [{}, {"p": 2}, {"margin": 0.5}, {"weight": W3}],
        **REDUCED,
    ),
    *each(manual.MultiLabelMarginLoss, {"": labels((5, 4)), "-unbatched": labels((4,))}, **REDUCED),
    *each(manual.MultiLabelSoftMarginLoss, only(LOGITS, "", "-unbatched"), **REDUCED),
    *each(manual.MultiLabelSoftMarginLoss, only(LOGITS, ""), [{"weight": W3}], **REDUCED),
    *each(manual.CosineEmbeddingLoss, ANGLES, [{}, {"margin": -0.5}], **REDUCED),
    *each(
        manual.TripletMarginLoss,
        TRIPLETS,
        [{"margin": 4.0, **options} for options in ({}, {"p": 1.0}, {"p": 3.0}, {"swap": True})],
        **REDUCED,
    ),
    # Of these triplets some are far enough apart, and their gradient is zero.
    *each(manual.TripletMarginLoss, only(TRIPLETS, ""), [{"margin": 0.3}], **REDUCED),
    Case("CTCLoss-reduction=none", plain(SpelledFromScores, "none"), spelling()),
    Case("CTCLoss-reduction=mean", plain(SpelledFromScores, "mean"), spelling()),
    Case("CTCLoss-reduction=sum", plain(SpelledFromScores, "sum"), spelling()),
    Case("CTCLoss-unbatched", plain(SpelledFromScores, "sum"), spelling(unbatched=True)),
]
