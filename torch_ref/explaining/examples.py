"""A small example of every class of `manual`: how it is made, and what it is given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import manual
from manual.layers.activations import Elementwise

Generator = np.random.Generator


def numbers(*rows: Any) -> np.ndarray:
    return np.array(rows, np.float64)


X = numbers([0.1, -0.1, 0.6], [0.1, -0.5, 0.4])
T = numbers([0.6, 0.7, 0.5], [0.8, 0.1, 0.7])
SIGNS = numbers([1, -1, 1], [-1, -1, 1])
IMAGES = numbers([X, T])  # (N, C, H, W)
SEQUENCES = numbers(X)  # (N, C, L)
VOLUMES = numbers([X, T], [T, X])[np.newaxis]  # (N, C, D, H, W)
SPATIAL = {1: SEQUENCES, 2: IMAGES, 3: VOLUMES}
COLUMNS = VOLUMES.reshape(1, 12, 2)  # (N, C · K, L)
CLASSES = np.array([0, 2])
STEPS = numbers(X, T)  # (steps, N, features)
STATE = numbers([0.3, -0.2], [-0.4, 0.5])  # (N, hidden)
CELL_STATE = numbers([0.8, -0.6], [0.2, 0.7])
KEYS = numbers(*X, *T)  # (keys, d)
VALUES = numbers(*T, *X)[:, :2].copy()
TOKENS = KEYS.T.copy()  # (tokens, d)
TEXT = np.array([[2, 0, 1], [1, 2, 2]])  # (N, tokens), of three
TRANSFORMER = (4, 2, 3)  # d_model, heads, width of the feed-forward layer


@dataclass(frozen=True)
class Example:
    """A module, made from a generator of random numbers, and the inputs of its forward.

    An input is an array, or a tuple of arrays, as an LSTM's state is.
    """

    make: Callable[[Generator], manual.Module]
    inputs: tuple[Any, ...]
    dtype: Any = np.float64


def called_with(cls: Callable[..., manual.Module], *arguments: Any, **options: Any) -> Any:
    """A maker without random numbers: it calls the class with these arguments."""
    return lambda generator: cls(*arguments, **options)


def with_generator(
    cls: Callable[..., manual.Module], *arguments: Any, **options: Any
) -> Callable[[Generator], Any]:
    """A maker with random numbers, of weights or of what is dropped."""
    return lambda generator: cls(*arguments, generator=generator, **options)


def in_stack(cls: Callable[..., manual.Module], layer: Callable[..., manual.Module]) -> Any:
    """A maker of two such layers of a Transformer, one above the other."""
    make = with_generator(layer, *TRANSFORMER, dropout=0.0)
    return lambda generator: cls(make(generator), 2)


OF_NUMBERS = (  # losses of numbers beside numbers
    *(manual.BCEWithLogitsLoss, manual.HalfSquaredError, manual.HuberLoss, manual.L1Loss),
    *(manual.MSELoss, manual.MultiLabelSoftMarginLoss, manual.PoissonNLLLoss),
    manual.SmoothL1Loss,
)


def in_images() -> Iterator[tuple[Any, Example]]:
    """Layers that there are for sequences, images and volumes."""
    for axes, x in SPATIAL.items():
        channels = x.shape[1]
        cases: list[tuple[Any, ...]] = [
            *((f"{kind}Pad{axes}d", 1) for kind in ("Zero", "Replication", "Circular")),
            *((f"ConstantPad{axes}d", 1, 9.0), (f"ReflectionPad{axes}d", (1, 0) * axes)),
            *((f"{kind}Pool{axes}d", 2, 1) for kind in ("Max", "Avg")),
            *((f"LPPool{axes}d", 2.0, 2, 1), (f"AdaptiveAvgPool{axes}d", 2)),
            *((f"AdaptiveMaxPool{axes}d", 2), (f"BatchNorm{axes}d", channels)),
            (f"InstanceNorm{axes}d", channels, 1e-5, 0.1, True),
        ]
        for name, *arguments in cases:
            made = getattr(manual, name)
            yield made, Example(called_with(made, *arguments), (x,))
        for kind in ("Conv", "ConvTranspose"):
            made = getattr(manual, f"{kind}{axes}d")
            padding = {"padding": 1} if kind == "Conv" else {}
            yield made, Example(with_generator(made, channels, 1, 2, **padding), (x,))
        unpool, largest = getattr(manual, f"MaxUnpool{axes}d"), x[..., :1]
        places = np.zeros(largest.shape, np.int64)
        places[:] = np.arange(largest[0, 0].size).reshape(largest.shape[2:])
        yield unpool, Example(called_with(unpool, 2), (largest, places))


def of_sequences() -> Iterator[tuple[Any, Example]]:
    """Recurrent layers, attention, and what is built of it."""
    for kind in ("RNN", "LSTM", "GRU"):
        layer, cell = getattr(manual, kind), getattr(manual, f"{kind}Cell")
        state = (STATE, CELL_STATE) if kind == "LSTM" else STATE
        yield layer, Example(with_generator(layer, 3, 2), (STEPS,))
        yield cell, Example(with_generator(cell, 3, 2), (X, state))
    attention, heads = manual.ScaledDotProductAttention, manual.MultiheadAttention
    yield attention, Example(called_with(attention), (X, KEYS, VALUES))
    yield heads, Example(with_generator(heads, 4, 2), (TOKENS[:2].copy(), TOKENS, TOKENS))
    for kind in ("Encoder", "Decoder"):
        stack = getattr(manual, f"Transformer{kind}")
        layer = getattr(manual, f"Transformer{kind}Layer")
        inputs = (TOKENS[:2].copy(), TOKENS) if kind == "Decoder" else (TOKENS,)
        yield layer, Example(with_generator(layer, *TRANSFORMER, dropout=0.0), inputs)
        yield stack, Example(in_stack(stack, layer), inputs)
    whole, (width, number, inside) = manual.Transformer, TRANSFORMER
    make = with_generator(whole, width, number, 1, 1, inside, dropout=0.0)
    yield whole, Example(make, (TOKENS, TOKENS[:2].copy()))


EXAMPLES: dict[Any, Example] = {
    **dict(in_images()),
    **dict(of_sequences()),
    **{
        cls: Example(called_with(cls), (X,))
        for cls in vars(manual).values()
        if isinstance(cls, type) and issubclass(cls, Elementwise)
    },
    **{cls: Example(called_with(cls), (X, T)) for cls in OF_NUMBERS},
    # PyTorch's backward of it has 1/6 in float32 whatever the dtype
    manual.Hardsigmoid: Example(called_with(manual.Hardsigmoid), (X,), np.float32),
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
    manual.EmbeddingBag: Example(
        with_generator(manual.EmbeddingBag, 4, 3), (np.array([[0, 2], [1, 2]]),)
    ),
    manual.PairwiseDistance: Example(called_with(manual.PairwiseDistance), (X, T)),
    manual.CosineSimilarity: Example(called_with(manual.CosineSimilarity), (X, T)),
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
    manual.LayerNorm: Example(called_with(manual.LayerNorm, 3), (X,)),
    manual.RMSNorm: Example(called_with(manual.RMSNorm, 3), (X,)),
    manual.GroupNorm: Example(called_with(manual.GroupNorm, 1, 2), (IMAGES,)),
    manual.LocalResponseNorm: Example(called_with(manual.LocalResponseNorm, 2, 1.0), (IMAGES,)),
    manual.Unfold: Example(called_with(manual.Unfold, 2), (IMAGES,)),
    manual.Fold: Example(
        called_with(manual.Fold, (2, 3), 2), (numbers(T.T, X.T, T.T, X.T).reshape(1, 12, 2),)
    ),
    manual.PixelShuffle: Example(
        called_with(manual.PixelShuffle, 2), (numbers([X, T], [T, X]).reshape(1, 4, 2, 3),)
    ),
    manual.PixelUnshuffle: Example(called_with(manual.PixelUnshuffle, 1), (IMAGES,)),
    manual.ChannelShuffle: Example(called_with(manual.ChannelShuffle, 2), (IMAGES,)),
    manual.Upsample: Example(called_with(manual.Upsample, 4, mode="bilinear"), (IMAGES,)),
    manual.UpsamplingNearest2d: Example(called_with(manual.UpsamplingNearest2d, 3), (IMAGES,)),
    manual.UpsamplingBilinear2d: Example(called_with(manual.UpsamplingBilinear2d, 3), (IMAGES,)),
    # None of CTCLoss: what PyTorch returns for it is a gradient only below a log softmax.
    manual.MLP: Example(with_generator(manual.MLP, (3, 4, 2), "Tanh", None), (X,)),
    manual.ConvNet: Example(with_generator(manual.ConvNet, (2, 3), 2, 2), (IMAGES[..., :2],)),
    manual.ResidualBlock: Example(with_generator(manual.ResidualBlock, 2), (IMAGES,)),
    manual.ResNet: Example(with_generator(manual.ResNet, 2, 2, 1, 2), (VOLUMES[0],)),
    manual.Conv1D: Example(with_generator(manual.Conv1D, 2, 3), (X,)),
    manual.SwiGLU: Example(with_generator(manual.SwiGLU, 3, 2), (X,)),
    manual.RotaryEmbedding: Example(called_with(manual.RotaryEmbedding), (TOKENS,)),
    manual.TextLSTM: Example(with_generator(manual.TextLSTM, 3, 2, 4), (TEXT,)),
    manual.GPT: Example(with_generator(manual.GPT, 3, 3, 1, 2, 4), (TEXT,)),
    manual.Llama: Example(with_generator(manual.Llama, 3, 4, 2, 1, 2, 1), (TEXT,)),
    manual.MicroGPT: Example(with_generator(manual.MicroGPT, 3, 3, 1, 2, 4), (TEXT,)),
    manual.Sequential: Example(
        lambda generator: manual.Sequential(
            manual.Linear(3, 2, generator=generator), manual.Tanh()
        ),
        (X,),
    ),
}
