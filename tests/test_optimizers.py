"""Optimizers against torch.optim: options, groups, frozen and late parameters, state."""

import copy
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.parity.distance import compare
from torch_ref.parity.one_pass import carried, one_pass
from torch_ref.parity.tolerance import EPS, Allowed
from torch_ref.twin import all_in, to_torch, twin_of

from .conftest import Training, Updates, assert_agreement, make_pair, named, public

VARIANTS: dict[Any, list[dict[str, Any]]] = {
    manual.SGD: [
        {},
        {"momentum": 0.9},
        {"momentum": 0.9, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.9, "dampening": -0.5},
        {"maximize": True},
        {"maximize": True, "momentum": 0.9},
        {"lr": 0.0},
    ],
    manual.Adam: [
        {},
        {"amsgrad": True},
        {"maximize": True},
        {"betas": (0.5, 0.7), "eps": 1e-3},
        {"betas": (0.0, 0.0), "eps": 0.0},
        {"decoupled_weight_decay": True, "lr": 0.1},
    ],
    manual.AdamW: [{}, {"amsgrad": True}, {"maximize": True}, {"betas": (0.5, 0.7), "eps": 1e-3}],
    manual.NAdam: [
        {},
        {"momentum_decay": 0.1},
        {"momentum_decay": 0.0, "maximize": True},
        {"decoupled_weight_decay": True, "lr": 0.1},
        {"betas": (0.0, 0.0)},
        {"betas": (0.5, 0.7), "eps": 1e-2},
    ],
    manual.RAdam: [
        {},
        {"betas": (0.5, 0.6)},
        {"decoupled_weight_decay": True, "lr": 0.1, "maximize": True},
        {"betas": (0.0, 0.5), "eps": 1e-2},
        {"betas": (0.5, 0.9), "lr": 0.1},
    ],
    manual.Adamax: [
        {},
        {"maximize": True},
        {"betas": (0.0, 0.0), "eps": 0.0},
        {"betas": (0.5, 0.7), "eps": 1e-2},
    ],
    manual.Adagrad: [
        {},
        {"lr_decay": 0.1},
        {"initial_accumulator_value": 0.5},
        {"eps": 0.1, "maximize": True},
        {"eps": 0.0},
    ],
    manual.Adadelta: [
        {},
        {"rho": 0.5},
        {"maximize": True},
        {"rho": 0.0},
        {"rho": 1.0},
        {"eps": 1e-2, "lr": 0.1},
    ],
    manual.RMSprop: [
        {},
        {"centered": True},
        {"momentum": 0.9},
        {"centered": True, "alpha": 0.5},
        {"alpha": 0.0},
        {"alpha": 1.0, "eps": 1e-2},
        {"centered": True, "momentum": 0.5, "maximize": True},
    ],
    manual.Rprop: [
        {},
        {"etas": (0.3, 1.5)},
        {"step_sizes": (1e-3, 0.02)},
        {"maximize": True},
        {"lr": 0.0},
    ],
    manual.ASGD: [
        {},
        {"t0": 2.0, "lambd": 0.1},
        {"t0": 0.0},
        {"alpha": 0.3},
        {"alpha": 0.0, "lambd": 0.5},
        {"lambd": 0.0, "maximize": True},
    ],
}
MUON: list[dict[str, Any]] = [
    {},
    {"nesterov": False},
    {"adjust_lr_fn": "original"},
    {"adjust_lr_fn": "match_rms_adamw"},
    {"ns_steps": 3, "weight_decay": 0.0, "momentum": 0.5},
    {"eps": 10.0, "ns_coefficients": (2.0, -1.5, 0.5)},
    {"momentum": 0.0, "ns_steps": 1},
]
ALL = [*VARIANTS, manual.Muon]
PRECISE = {dtype: 16 * eps for dtype, eps in EPS.items()}
DECAY = [{}, {"weight_decay": 0.1}]
MADE = [
    pytest.param(made, {**options, **decay}, id=f"{made.__name__}-{i}{'-decay' if decay else ''}")
    for made, variants in VARIANTS.items()
    for i, options in enumerate(variants)
    for decay in (DECAY if made is not manual.Rprop else [{}])
]


def step_both(pair: Any, mine: Any, theirs: Any, steps: int) -> None:
    """Take steps on both sides, each with gradients of its own, and compare after every one."""
    training = Training(pair, mine, theirs)
    for n in range(steps):
        upstream = [g * np.asarray(np.cos(n + 1), g.dtype) for g in pair.upstream]  # signs change
        assert_agreement(training.step(upstream))
        for p, q in zip(pair.mine.parameters(), pair.twin.parameters(), strict=True):
            numbers = {k: v for k, v in mine.state[p].items() if not np.ndim(v) and k != "step"}
            for name, value in numbers.items():
                assert value == pytest.approx(float(theirs.state[q][name]), rel=PRECISE[pair.dtype])


@pytest.mark.parametrize(("made", "options"), MADE)
def test_every_option_over_twelve_steps(made: Any, options: dict, dtype: Any) -> None:
    pair = make_pair(named("MLP-Tanh"), dtype)
    mine = made(pair.mine.parameters(), **options)
    theirs = twin_of(mine, pair.twin.parameters())
    assert type(theirs).__name__ == made.__name__
    step_both(pair, mine, theirs, 12)


def test_every_optimizer_is_tested() -> None:
    assert {*public(manual.Optimizer).values()} == {*ALL}


by_name = pytest.mark.parametrize("made", ALL, ids=lambda made: made.__name__)
UNSUPPORTED = {"foreach", "fused", "capturable", "differentiable"}


def parameters_of(made: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(made).parameters)


@by_name
def test_defaults_are_pytorchs(made: Any) -> None:
    mine = made([manual.Parameter(np.ones((2, 2)))])
    theirs = getattr(torch.optim, made.__name__)([torch.nn.Parameter(torch.ones(2, 2))])
    supported = {k: v for k, v in theirs.defaults.items() if k not in UNSUPPORTED}
    assert mine.defaults == supported
    assert {k: v for k, v in mine.param_groups[0].items() if k != "params"} == supported


@by_name
def test_every_argument_arrives_under_its_name(made: Any) -> None:
    """A setting that lands in another's place would not show while both are as by default."""
    wanted: dict[str, Any] = {}
    for number, (name, p) in enumerate(parameters_of(made).items(), start=2):
        if isinstance(p.default, bool):
            wanted[name] = name != "nesterov" and not p.default
        elif isinstance(p.default, int | float):
            wanted[name] = 1 / number
        elif name == "betas":
            wanted[name] = (0.25, 0.125)
    optimizer = made([manual.Parameter(np.ones((2, 2)))], **wanted)
    assert {name: optimizer.defaults[name] for name in wanted} == wanted


UNSUPPORTED_OF = [
    pytest.param(made, name, id=f"{made.__name__}-{name}")
    for made in ALL
    for name in parameters_of(getattr(torch.optim, made.__name__))
    if name in UNSUPPORTED
]


@pytest.mark.parametrize(("made", "name"), UNSUPPORTED_OF)
def test_what_only_pytorch_has_is_refused(made: Any, name: str) -> None:
    parameter = manual.Parameter(np.ones((2, 2)))
    message = f"^{made.__name__}: {name} is not supported$"
    with pytest.raises(NotImplementedError, match=message):
        made([parameter], **{name: True})
    made([parameter], **{name: False})  # as if it were not there


@by_name
def test_an_argument_that_nobody_knows(made: Any) -> None:
    with pytest.raises(TypeError, match="momentun"):
        made([manual.Parameter(np.ones((2, 2)))], momentun=0)


@pytest.mark.parametrize("options", MUON, ids=str)
@pytest.mark.parametrize("size", [(3, 5), (5, 3), (4, 4)], ids=str)
def test_muon_in_full_precision(options: dict, size: tuple, dtype: Any) -> None:
    """With PyTorch's bfloat16 left out, so that both iterate in the weights' own dtype."""
    generator = np.random.default_rng(0)
    mine = manual.Parameter(generator.normal(size=size).astype(dtype))
    theirs = torch.nn.Parameter(torch.from_numpy(mine.data.copy()))
    optimizer = manual.Muon([mine], lr=0.1, **options)
    twin = twin_of(optimizer, [theirs])
    updates = Updates(optimizer, twin)
    for _ in range(6):
        assert_agreement(updates.step([generator.normal(size=size).astype(dtype)]))


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
    groups: list[dict[str, Any]] = [{"params": [first], "lr": 0.1}, {"params": others}]
    mine = manual.Adam(groups, lr=0.01)
    mine.param_groups[1]["weight_decay"] = 0.2
    theirs = twin_of(mine, pair.twin.parameters())
    assert [group["lr"] for group in theirs.param_groups] == [0.1, 0.01]
    step_both(pair, mine, theirs, 6)


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
        step_both(pair, mine, theirs, 3)


def test_parameters_are_views_into_one_array() -> None:
    pair = make_pair(named("MLP-Tanh"), np.float64)
    optimizer = manual.Adam(pair.mine.parameters())
    pair.by_hand()
    optimizer.step()
    for array in ("data", "grad"):
        assert len({id(getattr(p, array).base) for p in pair.mine.parameters()}) == 1


def test_two_optimizers_in_turn_on_the_same_parameters() -> None:
    """The last to step has the parameters in its own array; the other takes them back."""
    pair = make_pair(named("MLP-Tanh"), np.float64)
    mine = [manual.Adam(pair.mine.parameters()), manual.SGD(pair.mine.parameters(), momentum=0.9)]
    theirs = [twin_of(optimizer, pair.twin.parameters()) for optimizer in mine]
    for _ in range(2):
        for a, b in zip(mine, theirs, strict=True):
            step_both(pair, a, b, 2)


def vector() -> manual.Parameter:
    return manual.Parameter(np.ones(3))


INF, NAN = float("inf"), float("nan")
BAD: list[tuple[Any, dict[str, Any], str]] = [
    (manual.SGD, {"lr": -1}, "SGD: lr is -1, expected at least 0"),
    (manual.SGD, {"lr": NAN}, "SGD: lr is nan, expected at least 0"),
    (manual.SGD, {"lr": INF}, "SGD: lr is inf, expected at least 0"),
    (manual.SGD, {"momentum": -0.1}, "SGD: momentum is -0.1, expected at least 0"),
    (manual.SGD, {"weight_decay": -0.1}, "SGD: weight_decay is -0.1, expected at least 0"),
    (manual.SGD, {"nesterov": True}, "SGD: momentum is 0, expected more than 0 for nesterov"),
    (
        manual.SGD,
        {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
        "SGD: dampening is 0.1, expected 0 for nesterov",
    ),
    (manual.Adam, {"betas": (0.9, 1.0)}, r"Adam: betas is \(0.9, 1.0\), expected each in \[0, 1\)"),
    (manual.Adam, {"betas": (-0.1, 0.9)}, "Adam: betas is .*, expected each in .*"),
    (manual.AdamW, {"betas": (1, 0.9)}, "AdamW: betas is .*, expected each in .*"),
    (manual.Adam, {"eps": NAN}, "Adam: eps is nan, expected at least 0"),
    (manual.NAdam, {"momentum_decay": -1}, "NAdam: momentum_decay is -1, expected at least 0"),
    (manual.Adagrad, {"lr_decay": -1}, "Adagrad: lr_decay is -1, expected at least 0"),
    (
        manual.Adagrad,
        {"initial_accumulator_value": -1},
        "initial_accumulator_value is -1, expected at least 0",
    ),
    (manual.RMSprop, {"alpha": -1}, "RMSprop: alpha is -1, expected at least 0"),
    (manual.RMSprop, {"alpha": INF}, "RMSprop: alpha is inf, expected at least 0"),
    (manual.RMSprop, {"momentum": NAN}, "RMSprop: momentum is nan, expected at least 0"),
    (manual.Adadelta, {"rho": 1.1}, "Adadelta: rho is 1.1, expected 0 to 1"),
    (manual.Adadelta, {"rho": -0.1}, "Adadelta: rho is -0.1, expected 0 to 1"),
    (manual.Adadelta, {"lr": -1}, "Adadelta: lr is -1, expected at least 0"),
    (manual.RMSprop, {"lr": -1}, "RMSprop: lr is -1, expected at least 0"),
    (manual.Rprop, {"lr": -1}, "Rprop: lr is -1, expected at least 0"),
    (manual.Rprop, {"etas": (0, 2)}, "Rprop: etas is .*, expected 0 < the first < 1 < the second"),
    (manual.Rprop, {"etas": (1, 2)}, "Rprop: etas is .*, expected 0 < the first < 1 < the second"),
    (
        manual.Rprop,
        {"etas": (0.5, 1)},
        "Rprop: etas is .*, expected 0 < the first < 1 < the second",
    ),
    (manual.Muon, {"lr": -1}, "Muon: lr is -1, expected at least 0"),
    (manual.Muon, {"adjust_lr_fn": "x"}, "Muon: adjust_lr_fn is x, expected one of .*_adamw.*"),
]


@pytest.mark.parametrize(("made", "options", "message"), BAD, ids=[message for *_, message in BAD])
def test_bad_settings_say_so(made: Any, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=f"{message}$"):
        made([manual.Parameter(np.ones((2, 2)))], **options)


WRONG: list[tuple[Any, Any, type[Exception], str]] = [
    (manual.SGD, list, ValueError, "SGD: there are no parameters to optimize"),
    (manual.SGD, lambda: [{"params": []}], ValueError, "SGD: a group has no parameters"),
    (manual.SGD, lambda: [vector()] * 2, ValueError, "SGD: a parameter is given more than once"),
    (manual.SGD, lambda: [np.ones(3)], TypeError, "SGD: got a ndarray, expected a Parameter"),
    (
        manual.SGD,
        lambda: [("w", vector()), vector()],
        ValueError,
        "SGD: some parameters of a group have no name",
    ),
    (
        manual.SGD,
        lambda: [{"params": [("w", vector())]}, {"params": [vector()]}],
        ValueError,
        "SGD: only some groups have names for their parameters",
    ),
    (
        manual.SGD,
        lambda: [vector(), manual.Parameter(np.ones(3, np.float32))],
        ValueError,
        "SGD: a group mixes the dtypes float32, float64",
    ),
    (
        manual.Muon,
        lambda: [vector()],
        ValueError,
        r"Muon: params is of shape \(3,\), expected 2 axes each",
    ),
]


@pytest.mark.parametrize(("made", "params", "error", "message"), WRONG, ids=[m for *_, m in WRONG])
def test_wrong_parameters_say_so(made: Any, params: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        made(params())


def test_a_parameter_in_two_groups_says_so() -> None:
    parameter = vector()
    optimizer = manual.SGD([{"params": parameter}])
    with pytest.raises(ValueError, match="SGD: a parameter is given more than once"):
        optimizer.add_param_group({"params": [parameter]})
    assert len(optimizer.param_groups) == 1


def test_groups_may_differ_in_dtype_but_not_within() -> None:
    wide, (single, other) = vector(), (manual.Parameter(np.ones(3, np.float32)) for _ in range(2))
    groups: list[dict[str, Any]] = [{"params": wide}, {"params": [single, other]}]
    optimizer = manual.SGD(groups)
    single.cast(np.float64)
    other.grad = np.ones(3, np.float32)
    with pytest.raises(ValueError, match="a group mixes the dtypes float64 and float32"):
        optimizer.step()


REPRS = {
    "SGD(Ellipsis)": lambda p: manual.SGD(p),
    "SGD(Ellipsis, lr=0.1, momentum=0.9, nesterov=True)": lambda p: manual.SGD(
        p, 0.1, 0.9, nesterov=True
    ),
    "AdamW(Ellipsis, betas=(0.5, 0.9))": lambda p: manual.AdamW(p, betas=(0.5, 0.9)),
}


@pytest.mark.parametrize(("text", "make"), REPRS.items(), ids=REPRS)
def test_an_optimizer_shows_how_it_was_made(text: str, make: Any) -> None:
    optimizer = make([vector()])
    assert repr(optimizer) == text


def test_an_optimizer_without_a_rule_says_so() -> None:
    parameter = vector()
    parameter.grad = np.ones(3)
    with pytest.raises(NotImplementedError, match="Optimizer has no update"):
        manual.Optimizer([parameter], {}).step()


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("made", VARIANTS, ids=lambda made: made.__name__)
def test_a_copied_network_and_optimizer_train_on_alike(made: Any, copied: Any) -> None:
    pair = make_pair(named("MLP-Tanh"), np.float64)
    optimizer = made(pair.mine.parameters(), lr=0.01)
    pair.by_hand()
    optimizer.step()
    both = [(pair.mine, optimizer), copied((pair.mine, optimizer))]
    for module, own in both:
        for _ in range(3):
            one_pass(module, pair.inputs, pair.upstream)
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


# State, in PyTorch's layout

STATEFUL = [
    pytest.param(made, options, id=f"{made.__name__}-{i}")
    for made, variants in {**VARIANTS, manual.Muon: MUON[:2]}.items()
    for i, options in enumerate(variants)
    if "lr" not in options
]
WIDE = np.dtype(np.float64)


class Both:
    """Three matrices on each side, the last of which has a gradient only from step 2 on."""

    def __init__(self, made: Any, options: dict, values: list[np.ndarray] | None = None) -> None:
        generator = np.random.default_rng(0)
        values = values or [generator.normal(size=size) for size in ((3, 4), (4, 2), (3, 2))]
        self.mine = [manual.Parameter(value) for value in values]
        self.theirs = [torch.nn.Parameter(to_torch(value)) for value in values]
        self.optimizer = made(self.mine, **options)
        self.twin = getattr(torch.optim, made.__name__)(self.theirs, **options)

    def step(self, numbers: range, alike: bool = True) -> None:
        """Steps of both sides, which agree after each where they began alike."""
        updates = Updates(self.optimizer, self.twin)
        for n in numbers:
            gradients = [
                None
                if p is self.mine[2] and n < 2
                else np.cos(np.arange(p.data.size) + n).reshape(p.shape)
                for p in updates.held.parameters()
            ]
            report = updates.step(gradients)
            if alike:
                assert_agreement(report)

    def assert_agreement(self) -> None:
        """Where no step has been taken since the states were the same."""
        names = [str(i) for i in range(len(self.mine))]
        mine = carried(zip(names, self.mine, strict=True), self.optimizer)
        theirs = carried(zip(names, self.theirs, strict=True), self.twin)
        assert_agreement(compare(mine, theirs, Allowed()))


def settings(state_dict: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in group.items() if name not in UNSUPPORTED}
        for group in state_dict["param_groups"]
    ]


@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize(("made", "options"), STATEFUL)
def test_state_dicts_go_both_ways(made: Any, options: dict, steps: int) -> None:
    """The same entries, and from the other side's both go on as before."""
    first = Both(made, options)
    first.step(range(steps))
    mine, theirs = first.optimizer.state_dict(), first.twin.state_dict()
    assert settings(mine) == settings(theirs)
    assert {i: {*held} for i, held in mine["state"].items()} == {
        i: {*held} for i, held in theirs["state"].items()
    }
    second = Both(made, {}, [p.data for p in first.mine])
    second.optimizer.load_state_dict(theirs)
    with all_in(WIDE):
        second.twin.load_state_dict(to_torch(mine))
    second.assert_agreement()
    second.step(range(steps, steps + 3))
    first.step(range(steps, steps + 3))
    np.testing.assert_allclose(first.mine[2].data, second.mine[2].data, rtol=1e-12)


COUNTING = [param for param in STATEFUL if param.values[0] not in (manual.SGD, manual.Muon)]


@pytest.mark.parametrize(("made", "options"), COUNTING)
def test_a_state_loaded_at_step_0_is_kept(made: Any, options: dict) -> None:
    first = Both(made, options)
    first.step(range(3))
    saved = first.optimizer.state_dict()
    for held in saved["state"].values():
        held["step"] = np.float64(0)
    second = Both(made, options, [p.data for p in first.mine])
    second.optimizer.load_state_dict(saved)
    with all_in(WIDE):
        second.twin.load_state_dict(to_torch(saved))
    second.step(range(3, 6))


@pytest.mark.parametrize(("made", "options"), COUNTING)
def test_a_state_without_a_step_is_one_at_step_0(made: Any, options: dict) -> None:
    """PyTorch refuses it with a KeyError."""
    first = Both(made, options)
    first.step(range(3))
    ends = []
    for counted in (True, False):
        saved = first.optimizer.state_dict()
        for held in saved["state"].values():
            held.pop("step")
            held.update({"step": 0} if counted else {})
        second = Both(made, options, [p.data for p in first.mine])
        second.optimizer.load_state_dict(saved)
        second.step(range(3, 6), alike=False)
        ends.append([p.data for p in second.mine])
    np.testing.assert_equal(ends[0], ends[1])


def test_parameters_are_numbered_through_all_groups() -> None:
    both = Both(manual.Adam, {})
    (a, b, c), (d, e, f) = both.mine, both.theirs
    mine_in_groups: list[dict[str, Any]] = [{"params": [c, a], "lr": 0.1}, {"params": b}]
    theirs_in_groups: list[dict[str, Any]] = [{"params": [f, d], "lr": 0.1}, {"params": e}]
    both.optimizer = manual.Adam(mine_in_groups)
    both.twin = torch.optim.Adam(theirs_in_groups)
    both.step(range(3))
    mine, theirs = both.optimizer.state_dict(), both.twin.state_dict()
    assert settings(mine) == settings(theirs)
    assert [mine["state"][i]["step"] for i in range(3)] == [1, 3, 3]
    other = manual.Adam([{"params": [c, a]}, {"params": [b]}])
    other.load_state_dict(theirs)
    for i, p in enumerate((c, a, b)):
        np.testing.assert_array_equal(other.state[p]["exp_avg"], theirs["state"][i]["exp_avg"])
        np.testing.assert_allclose(mine["state"][i]["exp_avg"], theirs["state"][i]["exp_avg"])


def test_adagrad_goes_on_from_a_loaded_sum() -> None:
    """lr 1, g 1 and a sum of 9 make a step of 1/√(9 + 1)."""
    parameter = manual.Parameter(np.zeros(1))
    optimizer = manual.Adagrad([parameter], lr=1.0, eps=0.0)
    saved = optimizer.state_dict()
    saved["state"][0]["sum"] = np.array([9.0])
    optimizer.load_state_dict(saved)
    parameter.grad = np.ones(1)
    optimizer.step()
    assert parameter.data == pytest.approx(-1 / np.sqrt(10))


def test_adagrad_starts_each_group_from_its_own_value() -> None:
    """PyTorch starts all groups from the constructor's."""
    first, second, late = vector(), vector(), vector()
    groups: list[Any] = [{"params": first}, {"params": second, "initial_accumulator_value": 3.0}]
    optimizer = manual.Adagrad(groups, lr=1.0, initial_accumulator_value=8.0, eps=0.0)
    optimizer.add_param_group({"params": late, "initial_accumulator_value": 0.0})
    for parameter in (first, second, late):
        parameter.grad = np.ones(3)
    optimizer.step()
    for parameter, step in ((first, 1 / 3), (second, 1 / 2), (late, 1.0)):
        np.testing.assert_allclose(parameter.data, 1 - step, atol=1e-15)


@pytest.mark.parametrize("made", [manual.SGD, manual.RMSprop], ids=lambda made: made.__name__)
def test_momentum_that_sets_in_later(made: Any) -> None:
    """SGD's first v is g, whenever that is; PyTorch's RMSprop raises a KeyError."""
    both = Both(made, {"dampening": 0.5} if made is manual.SGD else {})
    both.step(range(3))
    both.optimizer.param_groups[0]["momentum"] = both.twin.param_groups[0]["momentum"] = 0.9
    if made is manual.RMSprop:
        for state in both.twin.state.values():
            state["momentum_buffer"] = torch.zeros_like(state["square_avg"])
    both.step(range(3, 6))


FROM_SCHEDULES = {
    "OneCycleLR": lambda kind, o: kind.OneCycleLR(o, max_lr=0.1, total_steps=10),
    "CyclicLR": lambda kind, o: kind.CyclicLR(o, base_lr=0.01, max_lr=0.1),
    "StepLR": lambda kind, o: kind.StepLR(o, step_size=3),
}


@pytest.mark.parametrize("start", FROM_SCHEDULES.values(), ids=FROM_SCHEDULES)
def test_what_schedules_keep_in_groups_survives(start: Any) -> None:
    both = Both(manual.SGD, {"momentum": 0.9})
    start(manual, both.optimizer)
    start(torch.optim.lr_scheduler, both.twin)
    (mine,), (theirs,) = settings(both.optimizer.state_dict()), settings(both.twin.state_dict())
    assert "initial_lr" in mine
    assert {**theirs, **mine} == theirs
    second = Both(manual.SGD, {})
    second.optimizer.load_state_dict(both.twin.state_dict())
    assert settings(second.optimizer.state_dict()) == [theirs]
    parameter = vector()
    third = manual.SGD([{**theirs, "params": parameter}])  # a group that goes on with it
    assert third.param_groups == [{**theirs, "params": [parameter]}]


def test_a_rate_that_a_schedule_took_below_0_by_rounding_is_no_obstacle() -> None:
    optimizer = manual.SGD([vector()])
    saved = optimizer.state_dict()
    saved["param_groups"][0]["lr"] = -1e-20
    optimizer.load_state_dict(saved)
    assert optimizer.param_groups[0]["lr"] == -1e-20


def spoil(state_dict: Any, *path: Any, value: Any) -> None:
    *keys, last = path
    for key in keys:
        state_dict = state_dict[key]
    state_dict[last] = value


MISFITS: dict[str, tuple[tuple[Any, ...], str]] = {
    "shape": (
        ("state", 2, "exp_avg", np.zeros((9, 9))),
        r"Adam: exp_avg of parameter 2 has shape \(9, 9\), expected \(3, 2\)",
    ),
    "number": (
        ("state", 1, "step", np.ones(2)),
        r"Adam: step of parameter 1 has shape \(2,\), expected \(\)",
    ),
    "parameter": (("state", 3, {}), "Adam: state of parameter 3, expected 0 to 2"),
    "negative": (("state", -1, {}), "Adam: state of parameter -1, expected 0 to 2"),
    "group": (
        ("param_groups", 0, "params", [0, 1]),
        r"Adam: state for groups of \[2\] parameters, expected \[3\]",
    ),
    "setting": (("param_groups", 0, "eps", -1), "Adam: eps is -1, expected at least 0"),
}


@pytest.mark.parametrize(("change", "message"), MISFITS.values(), ids=MISFITS)
def test_a_state_dict_that_does_not_fit_changes_nothing(change: Any, message: str) -> None:
    both = Both(manual.Adam, {})
    both.step(range(3))
    before, wrong = both.optimizer.state_dict(), both.optimizer.state_dict()
    wrong["state"][0]["exp_avg"] += 1
    wrong["param_groups"][0]["lr"] = 0.5
    spoil(wrong, *change[:-1], value=change[-1])
    with pytest.raises(ValueError, match=message):
        both.optimizer.load_state_dict(wrong)
    np.testing.assert_equal(both.optimizer.state_dict(), before)


def test_another_optimizers_state_is_refused() -> None:
    parameter = vector()
    with pytest.raises(ValueError, match="Adam: a group's state has no amsgrad"):
        manual.Adam([parameter]).load_state_dict(manual.SGD([parameter]).state_dict())


def test_a_state_dict_is_a_copy() -> None:
    both = Both(manual.Adam, {})
    both.step(range(3))
    saved = both.optimizer.state_dict()
    before = copy.deepcopy(saved)
    both.step(range(3, 5))
    np.testing.assert_equal(saved, before)


def test_no_state_for_a_stranger() -> None:
    both = Both(manual.Adam, {})
    both.step(range(1))
    assert both.optimizer.state[vector()] == {}
    assert both.optimizer.state[both.mine[2]] == {}
    assert {*both.optimizer.state[both.mine[1]]} == {"step", "exp_avg", "exp_avg_sq"}


def test_asgds_average_is_the_weights_until_it_begins(dtype: Any) -> None:
    """To the last bit: nothing is left of what it was before."""
    parameter = manual.Parameter(np.array([1.0, -3.0, 1e-3], dtype))
    optimizer = manual.ASGD([parameter], lr=0.3)
    for step in range(5):
        parameter.grad = np.array([0.1, 7.0, -0.7], dtype) * dtype.type(step + 1)
        optimizer.step()
        np.testing.assert_array_equal(optimizer.state[parameter]["ax"], parameter.data)


@pytest.mark.parametrize("made", [made for made in ALL if made not in (manual.Muon, manual.ASGD)])
def test_without_decay_an_infinite_weight_is_no_part_of_the_step(made: Any) -> None:
    """0 · ∞ would be no number: what is not asked for is not computed."""
    parameter = manual.Parameter(np.array([INF, 1.0]))
    optimizer = made([parameter], **({"weight_decay": 0} if made is manual.AdamW else {}))
    parameter.grad = np.ones(2)
    optimizer.step()
    assert parameter.data[0] == INF
    assert parameter.data[1] < 1


@pytest.mark.parametrize("made", ALL)
def test_the_state_of_a_beginner_takes_one_back_to_the_beginning(made: Any) -> None:
    """What is not in it is forgotten, not kept."""

    def steps(optimizer: Any, parameter: Any, count: int) -> None:
        for i in range(count):
            parameter.grad = np.array([[0.5, -1.0], [2.0, 0.25 * i]])
            optimizer.step()

    start = np.array([[1.0, -2.0], [0.5, 3.0]])
    first, other = manual.Parameter(start), manual.Parameter(start)
    new, old = made([first]), made([other])
    beginning = new.state_dict()
    steps(old, other, 3)
    old.load_state_dict(beginning)
    other.data = start
    steps(old, other, 2)
    steps(new, first, 2)
    np.testing.assert_array_equal(other.data, first.data)
    for key, value in new.state[first].items():
        np.testing.assert_array_equal(old.state[other][key], value)


def test_zero_grad_drops_every_gradient() -> None:
    both = Both(manual.SGD, {})
    both.step(range(3))
    both.optimizer.zero_grad()
    assert [p.grad for p in both.mine] == [None] * 3


def test_parameters_that_begin_one_after_the_other() -> None:
    """Each is then a run of its own, with its own count of steps."""
    mine = [vector() for _ in range(6)]
    theirs = [torch.nn.Parameter(to_torch(p.data)) for p in mine]
    optimizer, twin = manual.Adam(mine, lr=0.1), torch.optim.Adam(theirs, lr=0.1)
    for n in range(6):
        for p, q in zip(mine[: n + 1], theirs, strict=False):
            p.grad = np.cos(np.arange(3.0) + n)
            q.grad = to_torch(p.grad)
        optimizer.step()
        twin.step()
    assert [optimizer.state[p]["step"] for p in mine] == [6, 5, 4, 3, 2, 1]
    for p, q in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(p.data, q.detach(), rtol=1e-14)


def test_state_in_another_dtype_goes_on_in_the_parameters() -> None:
    """A network that is cast takes its moments along."""
    both = Both(manual.Adam, {})
    both.step(range(3))
    for parameter in both.mine:
        parameter.cast(np.float32)
        parameter.grad = np.ones(parameter.shape, np.float32)
    before = both.optimizer.state[both.mine[0]]["exp_avg"].copy()
    both.optimizer.step()
    after = both.optimizer.state[both.mine[0]]["exp_avg"]
    assert after.dtype == np.float32
    np.testing.assert_allclose(after, 0.9 * before + 0.1, rtol=1e-6, atol=1e-7)
