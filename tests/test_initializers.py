"""Initializers against torch.nn.init; with TorchGenerator the same seed gives the same network.

PyTorch scales a drawn number u to u · scale + shift. Its kernels for AVX2 and AVX512 round that
once, as `fused` does, and there uniform numbers must be the same to the last bit. Its kernels for
other processors may round twice: there the last bit may differ.
"""

import copy
import inspect
import math
import os
import pickle
import platform
import subprocess
import sys
from fractions import Fraction
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import torch

import manual
from manual import TorchGenerator, initializers
from manual.generator import fused
from manual.initializers import calculate_gain
from torch_ref.twin import DTYPES

FUSED = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
SEEDS = [0, 1, 123_456_789, 2**40 + 5, -3]
UNIFORM_LAYERS = {
    "Linear": (3, 4),
    "Linear-wide": (300, 70),
    "Bilinear": (2, 3, 4),
    "PReLU": (4,),
}


def assert_same_uniform(mine: np.ndarray, theirs: np.ndarray) -> None:
    """The same to the last bit, or, where PyTorch rounds twice, but for that of the bounds.

    The bounds are not known here: most draws are more than half of them.
    """
    assert mine.dtype == theirs.dtype
    last_bit = 2 * np.finfo(mine.dtype).eps * np.abs(theirs).max(initial=0)
    atol = 0 if FUSED else last_bit
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol)


def assert_same_normal(mine: np.ndarray, theirs: np.ndarray, std: float = 1.0) -> None:
    """The same but for rounding: the logarithms and cosines are of different libraries.

    Fewer than 16 numbers come from the same library, and so are the same to the last bit. In
    float32 PyTorch has approximations of its own for more, in single precision where it has AVX2.
    """
    assert mine.dtype == theirs.dtype
    eps = np.finfo(mine.dtype).eps
    last_bit = np.spacing(np.abs(theirs).max(initial=0))
    if mine.size < 16:
        atol = 0 if FUSED else last_bit
    else:
        atol = (4 if FUSED or mine.dtype == np.float64 else 16) * eps * std + last_bit
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=atol)


def both(name: str, options: dict, shape: tuple, dtype: Any, seed: int = 0) -> tuple[Any, Any]:
    """What an initializer and its twin fill an array with, from the same seed."""
    torch.manual_seed(seed)
    theirs = getattr(torch.nn.init, name)(torch.empty(shape, dtype=DTYPES[dtype]), **options)
    mine = manual.Parameter(np.full(shape, 7, dtype))
    function = getattr(initializers, name)
    draws = "generator" in inspect.signature(function).parameters
    drawing = {"generator": TorchGenerator(seed)} if draws else {}
    assert function(mine, **options, **drawing) is mine
    return mine.data, theirs.numpy()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("layer", UNIFORM_LAYERS)
def test_same_seed_same_layer(layer: str, seed: int, dtype: Any) -> None:
    name = layer.partition("-")[0]
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, name)(*UNIFORM_LAYERS[layer], dtype=DTYPES[dtype])
    options = {} if name == "PReLU" else {"generator": TorchGenerator(seed)}
    mine = getattr(manual, name)(*UNIFORM_LAYERS[layer], dtype=dtype, **options)
    for key, value in theirs.state_dict().items():
        assert_same_uniform(mine.state_dict()[key], value.numpy())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("size", [(3, 5), (20, 31)], ids=str)
def test_same_seed_same_embedding(size: tuple[int, int], seed: int, dtype: Any) -> None:
    torch.manual_seed(seed)
    theirs = torch.nn.Embedding(*size, dtype=DTYPES[dtype])
    mine = manual.Embedding(*size, dtype=dtype, generator=TorchGenerator(seed))
    assert_same_normal(mine.weight.data, theirs.weight.detach().numpy())


def test_same_seed_same_network(dtype: Any) -> None:
    """Layer after layer from one stream, weights before biases."""
    torch.manual_seed(7)
    theirs = [torch.nn.Linear(a, b, dtype=DTYPES[dtype]) for a, b in ((64, 128), (128, 10))]
    mine = manual.MLP((64, 128, 10), dtype=dtype, generator=TorchGenerator(7))
    for a, b in zip(mine.layers[::2], theirs, strict=True):
        assert_same_uniform(a.weight.data, b.weight.detach().numpy())
        assert_same_uniform(a.bias.data, b.bias.detach().numpy())


@pytest.mark.parametrize("size", [1, 2, 15, 16, 17, 33, 1000, (4, 5), ()], ids=str)
def test_the_stream_of_uniform_and_normal_numbers(size: Any, dtype: Any) -> None:
    """The numbers in [0, 1) are not scaled, and so the same to the last bit on any processor."""
    torch.manual_seed(3)
    mine = TorchGenerator(3)
    for _ in range(3):
        theirs = torch.rand(size, dtype=DTYPES[dtype]).numpy()
        drawn = mine.random(size, dtype)
        assert drawn.dtype == dtype
        np.testing.assert_array_equal(drawn, theirs)
        assert_same_normal(
            mine.standard_normal(size, dtype), torch.randn(size, dtype=DTYPES[dtype]).numpy()
        )


def test_a_single_number() -> None:
    torch.manual_seed(3)
    theirs = [float(draw(1, dtype=torch.float64)) for draw in (torch.rand, torch.randn)]
    generator = TorchGenerator(3)
    mine = [generator.random(), generator.standard_normal()]
    assert mine == pytest.approx(theirs, rel=1e-15)
    assert all(isinstance(number, float) for number in mine)  # and no arrays of one


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))], ids=["copy", "pickle"]
)
def test_a_copied_generator_goes_on_alike(copied: Any) -> None:
    generator = TorchGenerator(5)
    generator.standard_normal(3)  # an odd number: one is kept for later
    other = copied(generator)
    assert isinstance(other, TorchGenerator)
    np.testing.assert_array_equal(generator.standard_normal(5), other.standard_normal(5))
    np.testing.assert_array_equal(generator.random(5), other.random(5))


def called(table: list[Any]) -> list[str]:
    """An id for each row: an initializer's name, and its options and shape in the table's order."""
    return [f"{name}-{first}-{second}" for name, first, second, *_ in table]


UNIFORM: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("uniform_", {}, (3, 4)),
    ("uniform_", {"a": -0.3, "b": 0.7}, (3, 4)),
    ("uniform_", {"a": -0.3, "b": 0.43}, (40, 50)),
    ("uniform_", {"a": -1.7, "b": 2.9}, (40, 50)),
    ("uniform_", {"a": 0.3, "b": 0.3}, (3, 4)),
    ("uniform_", {"a": -3e38, "b": 0.0}, (3, 4)),
    ("uniform_", {"a": -0.3, "b": 0.43}, ()),
    ("uniform_", {}, (0, 3)),
    ("xavier_uniform_", {"gain": 1.7}, (3, 4)),
    ("xavier_uniform_", {"gain": 5 / 3}, (30, 47)),
    ("xavier_uniform_", {"gain": 0.0}, (3, 4)),
    ("xavier_uniform_", {}, (4, 3, 2, 5)),
    ("xavier_uniform_", {}, (3, 0)),
    ("kaiming_uniform_", {"a": 0.2}, (3, 4)),
    ("kaiming_uniform_", {}, (30, 47)),
    ("kaiming_uniform_", {"a": 2}, (30, 47)),
    ("kaiming_uniform_", {"nonlinearity": "tanh"}, (30, 47)),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "relu"}, (4, 3, 2)),
    ("trunc_normal_", {"mean": 0.0, "std": 1.0, "a": 0.5, "b": 0.9}, (7, 9)),
    ("trunc_normal_", {"mean": 3.0, "std": 0.5, "a": -1.0, "b": 2.6}, (30, 47)),
    ("trunc_normal_", {"mean": -2.0, "std": 2.0, "a": -1.5, "b": 0.5}, (30, 47)),
    ("trunc_normal_", {"a": 0.5, "b": 0.5}, (7, 9)),
    ("trunc_normal_", {"a": 2.0, "b": 3.0}, (0, 3)),
]
NORMAL: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("normal_", {}, (3, 4)),
    ("normal_", {"mean": 0.5, "std": 2.0}, (3, 4)),
    ("normal_", {"mean": 3.0, "std": 0.1}, (3, 5)),
    ("normal_", {"mean": 3.0, "std": 0.1}, (4, 4)),
    ("normal_", {"mean": 0.5, "std": 2.0}, (7, 9)),
    ("normal_", {"mean": 0.5, "std": 0.0}, (3, 4)),
    ("normal_", {"mean": 0.5, "std": 2.0}, ()),
    ("normal_", {}, (0, 3)),
    ("xavier_normal_", {"gain": 1.7}, (3, 4)),
    ("xavier_normal_", {}, (4, 3, 2, 5)),
    ("kaiming_normal_", {"nonlinearity": "tanh"}, (3, 4)),
    ("kaiming_normal_", {"a": 0.3, "mode": "fan_out"}, (7, 9)),
    ("trunc_normal_", {}, (3, 4)),
    ("trunc_normal_", {}, (7, 9)),
    ("trunc_normal_", {"mean": 0.5, "std": 2.0, "a": -1.0, "b": 1.5}, (7, 9)),
    ("trunc_normal_", {"a": -0.4, "b": 0.4}, (7, 9)),
    ("trunc_normal_", {"a": float("-inf"), "b": 0.0}, (7, 9)),
]
CONSTANT: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("constant_", {"val": 0.3}, (3, 4)),
    ("ones_", {}, (3,)),
    ("zeros_", {}, (3,)),
    ("eye_", {}, (3, 5)),
    ("eye_", {}, (5, 3)),
    ("eye_", {}, (0, 3)),
    ("dirac_", {}, (4, 3, 3)),
    ("dirac_", {}, (2, 3, 2)),
    ("dirac_", {"groups": 2}, (4, 3, 3, 5)),
    ("dirac_", {"groups": 4}, (4, 1, 3, 4, 5)),
]
ORTHOGONAL: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    ("orthogonal_", {}, (3, 5)),
    ("orthogonal_", {"gain": 2.0}, (5, 3)),
    ("orthogonal_", {}, (4, 4)),
    ("orthogonal_", {}, (4, 3, 2)),
    ("orthogonal_", {}, (0, 3)),
    ("orthogonal_", {}, (3, 0)),
]
UNLIKE = {"sparse_"}  # the same distribution from other numbers
TESTED = {name for name, *_ in UNIFORM + NORMAL + CONSTANT + ORTHOGONAL} | UNLIKE


@pytest.mark.parametrize(("name", "options", "shape"), UNIFORM, ids=called(UNIFORM))
def test_uniform_numbers(name: str, options: dict, shape: tuple, dtype: Any) -> None:
    assert_same_uniform(*both(name, options, shape, dtype))


@pytest.mark.parametrize(("name", "options", "shape"), NORMAL, ids=called(NORMAL))
def test_normal_numbers(name: str, options: dict, shape: tuple, dtype: Any) -> None:
    assert_same_normal(*both(name, options, shape, dtype), std=options.get("std", 1.0))


@pytest.mark.parametrize(("name", "options", "shape"), CONSTANT, ids=called(CONSTANT))
def test_constant_numbers(name: str, options: dict, shape: tuple, dtype: Any) -> None:
    np.testing.assert_array_equal(*both(name, options, shape, dtype), strict=True)


@pytest.mark.parametrize(("name", "options", "shape"), ORTHOGONAL, ids=called(ORTHOGONAL))
def test_orthogonal_numbers(name: str, options: dict, shape: tuple, dtype: Any) -> None:
    mine, theirs = both(name, options, shape, dtype)
    assert mine.dtype == dtype
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=32 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", ["kaiming_uniform_", "kaiming_normal_"])
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)], ids=str)
def test_kaiming_has_nothing_to_fill(name: str, shape: tuple) -> None:
    """PyTorch warns of it, and does nothing either."""
    parameter = manual.Parameter(np.empty(shape))
    assert getattr(initializers, name)(parameter) is parameter


def test_every_function_is_tested() -> None:
    theirs = {n for n in dir(torch.nn.init) if n.endswith("_") and not n.startswith("_")}
    assert theirs == TESTED


@pytest.mark.parametrize("name", [*sorted(TESTED), "calculate_gain"])
def test_signatures_are_pytorchs(name: str) -> None:
    """But for the name of the first argument: a Parameter is no tensor."""
    mine, theirs = (
        [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
        for function in (getattr(initializers, name), getattr(torch.nn.init, name))
    )
    assert mine == [("parameter" if n == "tensor" else n, *rest) for n, *rest in theirs]


@pytest.mark.parametrize("name", sorted(TESTED))
@pytest.mark.parametrize("wrong", [np.ones((3, 4)), None, [[1.0]]], ids=["array", "None", "list"])
def test_what_is_no_parameter(name: str, wrong: Any) -> None:
    required = {"constant_": {"val": 1.0}, "sparse_": {"sparsity": 0.5}}.get(name, {})
    message = f"^{name}: got a {type(wrong).__name__}, expected a Parameter$"
    with pytest.raises(TypeError, match=message):
        getattr(initializers, name)(wrong, **required)


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (1, 1), (3, 1, 1)])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_kaiming_of_a_single_input_or_output(mode: Any, shape: tuple, dtype: Any) -> None:
    mine = manual.Parameter(np.empty(shape, dtype))
    initializers.kaiming_uniform_(mine, mode=mode, generator=TorchGenerator(0))
    theirs = torch.empty(shape, dtype=DTYPES[np.dtype(dtype)])
    torch.manual_seed(0)
    torch.nn.init.kaiming_uniform_(theirs, mode=mode)
    np.testing.assert_allclose(mine.data, theirs.numpy(), rtol=4 * np.finfo(dtype).eps)


class Nothing(np.random.Generator):
    """Draws 0 and nothing else, as every generator now and then does."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def random(self, size: Any = None, dtype: Any = np.float64) -> Any:  # type: ignore[override]
        return np.zeros(size or (), dtype)


def test_a_chance_of_exactly_0_is_no_obstacle() -> None:
    """Its logarithm is −∞, which is below every density: what was drawn is kept."""
    mine = initializers.trunc_normal_(manual.Parameter(np.ones(3)), a=3, b=4, generator=Nothing())
    np.testing.assert_array_equal(mine.data, 3)


class Drawing(np.random.Generator):
    """Draws these numbers one after the other, then 0, and says which kinds were asked for."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers, self.kinds = [*numbers], set[str]()

    def standard_normal(self, size: Any = None, dtype: Any = np.float64) -> Any:  # type: ignore[override]
        self.kinds.add("normal")
        return np.full(size or (), self.numbers.pop(0) if self.numbers else 0.0, dtype)

    def random(self, size: Any = None, dtype: Any = np.float64) -> Any:  # type: ignore[override]
        self.kinds.add("uniform")
        return np.full(size or (), self.numbers.pop(0) if self.numbers else 0.0, dtype)


@pytest.mark.parametrize("bound", [-2.0, 2.0])
def test_a_bound_itself_is_within_it(bound: float) -> None:
    for drawn, kept in ((bound, bound), (np.nextafter(bound, 2 * bound), 0)):
        mine = initializers.trunc_normal_(manual.Parameter(np.ones(3)), generator=Drawing(drawn))
        np.testing.assert_array_equal(mine.data, kept)


def test_which_way_is_taken_where_exactly_0_3_is_within_the_bounds() -> None:
    """The one for a little: only for more are numbers drawn until they fall inside."""

    def within(b: float) -> float:
        low, high = (math.erf(bound / math.sqrt(2)) for bound in (-b, b))
        return (high - low) / 2

    b = 0.38532046640756773
    near = [b + i * 2**-54 for i in range(-40, 41)]
    at = [one for one in near if within(one) == 0.3]
    above = [one for one in near if within(one) > 0.3]
    for ends, kinds in ((at, {"uniform"}), (above, {"normal"})):
        generator = Drawing()
        initializers.trunc_normal_(
            manual.Parameter(np.ones(3)), a=-ends[0], b=ends[0], generator=generator
        )
        assert generator.kinds == kinds


def test_a_chance_of_just_the_density_is_enough() -> None:
    chances = np.linspace(0.99, 0.999, 50).tolist()
    place = {u: math.sqrt(-2 * np.log(u)) for u in chances}
    (u, z), *_ = [(u, z) for u, z in place.items() if -(z**2) / 2 == np.log(u)]
    for chance, kept in ((u, z), (np.nextafter(u, 1), 0)):
        mine = initializers.trunc_normal_(
            manual.Parameter(np.ones(3)), a=0, b=2 * z, generator=Drawing(0.5, chance)
        )
        np.testing.assert_array_equal(mine.data, kept)


def test_the_largest_numbers_that_can_be_drawn_between(dtype: Any) -> None:
    largest = float(np.finfo(dtype).max)
    for a, b in ((0.0, largest), (-largest, 0.0), (-largest / 2, largest / 2)):
        drawn = initializers.uniform_(manual.Parameter(np.empty(99, dtype)), a, b).data
        assert np.isfinite(drawn).all()
        assert (drawn.min() >= a) & (drawn.max() <= b)
        with pytest.raises(ValueError, match="both and b - a finite"):
            initializers.uniform_(manual.Parameter(np.empty(99, dtype)), 2 * a, 2 * b)


def test_fused_is_rounded_once() -> None:
    """Beside exact fractions, also where the sum leaves nothing but the product's lost digits."""
    generator = np.random.default_rng(0)
    u, s, c = generator.random(300), generator.normal(size=300), generator.normal(size=300)
    c[100:200] = -(u * s)[100:200]
    c[200:] = np.nextafter(-(u * s)[200:], 1)
    for drawn, scale, shift in zip(u, s, c, strict=True):
        exact = Fraction(float(drawn)) * Fraction(float(scale)) + Fraction(float(shift))
        assert fused(np.array([drawn]), scale, shift)[0] == float(exact)


def test_orthogonal_is_orthogonal_in_extended_precision_too() -> None:
    mine = initializers.orthogonal_(manual.Parameter(np.empty((3, 5), np.longdouble))).data
    assert mine.dtype == np.longdouble
    np.testing.assert_allclose((mine @ mine.T).astype(float), np.eye(3), atol=8 * 2**-52)


def test_extended_precision_scales_the_numbers_of_float64() -> None:
    wide = np.longdouble
    mine = manual.Parameter(np.empty(99, wide))
    initializers.uniform_(mine, -0.3, 0.43, TorchGenerator(0))
    drawn = TorchGenerator(0).random(99).astype(wide)
    np.testing.assert_array_equal(mine.data, drawn * (wide(0.43) - wide(-0.3)) + wide(-0.3))
    initializers.normal_(mine, 0.1, 0.3, TorchGenerator(0))
    drawn = TorchGenerator(0).standard_normal(99).astype(wide)
    np.testing.assert_array_equal(mine.data, drawn * wide(0.3) + wide(0.1))


@pytest.mark.parametrize("size", [5, 50])
def test_numpys_own_generator(size: int, dtype: Any) -> None:
    """It draws in the parameter's dtype, whatever the size."""
    mine = manual.Parameter(np.empty(size, dtype))
    initializers.normal_(mine, generator=np.random.default_rng(0))
    drawn = np.random.default_rng(0).standard_normal(size, dtype=dtype)
    np.testing.assert_array_equal(mine.data, drawn)
    initializers.uniform_(mine, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(mine.data, np.random.default_rng(0).random(size, dtype=dtype))


@pytest.mark.parametrize(("sparsity", "zeros"), [(0, 0), (0.35, 4), (0.4, 4), (1, 10)])
def test_sparse_zeroes_a_part_of_every_column(sparsity: float, zeros: int, dtype: Any) -> None:
    mine, whole = (manual.Parameter(np.empty((10, 50), dtype)) for _ in range(2))
    initializers.sparse_(mine, sparsity, 2.0, TorchGenerator(0))
    initializers.normal_(whole, 0.0, 2.0, TorchGenerator(0))
    zeroed = mine.data == 0
    assert (zeroed.sum(axis=0) == zeros).all()
    np.testing.assert_array_equal(mine.data[~zeroed], whole.data[~zeroed])
    assert (zeroed.all(axis=1) | ~zeroed.any(axis=1)).all() == (zeros in (0, 10))  # rows vary


def test_sparse_without_spread_is_zero() -> None:
    assert not initializers.sparse_(manual.Parameter(np.ones((4, 3))), 0.5, std=0).data.any()


NONLINEARITIES = get_args(get_type_hints(torch.nn.init.calculate_gain)["nonlinearity"])


@pytest.mark.parametrize("name", NONLINEARITIES)
@pytest.mark.parametrize("param", [None, 0, 1, 0.3, -2])
def test_gains(name: Any, param: float | None) -> None:
    assert calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)


def test_without_a_generator_two_layers_differ() -> None:
    assert (manual.Linear(3, 4).weight.data != manual.Linear(3, 4).weight.data).any()


INF, NAN = float("inf"), float("nan")
BAD: list[tuple[str, tuple[int, ...], dict[str, Any], str]] = [
    ("xavier_uniform_", (3,), {}, r"a parameter of shape \(3,\) has no fans, expected 2 axes"),
    ("xavier_normal_", (3,), {}, r"a parameter of shape \(3,\) has no fans, expected 2 axes"),
    ("kaiming_uniform_", (3,), {}, r"a parameter of shape \(3,\) has no fans, expected 2 axes"),
    ("kaiming_normal_", (), {}, r"a parameter of shape \(\) has no fans, expected 2 axes"),
    ("kaiming_uniform_", (3, 4), {"mode": "x"}, "mode is 'x', expected 'fan_in' or 'fan_out'"),
    (
        "kaiming_normal_",
        (3, 4),
        {"nonlinearity": "x"},
        "nonlinearity is 'x', expected one of .*, leaky_relu",
    ),
    ("kaiming_normal_", (3, 4), {"a": True}, "leaky_relu's slope is True, expected a number"),
    ("kaiming_normal_", (3, 4), {"a": "1"}, "leaky_relu's slope is '1', expected a number"),
    (
        "uniform_",
        (3,),
        {"a": 1, "b": 0.5},
        "uniform_: a is 1 and b 0.5, expected a <= b, both and b - a finite",
    ),
    ("uniform_", (3,), {"a": -INF, "b": 1}, "uniform_: a is -inf and b 1, .*"),
    ("uniform_", (3,), {"a": 0, "b": INF}, "uniform_: a is 0 and b inf, .*"),
    ("uniform_", (3,), {"a": NAN, "b": 1}, "uniform_: a is nan .*"),
    ("uniform_", (3,), {"a": 1, "b": NAN}, "uniform_: a is 1 and b nan, .*"),
    ("uniform_", (3,), {"a": -3e38, "b": 3e38}, "uniform_: a is -3e.*"),
    ("uniform_", (3,), {"a": 1e39, "b": 1e39}, "uniform_: a is 1e.*"),
    ("uniform_", (3,), {"a": -1e39, "b": -1e39}, "uniform_: a is -1e.*"),
    ("normal_", (3,), {"std": -1}, "normal_: std is -1, expected at least 0"),
    ("normal_", (3,), {"std": NAN}, "normal_: std is nan, expected at least 0"),
    ("trunc_normal_", (3,), {"std": 0}, "trunc_normal_: std is 0, expected more than 0"),
    ("trunc_normal_", (3,), {"std": NAN}, "trunc_normal_: std is nan, expected more than 0"),
    ("trunc_normal_", (3,), {"a": 3}, "trunc_normal_: a is 3, expected no more than b, 2.0"),
    ("trunc_normal_", (3,), {"b": NAN}, "trunc_normal_: a is -2.0, expected no more than b, nan"),
    ("eye_", (3,), {}, r"eye_: a parameter of shape \(3,\), expected 2 axes"),
    ("eye_", (3, 4, 5), {}, r"eye_: a parameter of shape \(3, 4, 5\), expected 2 axes"),
    ("orthogonal_", (3,), {}, r"orthogonal_: a parameter of shape \(3,\), expected 2 axes"),
    ("sparse_", (3,), {"sparsity": 0.5}, r"sparse_: a parameter of shape \(3,\), expected 2 axes"),
    ("sparse_", (3, 4), {"sparsity": -0.1}, "sparse_: sparsity is -0.1, expected 0 to 1"),
    ("sparse_", (3, 4), {"sparsity": 1.1}, "sparse_: sparsity is 1.1, expected 0 to 1"),
    ("dirac_", (3, 4), {}, r"dirac_: a parameter of shape \(3, 4\), expected 3, 4 or 5 axes"),
    ("dirac_", (2,) * 6, {}, "dirac_: a parameter of .*, expected 3, 4 or 5 axes"),
    (
        "dirac_",
        (4, 3, 3),
        {"groups": 3},
        "dirac_: groups is 3, expected a divisor of the 4 output channels",
    ),
    ("dirac_", (4, 3, 3), {"groups": 0}, "dirac_: groups is 0, .*"),
    ("dirac_", (4, 3, 3), {"groups": -2}, "dirac_: groups is -2, .*"),
]


@pytest.mark.parametrize(("name", "shape", "options", "message"), BAD, ids=called(BAD))
def test_bad_input_says_so(name: str, shape: tuple, options: dict, message: str) -> None:
    parameter = manual.Parameter(np.ones(shape, np.float32))
    with pytest.raises(ValueError, match=f"^{message}$"):
        getattr(initializers, name)(parameter, **options)
    np.testing.assert_array_equal(parameter.data, 1)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="no other kernels there")
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_how_pytorchs_kernels_round(capability: str) -> None:
    """Without AVX2 PyTorch rounds the product and the sum; with it, once. `fused` is the latter."""
    program = (
        "import torch; torch.manual_seed(0); print(torch.backends.cpu.get_cpu_capability(),"
        "torch.empty(99).uniform_(-0.3, 0.43).numpy().tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ATEN_CPU_CAPABILITY": capability},
    )
    used, theirs = done.stdout.split()
    low, high = np.float32(-0.3), np.float32(0.43)
    drawn = TorchGenerator(0).random(99, np.float32)
    once, twice = fused(drawn, high - low, low), drawn * (high - low) + low
    assert theirs == (twice if used == "DEFAULT" else once).tobytes().hex()
    assert (once != twice).any()
