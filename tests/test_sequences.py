"""Recurrence, attention, bags: many steps, what is behind an end, masks, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import manual
from manual.layers.recurrent_steps import Step
from torch_ref.parity.distance import Running, compare
from torch_ref.parity.one_pass import one_pass
from torch_ref.twin import twin_of

from .cases import Case
from .cases.case import plain, typed
from .cases.draws import normal
from .cases.sequences import drawing
from .conftest import DTYPES, Pair, assert_agreement, make_pair

F64 = np.dtype(np.float64)
G = np.random.default_rng(0)
RECURRENT: Any = [manual.RNN, manual.LSTM, manual.GRU]


def drawn(*shape: int, dtype: Any = F64) -> np.ndarray:
    return G.normal(size=shape).astype(dtype)


def assert_same_size(pair: Pair) -> None:
    """Agreement, measured by the upstream gradients where a result is smaller.

    The one number of a small shape may be the small difference of large ones, and is rounded as
    those are.
    """
    mine, theirs = pair.by_hand(), pair.by_autograd().quantities
    running = Running(pair.scale)
    running.scales = dict.fromkeys(mine.quantities, pair.scale)
    assert_agreement(running.compare(mine.quantities, theirs, mine.allowed))


# ---- recurrence


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("made", RECURRENT, ids=lambda made: made.__name__)
def test_200_steps_stay_in_parity(made: Any, dtype: Any) -> None:
    module = made(3, 4, dtype=dtype, generator=np.random.default_rng(1))
    x = drawn(200, 2, 3, dtype=dtype)
    states = 2 if made is manual.LSTM else 1
    upstream = [drawn(200, 2, 4, dtype=dtype), *(drawn(1, 2, 4, dtype=dtype),) * states]
    mine = one_pass(module, [x], upstream)
    theirs = one_pass(twin_of(module), [x], upstream)
    report = compare(mine.quantities, theirs.quantities, mine.allowed)
    assert report.agrees, report
    assert all(row.proves for row in report.rows)
    first = mine.gradients["input 0"][0]  # 200 steps back something arrives
    assert np.abs(first).max() > 0


@pytest.mark.parametrize("made", RECURRENT, ids=lambda made: made.__name__)
def test_what_stands_behind_an_end_changes_nothing(made: Any) -> None:
    module = made(3, 4, 2, bidirectional=True, dtype=F64, generator=np.random.default_rng(1))
    x, lengths = drawn(6, 3, 3), np.array([6, 2, 4])
    upstream: list[Any] = [drawn(6, 3, 8), *(drawn(4, 3, 4),) * (2 if made is manual.LSTM else 1)]
    passed = one_pass(module, [x, None, lengths], upstream)
    other = x.copy()
    for n, length in enumerate(lengths):
        other[length:, n] = 99.0
        assert not passed.outputs[0][length:, n].any()
        assert not passed.gradients["input 0"][length:, n].any()
        assert passed.gradients["input 0"][:length, n].all()
        # …and alone it does the same
        alone = one_pass(
            module,
            [x[:length, n : n + 1]],
            [upstream[0][:length, n : n + 1], *(g[:, n : n + 1] for g in upstream[1:])],
        )
        np.testing.assert_allclose(
            alone.gradients["input 0"][:, 0], passed.gradients["input 0"][:length, n], rtol=1e-10
        )
    again = one_pass(module, [other, None, lengths], upstream)
    for key, values in passed.quantities.items():
        np.testing.assert_array_equal(values, again.quantities[key])


@pytest.mark.parametrize("lacking", ["outputs", "states", "cells"])
@pytest.mark.parametrize("made", RECURRENT, ids=lambda made: made.__name__)
def test_no_upstream_gradient_is_one_of_zeros(made: Any, lacking: str) -> None:
    module = made(3, 4, 2, bidirectional=True, dtype=F64, generator=np.random.default_rng(1))
    x, g, dh, dc = drawn(5, 2, 3), drawn(5, 2, 8), drawn(4, 2, 4), drawn(4, 2, 4)
    states = (dh, dc) if made is manual.LSTM else dh
    given = {
        "outputs": (None, states),
        "states": (g, None),
        "cells": (g, (dh, None) if made is manual.LSTM else dh),
    }[lacking]
    whole = [g * (lacking != "outputs"), dh * (lacking != "states")]
    if made is manual.LSTM:
        whole.append(dc * (lacking == "outputs"))
    expected = one_pass(module, [x], whole).gradients
    module.zero_grad()
    module(x)
    dx = module.backward(*given)
    np.testing.assert_array_equal(dx, expected["input 0"])
    for name, parameter in module.named_parameters():
        np.testing.assert_array_equal(parameter.grad, expected[name])


@pytest.mark.parametrize("made", RECURRENT, ids=lambda made: made.__name__)
def test_a_reversed_sequence_is_what_the_other_direction_reads(made: Any) -> None:
    module = made(3, 4, bidirectional=True, dtype=F64, generator=np.random.default_rng(1))
    x = drawn(5, 2, 3)
    state = module.state_dict()
    one = made(3, 4, dtype=F64)
    one.load_state_dict(
        {name.removesuffix("_reverse"): v for name, v in state.items() if name.endswith("_reverse")}
    )
    with manual.no_grad():
        both, _ = module(x)
        turned, _ = one(x[::-1])
    np.testing.assert_allclose(both[..., 4:], turned[::-1], rtol=1e-13)


def test_the_reset_gate_scales_what_has_come_out_of_the_weights() -> None:
    """PyTorch's place for it, with the bias inside; the paper scales h before it goes in."""
    cell = manual.GRUCell(2, 3, dtype=F64, generator=np.random.default_rng(1))
    x, h = drawn(4, 2), drawn(4, 3)
    with manual.no_grad():
        after = cell(x, h)
    W, U = cell.weight_ih.data.reshape(3, 3, 2), cell.weight_hh.data.reshape(3, 3, 3)
    assert cell.bias_ih is not None
    assert cell.bias_hh is not None
    b, c = cell.bias_ih.data.reshape(3, 3), cell.bias_hh.data.reshape(3, 3)

    def sigmoid(v: Any) -> Any:
        return 1 / (1 + np.exp(-v))

    r, z = (sigmoid(x @ W[k].T + b[k] + h @ U[k].T + c[k]) for k in (0, 1))
    here = np.tanh(x @ W[2].T + b[2] + r * (h @ U[2].T + c[2]))
    paper = np.tanh(x @ W[2].T + b[2] + (r * h) @ U[2].T + c[2])
    np.testing.assert_allclose(after, (1 - z) * here + z * h, rtol=1e-13)
    assert np.abs(after - ((1 - z) * paper + z * h)).max() > 1e-3


class Unfinished(Step):
    """A step without its mathematics."""


def test_a_step_gives_its_mathematics() -> None:
    with pytest.raises(NotImplementedError, match=r"Unfinished has no step$"):
        Unfinished().step(drawn(1, 2, 3), drawn(1, 2, 3), (drawn(2, 3),))
    with pytest.raises(NotImplementedError, match=r"Unfinished has no step_back$"):
        Unfinished().step_back(None, (drawn(2, 3),))


@settings(max_examples=60, deadline=None)
@given(
    made=st.sampled_from(RECURRENT),
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
    layers=st.integers(1, 3),
    flags=st.tuples(*[st.booleans()] * 3),
    unbatched=st.booleans(),
    with_state=st.booleans(),
    dtype=st.sampled_from(DTYPES),
)
def test_recurrence_of_any_shape(
    made: Any,
    sizes: tuple[int, ...],
    layers: int,
    flags: tuple[bool, ...],
    unbatched: bool,
    with_state: bool,
    dtype: Any,
) -> None:
    steps, samples, features, hidden = sizes
    bias, batch_first, bidirectional = flags
    options = {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
    first = (samples, steps) if batch_first else (steps, samples)
    x = normal((steps, features) if unbatched else (*first, features))
    before = layers * (1 + bidirectional), *(() if unbatched else (samples,)), hidden
    state = normal(before, before) if made is manual.LSTM else normal(before)

    def draw(g: Any) -> tuple[Any, ...]:
        drawn_state = state(g)
        given = (drawn_state if made is manual.LSTM else drawn_state[0],) if with_state else ()
        return (*x(g), *given)

    case = Case("-", typed(made, features, hidden, layers, **options), draw)
    assert_same_size(make_pair(case, dtype))


# ---- attention


@settings(max_examples=60, deadline=None)
@given(
    before=st.lists(st.integers(1, 3), max_size=2).map(tuple),
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    is_causal=st.booleans(),
    dtype=st.sampled_from(DTYPES),
)
def test_attention_of_any_shape(
    before: tuple[int, ...], sizes: tuple[int, ...], is_causal: bool, dtype: Any
) -> None:
    L, S, d, d_v = sizes
    recipe = plain(manual.ScaledDotProductAttention, is_causal=is_causal)
    draw = normal((*before, L, d), (*before, S, d), (*before, S, d_v))
    assert_same_size(make_pair(Case("-", recipe, draw), dtype))


@settings(max_examples=60, deadline=None)
@given(
    heads=st.integers(1, 3),
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
    flags=st.tuples(*[st.booleans()] * 4),
    unbatched=st.booleans(),
    dtype=st.sampled_from(DTYPES),
)
def test_heads_of_any_shape(
    heads: int, sizes: tuple[int, ...], flags: tuple[bool, ...], unbatched: bool, dtype: Any
) -> None:
    L, S, N, d = sizes
    names = ("bias", "add_bias_kv", "add_zero_attn", "batch_first")
    options = dict(zip(names, flags, strict=True))

    def shape(length: int) -> tuple[int, ...]:
        first = (N, length) if options["batch_first"] else (length, N)
        return (length, heads * d) if unbatched else (*first, heads * d)

    recipe = drawing(manual.MultiheadAttention, heads * d, heads, **options)
    case = Case("-", recipe, normal(shape(L), shape(S), shape(S)))
    assert_same_size(make_pair(case, dtype))


def test_an_attention_s_first_place_sees_itself_alone() -> None:
    q, k, v = drawn(1, 4, 5), drawn(1, 4, 5), drawn(1, 4, 3)
    with manual.no_grad():
        y = manual.ScaledDotProductAttention(is_causal=True)(q, k, v)
    np.testing.assert_allclose(y[:, 0], v[:, 0], rtol=1e-14)


def test_the_softmaxs_short_form_is_its_jacobian() -> None:
    """Σₖ ∂L/∂Aₖ Aₖ ([j = k] − Aⱼ), written out, for a row of scores."""
    v = np.eye(4)[np.newaxis]
    module = manual.ScaledDotProductAttention(scale=1.0)
    q, k, g = drawn(1, 1, 2), drawn(1, 4, 2), drawn(1, 1, 4)
    A = module(q, k, v)[0, 0]  # of the rows of an identity matrix, the weights themselves
    dq, _, _ = module.backward(g)
    jacobian = np.diag(A) - np.outer(A, A)
    np.testing.assert_allclose(dq[0, 0], g[0, 0] @ jacobian @ k[0], rtol=1e-12)


def heads(*inputs: Any, **named: Any) -> Any:
    module = manual.MultiheadAttention(6, 2, dtype=F64, generator=np.random.default_rng(1))
    return module(*inputs, **named)


Q, K = drawn(4, 2, 6), drawn(3, 2, 6)
LATER = np.triu(np.ones((4, 4), bool), 1)


def bag(*inputs: Any, mode: str = "mean", **options: Any) -> Any:
    return manual.EmbeddingBag(5, 3, mode=mode, dtype=F64, **options)(*inputs)


LINE = np.array([3, 0, 3])
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "proj_size": (
        lambda: manual.LSTM(2, 3, proj_size=3),
        ValueError,
        "LSTM: proj_size is 3, expected 0 to 2",
    ),
    "nonlinearity": (
        lambda: manual.RNN(2, 3, nonlinearity="sigmoid"),
        ValueError,
        "RNN: nonlinearity is 'sigmoid', expected tanh or relu",
    ),
    "no steps": (lambda: manual.GRU(2, 3)(np.zeros((0, 2, 2), np.float32)), ValueError, "no steps"),
    "features": (
        lambda: manual.LSTM(2, 3, dtype=F64)(drawn(5, 4, 3)),
        ValueError,
        "input has shape (5, 4, 3), expected (T, N, 2) or (T, 2)",
    ),
    "features, batch first": (
        lambda: manual.LSTM(2, 3, batch_first=True, dtype=F64)(drawn(5)),
        ValueError,
        "input has shape (5,), expected (N, T, 2) or (T, 2)",
    ),
    "features of a cell": (
        lambda: manual.LSTMCell(2, 3, dtype=F64)(drawn(5, 3)),
        ValueError,
        "input has shape (5, 3), expected (N, 2) or (2,)",
    ),
    "lengths": (
        lambda: manual.LSTM(2, 3, dtype=F64)(drawn(5, 4, 2), None, np.array([1, 2])),
        ValueError,
        "lengths has shape (2,), expected (4,)",
    ),
    "a length": (
        lambda: manual.LSTM(2, 3, dtype=F64)(drawn(5, 2, 2), None, np.array([1, 6])),
        IndexError,
        "lengths has 6 at [1], expected 1 to 5",
    ),
    "states": (
        lambda: manual.LSTM(2, 3, dtype=F64)(drawn(5, 4, 2), drawn(1, 4, 3)),
        TypeError,
        "hx is 1 arrays, expected h and c",
    ),
    "a state": (
        lambda: manual.LSTMCell(2, 3, dtype=F64)(drawn(4, 2), (drawn(4, 3), drawn(3, 3))),
        ValueError,
        "c has shape (3, 3), expected (4, 3)",
    ),
    "embed_dim": (
        lambda: manual.MultiheadAttention(6, 4),
        ValueError,
        "embed_dim 6 cannot be shared out among 4 heads",
    ),
    "axes": (lambda: heads(Q, K[:, 0], K), ValueError, "key has shape (3, 6), expected (L, N, 6)"),
    "samples": (lambda: heads(Q, K, K[:, :1]), ValueError, "do not fit"),
    "values": (lambda: heads(Q, K, K[:2]), ValueError, "do not fit"),
    "a mask": (
        lambda: heads(Q, K, K, attn_mask=np.zeros((3, 4), bool)),
        ValueError,
        "attn_mask has shape (3, 4), expected (4, 3) or (4, 4, 3)",
    ),
    "padding": (
        lambda: heads(Q, K, K, np.zeros((3, 2), bool)),
        ValueError,
        "key_padding_mask has shape (3, 2), expected (2, 3)",
    ),
    "a mask of integers": (
        lambda: heads(Q, K, K, attn_mask=np.zeros((4, 3), int)),
        TypeError,
        "attn_mask is int64, expected float64",
    ),
    "is_causal": (
        lambda: heads(Q, Q, Q, attn_mask=~LATER, is_causal=True),
        ValueError,
        "is_causal says that attn_mask is causal, but it is not",
    ),
    "is_causal of heads": (
        lambda: heads(Q, Q, Q, attn_mask=np.stack([LATER] * 4), is_causal=True),
        ValueError,
        "is_causal says that attn_mask is causal, but it is not",
    ),
    "two masks": (
        lambda: manual.ScaledDotProductAttention(is_causal=True)(Q, Q, Q, LATER[:2, :2]),
        ValueError,
        "attn_mask is given, and is_causal is one already",
    ),
    "shared heads": (
        lambda: manual.ScaledDotProductAttention(enable_gqa=True)(
            drawn(1, 3, 4, 5), drawn(1, 2, 4, 5), drawn(1, 2, 4, 5)
        ),
        ValueError,
        "query (1, 3, 4, 5) has not several times the heads of key (1, 2, 4, 5)",
    ),
    "one axis": (
        lambda: manual.ScaledDotProductAttention()(drawn(5), drawn(5), drawn(5)),
        ValueError,
        "query (5,), key (5,) and value (5,) do not fit",
    ),
    "activation": (
        lambda: manual.TransformerEncoderLayer(6, 2, activation="tanh"),
        ValueError,
        "TransformerEncoderLayer: activation is 'tanh', expected relu or gelu",
    ),
    "d_model": (
        lambda: manual.TransformerEncoderLayer(6, 2, 5, dtype=F64)(drawn(4, 2, 5)),
        ValueError,
        "src has shape (4, 2, 5), expected (L, N, 6) or (L, 6)",
    ),
    "memory": (
        lambda: manual.TransformerDecoderLayer(6, 2, 5, dtype=F64)(Q, drawn(3, 3, 6)),
        ValueError,
        "memory has shape (3, 3, 6), but tgt (4, 2, 6): expected as many samples",
    ),
    "mode": (lambda: bag(LINE, mode="min"), ValueError, "mode is 'min', expected sum, mean or max"),
    "padding_idx": (
        lambda: bag(LINE, padding_idx=5),
        ValueError,
        "padding_idx is 5, expected one of 5 rows",
    ),
    "offsets of rows": (
        lambda: bag(LINE[np.newaxis], np.array([0])),
        ValueError,
        "offsets are for an input of one axis, not of two",
    ),
    "no offsets": (lambda: bag(LINE), ValueError, "expected (B, n), or (n,) with offsets"),
    "the first offset": (lambda: bag(LINE, np.array([1, 2])), ValueError, "to begin with 0 and"),
    "falling offsets": (lambda: bag(LINE, np.array([0, 2, 1])), ValueError, "and never to fall"),
    "the last offset": (
        lambda: bag(LINE, np.array([0, 2]), include_last_offset=True),
        ValueError,
        "the last offset is 2, expected the input's 3",
    ),
    "weights of a mean": (
        lambda: bag(LINE[np.newaxis], None, drawn(1, 3)),
        NotImplementedError,
        "per_sample_weights are for mode sum only",
    ),
    "weights": (
        lambda: bag(LINE[np.newaxis], None, drawn(3), mode="sum"),
        ValueError,
        "per_sample_weights has shape (3,), expected (1, 3)",
    ),
    "p": (lambda: manual.PairwiseDistance(0.5), NotImplementedError, "p=0.5 is not supported"),
    "a list of modules": (
        lambda: manual.ModuleList([manual.Tanh(), 1]),  # type: ignore[list-item]
        TypeError,
        "ModuleList: 1 is a int, expected a module",
    ),
    "a module by name": (
        lambda: manual.ModuleDict({"a": 1}),  # type: ignore[arg-type]
        TypeError,
        "ModuleDict: a is a int, expected a module",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_fit_is_refused(what: str) -> None:
    make, error, message = REFUSED[what]
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)


# ---- lists and dicts of modules


def test_modules_in_lists_and_dicts_have_pytorchs_names() -> None:
    class Holder(manual.Module):
        """It holds both."""

        def __init__(self) -> None:
            super().__init__()
            self.listed = manual.ModuleList([manual.Linear(1, 2)]).append(manual.Linear(2, 3))
            self.named = manual.ModuleDict({"a": manual.Linear(3, 4)})
            self.named["b"] = manual.Linear(4, 5)

    class TorchHolder(torch.nn.Module):
        """The same."""

        def __init__(self) -> None:
            super().__init__()
            self.listed = torch.nn.ModuleList([torch.nn.Linear(1, 2)]).append(torch.nn.Linear(2, 3))
            self.named = torch.nn.ModuleDict({"a": torch.nn.Linear(3, 4)})
            self.named["b"] = torch.nn.Linear(4, 5)

    mine, theirs = Holder(), TorchHolder()
    assert {n: v.shape for n, v in mine.state_dict().items()} == {
        n: tuple(v.shape) for n, v in theirs.state_dict().items()
    }
    assert len(mine.listed) == 2
    assert [*mine.listed][1] is mine.listed[1] is mine.listed[1:][0]
    assert [*reversed(mine.listed)] == [mine.listed[1], mine.listed[0]]
    assert [*mine.named] == [*mine.named.keys()] == ["a", "b"]
    assert "a" in mine.named
    assert len(mine.named) == 2
    assert [*mine.named.values()] == [mine.named["a"], mine.named["b"]]
    assert dict(mine.named.items()) == {"a": mine.named["a"], "b": mine.named["b"]}
