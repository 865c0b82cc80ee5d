"""Layers for sequences, and what goes with them: a line for each way in which one is made."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import manual

from .case import Case, Recipe, plain, typed, written
from .draws import Draw, Generator, normal

STEPS, N, IN, H = 5, 3, 2, 4  # of recurrent layers
L, S, E = 4, 3, 6  # queries, keys, features of attention; 2 heads
CAUSAL = np.triu(np.ones((L, L), bool), 1)


def drawing(made: Any, *arguments: Any, **options: Any) -> Recipe:
    """A module that takes a dtype, and a generator that its forward pass draws from as well."""
    return Recipe(made, arguments, options, typed=True, draws=True)


def then(*draws: Any) -> Draw:
    """What each of these draws, one after the other; what is no draw is handed on as it is."""
    return lambda g: tuple(y for d in draws for y in (d(g) if callable(d) else (d,)))


def together(draw: Draw) -> Draw:
    """All that is drawn as one input, a tuple."""
    return lambda g: (draw(g),)


def mask(*shape: int, nothing: bool = False, keep: bool = False) -> Draw:
    """True for what is left out, never the first key, but of row 1 all keys with `nothing`.

    Args:
        keep: True for what is not left out, instead.
    """

    def draw(g: Generator) -> tuple[Any, ...]:
        left_out = g.random(shape) < 0.4
        left_out[..., 0] = False
        if nothing:
            left_out[..., 1, :] = True
        return (~left_out if keep else left_out,)

    return draw


# Recurrent layers and cells


def states(made: Any, *before: int, **options: Any) -> Draw:
    """h; for an LSTM (h, c), of which h may be the smaller one."""
    if "LSTM" not in made.__name__:
        return normal((*before, H))
    return together(normal((*before, options.get("proj_size") or H), (*before, H)))


def recurrent(
    made: Any, unbatched: bool = False, hx: bool = True, lengths: Any = None, **options: Any
) -> Case:
    """A recurrent layer over 5 steps, with its first state given or not."""
    count = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    sequence = (N, STEPS, IN) if options.get("batch_first") else (STEPS, N, IN)
    draws: list[Any] = [normal((STEPS, IN) if unbatched else sequence)]
    if hx:
        draws.append(states(made, count, *(() if unbatched else (N,)), **options))
    if lengths is not None:
        draws += [np.array(lengths)] if hx else [None, np.array(lengths)]
    suffix = "-unbatched" * unbatched + "-hx" * hx + "-lengths" * (lengths is not None)
    recipe = drawing(made, IN, H, **options)
    return Case(made.__name__ + written(options) + suffix, recipe, then(*draws))


def recurrent_layers(made: Any) -> Iterator[Case]:
    """What all three have."""
    yield recurrent(made)
    yield recurrent(made, num_layers=2, bidirectional=True)
    yield recurrent(made, hx=False)
    yield recurrent(made, unbatched=True)
    yield recurrent(made, num_layers=3, batch_first=True)
    yield recurrent(made, batch_first=True, bidirectional=True, bias=False)
    yield recurrent(made, num_layers=3, dropout=0.4)
    yield recurrent(made, num_layers=2, bidirectional=True, dropout=0.5, batch_first=True)
    yield recurrent(made, lengths=[5, 2, 4])
    yield recurrent(made, lengths=[1, 5, 3], num_layers=2, bidirectional=True, hx=False)
    yield recurrent(made, unbatched=True, hx=False, bidirectional=True, bias=False)


def cells(made: Any, **options: Any) -> Iterator[Case]:
    """A single step, with its state given or not."""
    for suffix, before, hx in (("", (5,), True), ("-unbatched", (), True), ("-zeros", (5,), False)):
        draws = [normal((*before, IN)), *([states(made, *before)] if hx else [])]
        recipe = typed(made, IN, H, **options)
        # W_hh has no part in a step from a state of zeros
        yield Case(made.__name__ + written(options) + suffix, recipe, then(*draws), proves=hx)


# Attention


def scaled(suffix: str, *draws: Any, **options: Any) -> Case:
    """The attention itself, of queries, keys and values and perhaps a mask."""
    recipe = Recipe(manual.ScaledDotProductAttention, (), options, draws=True)
    return Case("ScaledDotProductAttention" + written(options) + suffix, recipe, then(*draws))


def heads(suffix: str, *draws: Any, **options: Any) -> Case:
    """An attention of two heads; after query, key and value the further arguments of forward."""
    recipe = drawing(manual.MultiheadAttention, E, 2, **options)
    return Case("MultiheadAttention" + written(options) + suffix, recipe, then(*draws))


QKV = normal((N, L, 5), (N, S, 5), (N, S, 3))
FOUR_AXES = normal((2, 3, L, 5), (2, 3, S, 5), (2, 3, S, 4))
TIME_FIRST = normal((L, N, E), (S, N, E), (S, N, E))
SAMPLES_FIRST = normal((N, L, E), (N, S, E), (N, S, E))
ALONE = normal((L, E), (S, E), (S, E))
OTHERS = normal((L, N, E), (S, N, 5), (S, N, 7))  # with kdim and vdim

ATTENTION = [
    scaled("", QKV),
    scaled("-heads", FOUR_AXES),
    scaled("-masked", QKV, mask(L, S, keep=True)),
    scaled("-nothing", QKV, mask(N, L, S, keep=True, nothing=True)),
    scaled("-numbers", FOUR_AXES, normal((3, L, S))),
    scaled("-shared", QKV, normal((1, S))),
    scaled("", QKV, is_causal=True),
    scaled("", FOUR_AXES, scale=0.3),
    scaled("", normal((2, 6, L, 5), (2, 3, S, 5), (2, 3, S, 4)), enable_gqa=True),
    scaled("", FOUR_AXES, dropout_p=0.3),
    scaled("-masked", QKV, mask(L, S, keep=True), dropout_p=0.3),
    heads("", TIME_FIRST),
    heads("-masks", SAMPLES_FIRST, mask(N, S), True, mask(N * 2, L, S), batch_first=True),
    heads("-each", TIME_FIRST, None, True, None, False),
    heads("-alone", ALONE),
    heads("-alone-masked", ALONE, mask(S), True, mask(L, S), False),
    heads("-without", TIME_FIRST, None, False),
    heads("-without-masks", TIME_FIRST, mask(N, S), False, mask(L, S)),
    heads("-without-nothing", TIME_FIRST, None, False, mask(L, S, nothing=True)),
    heads("-numbers", TIME_FIRST, normal((N, S)), True, normal((L, S))),
    heads("-numbers-each", TIME_FIRST, None, False, normal((N * 2, L, S))),
    heads("-causal", normal(*[(L, N, E)] * 3), None, True, CAUSAL, True, True),
    heads("", TIME_FIRST, bias=False),
    heads("", OTHERS, kdim=5, vdim=7),
    heads("", OTHERS, kdim=5, vdim=7, bias=False),
    heads("-masked", TIME_FIRST, mask(N, S), True, mask(L, S), add_bias_kv=True),
    heads("-masked", TIME_FIRST, mask(N, S), False, mask(L, S), add_zero_attn=True),
    heads("-masked", TIME_FIRST, mask(N, S), True, None, add_bias_kv=True, add_zero_attn=True),
    heads("", TIME_FIRST, dropout=0.3),
    heads("-masks", SAMPLES_FIRST, mask(N, S), True, mask(L, S), dropout=0.3, batch_first=True),
    heads("-without", TIME_FIRST, None, False, dropout=0.3),
]


# Transformers


def transformer(made: Any, suffix: str, *draws: Any, **options: Any) -> Case:
    """A layer of E features and 2 heads; a stack of two of them; or a whole transformer."""
    settings = {"dim_feedforward": 5, "dropout": 0.0} | options
    if issubclass(made, manual.Transformer):
        recipe = drawing(made, E, 2, 1, 2, **settings)
    elif made in (manual.TransformerEncoder, manual.TransformerDecoder):
        layer = getattr(manual, f"{made.__name__}Layer")
        parts = drawing(layer, E, 2, **settings), 2, typed(manual.LayerNorm, E)
        recipe = Recipe(made, parts, draws=True)
    else:
        recipe = drawing(made, E, 2, **settings)
    return Case(made.__name__ + written(options) + suffix, recipe, then(*draws))


def transformers(made: Any, *axes: int, masks: Any, later: Any) -> Iterator[Case]:
    """Before and behind the norm, with and without biases, dropout, masks and samples.

    Args:
        axes: the length of each input.
        masks: for forward, a causal one first; later: one that pads keys behind others.
    """
    first = normal(*((N, n, E) for n in axes))
    second, one = normal(*((n, N, E) for n in axes)), normal(*((n, E) for n in axes))
    yield transformer(made, "", first, norm_first=True, batch_first=True, activation="gelu")
    yield transformer(made, "", second)
    yield transformer(made, "", first, bias=False, batch_first=True)
    yield transformer(made, "-masks", second, *masks)
    yield transformer(made, "-padded", first, *later, batch_first=True)
    yield transformer(made, "-alone", one, *masks, norm_first=True)
    yield transformer(made, "", first, dropout=0.3, batch_first=True)
    yield transformer(made, "-masks", second, *masks, dropout=0.3, norm_first=True)


NUMBERS = np.where(CAUSAL, -np.inf, 0.0)  # as PyTorch's generate_square_subsequent_mask
TRANSFORMERS = [
    *transformers(manual.TransformerEncoderLayer, L, masks=[CAUSAL], later=[None, mask(N, L)]),
    *transformers(
        manual.TransformerDecoderLayer,
        *(L, S),
        masks=[CAUSAL, mask(L, S)],
        later=[None, None, None, mask(N, S)],
    ),
    *transformers(manual.TransformerEncoder, L, masks=[NUMBERS], later=[None, mask(N, L)]),
    *transformers(
        manual.TransformerDecoder,
        *(L, S),
        masks=[NUMBERS, None],
        later=[None, None, mask(N, L), mask(N, S)],
    ),
    *transformers(
        manual.Transformer,
        *(S, L),
        masks=[None, CAUSAL, mask(L, S)],
        later=[None, None, None, mask(N, S), None, mask(N, S)],
    ),
]


# Bags and distances


def bags(suffix: str, *inputs: Any, **options: Any) -> Case:
    return Case(
        "EmbeddingBag" + written(options) + suffix,
        typed(manual.EmbeddingBag, 5, 3, **options),
        then(*inputs),
        smooth="padding_idx" not in options,  # the padding's row is held fixed
    )


WORDS, LINE, STARTS = np.array([[3, 0, 3], [1, 2, 0]]), np.array([3, 0, 3, 1, 1, 4]), [0, 2, 2, 3]


def similar(made: Any, suffix: str, *shapes: tuple[int, ...], **options: Any) -> Case:
    return Case(made.__name__ + written(options) + suffix, plain(made, **options), normal(*shapes))


PAIRS = {"": ((5, 3), (5, 3)), "-axes": ((2, 5, 3), (2, 5, 3)), "-broadcast": ((5, 3), (1, 3))}
OTHER_THINGS = [
    *(bags(f"-{m}", WORDS, mode=m) for m in ("sum", "mean", "max")),
    *(bags(f"-{m}-offsets", LINE, np.array(STARTS), mode=m) for m in ("sum", "mean", "max")),
    *(bags("", WORDS, mode=m, padding_idx=3) for m in ("sum", "mean", "max")),
    bags("-last", LINE, np.array([*STARTS, 6]), include_last_offset=True),
    bags("-weights", WORDS, None, normal((2, 3)), mode="sum"),
    bags("-weights", LINE, np.array(STARTS), normal((6,)), mode="sum", padding_idx=-4),
    *(
        similar(manual.PairwiseDistance, suffix, *shapes, p=p)
        for p in (1.0, 2.0, 3.5, np.inf)
        for suffix, shapes in PAIRS.items()
    ),
    similar(manual.PairwiseDistance, "", (5, 3), (5, 3), keepdim=True, eps=0.1),
    similar(manual.PairwiseDistance, "-alone", (3,), (3,)),
    similar(manual.PairwiseDistance, "-numbers", (), (), keepdim=True),
    *(similar(manual.CosineSimilarity, suffix, *shapes) for suffix, shapes in PAIRS.items()),
    similar(manual.CosineSimilarity, "", (5, 3), (5, 3), dim=0),
]


SEQUENCES = [
    *(case for made in (manual.RNN, manual.LSTM, manual.GRU) for case in recurrent_layers(made)),
    recurrent(manual.RNN, nonlinearity="relu"),
    recurrent(manual.LSTM, proj_size=3),
    recurrent(manual.LSTM, proj_size=3, num_layers=2, bidirectional=True, dropout=0.3),
    recurrent(manual.LSTM, proj_size=2, lengths=[3, 5, 1]),
    *(case for made in (manual.RNNCell, manual.LSTMCell, manual.GRUCell) for case in cells(made)),
    *cells(manual.RNNCell, nonlinearity="relu", bias=False),
    *cells(manual.LSTMCell, bias=False),
    *cells(manual.GRUCell, bias=False),
    *ATTENTION,
    *TRANSFORMERS,
    *OTHER_THINGS,
]
