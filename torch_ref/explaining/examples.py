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


def called_with(cls: Callable[..., manual.Module], *arguments: Any, **options: Any) -> Any:
    """A maker without random numbers: it calls the class with these arguments."""
    return lambda generator: cls(*arguments, **options)


def with_generator(cls: Callable[..., manual.Module], *arguments: Any) -> Any:
    """A maker with random numbers, of weights or of what is dropped."""
    return lambda generator: cls(*arguments, generator=generator)


OF_NUMBERS = (  # losses of numbers beside numbers
    *(manual.BCEWithLogitsLoss, manual.HalfSquaredError, manual.HuberLoss, manual.L1Loss),
    *(manual.MSELoss, manual.MultiLabelSoftMarginLoss, manual.PoissonNLLLoss),
    manual.SmoothL1Loss,
)
EXAMPLES: dict[Any, Example] = {
    **{
        cls: Example(called_with(cls), (X,))
        for cls in vars(manual).values()
        if isinstance(cls, type) and issubclass(cls, Elementwise)
    },
    **{cls: Example(called_with(cls), (X, T)) for cls in OF_NUMBERS},
    manual.Linear: Example(with_generator(manual.Linear, 3, 2), (X,)),
    manual.Bilinear: Example(with_generator(manual.Bilinear, 3, 3, 2), (X, T)),
    manual.Identity: Example(called_with(manual.Identity), (X,)),
    manual.Flatten: Example(called_with(manual.Flatten), (IMAGES,)),
    manual.Unflatten: Example(called_with(manual.Unflatten, 1, (3, 1)), (X,)),
    manual.PReLU: Example(called_with(manual.PReLU), (X,)),
    manual.Threshold: Example(called_with(manual.Threshold, 0.1, 20.0), (X,)),
    manual.GLU: Example(called_with(manual.GLU, 0), (X,)),
    manual.Softmax: Example(called_with(manual.Softmax, 1), (X,)),
    manual.Softmin: Example(called_with(manual.Softmin, 1), (X,)),
    manual.LogSoftmax: Example(called_with(manual.LogSoftmax, 1), (X,)),
    manual.Softmax2d: Example(called_with(manual.Softmax2d), (IMAGES,)),
    manual.Embedding: Example(with_generator(manual.Embedding, 4, 3), (CLASSES,)),
    manual.Dropout: Example(with_generator(manual.Dropout), (X,)),
    manual.Dropout1d: Example(with_generator(manual.Dropout1d), (X,)),
    manual.Dropout2d: Example(with_generator(manual.Dropout2d), (IMAGES,)),
    manual.AlphaDropout: Example(with_generator(manual.AlphaDropout), (X,)),
    manual.BCELoss: Example(called_with(manual.BCELoss), (T, T[::-1].copy())),
    # the plain mean of KLDivLoss is not the divergence's
    manual.KLDivLoss: Example(called_with(manual.KLDivLoss, reduction="batchmean"), (X, T)),
    manual.GaussianNLLLoss: Example(called_with(manual.GaussianNLLLoss), (X, SIGNS, T)),
    manual.NLLLoss: Example(called_with(manual.NLLLoss), (X, CLASSES)),
    manual.CrossEntropyLoss: Example(called_with(manual.CrossEntropyLoss), (X, CLASSES)),
    manual.MultiMarginLoss: Example(called_with(manual.MultiMarginLoss), (X, CLASSES)),
    manual.MultiLabelMarginLoss: Example(
        called_with(manual.MultiLabelMarginLoss), (X, np.array([[2, -1, 0], [0, 1, -1]]))
    ),
    manual.SoftMarginLoss: Example(called_with(manual.SoftMarginLoss), (X, SIGNS)),
    manual.HingeEmbeddingLoss: Example(called_with(manual.HingeEmbeddingLoss), (X, SIGNS)),
    manual.MarginRankingLoss: Example(called_with(manual.MarginRankingLoss), (X, T, SIGNS)),
    manual.CosineEmbeddingLoss: Example(
        called_with(manual.CosineEmbeddingLoss), (X, T, np.array([1, -1]))
    ),
    manual.TripletMarginLoss: Example(called_with(manual.TripletMarginLoss), (X, T, SIGNS)),
    # None of CTCLoss: what PyTorch returns for it is a gradient only below a log softmax.
    manual.MLP: Example(with_generator(manual.MLP, (3, 4, 2), "Tanh", None), (X,)),
    manual.Sequential: Example(
        lambda generator: manual.Sequential(
            manual.Linear(3, 2, generator=generator), manual.Tanh()
        ),
        (X,),
    ),
}
