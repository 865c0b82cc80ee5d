"""A small example of every class of `manual`: how it is made, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import manual
from manual.layers.activations import Elementwise

Generator = np.random.Generator


def numbers(*rows: Any) -> np.ndarray:
    return np.array(rows, np.float32)


X = numbers([0.1, -0.1, 0.6], [0.1, -0.5, 0.4])
T = numbers([0.6, 0.7, 0.5], [0.8, 0.1, 0.7])
SIGNS = numbers([1, -1, 1], [-1, -1, 1])
IMAGES = numbers([[X[0], X[1]], [T[0], T[1]]])  # (N, C, H, W)
CLASSES = np.array([0, 2])


@dataclass(frozen=True)
class Example:
    """A module, made from a generator of random numbers, and the inputs of its forward."""

    make: Callable[[Generator], manual.Module]
    inputs: tuple[np.ndarray, ...]


def example(made: Callable[..., manual.Module], *arguments: Any, **options: Any) -> Any:
    """Without random numbers: called with these arguments."""
    return lambda generator: made(*arguments, **options)


def drawn(made: Callable[..., manual.Module], *arguments: Any) -> Any:
    """With random numbers: weights, or what is dropped."""
    return lambda generator: made(*arguments, generator=generator)


OF_NUMBERS = (  # losses of numbers beside numbers
    *(manual.BCEWithLogitsLoss, manual.HalfSquaredError, manual.HuberLoss, manual.L1Loss),
    *(manual.MSELoss, manual.MultiLabelSoftMarginLoss, manual.PoissonNLLLoss),
    manual.SmoothL1Loss,
)
EXAMPLES: dict[Any, Example] = {
    **{
        made: Example(example(made), (X,))
        for made in vars(manual).values()
        if isinstance(made, type) and issubclass(made, Elementwise)
    },
    **{made: Example(example(made), (X, T)) for made in OF_NUMBERS},
    manual.Linear: Example(drawn(manual.Linear, 3, 2), (X,)),
    manual.Bilinear: Example(drawn(manual.Bilinear, 3, 3, 2), (X, T)),
    manual.Identity: Example(example(manual.Identity), (X,)),
    manual.Flatten: Example(example(manual.Flatten), (IMAGES,)),
    manual.Unflatten: Example(example(manual.Unflatten, 1, (3, 1)), (X,)),
    manual.PReLU: Example(example(manual.PReLU), (X,)),
    manual.Threshold: Example(example(manual.Threshold, 0.1, 20.0), (X,)),
    manual.GLU: Example(example(manual.GLU, 0), (X,)),
    manual.Softmax: Example(example(manual.Softmax, 1), (X,)),
    manual.Softmin: Example(example(manual.Softmin, 1), (X,)),
    manual.LogSoftmax: Example(example(manual.LogSoftmax, 1), (X,)),
    manual.Softmax2d: Example(example(manual.Softmax2d), (IMAGES,)),
    manual.Embedding: Example(drawn(manual.Embedding, 4, 3), (CLASSES,)),
    manual.Dropout: Example(drawn(manual.Dropout), (X,)),
    manual.Dropout1d: Example(drawn(manual.Dropout1d), (X,)),
    manual.Dropout2d: Example(drawn(manual.Dropout2d), (IMAGES,)),
    manual.AlphaDropout: Example(drawn(manual.AlphaDropout), (X,)),
    manual.BCELoss: Example(example(manual.BCELoss), (T, T[::-1].copy())),
    # the plain mean of KLDivLoss is not the divergence's
    manual.KLDivLoss: Example(example(manual.KLDivLoss, reduction="batchmean"), (X, T)),
    manual.GaussianNLLLoss: Example(example(manual.GaussianNLLLoss), (X, SIGNS, T)),
    manual.NLLLoss: Example(example(manual.NLLLoss), (X, CLASSES)),
    manual.CrossEntropyLoss: Example(example(manual.CrossEntropyLoss), (X, CLASSES)),
    manual.MultiMarginLoss: Example(example(manual.MultiMarginLoss), (X, CLASSES)),
    manual.MultiLabelMarginLoss: Example(
        example(manual.MultiLabelMarginLoss), (X, np.array([[2, -1, 0], [0, 1, -1]]))
    ),
    manual.SoftMarginLoss: Example(example(manual.SoftMarginLoss), (X, SIGNS)),
    manual.HingeEmbeddingLoss: Example(example(manual.HingeEmbeddingLoss), (X, SIGNS)),
    manual.MarginRankingLoss: Example(example(manual.MarginRankingLoss), (X, T, SIGNS)),
    manual.CosineEmbeddingLoss: Example(
        example(manual.CosineEmbeddingLoss), (X, T, np.array([1, -1]))
    ),
    manual.TripletMarginLoss: Example(example(manual.TripletMarginLoss), (X, T, SIGNS)),
    # None of CTCLoss: what PyTorch returns for it is a gradient only below a log softmax.
    manual.MLP: Example(drawn(manual.MLP, (3, 4, 2), "Tanh", None), (X,)),
    manual.Sequential: Example(
        lambda generator: manual.Sequential(
            manual.Linear(3, 2, generator=generator), manual.Tanh()
        ),
        (X,),
    ),
}
