"""What the table of cases does not show of the layers for images."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

import manual
from manual.layers.windows import blocks, scratch
from torch_ref.parity.distance import compare
from torch_ref.parity.one_pass import one_pass
from torch_ref.twin import to_torch, twin_of

from .conftest import assert_agreement

AXES = (1, 2, 3)
G = np.random.default_rng(0)


def images(axes: int, *first: int, size: int = 6) -> np.ndarray:
    return G.normal(size=(*first, *range(size, size + axes)))


# ---- Running statistics

TRACKED = [
    (manual.BatchNorm1d, (5, 3)),
    (manual.BatchNorm1d, (5, 3, 4)),
    (manual.BatchNorm2d, (4, 3, 2, 3)),
    (manual.BatchNorm3d, (3, 3, 2, 1, 2)),
    (manual.InstanceNorm1d, (5, 3, 4)),
    (manual.InstanceNorm2d, (4, 3, 2, 3)),
    (manual.InstanceNorm3d, (3, 3, 2, 1, 2)),
]


@pytest.mark.parametrize("momentum", [0.1, 0.7, None])
@pytest.mark.parametrize(("made", "shape"), TRACKED)
def test_running_statistics(made: Any, shape: tuple[int, ...], momentum: float | None) -> None:
    """Batch after batch, of several sizes; then they are used, and stay as they are."""
    options: dict[str, Any] = {"momentum": momentum, "track_running_stats": True}
    layer = made(3, **options, dtype=np.float64)
    twin = getattr(torch.nn, made.__name__)(3, **options, dtype=torch.float64)
    for count in (shape[0], shape[0] + 2, shape[0] - 1):
        x = 3 + 2 * G.normal(size=(count, *shape[1:]))
        layer(x)
        layer.forget_passes()
        twin(to_torch(x))
        theirs = dict(twin.named_buffers())
        for name, values in layer.named_buffers():
            np.testing.assert_allclose(values, theirs[name].numpy(), rtol=1e-13, atol=1e-15)
            assert values.dtype == theirs[name].numpy().dtype
    layer.eval()
    twin.eval()
    before = layer.state_dict()
    x = G.normal(size=shape)
    passed = [one_pass(m, [x], [np.ones(shape)]).quantities for m in (layer, twin)]
    assert_agreement(compare(passed[0], passed[1], lambda kind, name: 32.0))
    for name, values in layer.state_dict().items():
        assert (values == before[name]).all()


def test_running_statistics_are_state() -> None:
    layer = manual.BatchNorm2d(3)
    assert set(layer.state_dict()) == set(torch.nn.BatchNorm2d(3).state_dict())
    layer.load_state_dict({k: v.numpy() for k, v in torch.nn.BatchNorm2d(3).state_dict().items()})
    assert "running_mean" not in manual.BatchNorm2d(3, track_running_stats=False).state_dict()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (manual.BatchNorm1d(3), (1, 3)),
        (manual.BatchNorm2d(3), (1, 3, 1, 1)),
        (manual.InstanceNorm1d(3), (5, 3, 1)),
    ],
)
def test_one_number_for_a_channel_has_no_variance(
    layer: manual.Module, shape: tuple[int, ...]
) -> None:
    x = np.ones(shape, np.float32)
    with pytest.raises(ValueError, match=r"1 number for each channel: in training there must be"):
        layer(x)
    with pytest.raises(ValueError, match="Expected more than 1"):
        twin_of(layer)(to_torch(x))
    layer.eval()
    assert np.isfinite(layer(x)).all()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (manual.BatchNorm1d(3, dtype=np.float64), (2, 3)),
        (manual.InstanceNorm1d(3, dtype=np.float64), (5, 3, 2)),
    ],
)
def test_two_numbers_for_a_channel_have_one(layer: manual.Module, shape: tuple[int, ...]) -> None:
    x = G.normal(size=shape)
    theirs = twin_of(layer)(to_torch(x)).detach().numpy()
    np.testing.assert_allclose(layer(x), theirs, rtol=1e-12)


# ---- Nothing, and the smallest

KINDS = ("Avg", "Max")


@pytest.mark.parametrize(
    ("name", "argument", "shape"),
    [
        *((f"Adaptive{kind}Pool{n}d", 0, (2, 3, *(5, 4, 6)[:n])) for kind in KINDS for n in AXES),
        ("AdaptiveMaxPool2d", (0, 2), (2, 3, 5, 4)),
        ("ZeroPad1d", (-2, -3), (2, 3, 5)),
        ("ZeroPad2d", (-2, -3, 1, 1), (2, 3, 4, 5)),
        ("ReplicationPad2d", (-2, -3, 1, 1), (2, 3, 4, 5)),
        ("CircularPad1d", (-2, -3), (2, 3, 5)),
    ],
)
def test_nothing_may_be_left(name: str, argument: Any, shape: tuple[int, ...]) -> None:
    """And all that comes back to the input is zeros."""
    x = G.normal(size=shape)
    layer = getattr(manual, name)(argument)
    y = layer(x)
    assert y.shape == tuple(getattr(torch.nn, name)(argument)(to_torch(x)).shape)
    assert 0 in y.shape
    assert np.array_equal(layer.backward(y), np.zeros(shape))


@pytest.mark.parametrize(
    ("name", "argument", "shape"),
    [
        ("AdaptiveAvgPool2d", 3, (2, 3, 1, 4)),
        ("AdaptiveMaxPool2d", 3, (2, 3, 4, 1)),
        ("ReplicationPad1d", (-2, -2), (2, 3, 5)),
        ("ReflectionPad1d", (-2, -2), (2, 3, 5)),
    ],
)
def test_one_pixel_is_enough(name: str, argument: Any, shape: tuple[int, ...]) -> None:
    x = G.normal(size=shape)
    theirs = getattr(torch.nn, name)(argument)(to_torch(x)).numpy()
    np.testing.assert_allclose(getattr(manual, name)(argument)(x), theirs, rtol=1e-15)


def test_columns_of_one_number_make_an_image_of_one_pixel() -> None:
    x = G.normal(size=(2, 3, 1))
    y = manual.Fold(1, 1)(x)
    assert np.array_equal(y, torch.nn.Fold(1, 1)(to_torch(x)).numpy())


# ---- The places of the largest

PLACED = [
    *((f"MaxPool{n}d", (2,)) for n in AXES),
    *((f"MaxPool{n}d", (3, 2, 1)) for n in AXES),
    *((f"MaxPool{n}d", (2, 1, 1, 2)) for n in AXES),
    *((f"AdaptiveMaxPool{n}d", (3,)) for n in AXES),
]


def of_sorts(axes: int) -> dict[str, np.ndarray]:
    """Inputs with ties, with NaN, and with nothing but −∞ in some windows."""
    x = images(axes, 2, 3)
    with_nan, low = x.copy(), x.copy()
    with_nan[G.random(x.shape) < 0.1] = np.nan
    low[G.random(x.shape) < 0.8] = -np.inf
    return {"plain": x, "ties": x.round(), "NaN": with_nan, "minus infinity": low}


@pytest.mark.parametrize("sort", ["plain", "ties", "NaN", "minus infinity"])
@pytest.mark.parametrize(("name", "arguments"), PLACED)
def test_the_places_of_the_largest(name: str, arguments: tuple[int, ...], sort: str) -> None:
    """Values, places and where the gradient goes, to the last bit."""
    x = of_sorts(int(name[-2]))[sort]
    mine = getattr(manual, name)(*arguments, return_indices=True)
    y, places = mine(x)
    leaf = to_torch(x).requires_grad_()
    theirs, their_places = getattr(torch.nn, name)(*arguments, return_indices=True)(leaf)
    assert np.array_equal(y, theirs.detach().numpy(), equal_nan=True)
    assert np.array_equal(places, their_places.numpy())
    assert places.dtype == np.int64
    g = G.integers(-9, 10, size=y.shape).astype(np.float64)  # whose sums are exact
    theirs.backward(to_torch(g))
    assert np.array_equal(mine.backward(g, None), leaf.grad.numpy())
    assert np.array_equal(getattr(manual, name)(*arguments)(x), y, equal_nan=True)


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("axes", AXES)
def test_unpooling_undoes_pooling(axes: int, window: int) -> None:
    x = images(axes, 2, 3)
    y, places = getattr(manual, f"MaxPool{axes}d")(window, return_indices=True)(x)
    back = getattr(manual, f"MaxUnpool{axes}d")(window)(y, places, output_size=x.shape)
    assert back.shape == x.shape
    assert np.array_equal(np.sort(back[back != 0]), np.sort(y.ravel()))
    assert (back == x)[back != 0].all()


# ---- Memory


@pytest.mark.parametrize(
    "layer",
    [
        manual.PixelShuffle(1),
        manual.PixelUnshuffle(1),
        manual.ChannelShuffle(1),
        manual.ZeroPad2d(0),
        manual.ReflectionPad2d(0),
    ],
    ids=repr,
)
def test_what_changes_nothing_hands_on_a_copy(layer: manual.Module) -> None:
    """So that neither can be written over through the other."""
    plain = images(2, 2, 3)
    as_layers_hand_on = np.ascontiguousarray(plain.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)
    for x in (plain, as_layers_hand_on):
        y = layer(x)
        assert np.array_equal(y, x)
        assert not np.may_share_memory(y, x)
        assert not np.may_share_memory(layer.backward(y), y)


@pytest.mark.parametrize("groups", [1, 2])
def test_it_does_not_matter_how_an_image_lies_in_memory(groups: int) -> None:
    """(N, C, H, W), and the order that a layer hands on."""
    layer = manual.Conv2d(4, 6, 3, padding=1, groups=groups, dtype=np.float64)
    x, g = images(2, 5, 4), images(2, 5, 6)
    results = []
    for order in ((0, 1, 2, 3), (2, 3, 1, 0), (3, 2, 0, 1)):
        back = np.argsort(order)
        lying = np.ascontiguousarray(x.transpose(order)).transpose(back)
        layer.zero_grad()
        y, grad = (
            layer(lying),
            layer.backward(np.ascontiguousarray(g.transpose(order)).transpose(back)),
        )
        results.append((y, grad, np.array(layer.weight.grad)))
    for one in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(one, results[0], strict=True))


def test_layers_between_hand_on_what_a_convolution_needs() -> None:
    """The samples of a pixel lie side by side from the first convolution to the last."""
    x = images(2, 8, 3)
    for layer in (
        manual.Conv2d(3, 4, 3, dtype=np.float64),
        manual.ReLU(),
        manual.BatchNorm2d(4, dtype=np.float64),
        manual.MaxPool2d(2),
        manual.AvgPool2d(2, 1),
    ):
        x = layer(x)
        assert x.transpose(2, 3, 1, 0).flags.c_contiguous, layer


def test_a_transposed_convolution_has_the_size_that_is_wanted() -> None:
    down = manual.Conv2d(3, 4, 3, stride=2, padding=1, dtype=np.float64)
    up = manual.ConvTranspose2d(4, 3, 3, stride=2, padding=1, dtype=np.float64)
    twin = twin_of(up)
    for size in (7, 8):
        x = images(2, 2, 3, size=size)
        y = down(x)
        again = up(y, output_size=x.shape)
        assert again.shape == x.shape
        theirs = twin(to_torch(y), output_size=list(x.shape)).detach().numpy()
        np.testing.assert_allclose(again, theirs, rtol=1e-12, atol=1e-14)


def test_rows_that_no_cache_holds_come_one_by_one() -> None:
    assert [*blocks(3, 2**40)] == [slice(0, 1), slice(1, 2), slice(2, 3)]


@pytest.mark.parametrize("samples", [2, 9])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Conv1d", {}),
        ("Conv2d", {"padding": 1}),
        ("Conv2d", {"groups": 2}),
        ("Conv2d", {"dilation": 2, "padding": 2}),
        ("Conv2d", {"stride": 2}),
        ("Conv3d", {"padding": 1}),
        ("ConvTranspose2d", {"stride": 2}),
    ],
)
def test_blocks_of_rows_add_up(
    name: str, options: dict[str, Any], samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks of two rows and what is left, each result is that of PyTorch."""
    monkeypatch.setattr(
        "manual.layers.correlation.blocks",
        lambda rows, size: [slice(i, min(i + 2, rows)) for i in range(0, rows, 2)],
    )
    layer = getattr(manual, name)(4, 6, 3, **options, dtype=np.float64)
    x = images(int(name[-2]), samples, 4, size=5)
    upstream = [G.normal(size=layer(x).shape)]
    layer.forget_passes()
    passed = [one_pass(m, [x], upstream).quantities for m in (layer, twin_of(layer))]
    assert_agreement(compare(passed[0], passed[1], lambda kind, name: 64.0))


@pytest.mark.parametrize(
    ("name", "kernel", "options"),
    [
        ("Conv2d", (1, 3), {"stride": 2}),  # nothing to copy, and no line beside the next
        ("Conv2d", (1, 1), {"stride": (2, 1)}),
        ("Conv2d", (2, 3), {"padding": 4}),  # more than the kernel's reach: backward cuts off
        ("Conv3d", (2, 1, 3), {"dilation": (2, 1, 1), "padding": (0, 2, 1)}),
        ("Conv2d", 3, {"padding": 1, "padding_mode": "circular"}),
        ("Conv1d", 2, {"groups": 2, "dilation": 2, "stride": 2}),
        ("ConvTranspose2d", (2, 3), {"padding": (2, 1)}),
        ("ConvTranspose2d", (2, 3), {"stride": (1, 2), "padding": 1, "groups": 2}),
    ],
)
@pytest.mark.parametrize("small", [0, 10**6])
def test_kernels_of_every_form(
    name: str,
    kernel: Any,
    options: dict[str, Any],
    small: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether the input's gradient comes from a correlation or is spread weight by weight."""
    monkeypatch.setattr("manual.layers.correlation.SMALL", small)
    layer = getattr(manual, name)(4, 6, kernel, **options, dtype=np.float64)
    x = images(int(name[-2]), 3, 4, size=5)
    upstream = [G.normal(size=layer(x).shape)]
    layer.forget_passes()
    passed = [one_pass(m, [x], upstream).quantities for m in (layer, twin_of(layer))]
    assert_agreement(compare(passed[0], passed[1], lambda kind, name: 64.0))


def test_scratch_is_a_threads_own_and_kept_while_small() -> None:
    dtype = np.dtype(np.float32)
    mine = scratch("mine", (4, 5), dtype)
    assert mine.shape == (4, 5)
    assert mine.dtype == dtype
    assert np.shares_memory(mine, scratch("mine", (3,), np.dtype(np.float64)))
    assert not np.shares_memory(mine, scratch("another", (4, 5), dtype))
    with ThreadPoolExecutor(1) as pool:
        assert not np.shares_memory(mine, pool.submit(scratch, "mine", (4, 5), dtype).result())
    large = scratch("mine", (2**25,), dtype)
    assert not np.shares_memory(large, scratch("mine", (2**25,), dtype))
    assert np.shares_memory(mine, scratch("mine", (4, 5), dtype))


def test_a_layer_is_no_larger_for_having_worked() -> None:
    network = manual.ConvNet((1, 4, 6), 8)
    sizes = []
    for samples in (1, 64):
        y = network(np.ones((samples, 1, 8, 8), np.float32))
        network.backward(y)
        sizes.append(len(pickle.dumps(network)))
    assert sizes[0] == sizes[1]


def test_no_more_is_kept_for_backward_than_pytorch_keeps() -> None:
    network = manual.ConvNet((1, 16, 32), 28)
    x = np.ones((8, 1, 28, 28), np.float32)
    theirs: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        theirs[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        y = twin_of(network)(to_torch(x))
    network(x)
    mine: dict[int, int] = {}
    for module in network.modules():
        for saved in module._saved:
            for kept in saved.values:
                while isinstance(kept, np.ndarray) and kept.base is not None:
                    kept = kept.base
                if isinstance(kept, np.ndarray):
                    mine[id(kept)] = kept.nbytes
    assert y.requires_grad
    assert 0 < sum(mine.values()) < sum(theirs.values())


# ---- What cannot be

F32 = np.float32


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, F32)


# (name, constructor's arguments, its options, inputs, what is said)
REFUSED: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[Any, ...], str]] = [
    ("Conv2d", (4, 6, (1, 2, 3)), {}, (ones(1, 4, 5, 5),), "least 1, or 2 of them"),
    ("Conv2d", (4, 6, 3), {"stride": 0}, (ones(1, 4, 5, 5),), "stride is 0"),
    ("Conv2d", (4, 6, 3), {"padding": -1}, (ones(1, 4, 5, 5),), "padding is -1"),
    ("Conv2d", (4, 6, 3), {"padding": "all"}, (ones(1, 4, 5, 5),), "'all', expected numbers, same"),
    (
        "Conv2d",
        (4, 6, 3),
        {"padding": "same", "stride": 2},
        (),
        "'same' needs a stride of 1, not 2",
    ),
    ("Conv2d", (4, 6, 3), {"groups": 3}, (), "in_channels 4 cannot be shared out among 3 groups"),
    ("Conv2d", (6, 4, 3), {"groups": 3}, (), "out_channels 4 cannot be shared out among 3 groups"),
    ("Conv2d", (4, 6, 3), {"padding_mode": "edge"}, (), "padding_mode is 'edge', expected one of"),
    ("Conv2d", (4, 6, 3), {}, (ones(1, 3, 5, 5),), "input has 3 channels, expected 4"),
    ("Conv2d", (4, 6, 3), {}, (ones(5, 5),), r"input has 2 axes, expected \(N, C, S1, S2\)"),
    (
        "Conv1d",
        (4, 6, 3),
        {},
        (ones(1, 4, 2),),
        r"reaches over \(3,\), the padded input has \(2,\)",
    ),
    ("Conv2d", (4, 6, 3), {"dilation": 3}, (ones(1, 4, 9, 6),), r"reaches over \(7, 7\)"),
    (
        *("Conv2d", (4, 6, 3), {"padding": 4, "padding_mode": "reflect"}, (ones(1, 4, 4, 4),)),
        "a reflect padding of 4 and 4 on an axis of 4, expected at most 3",
    ),
    ("ConvTranspose2d", (4, 6, 3), {"padding_mode": "reflect"}, (), "expected zeros"),
    (
        *("ConvTranspose2d", (4, 6, 3), {"output_padding": 1}, (ones(1, 4, 5, 5),)),
        r"output_padding \(1, 1\) must be less than stride or dilation",
    ),
    (
        *("ConvTranspose2d", (4, 6, 3), {"stride": 2}, (ones(1, 4, 3, 3), [9, 9])),
        r"output_size is \(9, 9\), expected from \(7, 7\) to \(8, 8\)",
    ),
    (
        *("ConvTranspose2d", (4, 6, 1), {"padding": 2}, (ones(1, 4, 3, 3),)),
        r"the output would have the sizes \(-1, -1\)",
    ),
    ("MaxPool2d", (2,), {"padding": 2}, (ones(1, 3, 5, 5),), "padding 2 is more than half"),
    ("MaxPool2d", (4,), {}, (ones(1, 3, 3, 5),), r"the output would have the sizes \(0, 1\)"),
    ("AvgPool2d", (2,), {"divisor_override": 0}, (ones(1, 3, 5, 5),), "divisor_override is 0"),
    ("AvgPool3d", (3,), {"padding": 1}, (ones(1, 3, 2, 5, 5),), r"less than a window \(3, 3, 3\)"),
    ("LPPool2d", (2, 4), {}, (ones(1, 3, 3, 5),), r"the output would have the sizes \(0, 1\)"),
    ("AdaptiveAvgPool2d", ((1, 2, 3),), {}, (ones(1, 3, 5, 5),), "or None for each of 2 axes"),
    ("AdaptiveMaxPool2d", (-1,), {}, (ones(1, 3, 5, 5),), "output_size is -1"),
    ("AdaptiveMaxPool1d", (2,), {}, (ones(1, 3, 0),), "there is nothing to pool"),
    ("AdaptiveMaxPool1d", (2,), {}, (ones(5),), r"1 axes, expected \(N, C, S\) or \(C, S\)"),
    (
        *("MaxUnpool2d", (2,), {}, (ones(1, 1, 2, 2), np.zeros((1, 1, 2, 3), np.int64))),
        "indices have the shape",
    ),
    (
        *("MaxUnpool2d", (2,), {}, (ones(1, 1, 1, 1), np.full((1, 1, 1, 1), 4))),
        "indices has 4 at .*, expected 0 to 3",
    ),
    (
        *("MaxUnpool2d", (2,), {}, (ones(1, 1, 2, 2), np.zeros((1, 1, 2, 2), np.int64), [7, 4])),
        r"output_size is \(7, 4\), expected within a stride of \(4, 4\)",
    ),
    *(
        (
            *("MaxUnpool2d", (2,), {}, (ones(1, 1, 2, 2), np.zeros((1, 1, 2, 2), np.int64), size)),
            "within a stride of",
        )
        for size in ([2, 4], [6, 4], [4, 2], [4, 6])
    ),
    ("ReplicationPad1d", ((-2, -3),), {}, (ones(1, 3, 5),), r"would have the sizes \(0,\)"),
    ("ReflectionPad2d", ((-2, -3) * 2,), {}, (ones(1, 3, 5, 5),), r"have the sizes \(0, 0\)"),
    ("ReflectionPad1d", (5,), {}, (ones(1, 3, 5),), "a reflect padding of 5 and 5 on an axis of 5"),
    ("CircularPad1d", (6,), {}, (ones(1, 3, 5),), "expected at most 5"),
    ("ZeroPad1d", ((-3, -3),), {}, (ones(1, 3, 5),), r"the input would have the sizes \(-1,\)"),
    ("ZeroPad2d", ((-3, -3, 0, 0),), {}, (ones(1, 3, 4, 5),), r"have the sizes \(4, -1\)"),
    ("ZeroPad2d", ((1, 2, 3),), {}, (ones(1, 3, 5, 5),), "expected a whole number, or 4 of them"),
    ("BatchNorm1d", (3,), {}, (ones(2, 3, 4, 5),), "input has 4 axes, expected 2 or 3"),
    ("BatchNorm2d", (3,), {}, (ones(2, 4, 4, 5),), "input has 4 channels, expected 3"),
    ("BatchNorm2d", (0,), {}, (), "num_features is 0"),
    ("InstanceNorm1d", (3,), {"affine": True}, (ones(2, 4, 5),), "4 channels, expected 3"),
    ("GroupNorm", (3, 4), {}, (), "num_channels 4 cannot be shared out among 3 groups"),
    ("GroupNorm", (2, 4), {}, (ones(2, 6, 5),), r"has the shape \(2, 6, 5\), expected \(N, 4, …\)"),
    ("LayerNorm", ((),), {}, (), "normalized_shape is empty"),
    ("LayerNorm", ((3, 4),), {}, (ones(2, 4, 3),), r"expected \(\*, \(3, 4\)\)"),
    ("RMSNorm", (4,), {}, (ones(2, 3),), r"has the shape \(2, 3\)"),
    ("LocalResponseNorm", (0,), {}, (ones(2, 3, 4),), "LocalResponseNorm: size is 0"),
    ("LocalResponseNorm", (2,), {}, (ones(2, 3),), "input has 2 axes, expected at least 3"),
    ("Unfold", (4,), {}, (ones(1, 3, 3, 5),), r"an image of \(3, 5\) has \(0, 2\) windows"),
    ("Unfold", (2,), {}, (ones(3, 5),), "input has 2 axes, expected 3 or 4"),
    ("Fold", ((3, 5), 2), {}, (ones(1, 12, 7),), "a multiple of 4 numbers in each of 8 columns"),
    ("Fold", ((3, 5), 2), {}, (ones(1, 13, 8),), "a multiple of 4 numbers in each of 8 columns"),
    ("Fold", ((3, 5), 2), {}, (ones(1, 1, 12, 8),), "input has 4 axes, expected 2 or 3"),
    ("PixelShuffle", (2,), {}, (ones(1, 6, 3, 3),), "a multiple of 4 channels"),
    ("PixelUnshuffle", (2,), {}, (ones(1, 6, 3, 4),), "with multiples of 2 down and across"),
    ("PixelUnshuffle", (2,), {}, (ones(1, 6, 4, 3),), "with multiples of 2 down and across"),
    ("ChannelShuffle", (4,), {}, (ones(1, 6, 3, 4),), "a multiple of 4 channels"),
    ("Upsample", (), {}, (ones(1, 3, 4, 5),), "expected either size or scale_factor"),
    ("Upsample", (3, 2.0), {}, (ones(1, 3, 4, 5),), "expected either size or scale_factor"),
    ("Upsample", (3,), {"mode": "cubic"}, (ones(1, 3, 4, 5),), "mode is 'cubic', expected one of"),
    ("Upsample", (3,), {"mode": "linear"}, (ones(1, 3, 4, 5),), "input has 4 axes, expected 3"),
    ("Upsample", (3,), {"align_corners": True}, (ones(1, 3, 4, 5),), "has no meaning for mode"),
    ("Upsample", ((3, 4, 5),), {}, (ones(1, 3, 4, 5),), "expected a number for each axis"),
    ("Upsample", (), {"scale_factor": 0.1}, (ones(1, 3, 4, 5),), r"to \(0, 0\)"),
    ("Upsample", (3,), {}, (ones(1, 3, 0, 5),), r"from the sizes \(0, 5\) to \(3, 3\)"),
    ("Upsample", (3,), {}, (ones(1, 3, 4, 0),), r"from the sizes \(4, 0\) to \(3, 3\)"),
    (
        *("Upsample", (3,), {"recompute_scale_factor": True}, (ones(1, 3, 4, 5),)),
        "recompute_scale_factor has no meaning with a size",
    ),
]


@pytest.mark.parametrize(
    ("name", "arguments", "options", "inputs", "message"),
    REFUSED,
    ids=[f"{name}-{message}"[:60] for name, *_, message in REFUSED],
)
def test_what_cannot_be_is_refused_by_both(
    name: str, arguments: Any, options: Any, inputs: Any, message: str
) -> None:
    with pytest.raises((ValueError, IndexError), match=message) as refused:
        getattr(manual, name)(*arguments, **options)(*inputs)
    assert name in str(refused.value)
    kinds = (ValueError, RuntimeError, NotImplementedError, AssertionError, TypeError, IndexError)
    with pytest.raises(kinds):
        getattr(torch.nn, name)(*arguments, **options)(*map(to_torch, inputs))


def test_a_kernel_of_nothing_is_refused() -> None:
    """Which PyTorch makes, and cannot run."""
    with pytest.raises(ValueError, match="Conv2d: kernel_size is 0, expected a whole number of at"):
        manual.Conv2d(4, 6, 0)
