"""Networks for text: GPT-2's names, tied weights, what a place can see, many steps of AdamW."""

import re
from typing import Any

import numpy as np
import pytest

import manual
from manual.arrays import Array
from torch_ref.training.lockstep import Lockstep

from .conftest import DTYPES

F64 = np.float64
TOKENS = np.random.default_rng(0).integers(7, size=(3, 5))


def made(name: str, dtype: Any = F64) -> manual.Module:
    """A small one of each, that knows 7 tokens."""
    options = {"dtype": dtype, "generator": np.random.default_rng(1)}
    if name == "TextLSTM":
        return manual.TextLSTM(7, 3, 4, 2, **options)
    if name == "GPT":
        return manual.GPT(7, 6, 2, 2, 8, **options)
    if name == "Llama":
        return manual.Llama(7, 8, 5, 2, 4, 2, max_position_embeddings=6, **options)
    return manual.MicroGPT(7, 6, 2, 2, 8, **options)


NAMES = ("TextLSTM", "GPT", "Llama", "MicroGPT")


@pytest.mark.parametrize("name", NAMES)
def test_a_place_sees_those_before_it_and_itself(name: str) -> None:
    network = made(name)
    with manual.no_grad():
        before = network(TOKENS)
        other = TOKENS.copy()
        other[:, 3] = (other[:, 3] + 1) % 7
        after = network(other)
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert (np.abs(before - after).max(axis=-1) > 0)[:, 3:].all()


@pytest.mark.parametrize("name", NAMES)
def test_tokens_that_do_not_fit_are_named(name: str) -> None:
    network = made(name)
    wrong = TOKENS.copy()
    wrong[1, 2] = 7
    for value in (7, -1):
        wrong[1, 2] = value
        with pytest.raises(
            IndexError, match=re.escape(f"tokens has {value} at [1, 2], expected 0 to 6")
        ):
            network(wrong)
    with pytest.raises(
        ValueError, match=r"tokens have shape \(3,\), expected \(N, T\) with T from"
    ):
        network(TOKENS[:, 0])
    with pytest.raises(ValueError, match=r"tokens have shape \(3, 0\)"):
        network(TOKENS[:, :0])
    if name != "TextLSTM":
        with pytest.raises(ValueError, match=r"shape \(3, 10\), expected .* with T from 1 to 6"):
            network(np.tile(TOKENS, 2))


# ---- GPT-2

GPT2_LAYER = {
    "ln_1.weight": (8,),
    "ln_1.bias": (8,),
    "attn.c_attn.weight": (8, 24),
    "attn.c_attn.bias": (24,),
    "attn.c_proj.weight": (8, 8),
    "attn.c_proj.bias": (8,),
    "ln_2.weight": (8,),
    "ln_2.bias": (8,),
    "mlp.c_fc.weight": (8, 32),
    "mlp.c_fc.bias": (32,),
    "mlp.c_proj.weight": (32, 8),
    "mlp.c_proj.bias": (8,),
}
GPT2 = {
    "wte.weight": (7, 8),
    "wpe.weight": (6, 8),
    **{f"h.{i}.{name}": shape for i in (0, 1) for name, shape in GPT2_LAYER.items()},
    "ln_f.weight": (8,),
    "ln_f.bias": (8,),
}


def test_gpt_has_gpt2s_names_and_layouts() -> None:
    expected = {f"transformer.{name}": shape for name, shape in GPT2.items()}
    state = made("GPT").state_dict()
    assert {n: v.shape for n, v in state.items()} == expected | {"lm_head.weight": (7, 8)}


def test_gpt_takes_gpt2s_published_file() -> None:
    """Where names begin below `transformer.`, the tied weight stands once, and masks beside it."""
    generator = np.random.default_rng(5)
    published = {name: generator.normal(size=shape) for name, shape in GPT2.items()}
    masks = {f"h.{i}.attn.bias": np.tril(np.ones((1, 1, 6, 6))) for i in (0, 1)}
    masks |= {f"h.{i}.attn.masked_bias": np.array(-1e4) for i in (0, 1)}
    network = made("GPT")
    network.load_state_dict(published | masks)
    state = network.state_dict()
    for name, values in published.items():
        np.testing.assert_array_equal(state[f"transformer.{name}"], values)
    np.testing.assert_array_equal(state["lm_head.weight"], published["wte.weight"])
    del published["ln_f.bias"]
    with pytest.raises(ValueError, match=r"missing transformer\.ln_f\.bias"):
        network.load_state_dict(published)


def test_the_smallest_of_gpt2s_has_124_million_numbers() -> None:
    sizes = {"wte": 50_257 * 768, "wpe": 1_024 * 768, "ln_f": 2 * 768}
    network = manual.GPT(11, 1_024, 1, 12, 768)
    block = sum(p.data.size for p in network.transformer["h"][0].parameters())
    assert sum(sizes.values()) + 12 * block == 124_439_808


def test_tied_weights_get_both_gradients() -> None:
    """What the scores leave on a token's vector and what its looking up leaves there add up."""
    network: Any = made("GPT")
    upstream = np.random.default_rng(2).normal(size=(3, 5, 7))
    network(TOKENS)
    network.backward(upstream)
    both = network.lm_head.weight.grad
    untied: Any = made("GPT")
    own = manual.Parameter(network.lm_head.weight.data)
    untied.lm_head.weight = own
    untied(TOKENS)
    untied.backward(upstream)
    looked_up = untied.transformer["wte"].weight.grad
    assert own.grad is not None
    np.testing.assert_allclose(both, own.grad + looked_up, rtol=1e-12, atol=1e-14)
    assert min(np.linalg.norm(own.grad), np.linalg.norm(looked_up)) > 1e-3


def test_microgpt_has_4192_numbers() -> None:
    assert sum(p.data.size for p in manual.MicroGPT().parameters()) == 4_192


# ---- rotary position embedding


def test_turned_queries_and_keys_see_only_how_far_apart_they_are() -> None:
    q, k = np.random.default_rng(0).normal(size=(2, 8))
    turn = manual.RotaryEmbedding()
    with manual.no_grad():
        scores = turn(np.tile(q, (6, 1))) @ turn(np.tile(k, (6, 1))).T
    for distance in range(-5, 6):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-12)
    assert np.ptp(scores) > 1
    np.testing.assert_allclose(scores[0, 0], q @ k, rtol=1e-14)


def test_rotary_turns_planes_of_half_the_features_apart() -> None:
    """Features i and i + d/2 at place t by t θ^(−2i/d), written out with complex numbers."""
    x = np.random.default_rng(0).normal(size=(5, 6))
    with manual.no_grad():
        y = manual.RotaryEmbedding(100.0)(x)
    for t in range(5):
        for i in range(3):
            turned = complex(x[t, i], x[t, i + 3]) * np.exp(1j * t * 100.0 ** (-2 * i / 6))
            np.testing.assert_allclose([y[t, i], y[t, i + 3]], [turned.real, turned.imag])


def test_rotary_refuses_what_has_no_planes() -> None:
    with pytest.raises(ValueError, match=r"x has shape \(2, 3\), expected \(…, T, d\) with d even"):
        manual.RotaryEmbedding()(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: manual.GPT(7, 6, 1, 3, 8), "n_embd 8 cannot be shared out among 3 heads"),
        (lambda: manual.MicroGPT(7, 6, 1, 3, 8), "n_embd 8 cannot be shared out among 3 heads"),
        (
            lambda: manual.Llama(7, 8, 5, 1, 4, 3),
            "hidden_size 8, num_attention_heads 4 and num_key_value_heads 3: expected each a",
        ),
        (lambda: manual.Llama(7, 8, 5, 1, 3, 1), "hidden_size 8, num_attention_heads 3 and"),
    ],
)
def test_heads_that_do_not_share_out_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# ---- many steps


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ["GPT", "Llama", "ResNet"])
def test_every_parameter_agrees_after_each_of_32_steps_of_adamw(name: str, dtype: Any) -> None:
    """In float64 along two trajectories; in float32, where those jump, from equal weights."""
    generator = np.random.default_rng(3)
    if name == "ResNet":
        network: manual.Module = manual.ResNet(1, 8, 2, 10, dtype, generator)
        x: Array = generator.normal(size=(16, 1, 8, 8)).astype(dtype)
        t = generator.integers(10, size=16)
    else:
        network = manual.Sequential(made(name, dtype), manual.Flatten(0, 1))
        x = generator.integers(7, size=(4, 6))
        t = generator.integers(7, size=24)
    optimizer = manual.AdamW(network.parameters(), lr=1e-3)
    compare = "steps" if dtype == np.float32 else "trajectory"
    pair = Lockstep(network, manual.CrossEntropyLoss(), optimizer, compare)
    for _ in range(32):
        step = pair.step(x, t)
        assert step.report.agrees, f"step {step.number}\n{step.report}"
        assert {"weight", "state", "gradient"} <= {row.kind for row in step.report.rows}
    assert not pair.rejoined
