"""What the symbols of layers of numbers stand for: linear, of images, normalizations."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import manual
from manual.layers.padding import sources

from ..derivations.docstrings import Case
from ..derivations.meaning import Formula, Meaning
from .draws import drawn, passed, pointwise, ready, within


def of_indices(
    module: Any,
    values: Mapping[str, Any],
    ranges: Mapping[str, Any],
    required: Sequence[str],
    *,
    places: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Case:
    """One meaning; a range may be given as how long it is."""
    whole = {name: range(r) if isinstance(r, int) else r for name, r in ranges.items()}
    cls = module if isinstance(module, type) else type(module)
    meaning = Meaning(values, whole)
    return Case(
        cls, [meaning], tuple(required), tuple(places) or (cls.__name__,), frozenset(options)
    )


def seeded(meaning: Meaning, L: str) -> Meaning:
    """With an L whose gradients for the outputs are the upstream ones."""
    return Meaning(meaning.values, meaning.ranges, {"L": ([], Formula.read(L).sides[0])})


def from_place(values: np.ndarray, *begin: int) -> Any:
    """An array whose last axes begin at other numbers than 0; it has nothing before."""

    def at(*place: Any) -> Any:
        shifted = [
            int(i) - b for i, b in zip(place, (*[0] * 8, *begin)[-len(place) :], strict=True)
        ]
        assert min(shifted) >= 0
        return values[tuple(shifted)]

    return at


def zero_outside(values: np.ndarray) -> Any:
    def at(*place: Any) -> Any:
        whole = tuple(int(i) for i in place)
        inside = all(0 <= i < n for i, n in zip(whole, values.shape, strict=True))
        return values[whole] if inside else 0.0

    return at


def linear() -> Iterator[Case]:
    own = {"W": "weight", "b": "bias"}
    back = ("y", "∂L/∂x", "∂L/∂W", "∂L/∂b")
    sizes = {"n": 4, "i": 2, "j": 3}
    for module in (manual.Linear(3, 2), manual.Conv1D(2, 3)):
        values = passed(ready(module), {"x": drawn(4, 3)}, parameters=own)
        yield of_indices(module, values, sizes, back)
    module = ready(manual.Bilinear(2, 4, 3))
    values = passed(module, {"x₁": drawn(2, 2), "x₂": drawn(2, 4)}, parameters=own)
    required = ("y", "∂L/∂x₁", "∂L/∂x₂", "∂L/∂W", "∂L/∂b")
    yield of_indices(module, values, {"n": 2, "k": 3, "i": 2, "j": 4}, required)
    yield pointwise(manual.Identity(), {"x": drawn(4)}, required=("y", "∂L/∂x"))
    values = passed(manual.Flatten(), {"x": drawn(2, 3, 4, 5)}) | {"H": 4, "W": 5}
    yield of_indices(manual.Flatten, values, {"n": 2, "c": 3, "h": 4, "w": 5}, ("y", "∂L/∂x"))
    values = passed(manual.Unflatten(1, (3, 4)), {"x": drawn(2, 12)}) | {"H": 4}
    yield of_indices(manual.Unflatten, values, {"n": 2, "c": 3, "h": 4}, ("y", "∂L/∂x"))


def tables() -> Iterator[Case]:
    module = ready(manual.Embedding(4, 3))
    values = passed(module, {"x": np.array([2, 0, 2, 3, 2])}, parameters={"W": "weight"})
    yield of_indices(module, values, {"n": 5, "i": 4, "j": 3}, ("y", "∂L/∂W"))
    x, s = np.array([[2, 0, 2], [3, 2, 0]]), drawn(2, 3)
    module = ready(manual.EmbeddingBag(4, 5, mode="sum"))
    ranges = {"b": 2, "i": 3, "j": 5, "v": 4}
    y = module(x, per_sample_weights=s)
    g = drawn(2, 5)
    by_s = module.backward(g)
    weight = {"W": module.weight.data, "∂L/∂W": module.weight.grad}
    values = {"x": x, "s": s, "y": y, "g": g, "∂L/∂y": g, "∂L/∂s": by_s, **weight}
    yield of_indices(module, values, ranges, ("y", "∂L/∂W", "∂L/∂s"), options=['mode="sum"'])
    module = ready(manual.EmbeddingBag(4, 5, mode="mean"))
    values = passed(module, {"x": x}, parameters={"W": "weight"}) | {"n": 3}
    yield of_indices(module, values, ranges, ("y", "∂L/∂W"), options=['mode="mean"'])


def dropped() -> Iterator[Case]:
    generator = np.random.default_rng(3)
    x = drawn(8)
    module = manual.Dropout(0.3, generator=generator)
    yield pointwise(
        module,
        {"x": x},
        {"p": 0.3},
        required=("y", "∂L/∂x"),
        more=lambda values: {"m": (values["y"] != 0) * 1.0},
    )
    alpha = manual.AlphaDropout(0.3, generator=generator)
    yield pointwise(
        alpha,
        {"x": x},
        {"p": 0.3, "q": 0.7, "α′": alpha.DROPPED},
        required=("y", "∂L/∂x"),
        more=lambda values: {"m": (values["∂L/∂x"] != 0) * 1.0},
    )


def distances() -> Iterator[Case]:
    for p in (3.0, 2.0):
        module = manual.PairwiseDistance(p, eps=0.3)
        values = passed(module, {"x₁": drawn(4), "x₂": drawn(4)}, "d") | {"p": p, "ε": 0.3}
        values = {k: float(v) if np.ndim(v) == 0 else v for k, v in values.items()}
        yield of_indices(module, values, {"i": 4, "j": 4}, ("d", "∂L/∂x₁", "∂L/∂x₂"))
    alike = manual.CosineSimilarity(0, eps=1e-3)
    values = passed(alike, {"x₁": drawn(4), "x₂": drawn(4)}, "c") | {"ε": 1e-3}
    yield of_indices(alike, values, {"i": 4, "j": 4}, ("c", "∂L/∂x₁", "∂L/∂x₂"))


def windows() -> Iterator[Case]:
    """Convolutions, pooling and what moves numbers, along one axis."""
    own = {"W": "weight", "b": "bias"}
    back = ("y", "∂L/∂x", "∂L/∂W", "∂L/∂b")
    sd = {"s": 2, "d": 2}
    x = drawn(2, 2, 8)
    module = ready(manual.Conv1d(2, 3, 3, stride=2, padding=1, dilation=2))
    values = passed(module, {"x": x}, parameters=own) | sd
    values |= {"x": np.pad(x, ((0, 0), (0, 0), (1, 1)))}
    values |= {"∂L/∂x": from_place(values["∂L/∂x"], 1)}
    inside = {"q": range(1, 9), "p": values["y"].shape[-1]}
    yield of_indices(
        module,
        values,
        {"n": 2, "o": 3, "c": 2, "k": 3, **inside},
        back,
        places=["ForwardConvolution"],
    )
    module = ready(manual.ConvTranspose1d(2, 3, 3, stride=2, padding=1, dilation=2))
    plain = passed(module, {"x": x}, parameters=own) | sd
    values = plain | {"y": from_place(plain["y"], 1)}
    values |= {"g": cut(plain["g"], 1), "∂L/∂y": cut(plain["g"], 1)}
    ranges = {"n": 2, "o": 3, "c": 2, "k": 3, "p": 8, "q": range(1, 1 + plain["y"].shape[-1])}
    yield of_indices(module, values, ranges, back, places=["TransposedConvolution"])
    yield from pools(x)


def cut(g: np.ndarray, padding: int) -> Any:
    """A gradient of what was cut off on both sides: there it is 0."""
    around = ((0, 0), (0, 0), (padding, padding))
    return np.pad(g, around) if padding else g


def pools(x: np.ndarray) -> Iterator[Case]:
    def row(values: Mapping[str, Any]) -> dict[str, Any]:
        """Of the first sample and channel."""
        return {k: v[0, 0] if np.ndim(v) == 3 else v for k, v in values.items()}

    back = ("y", "∂L/∂x")
    for maximum in (manual.MaxPool1d(3, 2), manual.AdaptiveMaxPool1d(3)):
        values = row(passed(maximum, {"x": x}))
        maximum.return_indices = True
        values["i"] = maximum(x)[1][0, 0]
        shares = {"p": len(values["y"]), "q": 8}
        yield of_indices(maximum, values, shares, back, places=[type(maximum).__mro__[1].__name__])
    values = row(passed(manual.AvgPool1d(3, 2, padding=1), {"x": x})) | {"s": 2, "K": 3}
    values |= {"x": np.pad(values["x"], 1), "∂L/∂x": from_place(values["∂L/∂x"], 1)}
    sizes: dict[str, Any] = {"p": len(values["y"]), "k": 3, "q": range(1, 9)}
    yield of_indices(manual.AvgPool1d, values, sizes, back, places=["AvgPool"])
    values = row(passed(manual.LPPool1d(3.0, 3, 2), {"x": np.abs(x) + 0.2})) | {"s": 2, "r": 3.0}
    seen = 2 * len(values["y"]) + 1
    sizes = {"p": len(values["y"]), "k": 3, "q": seen}
    yield of_indices(manual.LPPool1d, values, sizes, back, places=["LPPool"])
    adaptive = manual.AdaptiveAvgPool1d(3)
    values = row(passed(adaptive, {"x": x})) | {"S": 8, "P": 3}
    yield of_indices(adaptive, values, {"p": 3, "q": 8, "k": 8}, back, places=["AdaptiveAvgPool"])
    unpool, i = manual.MaxUnpool1d(2), np.array([[[1, 3, 4, 7]]])
    y = unpool(x[:1, :1, :4].copy(), i)
    g = drawn(*y.shape)
    grad = unpool.backward(g)
    values = row({"x": x[:1, :1, :4], "i": i, "y": y, "g": g, "∂L/∂x": grad})
    yield of_indices(unpool, values, {"p": 4}, back, places=["MaxUnpool"])
    pad = manual.ReflectionPad1d((2, 1))
    values = row(passed(pad, {"x": x}))
    values["source"] = lambda q: sources(8, 2, 1, "reflect")[int(q)]
    yield of_indices(pad, values, {"p": 8, "q": 11}, back, places=["manual/layers/padding.py"])


def moved() -> Iterator[Case]:
    back = ("y", "∂L/∂x")
    settings = {"s": 2, "d": 2, "padding": 1, "K": 3}
    sizes: dict[str, Any] = {"kernel_size": (1, 3), "stride": (1, 2), "dilation": (1, 2)}
    sizes["padding"] = (0, 1)
    unfold, image = manual.Unfold(**sizes), drawn(2, 3, 1, 8)
    plain = passed(unfold, {"x": image})
    values = {k: v[:, :, 0] if np.ndim(v) == 4 else v for k, v in plain.items()} | settings
    values["x"] = zero_outside(values["x"])
    ranges = {"n": 2, "c": 3, "k": 3, "p": plain["y"].shape[-1], "q": 8}
    yield of_indices(unfold, values, ranges, back)
    fold = manual.Fold((1, 8), **sizes)
    plain = passed(fold, {"x": drawn(*plain["y"].shape)})
    values = {k: v[:, :, 0] if np.ndim(v) == 4 else v for k, v in plain.items()} | settings
    values["g"] = zero_outside(values["g"])
    yield of_indices(fold, values, ranges, back)
    ranges = {"c": 2, "h": 3, "w": 4, "i": 2, "j": 2}
    values = passed(manual.PixelShuffle(2), {"x": drawn(8, 3, 4)}) | {"r": 2}
    yield of_indices(manual.PixelShuffle, values, ranges, back)
    values = passed(manual.PixelUnshuffle(2), {"x": drawn(2, 6, 8)}) | {"r": 2}
    yield of_indices(manual.PixelUnshuffle, values, ranges, back)
    values = passed(manual.ChannelShuffle(2), {"x": drawn(1, 6, 1, 1)})
    values = {k: np.ravel(v) for k, v in values.items()} | {"G": 2, "C": 3}
    yield of_indices(manual.ChannelShuffle, values, {"i": 2, "c": 3}, back)
    larger = manual.Upsample(7, mode="linear")
    with manual.no_grad():
        A = larger(np.eye(4)[:, np.newaxis])[:, 0].T
    values = {k: np.ravel(v) for k, v in passed(larger, {"x": drawn(1, 1, 4)}).items()}
    yield of_indices(
        *(larger, values | {"A": A}, {"i": 7, "j": 4}, back),
        places=["manual/layers/resampling.py"],
    )


def normalized() -> Iterator[Case]:
    head, ε = "manual/layers/normalization.py", 0.3
    own = {"γ": "weight", "β": "bias"}
    layer = ready(manual.LayerNorm(4, eps=ε))
    values = passed(layer, {"x": drawn(2, 4)}, parameters=own)
    rows = [
        Meaning(
            {k: v[n] if np.ndim(v) == 2 else v for k, v in values.items()} | {"n": 4, "ε": ε},
            {"i": range(4), "j": range(4)},
        )
        for n in range(2)
    ]
    yield Case(manual.LayerNorm, rows, ("y", "∂L/∂x"), (head,))
    plain = manual.LayerNorm(4, eps=ε, elementwise_affine=False)(values["x"])
    with_x_hat = values | {"x̂": plain}
    yield of_indices(layer, with_x_hat, {"n": 2, "i": 4}, ("∂L/∂γ", "∂L/∂β"))
    root = ready(manual.RMSNorm(4, eps=ε))
    one = passed(root, {"x": drawn(1, 4)}, parameters={"γ": "weight"})
    values = {k: v[0] if np.ndim(v) == 2 else v for k, v in one.items()} | {"n": 4, "ε": ε}
    yield of_indices(root, values, {"i": 4, "j": 4}, ("y", "∂L/∂x"))
    channels = {"n": 3, "c": 2, "p": 5}
    x = drawn(3, 2, 5)
    for module, bare in (
        (manual.BatchNorm1d(2, eps=ε), manual.BatchNorm1d(2, eps=ε, affine=False)),
        (manual.GroupNorm(1, 2, eps=ε), manual.GroupNorm(1, 2, eps=ε, affine=False)),
    ):
        values = passed(ready(module), {"x": x}, parameters=own) | {"x̂": bare(x)}
        place = "BatchNorm" if isinstance(module, manual.BatchNorm1d) else "GroupNorm"
        yield of_indices(module, values, channels, ("∂L/∂γ", "∂L/∂β"), places=[place])
    batch = ready(manual.BatchNorm1d(2, eps=ε))
    batch.running_mean, batch.running_var = drawn(2), within(2)
    batch.eval()
    values = passed(batch, {"x": x}, parameters=own)
    values |= {name: np.ravel(v) for name, v in zip("μσ", batch.running(x), strict=True)}
    plain_batch = manual.BatchNorm1d(2, eps=ε, affine=False)
    plain_batch.running_mean, plain_batch.running_var = batch.running_mean, batch.running_var
    values["x̂"] = plain_batch.eval()(x)
    eval_mode = (
        "In eval mode the running statistics, which are constants, take the place of the batch's"
    )
    yield of_indices(
        batch, values, channels, ("y", "∂L/∂x"), places=["BatchNorm"], options=[eval_mode]
    )
    for size in (3, 4):
        local = manual.LocalResponseNorm(size, alpha=0.9, beta=0.6, k=1.4)
        values = {k: np.ravel(v) for k, v in passed(local, {"x": drawn(1, 4, 1)}).items()}
        values |= {"size": size, "α": 0.9, "β": 0.6, "k": 1.4}
        yield of_indices(local, values, {"c": 4, "b": 4}, ("y", "∂L/∂x"))


CASES = [
    *(*linear(), *tables(), *dropped(), *distances()),
    *(*windows(), *moved(), *normalized()),
]
