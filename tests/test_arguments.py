"""Every argument of every module, by its name: taken, kept, or refused by a message that names it.

And what a module says of the lengths of its sums, against a count of the terms of each formula.
"""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import manual
from manual.article.modules import ArticleNetwork, SharedBias
from manual.losses.loss import Loss

from .cases import CASES, Case
from .conftest import input_names, named, public

Array = np.ndarray
F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
MODULES: dict[str, Any] = {**public(manual.Module), "SharedBias": SharedBias}
FIRST = {
    case.class_name: case
    for case in reversed(CASES)
    if case.smooth and case.proves and "reduction=none" not in case.name
}
# Made of others, whose inputs the others check; and CTCLoss, whose case is a log softmax as well
NETWORKS = {"ArticleNetwork", "MLP", "Sequential", "ConvNet", "ResNet", "ResidualBlock"}
LEAVES = sorted(FIRST.keys() - NETWORKS - {"CTCLoss"})


def made(name: str) -> tuple[manual.Module, dict[str, Any]]:
    """A module of this class, and its inputs by name."""
    if name == "CTCLoss":
        scores, *others = named("CTCLoss-reduction=mean").build(F64)[1]
        log_p = scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))
        return manual.CTCLoss(), dict(
            zip(input_names(manual.CTCLoss), (log_p, *others), strict=True)
        )
    module, inputs = FIRST[name].build(F64)
    return module, dict(zip(input_names(type(module)), inputs, strict=False))


def arguments(names: list[str]) -> Iterator[Any]:
    """Each input of each of these classes."""
    for name in names:
        for argument in input_names(MODULES[name]):
            yield pytest.param(name, argument, id=f"{name}-{argument}")


LENGTHS = ("input_lengths", "target_lengths")  # of CTCLoss, which takes lists of them
INPUTS = [p for p in arguments([*LEAVES, "CTCLoss"]) if p.values[1] not in LENGTHS]
OTHERS = [p for p in INPUTS if p.values[1] != input_names(MODULES[p.values[0]])[0]]  # but the first


def refused(module: Any, inputs: dict[str, Any], error: Any, *words: str) -> None:
    with pytest.raises(error) as caught:
        module(**inputs)
    message = str(caught.value)
    assert message.startswith(f"{module.one_line()}: ")
    said = message.removeprefix(f"{module.one_line()}: ")
    for word in words:
        assert word in said, said


@pytest.mark.parametrize(("name", "argument"), INPUTS)
def test_an_input_that_is_no_array_is_named(name: str, argument: str) -> None:
    module, inputs = made(name)
    given = inputs[argument]
    for wrong in (given.tolist(), np.ma.masked_array(given)):
        kind = type(wrong).__name__
        refused(module, inputs | {argument: wrong}, TypeError, f"{argument} is a {kind}, expected")


@pytest.mark.parametrize(("name", "argument"), INPUTS)
def test_an_input_in_another_dtype_is_named(name: str, argument: str) -> None:
    module, inputs = made(name)
    given = inputs[argument]
    first = argument == next(iter(inputs))
    if given.dtype.kind in "iu":
        wrong = "target 0" if name == "CTCLoss" else argument
        if name == "CrossEntropyLoss":  # which takes probabilities as well
            narrow = {argument: given.astype(F32)}
            refused(module, inputs | narrow, TypeError, "target is float32, expected float64")
        else:
            real = {argument: given.astype(F64)}
            refused(module, inputs | real, TypeError, f"{wrong} is float64, expected integers")
        refused(module, inputs | {argument: given > 0}, TypeError, f"{wrong} is bool, expected int")
        return
    if name != "Identity" and (first or argument != "target"):
        whole = {argument: given.astype(int)}
        refused(module, inputs | whole, TypeError, f"{argument} is int64, expected")
    if not first or list(module.parameters()):
        narrow = {argument: given.astype(F32)}
        refused(module, inputs | narrow, TypeError, f"{argument} is float32, expected float64")
    if name != "Identity":
        half = {argument: given.astype(np.float16)}
        refused(module, inputs | half, TypeError, f"{argument} is float16, expected")


# These are broadcast, as in PyTorch: one sample for all does fit
FIT_ALL_THE_SAME = {
    *(("GaussianNLLLoss", "target"), ("GaussianNLLLoss", "var")),
    *(("ScaledDotProductAttention", "key"), ("ScaledDotProductAttention", "value")),
    *(("PairwiseDistance", "x2"), ("CosineSimilarity", "x2")),
}


@pytest.mark.parametrize(("name", "argument"), OTHERS)
def test_an_input_that_does_not_fit_the_first_is_named(name: str, argument: str) -> None:
    """Neither one sample for all nor one too few: nothing is broadcast."""
    module, inputs = made(name)
    given = inputs[argument]
    for wrong in (given[:1], given[1:], given[np.newaxis]):
        more = wrong.ndim > given.ndim and name != "GaussianNLLLoss"
        if (
            (name, argument) in FIT_ALL_THE_SAME
            and len(wrong) == 1
            and (more or wrong.ndim == given.ndim)
        ):
            continue
        word = {"Bilinear": "inputs of shapes", "CTCLoss": "targets of shape"}.get(name, argument)
        refused(module, inputs | {argument: wrong}, ValueError, word, f"{wrong.shape}")


BUFFERS = [
    pytest.param(name, buffer, id=f"{name}-{buffer}")
    for name in LEAVES
    for buffer in ("weight", "pos_weight")
    if issubclass(MODULES[name], Loss) and buffer in inspect.signature(MODULES[name]).parameters
]


@pytest.mark.parametrize(("name", "buffer"), BUFFERS)
def test_a_weight_that_does_not_fit_is_named(name: str, buffer: str) -> None:
    _, inputs = made(name)
    wide = np.ones(3)
    kind = MODULES[name]
    refused(kind(**{buffer: wide.astype(F32)}), inputs, TypeError, f"{buffer} is float32, expected")
    refused(kind(**{buffer: wide[:2]}), inputs, ValueError, f"{buffer} ", "shape (2,)")
    with pytest.raises(TypeError, match=f"{name}: {buffer} is a MaskedArray, expected a plain"):
        kind(**{buffer: np.ma.masked_array(wide)})


# What has to be a whole number from 1 up: a call with a value in its place
WHOLE: dict[str, tuple[str, Any]] = {
    "PReLU num_parameters": ("PReLU: num_parameters", manual.PReLU),
    "Linear in_features": ("Linear: in_features", lambda v: manual.Linear(v, 2)),
    "Linear out_features": ("Linear: out_features", lambda v: manual.Linear(2, v)),
    "Bilinear in1_features": ("Bilinear: in1_features", lambda v: manual.Bilinear(v, 2, 2)),
    "Bilinear in2_features": ("Bilinear: in2_features", lambda v: manual.Bilinear(2, v, 2)),
    "Bilinear out_features": ("Bilinear: out_features", lambda v: manual.Bilinear(2, 2, v)),
    "Embedding num_embeddings": ("Embedding: num_embeddings", lambda v: manual.Embedding(v, 2)),
    "Embedding embedding_dim": ("Embedding: embedding_dim", lambda v: manual.Embedding(2, v)),
    "MLP size": ("MLP: size", lambda v: manual.MLP((2, v, 2))),
}


@pytest.mark.parametrize("what", WHOLE)
@pytest.mark.parametrize("value", [0, -1, 2.0, True, "2", None])
def test_a_width_that_is_none_is_named(what: str, value: Any) -> None:
    words, make = WHOLE[what]
    message = f"{words} is {value!r}, expected a whole number of at least 1"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make(value)


@pytest.mark.parametrize("what", WHOLE)
def test_a_width_is_taken_from_1_up_and_from_numpy(what: str) -> None:
    for value in (1, np.int64(2)):
        WHOLE[what][1](value)


# What only PyTorch has: each of these options with a value that asks for it
ASKING: dict[str, Any] = {
    "inplace": True,
    "device": "cpu",
    "min_value": -2.0,
    "max_value": 2.0,
    "max_norm": 1.0,
    "norm_type": 3.0,
    "scale_grad_by_freq": True,
    "sparse": True,
    "custom_encoder": 1,
    "custom_decoder": 1,
    "size_average": True,
    "reduce": False,
}
REQUIRED: dict[str, tuple[Any, ...]] = {
    "Linear": (3, 4),
    "Bilinear": (2, 3, 4),
    "Embedding": (5, 3),
    "Threshold": (0.5, -2.0),
    **{f"Conv{n}d": (2, 3, 2) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": (2, 3, 2) for n in (1, 2, 3)},
    **{f"{kind}Norm{n}d": (3,) for kind in ("Batch", "Instance") for n in (1, 2, 3)},
    **{"LayerNorm": (3,), "RMSNorm": (3,), "GroupNorm": (1, 3)},
    **dict.fromkeys(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"), (2, 3)),
    **{"EmbeddingBag": (5, 3), "MultiheadAttention": (6, 2)},
    **{f"Transformer{kind}coderLayer": (6, 2) for kind in ("En", "De")},
}
UNSUPPORTED = [
    pytest.param(name, option, id=f"{name}-{option}")
    for name, kind in MODULES.items()
    for option in ASKING
    if option in inspect.signature(kind).parameters and "LPPool" not in name
]


@pytest.mark.parametrize(("name", "option"), UNSUPPORTED)
def test_what_only_pytorch_has_is_refused_by_name(name: str, option: str) -> None:
    with pytest.raises(NotImplementedError) as caught:
        MODULES[name](*REQUIRED.get(name, ()), **{option: ASKING[option]})
    assert str(caught.value) == f"{name}: {option} is not supported"


@pytest.mark.parametrize("name", sorted(public(Loss)))
def test_a_loss_goes_back_from_1_by_itself(name: str) -> None:
    """`loss.backward()` is that of a gradient of 1; of several losses it has to be told."""
    module: Any
    module, inputs = made(name)
    for reduction in ("mean", "sum"):
        module.reduction = reduction
        module(**inputs)
        by_itself = module.backward()
        module(**inputs)
        of_one = module.backward(np.float64(1))
        for mine, theirs in zip(*map(tuple_of, (by_itself, of_one)), strict=True):
            np.testing.assert_array_equal(mine, theirs)
            assert np.abs(mine).max() > 0
    module.reduction = "none"
    module(**inputs)
    with pytest.raises(ValueError, match=r"upstream gradient of shape \(\), expected the output's"):
        module.backward()


def tuple_of(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


# ---- the lengths of sums


def ones(*shape: int) -> Array:
    return np.ones(shape)


def classes(*shape: int) -> Array:
    return np.zeros(shape, int)


SHARED = ("mean", "sum", "none")
BOTH = {"output": 3, "input": 3}  # over an axis of 3, forward and back
CLASSIFIED = [
    (reduction, shape, classes(*shape[:1], *shape[2:]), total)
    for shape, total in (((5, 3), 15), ((2, 3, 4), 24))
    for reduction in SHARED
]
# A module, its inputs, and how many terms there are in the sums of its formulas
SUMS: list[tuple[manual.Module, tuple[Any, ...], dict[str, int]]] = [
    # yₙᵢ over in, ∂L/∂x over out, ∂L/∂W and ∂L/∂b over the samples
    (
        manual.Linear(3, 4),
        (ones(5, 2, 3),),
        {"output": 3, "input": 4, "weight": 10, "bias": 10},
    ),
    (
        manual.Conv1D(4, 3),
        (ones(5, 2, 3),),
        {"output": 3, "input": 4, "weight": 10, "bias": 10},
    ),
    (manual.Linear(3, 4), (ones(3),), {"output": 3, "input": 4, "weight": 1, "bias": 1}),
    # yₖ over i and j, ∂L/∂x₁ over k and j, ∂L/∂x₂ over k and i
    (
        manual.Bilinear(2, 3, 4),
        (ones(5, 2), ones(5, 3)),
        {"output": 6, "input": 12, "weight": 5, "bias": 5},
    ),
    (
        manual.Bilinear(3, 2, 4),
        (ones(5, 2, 3), ones(5, 2, 2)),
        {"output": 6, "input": 12, "weight": 10, "bias": 10},
    ),
    (manual.PReLU(), (ones(5, 3),), {"weight": 15}),
    (manual.PReLU(3), (ones(5, 3, 2),), {"weight": 10}),
    (manual.Embedding(5, 3), (classes(4, 2),), {"weight": 8}),  # all may be the same row
    (SharedBias(), (ones(5, 3),), {"bias": 15}),
    *((make(dim=1), (ones(2, 3, 4),), BOTH) for make in (manual.Softmax, manual.Softmin)),
    (manual.LogSoftmax(dim=1), (ones(2, 3, 4),), BOTH),
    (manual.Softmax2d(), (ones(2, 3, 4, 5),), BOTH),
    *((make(dim=0), (ones(),), {"output": 1, "input": 1}) for make in (manual.Softmax,)),
    (manual.LogSoftmax(dim=0), (ones(),), {"output": 1, "input": 1}),
    (manual.HalfSquaredError(), (ones(5, 3), ones(5, 3)), {"output": 15}),
    # of single elements: one term each, all of them in mean and sum
    *(
        (
            manual.MSELoss(reduction=r),
            (ones(5, 3),) * 2,
            {"output": 1 if r == "none" else 15, "input": 1},
        )
        for r in SHARED
    ),
    (manual.KLDivLoss(reduction="batchmean"), (ones(5, 3),) * 2, {"output": 15, "input": 1}),
    # of rows: the last axis, and all of it in mean and sum
    *(
        (
            manual.MultiMarginLoss(reduction=r),
            (ones(5, 3), classes(5)),
            {"output": 3 if r == "none" else 15, "input": 3},
        )
        for r in SHARED
    ),
    (
        manual.MultiLabelMarginLoss(reduction="none"),
        (ones(5, 3), classes(5, 3)),
        {"output": 3, "input": 3},
    ),
    (manual.MultiLabelSoftMarginLoss(), (ones(5, 3),) * 2, {"output": 15, "input": 3}),
    (manual.CosineEmbeddingLoss(), (ones(5, 3),) * 2 + (ones(5),), {"output": 15, "input": 3}),
    (manual.TripletMarginLoss(reduction="none"), (ones(5, 3),) * 3, {"output": 3, "input": 3}),
    (manual.MultiMarginLoss(), (ones(), classes()), {"output": 1, "input": 1}),
    # of classes, which are the second axis, or the only one
    *(
        (
            make(reduction=r),
            (ones(*shape), target),
            {"output": 3 if r == "none" else total, "input": 3},
        )
        for make in (manual.NLLLoss, manual.CrossEntropyLoss)
        for r, shape, target, total in CLASSIFIED
    ),
    (manual.NLLLoss(), (ones(3), classes()), {"output": 3, "input": 3}),
    (manual.CrossEntropyLoss(reduction="none"), (ones(3), classes()), {"output": 3, "input": 3}),
    # of paths: one product over T steps, then all samples; γ is of two such walks
    (
        manual.CTCLoss(),
        (ones(7, 4, 5), classes(4, 3), classes(4), classes(4)),
        {"output": 11, "input": 14},
    ),
    (manual.CTCLoss(), (ones(7, 5), classes(3), 7, 3), {"output": 8, "input": 14}),
    # over the kernel and the channels of a group, ∂L/∂W and ∂L/∂b over samples and places
    (
        manual.Conv2d(4, 6, 3, groups=2),
        (ones(5, 4, 7, 8),),
        {"output": 2 * 9, "input": 3 * 9, "weight": 5 * 30, "bias": 5 * 30},
    ),
    (
        manual.Conv1d(4, 6, 3, padding=1, padding_mode="reflect"),
        (ones(4, 7),),
        {"output": 12, "input": 2 * 18, "weight": 7, "bias": 7},  # a copy's gradient comes back too
    ),
    (
        manual.ConvTranspose2d(4, 6, 3, stride=2, groups=2),
        (ones(5, 4, 2, 3),),
        {"output": 2 * 9, "input": 3 * 9, "weight": 5 * 6, "bias": 5 * 5 * 7},
    ),
    # over a window, and over the windows that an element lies in
    (manual.MaxPool2d(3, 2), (ones(2, 3, 7, 8),), {"input": 4}),
    (manual.AvgPool2d(3, 2), (ones(2, 3, 7, 8),), {"output": 9, "input": 4}),
    (manual.LPPool1d(2, 3, 1), (ones(2, 3, 7),), {"output": 3, "input": 3}),
    (manual.AdaptiveAvgPool2d((2, 3)), (ones(1, 1, 5, 7),), {"output": 16, "input": 4}),
    (manual.AdaptiveMaxPool2d((2, 3)), (ones(1, 1, 5, 7),), {"input": 4}),
    (manual.AdaptiveMaxPool2d((10, None)), (ones(1, 1, 5, 7),), {"input": 6}),
    (manual.Unfold(3, stride=2), (ones(1, 2, 7, 8),), {"input": 4}),
    (manual.Fold((7, 8), 3, stride=2), (ones(1, 18, 9),), {"output": 4}),
    (manual.ReflectionPad2d((1, 2, 0, 3)), (ones(2, 3, 7, 8),), {"input": 16}),
    (manual.ZeroPad2d(1), (ones(2, 3, 7, 8),), {}),
    (manual.Upsample(7, mode="bilinear"), (ones(1, 1, 5, 4),), {"output": 4, "input": 25}),
    (manual.Upsample(7, mode="trilinear"), (ones(1, 1, 5, 4, 3),), {"output": 8, "input": 175}),
    (manual.Upsample(7), (ones(1, 1, 5, 4),), {"output": 1, "input": 9}),
    # over a group twice, for its mean and its variance; backward the same of what came out
    (
        manual.BatchNorm2d(3),
        (ones(5, 3, 4, 2),),
        {"output": 80, "input": 160, "weight": 120, "bias": 40},
    ),
    (
        manual.BatchNorm2d(3).eval(),
        (ones(5, 3, 4, 2),),
        {"output": 2, "input": 4, "weight": 42, "bias": 40},
    ),
    (
        manual.InstanceNorm2d(3, affine=True),
        (ones(5, 3, 4, 2),),
        {"output": 16, "input": 32, "weight": 56, "bias": 40},
    ),
    (manual.InstanceNorm2d(3), (ones(3, 4, 2),), {"output": 16, "input": 32}),
    (
        manual.GroupNorm(2, 6),
        (ones(5, 6, 4),),
        {"output": 24, "input": 48, "weight": 44, "bias": 20},
    ),
    (
        manual.LayerNorm(4),
        (ones(5, 3, 4),),
        {"output": 8, "input": 16, "weight": 23, "bias": 15},
    ),
    (manual.RMSNorm(4), (ones(5, 3, 4),), {"output": 8, "input": 16, "weight": 23}),
    (manual.LocalResponseNorm(3), (ones(5, 7, 4),), {"output": 3, "input": 6}),
    # over the bag, over the features for the numbers' own weights, and over all numbers for W
    (manual.EmbeddingBag(5, 3), (classes(4, 2),), {"output": 2, "input": 3, "weight": 8}),
    (
        manual.EmbeddingBag(5, 3),
        (classes(7), np.array([0, 4])),
        {"output": 7, "input": 3, "weight": 7},
    ),
    # over the axis, twice where lengths are divided by; what was broadcast adds up going back
    (manual.PairwiseDistance(), (ones(5, 3), ones(1, 3)), {"output": 3, "input": 18}),
    (manual.CosineSimilarity(), (ones(5, 3), ones(5, 3)), {"output": 6, "input": 21}),
    # over input and state, back over all gates; one step, or all of them in all layers
    (
        manual.GRUCell(2, 3),
        (ones(5, 2),),
        {"output": 5, "input": 9}
        | {f"{kind}_{of}": 5 for kind in ("weight", "bias") for of in ("ih", "hh")},
    ),
    (
        manual.LSTM(2, 4, num_layers=2, bidirectional=True, bias=False, proj_size=3),
        (ones(7, 5, 2),),
        {"output": 14 * (6 + 3 + 3), "input": 14 * 32}
        | {
            f"weight_{of}_l{layer}{end}": 35
            for of in ("ih", "hh", "hr")
            for layer in (0, 1)
            for end in ("", "_reverse")
        },
    ),
    # a score, the softmax, the mean of the values; and back
    (
        manual.ScaledDotProductAttention(),
        (ones(2, 4, 5), ones(2, 3, 5), ones(2, 3, 6)),
        {"output": 5 + 6, "input": 6 + 3 + 5},
    ),
    (
        manual.ScaledDotProductAttention(enable_gqa=True),
        (ones(6, 4, 5), ones(2, 3, 5), ones(2, 3, 6)),
        {"output": 5 + 6, "input": 6 + 3 + 12},
    ),
    # with the linear layers before it; the one behind it counts by itself
    (
        manual.MultiheadAttention(6, 2),
        (ones(4, 2, 6), ones(3, 2, 6), ones(3, 2, 6)),
        {"output": 6 + 3 + 6, "input": 6 + 6 + 4 + 6, "in_proj_weight": 8, "in_proj_bias": 8},
    ),
    (
        manual.MultiheadAttention(6, 2, kdim=7, vdim=8, add_bias_kv=True, add_zero_attn=True),
        (ones(4, 2, 6), ones(3, 2, 7), ones(3, 2, 8)),
        {"output": 8 + 3 + 10, "input": 6 + 6 + 4 + 10, "in_proj_bias": 10}
        | {"q_proj_weight": 8, "k_proj_weight": 10, "v_proj_weight": 10, "bias_k": 2, "bias_v": 2},
    ),
]


@pytest.mark.parametrize(("module", "inputs", "lengths"), SUMS, ids=lambda v: repr(v)[:40])
def test_the_lengths_of_sums_are_those_of_the_formulas(
    module: manual.Module, inputs: tuple[Any, ...], lengths: dict[str, int]
) -> None:
    assert module.sum_lengths(*inputs) == lengths


@pytest.mark.parametrize("case", FIRST.values(), ids=lambda case: case.class_name)
def test_the_lengths_of_sums_are_of_what_there_is(case: Case) -> None:
    module, inputs = case.build(F64)
    known = {"output", "input", *(name for name, _ in module.named_parameters())}
    assert module.sum_lengths(*inputs).keys() <= known


def test_every_class_with_sums_is_in_the_table() -> None:
    def own(kind: type) -> Any:
        return kind.sum_lengths  # type: ignore[attr-defined]

    tested = {own(type(module)) for module, *_ in SUMS}
    assert {own(kind) for kind in MODULES.values()} - {manual.Module.sum_lengths} == tested


# ---- the article's network


def test_the_articles_network_takes_its_arguments() -> None:
    network = ArticleNetwork()
    assert [p.shape for p in network.parameters()] == [(2, 2), (2,), (2, 2), (2,)]
    assert next(network.parameters()).data.dtype == F32
    wide = ArticleNetwork(3, "Tanh", "trained", F64, np.random.default_rng(0))
    assert [p.shape for p in wide.parameters()] == [(3, 2), (3,), (2, 3), (2,)]
    assert next(wide.parameters()).data.dtype == F64
    assert all(p.requires_grad for p in wide.parameters())
    same = ArticleNetwork(3, "Tanh", "trained", F64, np.random.default_rng(0))
    drawn = np.random.default_rng(0)
    hidden, output = (
        manual.Linear(2, 3, dtype=F64, generator=drawn),
        manual.Linear(3, 2, dtype=F64, generator=drawn),
    )
    for network in (wide, same):
        np.testing.assert_array_equal(network.hidden[0].weight.data, hidden.weight.data)
        np.testing.assert_array_equal(network.output[0].weight.data, output.weight.data)
        np.testing.assert_array_equal(network.hidden[0].bias.data, 0.35)
        np.testing.assert_array_equal(network.output[0].bias.data, 0.6)
        assert type(network.hidden[1]) is type(network.output[1]) is manual.Tanh
    assert [p.requires_grad for p in ArticleNetwork().parameters()] == [True, False] * 2
    shared = ArticleNetwork(biases="shared", dtype=F64)
    assert [p.shape for p in shared.parameters()] == [(2, 2), (1,), (2, 2), (1,)]
    assert all(p.requires_grad for p in shared.parameters())
    assert {p.data.dtype for p in shared.parameters()} == {F64}
