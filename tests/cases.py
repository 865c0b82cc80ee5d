"""The one table of parity cases: every check in this directory runs over all of them.

Options of a class multiply out: `over` gives a case for each combination of them.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import signature
from itertools import product
from typing import Any

import numpy as np
import torch

import manual
from manual.article.example import INPUTS, TARGETS
from manual.article.modules import ArticleNetwork, SharedBias
from manual.models.mlp import ACTIVATIONS
from torch_ref import models
from torch_ref.parity.one_pass import flat
from torch_ref.twin import to_torch

Generator = np.random.Generator
Draw = Callable[[Generator], tuple[Any, ...]]


@dataclass(frozen=True)
class Recipe:
    """How a module is made on either side, from what a case asks for and nothing else.

    Args:
        made: the by-hand class; PyTorch's is the one of that name.
        typed: its constructor takes a dtype and, by hand, a generator for its first values.
        draws: by hand it takes a generator that its forward pass draws from.
        training: whether it is in training mode.
    """

    made: type[manual.Module]
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    typed: bool = False
    draws: bool = False
    training: bool = True

    def by_hand(self, dtype: Any, generator: Generator) -> manual.Module:
        options = {name: cast(value, dtype) for name, value in self.options.items()}
        if self.typed:
            options["dtype"] = dtype
            if "generator" in signature(self.made).parameters:
                options["generator"] = generator
        if self.draws:
            options["generator"] = generator
        return self.made(*self.arguments, **options).train(self.training)

    def by_autograd(self, dtype: Any, mine: manual.Module) -> torch.nn.Module:
        """PyTorch's, with the numbers of `mine`, but none of what `mine` says of its settings."""
        options = {name: to_torch(cast(value, dtype)) for name, value in self.options.items()}
        if self.typed:
            options["dtype"] = to_torch(np.dtype(dtype))
        if self.draws:
            options["generator"] = copy.deepcopy(mine.generator)  # type: ignore[attr-defined]
        own = getattr(self.made, "twin_class", None)
        name = self.made.__name__
        reference = own or getattr(models, name, None) or getattr(torch.nn, name)
        return loaded(reference(*self.arguments, **options), mine).train(self.training)


@dataclass(frozen=True)
class Chain:
    """A Sequential of several recipes."""

    parts: tuple[Recipe, ...]

    def by_hand(self, dtype: Any, generator: Generator) -> manual.Module:
        return manual.Sequential(*(part.by_hand(dtype, generator) for part in self.parts))

    def by_autograd(self, dtype: Any, mine: Any) -> torch.nn.Module:
        pairs = zip(self.parts, mine, strict=True)
        return torch.nn.Sequential(*(part.by_autograd(dtype, own) for part, own in pairs))


def loaded(reference: torch.nn.Module, mine: manual.Module) -> torch.nn.Module:
    """The reference with the numbers of `mine`."""
    reference.load_state_dict({name: to_torch(v) for name, v in mine.state_dict().items()})
    return reference


@dataclass(frozen=True)
class Case:
    """A module, and inputs to run it on.

    Args:
        name: unique; begins with the class it is a case of.
        recipe: how it is made on both sides.
        draw: from a generator to its inputs; floating ones are cast to the dtype under test.
        smooth: whether the inputs keep clear of the points where there is no derivative.
        proves: whether the true gradients are other than zero.
        pytorch_is_off: why PyTorch's float64 gradient is not right to float64's digits, if so.
    """

    name: str
    recipe: Recipe | Chain
    draw: Draw
    smooth: bool = True
    proves: bool = True
    pytorch_is_off: str = ""

    @property
    def class_name(self) -> str:
        return self.name.partition("-")[0]

    @property
    def trains(self) -> bool:
        """Whether there is anything to train in it."""
        return any(p.requires_grad for p in self.build(np.float64)[0].parameters())

    def build(self, dtype: Any, seed: int = 0) -> tuple[manual.Module, tuple[Any, ...]]:
        """The module and its inputs in this dtype, for a seed the same numbers every time."""
        generator = np.random.default_rng(seed)
        module = self.recipe.by_hand(np.dtype(dtype), generator)
        return module, tuple(cast(x, dtype) for x in self.draw(generator))

    def reference(self, dtype: Any, mine: manual.Module) -> torch.nn.Module:
        """PyTorch's side, with the numbers of `mine`."""
        return self.recipe.by_autograd(np.dtype(dtype), mine)

    def upstream(self, dtype: Any, seed: int = 0) -> tuple[Any, ...]:
        """Random, non-uniform gradients for the outputs: all ones would hide mistakes."""
        module, inputs = self.build(dtype, seed)
        with manual.no_grad():
            outputs = flat(module(*inputs))
        generator = np.random.default_rng(seed + 1)
        return tuple(cast(np.array(generator.normal(size=np.shape(o))), dtype) for o in outputs)


def cast(x: Any, dtype: Any) -> Any:
    return x.astype(dtype) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


# What inputs can be drawn


def normal(*shapes: tuple[int, ...], scale: float = 1.0) -> Draw:
    """An input of each of these shapes."""
    return lambda g: tuple(np.asarray(g.normal(size=shape) * scale) for shape in shapes)


def inside(*shapes: tuple[int, ...]) -> Draw:
    """Numbers well inside (0, 1)."""
    return lambda g: tuple(np.asarray(g.uniform(0.05, 0.95, size=shape)) for shape in shapes)


def scores(shape: tuple[int, ...], ignored: int | None = None, scale: float = 1.0) -> Draw:
    """Scores (N, C, …) and integer classes, the first of them perhaps to be ignored."""

    def draw(g: Generator) -> tuple[Any, ...]:
        samples = shape[:1] + shape[2:] if len(shape) > 1 else ()
        classes = np.asarray(g.integers(0, shape[min(1, len(shape) - 1)], size=samples))
        if ignored is not None:
            classes.reshape(-1)[0] = ignored
        return g.normal(size=shape) * scale, classes

    return draw


def log_probabilities(shape: tuple[int, ...]) -> Draw:
    """As `scores`, with log-probabilities along the classes' axis."""

    def draw(g: Generator) -> tuple[Any, ...]:
        x, classes = scores(shape)(g)
        return x - np.log(np.exp(x).sum(axis=min(1, x.ndim - 1), keepdims=True)), classes

    return draw


def shares(shape: tuple[int, ...]) -> Draw:
    """Scores and probabilities of the classes."""

    def draw(g: Generator) -> tuple[Any, ...]:
        likely = g.uniform(0.1, 1, size=shape)
        return g.normal(size=shape), likely / likely.sum(axis=min(1, len(shape) - 1), keepdims=True)

    return draw


def signed(*shapes: tuple[int, ...]) -> Draw:
    """An input of each shape but the last, which gets 1 and −1, both in turn."""

    def draw(g: Generator) -> tuple[Any, ...]:
        count = int(np.prod(shapes[-1]))
        signs = np.where(np.arange(count) % 2, -1.0, 1.0).reshape(shapes[-1])
        return *(np.asarray(g.normal(size=shape)) for shape in shapes[:-1]), signs

    return draw


def labels(shape: tuple[int, ...]) -> Draw:
    """Scores, and rows of true classes that end at a −1."""

    def draw(g: Generator) -> tuple[Any, ...]:
        rows = np.stack([g.permutation(shape[-1]) for _ in range(int(np.prod(shape[:-1])))])
        for i, row in enumerate(rows):
            row[1 + i % (shape[-1] - 1)] = -1
        return g.normal(size=shape), rows.reshape(shape)

    return draw


def densities(*shapes: tuple[int, ...]) -> Draw:
    """Means, a target and variances of these shapes."""
    mean, target, var = shapes
    return lambda g: (
        g.normal(size=mean),
        np.asarray(g.normal(size=target)),
        np.asarray(g.uniform(0.2, 2, size=var)),
    )


def between(shape: tuple[int, ...], *limits: tuple[float, float]) -> Draw:
    """An input of this shape within each of these limits."""
    return lambda g: tuple(np.asarray(g.uniform(*ends, size=shape)) for ends in limits)


def logarithms(shape: tuple[int, ...], log_target: bool) -> Draw:
    """Log-probabilities, and probabilities that are perhaps given by their logarithms too."""

    def draw(g: Generator) -> tuple[Any, ...]:
        x, target = between(shape, (0.1, 0.9), (0.1, 0.9))(g)
        return np.log(x), np.log(target) if log_target else target

    return draw


def answers(shape: tuple[int, ...]) -> Draw:
    """Scores, and the probabilities of a yes."""
    return lambda g: (np.asarray(g.normal(size=shape) * 3), np.asarray(g.uniform(size=shape)))


def exactly(*values: float) -> Draw:
    """One input, with just these values."""
    return lambda g: (np.array(values),)


def numbers(below: int, *shape: int) -> Draw:
    """Whole numbers; with more of them than there are values, some come twice."""
    return lambda g: (g.integers(0, below, size=shape),)


# How modules are made


def over(**options: Any) -> Iterator[dict[str, Any]]:
    """Every combination of the options' values."""
    return (dict(zip(options, values, strict=True)) for values in product(*options.values()))


def written(options: dict[str, Any]) -> str:
    return "".join(f"-{k}={'array' if np.ndim(v) else v}" for k, v in options.items())


def plain(made: Any, *arguments: Any, **options: Any) -> Recipe:
    """A module whose constructor takes no dtype; arrays among its options are cast."""
    return Recipe(made, arguments, options)


def typed(made: Any, *arguments: Any, **options: Any) -> Recipe:
    """A module whose constructor takes a dtype, and a generator."""
    return Recipe(made, arguments, options, typed=True)


# The table

KINKS = (
    -20.0,
    -6.0,
    -3.0,
    -2.0,
    -1.0,
    -0.75,
    -0.5,
    -0.25,
    0.0,
    0.5,
    0.75,
    1.0,
    2.0,
    3.0,
    6.0,
    20.0,
)
ELEMENTWISE: dict[Any, list[dict[str, Any]]] = {
    manual.ReLU: [{}],
    manual.ReLU6: [{}],
    manual.Hardtanh: [{}, {"min_val": -2.0, "max_val": 0.5}],
    manual.LeakyReLU: [{}, {"negative_slope": 0.3}],
    manual.ELU: [{}, {"alpha": 0.7}],
    manual.CELU: [{}, {"alpha": 0.7}],
    manual.SELU: [{}],
    manual.GELU: [{}, {"approximate": "tanh"}],
    manual.SiLU: [{}],
    manual.Mish: [{}],
    manual.Sigmoid: [{}],
    manual.LogSigmoid: [{}],
    manual.Tanh: [{}],
    manual.Tanhshrink: [{}],
    manual.Softplus: [{}, {"beta": 2.5}, {"threshold": 1.0}],
    manual.Softsign: [{}],
    manual.Hardsigmoid: [{}],
    manual.Hardswish: [{}],
    manual.Hardshrink: [{}, {"lambd": 0.75}],
    manual.Softshrink: [{}, {"lambd": 0.75}],
    manual.Threshold: [{"threshold": 0.5, "value": -2.0}],
}
PYTORCH_IS_OFF = {
    "Hardsigmoid": "its backward has 1/6 in float32",
    "CELU-alpha=0.7": "its backward has 1/alpha in float32",
}
SHAPES = {"": (5, 3), "-unbatched": (7,), "-axes": (2, 3, 4, 2), "-single": (1, 4)}


def activations() -> Iterator[Case]:
    for made, variants in ELEMENTWISE.items():
        for options in variants:
            name, recipe = made.__name__ + written(options), plain(made, **options)
            off = PYTORCH_IS_OFF.get(name, "")
            for suffix, shape in SHAPES.items():
                yield Case(name + suffix, recipe, normal(shape, scale=2.0), pytorch_is_off=off)
            yield Case(f"{name}-wide", recipe, normal((9, 7), scale=30.0), pytorch_is_off=off)
            yield Case(f"{name}-kinks", recipe, exactly(*KINKS), smooth=False, pytorch_is_off=off)
    for channels, shape in product((1, 3), ((5, 3), (2, 3, 4), (2, 3, 4, 2))):
        yield Case(
            f"PReLU-{channels}-{len(shape)}axes",
            typed(manual.PReLU, channels),
            normal(shape),
        )
    yield Case("PReLU-unbatched", typed(manual.PReLU, init=0.4), normal((7,)))
    for made in (manual.Softmax, manual.Softmin, manual.LogSoftmax):
        for shape in ((5,), (5, 3), (2, 3, 4)):
            for dim in range(-len(shape), len(shape)):
                draw = normal(shape, scale=3.0)
                yield Case(f"{made.__name__}-{len(shape)}axes-dim{dim}", plain(made, dim=dim), draw)
        yield Case(
            f"{made.__name__}-huge",
            plain(made, dim=-1),
            normal((5, 3), scale=1e4),
            proves=made is manual.LogSoftmax,
        )
    for shape in ((3, 4, 2), (2, 3, 4, 2)):
        yield Case(f"Softmax2d-{len(shape)}axes", plain(manual.Softmax2d), normal(shape))
    for dim, shape in ((-1, (5, 6)), (0, (4, 3)), (1, (2, 6, 3)), (-2, (2, 4, 3)), (-1, (8,))):
        yield Case(f"GLU-{len(shape)}axes-dim{dim}", plain(manual.GLU, dim), normal(shape))


def layers() -> Iterator[Case]:
    for bias, (suffix, shape) in product(
        (True, False),
        {"": (5,), "-axes": (2, 5), "-unbatched": (), "-single": (1,), "-empty": (0,)}.items(),
    ):
        proves = suffix != "-empty"
        name = written({"bias": bias}) + suffix
        linear = typed(manual.Linear, 3, 4, bias=bias)
        yield Case(f"Linear{name}", linear, normal((*shape, 3)), proves=proves)
        bilinear = typed(manual.Bilinear, 2, 3, 4, bias=bias)
        yield Case(f"Bilinear{name}", bilinear, normal((*shape, 2), (*shape, 3)), proves=proves)
    yield Case("Linear-square", typed(manual.Linear, 4, 4), normal((5, 4)))
    yield Case("Linear-wide", typed(manual.Linear, 100, 7), normal((30, 100)))
    yield Case("Identity", plain(manual.Identity), normal((5, 3)))
    for start, end in ((1, -1), (0, -1), (1, 2), (-2, -1), (2, 2)):
        draw = normal((2, 3, 4, 5))
        yield Case(f"Flatten-{start}-{end}", plain(manual.Flatten, start, end), draw)
    for dim, sizes, shape in ((1, (2, 3), (5, 6)), (-1, (2, 2), (3, 4)), (0, (2, -1, 1), (4, 3))):
        yield Case(f"Unflatten-{dim}", plain(manual.Unflatten, dim, sizes), normal(shape))
    for padding, shape in product((None, 0, -2), ((6,), (3, 4), (), (2, 3, 2))):
        yield Case(
            f"Embedding-padding={padding}-{len(shape)}axes",
            typed(manual.Embedding, 5, 3, padding_idx=padding),
            numbers(3, *shape) if shape else lambda g: (np.array(2),),
            smooth=padding is None,  # the padding's row is held fixed, derivative or not
        )
    for p in (0.0, 0.3, 0.5, 0.9):
        for made, shapes in (
            (manual.Dropout, ((5, 3), (30,), (2, 3, 4))),
            (manual.AlphaDropout, ((5, 3), (30,))),
            (manual.Dropout1d, ((4, 6, 3), (9, 4))),
            (manual.Dropout2d, ((4, 6, 3, 2),)),
        ):
            for shape in shapes:
                yield Case(
                    f"{made.__name__}-p={p}-{len(shape)}axes",
                    Recipe(made, (p,), draws=True),
                    normal(shape),
                )
    yield Case(
        "Dropout-p=1", Recipe(manual.Dropout, (1.0,), draws=True), normal((5, 3)), proves=False
    )
    for made in (manual.Dropout, manual.AlphaDropout):
        recipe = Recipe(made, (0.4,), draws=True, training=False)
        yield Case(f"{made.__name__}-eval", recipe, normal((5, 3)))


def losses() -> Iterator[Case]:
    reductions = ("none", "mean", "sum")
    shapes = {"": (5, 3), "-unbatched": (7,), "-axes": (2, 3, 4), "-number": ()}

    def each(
        made: Any,
        draws: dict[str, Draw],
        variants: Any = ({},),
        reductions: Any = reductions,
        smooth: bool = True,
    ) -> Iterator[Case]:
        for options, reduction, (suffix, draw) in product(variants, reductions, draws.items()):
            options = {**options, "reduction": reduction}
            recipe = plain(made, **options)
            yield Case(made.__name__ + written(options) + suffix, recipe, draw, smooth)

    w3 = np.array([0.5, 2.0, 1.25])
    pairs = {suffix: normal(shape, shape) for suffix, shape in shapes.items()}
    yield Case("HalfSquaredError", plain(manual.HalfSquaredError), pairs[""])
    yield Case("HalfSquaredError-axes", plain(manual.HalfSquaredError), pairs["-axes"])
    yield from each(manual.L1Loss, pairs)
    yield from each(manual.MSELoss, pairs)
    yield from each(manual.SmoothL1Loss, pairs, [{}, {"beta": 0.5}, {"beta": 0.0}])
    yield from each(manual.HuberLoss, pairs, [{}, {"delta": 0.5}])
    odds = {suffix: inside(shape, shape) for suffix, shape in shapes.items()}
    yield from each(manual.BCELoss, odds)
    yield from each(manual.BCELoss, {"": odds[""]}, [{"weight": w3}])
    logits = {suffix: answers(shape) for suffix, shape in shapes.items()}
    yield from each(manual.BCEWithLogitsLoss, logits)
    weights = [{"weight": w3}, {"pos_weight": w3}, {"weight": w3, "pos_weight": w3[::-1].copy()}]
    yield from each(manual.BCEWithLogitsLoss, {"": logits[""]}, weights)
    for log_target in (False, True):
        draws = {s: logarithms(shape, log_target) for s, shape in shapes.items() if shape}
        variants = [{"log_target": log_target}]
        yield from each(manual.KLDivLoss, draws, variants, (*reductions, "batchmean"))
    counts = {suffix: between(shape, (0.2, 2), (0.1, 5)) for suffix, shape in shapes.items()}
    yield from each(
        manual.PoissonNLLLoss, counts, over(log_input=(True, False), full=(False, True))
    )
    spread = {s: densities(shape, shape, shape) for s, shape in shapes.items() if shape}
    spread["-shared"] = densities((5, 3), (5, 3), (5, 1))
    yield from each(manual.GaussianNLLLoss, spread, [{}, {"full": True}])
    # One variance, or one target, is used along an axis: its gradient is the sum of its uses.
    used_often = {
        f"-target={'x'.join(map(str, target)) or 'number'}-var={'x'.join(map(str, var))}": (
            densities((4, 3), target, var)
        )
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
    yield from each(manual.GaussianNLLLoss, used_often)
    # A variance below eps counts as eps, but gets the gradient all the same.
    yield from each(manual.GaussianNLLLoss, spread, [{"eps": 0.5}], smooth=False)

    class_shapes = {"": (5, 3), "-unbatched": (3,), "-axes": (2, 3, 4), "-more-axes": (2, 3, 4, 2)}
    given = {suffix: log_probabilities(shape) for suffix, shape in class_shapes.items()}
    yield from each(manual.NLLLoss, given, [{}, {"weight": w3}])
    yield from each(manual.NLLLoss, {"": scores((5, 3), ignored=-7)}, [{"ignore_index": -7}])
    given = {suffix: scores(shape, scale=2.0) for suffix, shape in class_shapes.items()}
    yield from each(manual.CrossEntropyLoss, given, [{}, {"weight": w3}, {"label_smoothing": 0.2}])
    both = {"weight": w3, "label_smoothing": 0.2, "ignore_index": 1}
    yield from each(manual.CrossEntropyLoss, {"-ignored": scores((6, 3), ignored=1)}, [both])
    given = {f"-shares{suffix}": shares(shape) for suffix, shape in class_shapes.items()}
    yield from each(
        manual.CrossEntropyLoss,
        given,
        [{}, {"weight": w3}, {"weight": w3, "label_smoothing": 0.2}],
    )
    huge = scores((6, 4), scale=1e4)
    yield Case("CrossEntropyLoss-huge", plain(manual.CrossEntropyLoss), huge, smooth=False)

    signs = {suffix: signed(shape, shape) for suffix, shape in shapes.items()}
    yield from each(manual.HingeEmbeddingLoss, signs, [{}, {"margin": 0.3}])
    yield from each(manual.SoftMarginLoss, signs)
    three = {s: signed(shape, shape, shape) for s, shape in shapes.items() if shape}
    yield from each(manual.MarginRankingLoss, three, [{}, {"margin": 0.5}])
    given = {"": scores((5, 3)), "-unbatched": scores((3,))}
    yield from each(manual.MultiMarginLoss, given, [{}, {"p": 2}, {"margin": 0.5}, {"weight": w3}])
    yield from each(manual.MultiLabelMarginLoss, {"": labels((5, 4)), "-unbatched": labels((4,))})
    likely = {"": logits[""], "-unbatched": logits["-unbatched"]}
    yield from each(manual.MultiLabelSoftMarginLoss, likely)
    yield from each(manual.MultiLabelSoftMarginLoss, {"": logits[""]}, [{"weight": w3}])
    given = {"": signed((6, 3), (6, 3), (6,)), "-unbatched": signed((3,), (3,), ())}
    yield from each(manual.CosineEmbeddingLoss, given, [{}, {"margin": -0.5}])
    given = {"": normal((6, 4), (6, 4), (6, 4)), "-unbatched": normal((4,), (4,), (4,))}
    yield from each(
        manual.TripletMarginLoss,
        given,
        [{"margin": 4.0, **options} for options in ({}, {"p": 1.0}, {"p": 3.0}, {"swap": True})],
    )
    # Of these triplets some are far enough apart, and their gradient is zero.
    some = {"": normal((6, 4), (6, 4), (6, 4))}
    yield from each(manual.TripletMarginLoss, some, [{"margin": 0.3}])
    for reduction in reductions:
        yield Case(f"CTCLoss-reduction={reduction}", plain(SpelledFromScores, reduction), spelling)
    yield Case("CTCLoss-unbatched", plain(SpelledFromScores, "sum"), spelling_unbatched)


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


def spelling(g: Generator) -> tuple[Any, ...]:
    """Scores (T, N, C), targets one of which has a label twice in a row, and lengths."""
    targets = g.integers(1, 5, size=(4, 3))
    targets[0] = [2, 2, 1]
    return g.normal(size=(7, 4, 5)), targets, np.array([7, 6, 7, 5]), np.array([3, 2, 1, 0])


def spelling_unbatched(g: Generator) -> tuple[Any, ...]:
    return g.normal(size=(7, 5)), np.array([2, 2, 1]), np.array(7), np.array(3)


def networks() -> Iterator[Case]:
    yield Case(
        "Sequential",
        Chain((typed(manual.Linear, 3, 4), plain(manual.Tanh), typed(manual.Linear, 4, 2))),
        normal((5, 3)),
    )
    for activation in ACTIVATIONS:
        yield Case(f"MLP-{activation}", typed(manual.MLP, (3, 4, 2), activation), normal((5, 3)))
    yield Case("MLP-deep", typed(manual.MLP, (3, 5, 4, 6, 2), "Tanh"), normal((5, 3)))
    yield Case("SharedBias", typed(SharedBias), normal((5, 3)))
    for biases in ("fixed", "trained", "shared"):
        yield Case(
            f"ArticleNetwork-{biases}",
            typed(ArticleNetwork, biases=biases),
            lambda g: (np.array([INPUTS, TARGETS]),),
        )


CASES = [*layers(), *activations(), *losses(), *networks()]
