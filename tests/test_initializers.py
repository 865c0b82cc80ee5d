"""Initializers against torch.nn.init; with TorchGenerator the same seed gives the same network."""

import copy
import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual import TorchGenerator, initializers
from manual.initializers import calculate_gain
from torch_ref.twin import DTYPES

SEEDS = [0, 1, 123_456_789, 2**40 + 5]
LAYERS = {
    "Linear": (3, 4),
    "Linear-wide": (300, 70),
    "Bilinear": (2, 3, 4),
    "Embedding": (3, 5),
    "PReLU": (4,),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("layer", LAYERS)
def test_same_seed_same_layer(layer: str, seed: int, dtype: Any) -> None:
    name = layer.partition("-")[0]
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, name)(*LAYERS[layer], dtype=DTYPES[dtype])
    options = {} if name == "PReLU" else {"generator": TorchGenerator(seed)}
    mine = getattr(manual, name)(*LAYERS[layer], dtype=dtype, **options)
    for key, value in theirs.state_dict().items():
        atol = 4 * np.finfo(dtype).eps if layer == "Embedding" else 0  # the others are uniform
        np.testing.assert_allclose(mine.state_dict()[key], value.numpy(), rtol=0, atol=atol)


def test_same_seed_same_network(dtype: Any) -> None:
    """Layer after layer from one stream, weights before biases."""
    torch.manual_seed(7)
    theirs = [torch.nn.Linear(a, b, dtype=DTYPES[dtype]) for a, b in ((64, 128), (128, 10))]
    mine = manual.MLP((64, 128, 10), dtype=dtype, generator=TorchGenerator(7))
    for a, b in zip(mine.layers[::2], theirs, strict=True):
        np.testing.assert_array_equal(a.weight.data, b.weight.detach())
        np.testing.assert_array_equal(a.bias.data, b.bias.detach())


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 33, 1000])
def test_the_stream_of_uniform_and_normal_numbers(size: int, dtype: Any) -> None:
    """Uniform ones bit for bit, normal ones but for the last bit, or digit in float32 blocks."""
    torch.manual_seed(3)
    mine = TorchGenerator(3)
    for _ in range(3):
        theirs = torch.rand(size, dtype=DTYPES[dtype]).numpy()
        np.testing.assert_array_equal(mine.random(size, dtype), theirs)
        theirs = torch.randn(size, dtype=DTYPES[dtype]).numpy()
        drawn = mine.standard_normal(size, dtype)
        assert drawn.dtype == dtype
        blocks = dtype == np.float32 and size >= 16
        atol = (16 if blocks else 4) * np.finfo(dtype).eps
        np.testing.assert_allclose(drawn, theirs, rtol=0, atol=atol)


def test_a_copied_generator_goes_on_alike() -> None:
    generator = TorchGenerator(5)
    generator.standard_normal(3)  # an odd number: one is kept for later
    others = [copy.deepcopy(generator), pickle.loads(pickle.dumps(generator))]
    drawn = generator.standard_normal(5)
    for other in others:
        assert isinstance(other, TorchGenerator)
        np.testing.assert_array_equal(drawn, other.standard_normal(5))


FUNCTIONS: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("uniform_", {"a": -0.3, "b": 0.7}, (3, 4)),
    ("normal_", {"mean": 0.5, "std": 2.0}, (3, 4)),
    ("normal_", {"mean": 0.5, "std": 2.0}, (7, 9)),
    ("xavier_uniform_", {"gain": 1.7}, (3, 4)),
    ("xavier_uniform_", {}, (4, 3, 2, 5)),
    ("xavier_normal_", {"gain": 1.7}, (3, 4)),
    ("kaiming_uniform_", {"a": 0.2}, (3, 4)),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}, (4, 3, 2)),
    ("kaiming_normal_", {"nonlinearity": "tanh"}, (3, 4)),
    ("orthogonal_", {}, (3, 5)),
    ("orthogonal_", {"gain": 2.0}, (5, 3)),
    ("orthogonal_", {}, (4, 3, 2)),
    ("eye_", {}, (3, 5)),
    ("dirac_", {}, (4, 3, 3)),
    ("dirac_", {"groups": 2}, (4, 3, 3, 5)),
    ("trunc_normal_", {}, (7, 9)),
    ("trunc_normal_", {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 1.5}, (7, 9)),
    ("trunc_normal_", {"mean": 0.0, "std": 1.0, "a": 0.5, "b": 0.9}, (7, 9)),
    ("constant_", {"val": 0.3}, (3, 4)),
    ("ones_", {}, (3,)),
    ("zeros_", {}, (3,)),
]
UNLIKE = {"sparse_"}  # the same distribution from other numbers


@pytest.mark.parametrize(("name", "options", "shape"), FUNCTIONS)
def test_every_function(name: str, options: dict, shape: tuple, dtype: Any) -> None:
    torch.manual_seed(0)
    theirs = getattr(torch.nn.init, name)(torch.empty(shape, dtype=DTYPES[dtype]), **options)
    mine = manual.Parameter(np.empty(shape, dtype))
    function = getattr(initializers, name)
    drawn = "generator" in function.__annotations__
    assert function(mine, **options, **({"generator": TorchGenerator(0)} if drawn else {})) is mine
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(mine.data, theirs.numpy(), rtol=0, atol=32 * eps)


def test_every_function_is_tested() -> None:
    theirs = {n for n in dir(torch.nn.init) if n.endswith("_") and not n.startswith("_")}
    assert theirs == {name for name, *_ in FUNCTIONS} | UNLIKE


def test_orthogonal_is_orthogonal(dtype: Any) -> None:
    rows = initializers.orthogonal_(manual.Parameter(np.empty((3, 5), dtype))).data
    np.testing.assert_allclose(rows @ rows.T, np.eye(3), atol=8 * np.finfo(dtype).eps)


def test_sparse_and_truncated_have_their_distribution() -> None:
    generator = np.random.default_rng(0)
    mine = initializers.sparse_(manual.Parameter(np.empty((10, 500))), 0.35, 2.0, generator).data
    assert ((mine == 0).sum(axis=0) == 4).all()
    assert mine[mine != 0].std() == pytest.approx(2.0, rel=0.05)
    mine = manual.Parameter(np.empty(200_000))
    initializers.trunc_normal_(mine, 0.5, 1.0, -1.0, 1.5, generator)
    theirs = torch.nn.init.trunc_normal_(torch.empty(200_000), 0.5, 1.0, -1.0, 1.5).numpy()
    assert mine.data.min() >= -1.0
    assert mine.data.max() <= 1.5
    levels = [0.1, 0.3, 0.5, 0.7, 0.9]
    np.testing.assert_allclose(
        np.quantile(mine.data, levels), np.quantile(theirs, levels), atol=0.015
    )


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu"])
def test_gains(name: str) -> None:
    assert calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))
    assert calculate_gain("leaky_relu", 0.3) == pytest.approx(
        torch.nn.init.calculate_gain("leaky_relu", 0.3)
    )


def test_without_a_generator_two_layers_differ() -> None:
    assert (manual.Linear(3, 4).weight.data != manual.Linear(3, 4).weight.data).any()


def test_bad_input_says_so() -> None:
    vector, matrix = manual.Parameter(np.ones(3)), manual.Parameter(np.ones((3, 4)))
    for function in (initializers.xavier_uniform_, initializers.kaiming_normal_):
        with pytest.raises(ValueError, match=r"shape \(3,\) has no fans"):
            function(vector)
    for function in (initializers.eye_, initializers.orthogonal_):
        with pytest.raises(ValueError, match="expected 2 axes"):
            function(vector)
    with pytest.raises(ValueError, match="mode is 'x'"):
        initializers.kaiming_uniform_(matrix, mode="x")
    with pytest.raises(ValueError, match="nonlinearity is 'x'"):
        initializers.kaiming_uniform_(matrix, nonlinearity="x")
    with pytest.raises(ValueError, match="expected 3, 4 or 5 axes"):
        initializers.dirac_(matrix)


def test_it_is_the_fused_rounding_of_pytorchs_vectorized_kernels() -> None:
    """Without AVX2 PyTorch rounds the product and the sum; with it, once. `fused` is the latter."""
    program = (
        "import torch; torch.manual_seed(0);"
        "print(torch.empty(99).uniform_(-0.3, 0.43).numpy().tobytes().hex())"
    )
    found = []
    for environment in ({}, {"ATEN_CPU_CAPABILITY": "default"}):
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **environment},
        )
        found.append(done.stdout.strip())
    vectorized, plain = found
    mine = manual.Parameter(np.empty(99, np.float32))
    initializers.uniform_(mine, -0.3, 0.43, TorchGenerator(0))
    assert mine.data.tobytes().hex() == vectorized
    drawn = TorchGenerator(0).random(99, np.float32)
    twice = drawn * np.float32(0.43 + 0.3) + np.float32(-0.3)
    assert twice.tobytes().hex() == plain
    assert vectorized != plain
