"""Optimizers against torch.optim: options, groups, frozen and late parameters, state, clipping."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.parity import EPS, Running, by_autograd, by_hand, carried, compare, tolerance
from torch_ref.twin import all_in, twin_of

from .conftest import assert_agreement, make_pair, named, public

VARIANTS: dict[Any, list[dict[str, Any]]] = {
    manual.SGD: [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True},
        {"maximize": True},
    ],
    manual.Adam: [{}, {"amsgrad": True}, {"maximize": True}, {"betas": (0.5, 0.7), "eps": 1e-3}],
    manual.AdamW: [{}, {"amsgrad": True}, {"maximize": True}],
    manual.NAdam: [{}, {"momentum_decay": 0.1}, {"decoupled_weight_decay": True}],
    manual.RAdam: [{}, {"betas": (0.5, 0.6)}, {"decoupled_weight_decay": True}],
    manual.Adamax: [{}, {"maximize": True}],
    manual.Adagrad: [{}, {"lr_decay": 0.1}, {"initial_accumulator_value": 0.5}],
    manual.Adadelta: [{}, {"rho": 0.5}, {"maximize": True}],
    manual.RMSprop: [{}, {"centered": True}, {"momentum": 0.9}, {"centered": True, "alpha": 0.5}],
    manual.Rprop: [{}, {"etas": (0.3, 1.5)}, {"step_sizes": (1e-3, 0.02)}, {"maximize": True}],
    manual.ASGD: [{}, {"t0": 2.0, "lambd": 0.1}, {"alpha": 0.3}],
}
PRECISE = {dtype: 16 * eps for dtype, eps in EPS.items()}
DECAY = [{}, {"weight_decay": 0.1}]
MADE = [
    pytest.param(made, {**options, **decay}, id=f"{made.__name__}-{i}{'-decay' if decay else ''}")
    for made, variants in VARIANTS.items()
    for i, options in enumerate(variants)
    for decay in (DECAY if made is not manual.Rprop else [{}])
]


def step_both(pair: Any, mine: Any, theirs: Any, steps: int, allowed: float) -> None:
    """Take steps on both sides, each with gradients of its own, and compare after every one."""
    running = Running()
    for n in range(steps):
        upstream = [g * np.asarray(np.cos(n + 1), g.dtype) for g in pair.upstream]  # signs change
        by_hand(pair.mine, pair.inputs, upstream)
        mine.step()
        with all_in(pair.dtype):
            by_autograd(pair.twin, pair.inputs, upstream)
            theirs.step()
        sides = ((pair.mine, mine), (pair.twin, theirs))
        found = [carried(module.named_parameters(), optimizer) for module, optimizer in sides]
        assert_agreement(running.compare(*found, allowed))
        for p, q in zip(pair.mine.parameters(), pair.twin.parameters(), strict=True):
            numbers = {k: v for k, v in mine.state_of(p).items() if not np.ndim(v) and k != "step"}
            for name, value in numbers.items():
                assert value == pytest.approx(float(theirs.state[q][name]), rel=PRECISE[pair.dtype])


@pytest.mark.parametrize(("made", "options"), MADE)
def test_every_option_over_twelve_steps(made: Any, options: dict, dtype: Any) -> None:
    pair = make_pair(named("MLP-Tanh"), dtype)
    mine = made(pair.mine.parameters(), **options)
    theirs = twin_of(mine, pair.twin.parameters())
    assert type(theirs).__name__ == made.__name__
    step_both(pair, mine, theirs, 12, tolerance(12, 12))


def test_every_optimizer_is_tested() -> None:
    assert {*public(manual.Optimizer).values()} == {*VARIANTS, manual.Muon}


@pytest.mark.parametrize("made", [*VARIANTS, manual.Muon], ids=lambda made: made.__name__)
def test_defaults_are_pytorchs(made: Any) -> None:
    mine = made([manual.Parameter(np.ones((2, 2)))])
    theirs = getattr(torch.optim, made.__name__)([torch.nn.Parameter(torch.ones(2, 2))])
    for name, value in mine.defaults.items():
        assert theirs.defaults[name] == value, name


MUON = [
    {},
    {"nesterov": False},
    {"adjust_lr_fn": "match_rms_adamw"},
    {"ns_steps": 3, "weight_decay": 0.0, "momentum": 0.5},
]


@pytest.mark.parametrize("options", MUON)
@pytest.mark.parametrize("size", [(3, 5), (5, 3), (4, 4)])
def test_muon_in_full_precision(options: dict, size: tuple, dtype: Any) -> None:
    """With PyTorch's bfloat16 left out, so that both iterate in the weights' own dtype."""
    generator = np.random.default_rng(0)
    mine = manual.Parameter(generator.normal(size=size).astype(dtype))
    theirs = torch.nn.Parameter(torch.from_numpy(mine.data.copy()))
    optimizer = manual.Muon([mine], lr=0.1, **options)
    twin = twin_of(optimizer, [theirs])
    for _ in range(6):
        gradient = generator.normal(size=size).astype(dtype)
        mine.grad, theirs.grad = gradient, torch.from_numpy(gradient.copy())
        optimizer.step()
        with all_in(dtype):
            twin.step()
    rows = [{("weight", ""): side.data} for side in (mine, theirs)]
    assert_agreement(
        compare(*rows, tolerance(200, 6))
    )  # 15 products, each of up to 5 terms, a step


def test_muon_over_several_matrices_one_without_a_gradient() -> None:
    """Each matrix is made orthogonal by itself, wherever it lies in the flat arrays."""
    generator = np.random.default_rng(0)
    sizes = [(2, 3), (4, 2), (3, 5)]
    mine = [manual.Parameter(generator.normal(size=size)) for size in sizes]
    theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in mine]
    optimizer = manual.Muon(mine, lr=0.1)
    twin = twin_of(optimizer, theirs)
    for p, q in list(zip(mine, theirs, strict=True))[1:]:
        p.grad = generator.normal(size=p.shape)
        q.grad = torch.from_numpy(p.grad.copy())
    optimizer.step()
    with all_in(np.dtype(np.float64)):
        twin.step()
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach(), rtol=1e-12)


def test_muon_beside_pytorchs_bfloat16() -> None:
    """As PyTorch runs it, the direction is the same to bfloat16's three digits."""
    generator = np.random.default_rng(0)
    gradient = generator.normal(size=(6, 4))
    mine, theirs = (
        manual.Parameter(np.zeros((6, 4))),
        torch.nn.Parameter(torch.zeros(6, 4).double()),
    )
    mine.grad, theirs.grad = gradient, torch.from_numpy(gradient.copy())
    manual.Muon([mine], lr=1.0).step()
    torch.optim.Muon([theirs], lr=1.0).step()
    assert 1e-6 < np.abs(mine.data - theirs.detach().numpy()).max() < 0.05 * np.abs(mine.data).max()


def test_muon_makes_singular_values_equal() -> None:
    mine = manual.Parameter(np.zeros((6, 4)))
    mine.grad = np.random.default_rng(0).normal(size=(6, 4)) * [1, 2, 3, 4]
    manual.Muon([mine], lr=1.0, weight_decay=0.0).step()
    values = np.linalg.svd(mine.data / np.sqrt(6 / 4), compute_uv=False)
    assert (values > 0.5).all()
    assert (values < 1.5).all()


def test_groups_have_settings_of_their_own(dtype: Any) -> None:
    pair = make_pair(named("MLP-Tanh"), dtype)
    first, *others = pair.mine.parameters()
    mine = manual.Adam([{"params": [first], "lr": 0.1}, {"params": others}], lr=0.01)
    mine.param_groups[1]["weight_decay"] = 0.2
    theirs = twin_of(mine, pair.twin.parameters())
    assert [group["lr"] for group in theirs.param_groups] == [0.1, 0.01]
    step_both(pair, mine, theirs, 6, tolerance(12, 6))


@pytest.mark.parametrize("made", [manual.SGD, manual.Adam, manual.NAdam, manual.ASGD])
def test_frozen_and_late_parameters(made: Any) -> None:
    """A parameter without a gradient is left alone, its weight decay and its count of steps too."""
    pair = make_pair(named("MLP-Tanh"), np.float64)
    options = {"momentum": 0.9} if made is manual.SGD else {}
    mine = made(pair.mine.parameters(), lr=0.01, weight_decay=0.1, **options)
    theirs = twin_of(mine, pair.twin.parameters())
    both = list(zip(pair.mine.parameters(), pair.twin.parameters(), strict=True))
    for frozen in ((1, 2), (0,), ()):
        for i, (p, q) in enumerate(both):
            p.requires_grad = i not in frozen
            q.requires_grad_(i not in frozen)
            p.grad = q.grad = None
        step_both(pair, mine, theirs, 3, tolerance(12, 9))


def test_state_dict_and_back() -> None:
    pair, again = make_pair(named("MLP-Tanh"), np.float64), make_pair(named("MLP-Tanh"), np.float64)
    mine = manual.NAdam(pair.mine.parameters(), lr=0.05)
    for _ in range(3):
        by_hand(pair.mine, pair.inputs, pair.upstream)
        mine.step()
    again.mine.load_state_dict(pair.mine.state_dict())
    other = manual.NAdam(again.mine.parameters())
    other.load_state_dict(mine.state_dict())
    for _ in range(3):
        for side, optimizer in ((pair, mine), (again, other)):
            by_hand(side.mine, side.inputs, side.upstream)
            optimizer.step()
    for a, b in zip(pair.mine.parameters(), again.mine.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


def test_a_state_dict_that_does_not_fit_changes_nothing() -> None:
    pair = make_pair(named("MLP-Tanh"), np.float64)
    mine = manual.Adam(pair.mine.parameters())
    by_hand(pair.mine, pair.inputs, pair.upstream)
    mine.step()
    before = mine.state_dict()
    wrong = mine.state_dict()
    wrong["state"][2]["exp_avg"] = np.zeros((9, 9))
    with pytest.raises(ValueError, match=r"Adam: exp_avg of parameter 2 has shape \(9, 9\)"):
        mine.load_state_dict(wrong)
    np.testing.assert_equal(mine.state_dict(), before)
    with pytest.raises(ValueError, match=r"groups of \[4\] parameters, expected \[3\]"):
        manual.Adam(list(pair.mine.parameters())[:3]).load_state_dict(before)


def test_parameters_are_views_into_one_array() -> None:
    pair = make_pair(named("MLP-Tanh"), np.float64)
    optimizer = manual.Adam(pair.mine.parameters())
    by_hand(pair.mine, pair.inputs, pair.upstream)
    optimizer.step()
    bases = {id(p.data.base) for p in pair.mine.parameters()}
    assert len(bases) == 1
    assert len({id(p.grad.base) for p in pair.mine.parameters()}) == 1


def test_two_optimizers_in_turn_on_the_same_parameters() -> None:
    """The last to step has the parameters in its own array; the other takes them back."""
    pair = make_pair(named("MLP-Tanh"), np.float64)
    mine = [manual.Adam(pair.mine.parameters()), manual.SGD(pair.mine.parameters(), momentum=0.9)]
    theirs = [twin_of(optimizer, pair.twin.parameters()) for optimizer in mine]
    for _ in range(2):
        for a, b in zip(mine, theirs, strict=True):
            step_both(pair, a, b, 2, tolerance(12, 8))


@pytest.mark.parametrize("norm_type", [2.0, 1.0, 3.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.1, 1e6])
def test_clip_grad_norm(norm_type: float, max_norm: float, dtype: Any) -> None:
    pair = make_pair(named("MLP-Tanh"), dtype)
    pair.gradients()
    mine = manual.clip_grad_norm_(pair.mine.parameters(), max_norm, norm_type)
    theirs = torch.nn.utils.clip_grad_norm_(pair.twin.parameters(), max_norm, norm_type)
    assert np.asarray(mine).dtype == dtype
    assert mine == pytest.approx(float(theirs), rel=PRECISE[dtype])
    rows = [
        {("gradient", n): p.grad for n, p in side.named_parameters()}
        for side in (pair.mine, pair.twin)
    ]
    assert_agreement(compare(*rows, pair.allowed()))


def test_clip_grad_value(dtype: Any) -> None:
    pair = make_pair(named("MLP-Tanh"), dtype)
    pair.gradients()
    manual.clip_grad_value_(pair.mine.parameters(), 0.25)
    for parameter in pair.mine.parameters():
        assert np.abs(parameter.grad).max() <= 0.25
    torch.nn.utils.clip_grad_value_(pair.twin.parameters(), 0.25)
    rows = [
        {("gradient", n): p.grad for n, p in side.named_parameters()}
        for side in (pair.mine, pair.twin)
    ]
    assert_agreement(compare(*rows, pair.allowed()))


P = np.ones(3)
BAD = [
    (lambda: manual.SGD([]), "SGD: there are no parameters"),
    (lambda: manual.SGD([manual.Parameter(P)], lr=-1), "SGD: lr is -1, expected at least 0"),
    (lambda: manual.SGD([manual.Parameter(P)], lr=float("nan")), "SGD: lr is nan"),
    (lambda: manual.SGD([manual.Parameter(P)], nesterov=True), "expected more than 0 for nesterov"),
    (lambda: manual.Adam([manual.Parameter(P)], betas=(0.9, 1.0)), "betas is .*each in"),
    (lambda: manual.Adam([manual.Parameter(P)], eps=float("nan")), "eps is nan"),
    (lambda: manual.RMSprop([manual.Parameter(P)], alpha=-1), "alpha is -1"),
    (lambda: manual.Adadelta([manual.Parameter(P)], rho=2), "rho is 2"),
    (lambda: manual.Rprop([manual.Parameter(P)], etas=(2, 3)), "etas is"),
    (lambda: manual.Muon([manual.Parameter(P)]), r"of shape \(3,\), expected 2 axes each"),
    (lambda: manual.SGD([{"params": [manual.Parameter(P)], "rl": 1}]), "unknown setting 'rl'"),
    (
        lambda: manual.SGD([manual.Parameter(P), manual.Parameter(P.astype(np.float32))]),
        "mixes the dtypes float32, float64",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_settings_say_so(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_parameter_twice_and_no_parameter_say_so() -> None:
    parameter = manual.Parameter(P)
    with pytest.raises(ValueError, match="given more than once"):
        manual.SGD([parameter, parameter])
    with pytest.raises(TypeError, match="got a ndarray, expected a Parameter"):
        manual.SGD([P])
    with pytest.raises(NotImplementedError, match="Adam: foreach is not supported"):
        manual.Adam([parameter], foreach=True)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
@pytest.mark.parametrize("made", VARIANTS, ids=lambda made: made.__name__)
def test_a_copied_network_and_optimizer_train_on_alike(made: Any, copied: Any) -> None:
    pair = make_pair(named("MLP-Tanh"), np.float64)
    optimizer = made(pair.mine.parameters(), lr=0.01)
    by_hand(pair.mine, pair.inputs, pair.upstream)
    optimizer.step()
    both = [(pair.mine, optimizer), copied((pair.mine, optimizer))]
    for module, own in both:
        for _ in range(3):
            by_hand(module, pair.inputs, pair.upstream)
            own.step()
    first, second = (module.state_dict() for module, _ in both)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


@pytest.mark.parametrize("made", VARIANTS, ids=lambda made: made.__name__)
def test_the_state_of_a_single_number(made: Any) -> None:
    """A parameter without axes keeps its count of steps through a saved state."""
    parameters = [manual.Parameter(np.array(1.5)) for _ in range(2)]
    options = {"momentum": 0.9} if made is manual.SGD else {}
    first, second = (made([p], lr=0.1, **options) for p in parameters)

    def step(parameter: Any, optimizer: Any, n: int) -> None:
        parameter.grad = np.array(np.cos(n + 1.0))
        optimizer.step()

    for n in range(4):
        step(parameters[0], first, n)
    parameters[1].data = parameters[0].data
    second.load_state_dict(first.state_dict())
    for n in range(4, 8):
        for parameter, optimizer in zip(parameters, (first, second), strict=True):
            step(parameter, optimizer, n)
    assert parameters[0].data == parameters[1].data


@pytest.mark.parametrize("made", [manual.Rprop, manual.Adagrad, manual.ASGD])
@pytest.mark.parametrize("saved", [False, True])
def test_a_parameter_whose_first_gradient_comes_late(made: Any, saved: bool) -> None:
    """Its state begins at its own first step, with the learning rate of then."""
    options = {"initial_accumulator_value": 0.3} if made is manual.Adagrad else {}
    mine = [manual.Parameter(np.full(3, 2.0)) for _ in range(2)]
    theirs = [torch.nn.Parameter(torch.full((3,), 2.0).double()) for _ in range(2)]
    optimizer = made(mine, lr=0.1, **options)
    twin = getattr(torch.optim, made.__name__)(theirs, lr=0.1, **options)
    with all_in(np.dtype(np.float64)):
        for n in range(6):
            if n == 3:
                optimizer.param_groups[0]["lr"] = twin.param_groups[0]["lr"] = 0.02
                if saved:
                    optimizer.load_state_dict(optimizer.state_dict())
            for i, (p, q) in enumerate(zip(mine, theirs, strict=True)):
                if i == 0 or n >= 3:
                    gradient = np.cos(np.arange(3.0) + n)
                    p.grad, q.grad = gradient, torch.from_numpy(gradient)
            optimizer.step()
            twin.step()
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach(), rtol=1e-14)


def test_a_nan_gradient_is_not_hidden_by_clipping() -> None:
    parameters = [manual.Parameter(np.ones(2)), manual.Parameter(np.ones(3))]
    parameters[0].grad, parameters[1].grad = np.array([np.nan, 1]), np.arange(3.0)
    assert np.isnan(manual.clip_grad_norm_(parameters, 1.0))
    assert all(np.isnan(p.grad).all() for p in parameters)


def test_an_argument_that_nobody_knows() -> None:
    with pytest.raises(TypeError, match="SGD: there is no argument 'momentun'"):
        manual.SGD([manual.Parameter(P)], momentun=0)


def test_another_optimizers_state_is_refused() -> None:
    parameter = manual.Parameter(P)
    with pytest.raises(ValueError, match="Adam: a group's state has no amsgrad"):
        manual.Adam([parameter]).load_state_dict(manual.SGD([parameter]).state_dict())
