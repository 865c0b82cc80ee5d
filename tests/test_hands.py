"""What a PyTorch user's hands do, done on both sides by the same lines: the results are the same.

Each function below is called with one side, then with the other; arrays and tensors in what it
returns are compared as arrays, errors by whether there is one.
"""

import copy
import pickle
from collections import OrderedDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import manual
from torch_ref.twin import to_numpy, to_torch, twin_of

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
BY_HAND: Any = SimpleNamespace(
    **vars(manual),
    float32=np.float32,
    float64=np.float64,
    tensor=np.array,
    ran=lambda network, y, g: network.backward(g),
)
IN_PYTORCH: Any = SimpleNamespace(
    **{
        **{name: value for name, value in vars(torch.nn).items() if not name.startswith("_")},
        **{name: value for name, value in vars(torch.optim).items() if not name.startswith("_")},
        **{name: getattr(torch, name) for name in ("no_grad", "enable_grad", "float32", "float64")},
    },
    tensor=lambda values: torch.from_numpy(np.array(values)),
    ran=lambda network, y, g: y.backward(g),
)
ERRORS = (
    *(AttributeError, KeyError, TypeError, ValueError, IndexError, RuntimeError),
    AssertionError,  # which PyTorch raises
)
WAYS: dict[str, Callable[[Any], Any]] = {}
REFUSED: dict[str, Callable[[Any], Any]] = {}


def way(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Gives the same on both sides."""
    WAYS[function.__name__] = function
    return function


def refused(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Raises an error on both sides."""
    REFUSED[function.__name__] = function
    return function


def assert_same(mine: Any, theirs: Any) -> None:
    """Arrays and tensors in dtype, shape and, but for rounding, values; all else is equal."""
    if isinstance(theirs, torch.nn.Parameter):
        assert isinstance(mine, manual.Parameter)
        assert_same(mine.data, theirs.data)
    elif isinstance(theirs, torch.Tensor):
        theirs = theirs.detach().numpy()
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)
    elif isinstance(theirs, dict):
        assert [*mine] == [*theirs]
        assert_same([*mine.values()], [*theirs.values()])
    elif isinstance(theirs, list | tuple):
        assert len(mine) == len(theirs)
        for one, other in zip(mine, theirs, strict=True):
            assert_same(one, other)
    else:
        assert mine == theirs


def numbered(side: Any, module: Any) -> Any:
    """The module, its parameters 0, ¼, ½ … in their order."""
    start = 0
    for parameter in module.parameters():
        count = parameter.numel()
        values = (np.arange(start, start + count) / 4).reshape(tuple(parameter.shape))
        parameter.data[...] = side.tensor(values.astype(np.float32))
        start += count
    return module


def network(side: Any) -> Any:
    """One that has it all: names, nesting, buffers, a layer that stands in two places."""
    shared = side.Linear(2, 2)
    parts = [
        ("first", side.Linear(3, 2)),
        ("norm", side.BatchNorm1d(2)),
        ("inside", side.Sequential(shared, side.Tanh())),
        ("again", shared),
    ]
    return numbered(side, side.Sequential(OrderedDict(parts)))


def x(side: Any) -> Any:
    values = side.tensor(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3))
    return values if side is BY_HAND else values.requires_grad_()


def trained(side: Any, made: Any) -> Any:
    """The network after a pass forward and back."""
    y = made(x(side))
    side.ran(made, y, side.tensor(np.ones(y.shape, np.float32)))
    return made


# ---- What a module consists of


@way
def children(side: Any) -> Any:
    made = network(side)
    return (
        [type(child).__name__ for child in made.children()],
        [name for name, _ in made.named_children()],
        [name for name, _ in made.named_modules()],
        [name for name, _ in made.named_modules(remove_duplicate=False)],
        [name for name, _ in made.named_modules(None, "net")],
        [type(module).__name__ for module in made.modules()],
        [type(module).__name__ for module in made.modules(remove_duplicate=False)],
    )


@way
def parameters_and_buffers(side: Any) -> Any:
    made = network(side)
    return (
        [name for name, _ in made.named_parameters()],
        [name for name, _ in made.named_parameters("net", False)],
        [name for name, _ in made.inside.named_parameters("net", recurse=True)],
        [name for name, _ in made.named_parameters(remove_duplicate=False)],
        list(made.parameters()),
        list(made[0].parameters(recurse=False)),
        list(made.parameters(recurse=False)),
        list(made.buffers()),
        list(made.buffers(recurse=False)),
        list(side.Sequential(made.norm, made.norm).buffers()),
        [name for name, _ in made.norm.named_buffers("norm", recurse=False)],
        [name for name, _ in made.named_buffers("net", recurse=False)],
        [
            [name for name, _ in side.Sequential(made.norm, made.norm).named_buffers(**options)]
            for options in ({}, {"remove_duplicate": False})
        ],
        dict(made.named_buffers("net")),
        list(made.state_dict()),
    )


@way
def by_its_path(side: Any) -> Any:
    made = network(side)
    return (
        made.get_submodule("inside.0") is made.again,
        made.get_submodule("") is made,
        made.get_submodule("again") is made.again,
        made.get_parameter("again.weight") is made.again.weight,
        side.Sequential(made.norm, made.norm).get_buffer("1.running_mean"),
        made.get_parameter("inside.0.bias"),
        made.get_buffer("norm.running_var"),
    )


@refused
def a_path_to_nothing(side: Any) -> Any:
    network(side).get_submodule("inside.7")


@refused
def a_parameter_that_is_none(side: Any) -> Any:
    network(side).get_parameter("first.weights")


@way
def applied(side: Any) -> Any:
    seen: list[str] = []
    made = network(side)
    same = made.apply(lambda module: seen.append(type(module).__name__))
    return same is made, seen


@way
def registered_by_name(side: Any) -> Any:
    made = side.Module()
    made.add_module("a", side.Linear(1, 1))
    made.register_module("b", side.Tanh())
    made.register_parameter("w", side.Parameter(side.tensor(np.ones(2, np.float32))))
    made.register_parameter("none", None)
    made.register_buffer("m", side.tensor(np.zeros(1, np.float32)))
    return [n for n, _ in made.named_modules()], list(made.state_dict()), made.none


@refused
def a_name_with_a_dot(side: Any) -> Any:
    side.Module().add_module("a.b", side.Tanh())


@refused
def a_parameter_s_name_with_a_dot(side: Any) -> Any:
    side.Module().register_parameter("a.b", None)


@refused
def a_method_s_name_for_a_parameter(side: Any) -> Any:
    side.Module().register_parameter("train", side.Parameter(side.tensor(np.ones(1, np.float32))))


@refused
def no_name(side: Any) -> Any:
    side.Module().add_module("", side.Tanh())


@refused
def a_method_s_name(side: Any) -> Any:
    side.ModuleDict({"train": side.Tanh()})


@refused
def a_module_before_the_constructor(side: Any) -> Any:
    class Net(side.Module):
        def __init__(self) -> None:
            self.layer = side.Linear(1, 1)

    Net()


@refused
def modules_before_the_constructor(side: Any) -> Any:
    class Net(side.Sequential):
        def __init__(self) -> None:
            self.layer = side.Linear(1, 1)

    Net()


# ---- Dtypes and gradients


@way
def converted(side: Any) -> Any:
    made = trained(side, network(side))
    results = []
    for convert in (made.double, made.float, lambda: made.to(side.float64)):
        results += [convert() is made, copy.deepcopy(made.state_dict())]
        results += [p.grad + 0 for p in made.parameters()]
    return results


@way
def held_fixed(side: Any) -> Any:
    made = network(side)
    flags = [made[0].requires_grad_(False) is made[0]]
    flags += [p.requires_grad for p in made.parameters()]
    made.again.weight.requires_grad_(False)
    flags += [p.requires_grad for p in made.parameters()]
    flags += [p.grad is not None for p in trained(side, made).parameters()]
    made.requires_grad_()
    return flags + [p.requires_grad for p in made.parameters()]


@way
def gradients_forgotten(side: Any) -> Any:
    results = []
    for forget in ("module", "optimizer"):
        made = network(side)
        made.first.requires_grad_(False)
        trained(side, made)
        it = made if forget == "module" else side.SGD(made.parameters(), lr=0.1)
        it.zero_grad(set_to_none=False)
        results.append([p.grad for p in made.parameters()])
        it.zero_grad()
        results.append([p.grad for p in made.parameters()])
    return results


@way
def under_no_grad(side: Any) -> Any:
    """As a block and as a decorator, with and without brackets, a call within a call."""
    made = side.Linear(3, 2)

    def can_go_back() -> bool:
        y = made(x(side))
        try:
            side.ran(made, y, side.tensor(np.ones((4, 2), np.float32)))
        except RuntimeError:
            return False
        return True

    def twice(times: int) -> list[bool]:
        return [*([] if times == 0 else looked(times - 1)), can_go_back()]

    looked = side.no_grad()(twice)
    results = [can_go_back(), side.no_grad(can_go_back)(), looked(2), can_go_back()]
    with side.no_grad(), side.no_grad():
        results.append(can_go_back())
        with side.enable_grad():
            results.append(can_go_back())
        results += [can_go_back(), side.enable_grad(can_go_back)()]
    return [*results, can_go_back()]


# ---- Containers


@way
def a_sequential_that_changes(side: Any) -> Any:
    made = side.Sequential(side.Linear(1, 2), side.Tanh())
    shown = [made.append(side.Linear(2, 3)) is made, list(made.state_dict())]
    made.extend([side.ReLU(), side.Linear(3, 4)])
    made[1] = side.Sigmoid()
    made[-1] = side.Linear(3, 5)
    made.insert(1, side.GELU())
    shown += [list(made.state_dict()), [type(m).__name__ for m in made]]
    made.insert(-len(made), side.Softplus())
    taken = made.pop(-2)
    del made[0]
    shown += [type(taken).__name__, [name for name, _ in made.named_children()], len(made)]
    more = made + side.Sequential(side.Softplus())
    made += side.Sequential(side.Mish())
    shown += [[type(m).__name__ for m in each] for each in (more, made, made[1:], made[::2])]
    del made[1:]
    return [*shown, len(made), [type(m).__name__ for m in reversed(made)]]


@way
def a_sequential_by_names(side: Any) -> Any:
    made = network(side)
    shown = [made.first is made[0], [name for name, _ in made[1:3].named_children()]]
    made.first = side.Linear(3, 2, bias=False)
    made[2] = side.Tanh()
    shown += [list(made.state_dict()), [type(m).__name__ for m in made]]
    del made.again
    made.append(side.ReLU())
    return [*shown, [name for name, _ in made.named_children()]]


@way
def an_attribute_of_its_own(side: Any) -> Any:
    made = network(side)
    made.note = 1
    del made.note
    return hasattr(made, "note"), len(made)


@refused
def an_attribute_deleted_that_is_none(side: Any) -> Any:
    del network(side).second


@refused
def no_module_put_between(side: Any) -> Any:
    side.Sequential(side.Tanh()).insert(0, 1)


@refused
def something_else_in_a_module_s_place(side: Any) -> Any:
    network(side).first = 1.0


@refused
def an_attribute_that_is_none(side: Any) -> Any:
    network(side).second  # noqa: B018


@refused
def an_index_too_far(side: Any) -> Any:
    network(side)[4]


@refused
def a_place_too_far(side: Any) -> Any:
    side.Sequential(side.Tanh()).insert(2, side.Tanh())


@way
def a_list_that_changes(side: Any) -> Any:
    made = side.ModuleList([side.Linear(1, 2)])
    made.append(side.Linear(2, 3)).extend([side.Tanh()])
    made.insert(1, side.ReLU())
    made[0] = side.Linear(1, 3)
    shown: list[Any] = [list(made.state_dict()), [type(m).__name__ for m in made[1:]]]
    added = [side.Tanh()]
    shown += [type(made.pop(1)).__name__, len(made + added), made[-1] is made[2]]
    made += [side.GELU()]
    del made[0]
    return [*shown, [(name, type(m).__name__) for name, m in made.named_children()]]


@way
def a_dict_that_changes(side: Any) -> Any:
    made = side.ModuleDict({"a": side.Linear(1, 2)})
    made.update([("b", side.Tanh()), ("c", side.Linear(2, 1))])
    made.update({"a": side.ReLU()})
    made["d"] = side.GELU()
    del made["b"]
    shown = [type(made.pop("a")).__name__, list(made), list(made.state_dict()), "c" in made]
    shown += [made.c is made["c"]]
    made.clear()
    return [*shown, len(made)]


@refused
def no_module_in_a_dict(side: Any) -> Any:
    side.ModuleDict()["a"] = 1


@way
def shown(side: Any) -> Any:
    """Indented, one line each, but that by hand shows a layer as the call that makes it."""
    made = side.Sequential(side.Tanh(), side.ModuleDict({"a": side.ModuleList([side.ReLU()])}))

    class Net(side.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.inside = made

        def extra_repr(self) -> str:
            return "its own"

    class Leaf(Net):
        def __init__(self) -> None:
            super(Net, self).__init__()

    return repr(made), repr(Net(3)), repr(Leaf()), repr(side.Sequential())


# ---- State


@way
def loaded_as_far_as_it_goes(side: Any) -> Any:
    made = network(side)
    state = {"first.bias": side.tensor(np.array([7.0, 8.0])), "more": side.tensor(np.ones(1))}
    state["norm.num_batches_tracked"] = side.tensor(np.array(5))  # PyTorch makes it up otherwise
    report = made.load_state_dict(state, strict=False)
    return report.missing_keys, report.unexpected_keys, list(report), made.state_dict()


@way
def loaded_in_another_dtype(side: Any) -> Any:
    made = network(side)
    state = {name: values + 0 for name, values in made.state_dict().items()}
    state["first.weight"] = side.tensor(np.linspace(0, 1, 6).reshape(2, 3))
    state["first.bias"] = side.tensor(np.array([1, 2]))
    state["norm.num_batches_tracked"] = side.tensor(np.array(3.0))
    report = made.load_state_dict(state)
    return list(report), made.state_dict()


@refused
def a_state_that_lacks_a_name(side: Any) -> Any:
    network(side).load_state_dict({})


@refused
def a_state_of_another_shape(side: Any) -> Any:
    network(side).load_state_dict({"first.bias": side.tensor(np.ones(3))}, strict=False)


# ---- Hooks


@way
def hooks_that_look(side: Any) -> Any:
    """In their order, with what they are called with."""
    made, seen = network(side), []

    def note(name: str) -> Callable[..., None]:
        return lambda module, *given: seen.append((name, type(module).__name__, *given))

    inner = made.inside
    handles = [
        inner.register_forward_pre_hook(note("before")),
        inner.register_forward_pre_hook(note("earlier"), prepend=True),
        inner.register_forward_hook(note("after")),
        inner.register_forward_hook(note("named"), with_kwargs=True),
        inner.register_full_backward_pre_hook(note("back")),
        inner.register_full_backward_hook(note("there")),
        inner.register_full_backward_hook(note("first there"), prepend=True),
    ]
    trained(side, made)
    for handle in handles:
        handle.remove()
        handle.remove()
    with inner[0].register_forward_hook(note("the layer, in both its places")):
        trained(side, made)
    trained(side, made)
    return seen


@way
def hooks_that_change_gradients(side: Any) -> Any:
    made = side.Sequential(side.Linear(3, 2), side.Tanh(), side.Linear(2, 2))
    numbered(side, made)
    made[1].register_full_backward_pre_hook(lambda module, gs: (gs[0] * 2,))
    made[1].register_full_backward_hook(lambda module, gx, gy: (gx[0] + gy[0],))
    made[1].register_full_backward_hook(lambda module, gx, gy: (gx[0] * 3,))
    return [p.grad for p in trained(side, made).parameters()]


@way
def hooks_that_change_what_is_only_looked_at(side: Any) -> Any:
    made = side.Sequential(side.ReLU(), side.ReLU())
    made[0].register_forward_pre_hook(lambda module, given: given[0] * 2)
    made[0].register_forward_pre_hook(
        lambda module, given, named: ((given[0] + 1,), named), with_kwargs=True
    )
    made[1].register_forward_hook(lambda module, given, y: y + given[0])
    with side.no_grad():
        return made(x(side))


@way
def a_copy_has_hooks_of_its_own(side: Any) -> Any:
    seen: list[Any] = []
    made = side.Sequential(side.Linear(3, 2))
    handle = made[0].register_forward_hook(lambda module, given, y: seen.append(id(module)))
    again = copy.deepcopy(made)
    handle.remove()
    made(x(side))
    before = len(seen)
    again(x(side))
    return before, seen == [id(again[0])]


@way
def hooks_that_change_one_of_several_gradients(side: Any) -> Any:
    made = numbered(side, side.Bilinear(3, 3, 2))
    seen = []
    made.register_full_backward_hook(lambda module, gx, gy: (gx[0] * 2, gx[1]))
    made.register_full_backward_hook(lambda module, gx, gy: seen.append(gx))
    y = made(x(side), x(side))
    side.ran(made, y, side.tensor(np.ones(y.shape, np.float32)))
    return seen


@refused
def too_many_gradients_from_a_hook(side: Any) -> Any:
    made = network(side)
    made.first.register_full_backward_hook(lambda module, gx, gy: (gy[0], gy[0]))
    trained(side, made)


# ---- Optimizers


@way
def groups_with_keys_of_their_own(side: Any) -> Any:
    made = network(side)
    groups = [{"params": made.first.parameters(), "name": "first", "lr": 0.5}]
    optimizer = side.SGD([*groups, {"params": made.again.weight}], lr=0.1, momentum=0.9)
    trained(side, made)
    optimizer.step()
    saved = optimizer.state_dict()
    saved["param_groups"][1]["note"] = "from afar"
    optimizer.load_state_dict(saved)
    kept = ("lr", "momentum", "name", "note")
    return [{k: g[k] for k in kept if k in g} for g in optimizer.param_groups]


@way
def named_parameters_optimized(side: Any) -> Any:
    made = network(side)
    optimizer = side.Adam(made.named_parameters(), lr=0.1)
    groups = optimizer.state_dict()["param_groups"]
    return [g["param_names"] for g in (*groups, *optimizer.param_groups)]


@refused
def names_for_some(side: Any) -> Any:
    made = network(side)
    side.SGD([("weight", made.first.weight), made.first.bias], lr=0.1)


@refused
def names_in_some_groups(side: Any) -> Any:
    made = network(side)
    optimizer = side.SGD(made.first.named_parameters(), lr=0.1)
    optimizer.add_param_group({"params": made.again.weight})


@way
def a_closure(side: Any) -> Any:
    made = side.Linear(3, 2)
    numbered(side, made)
    optimizer = side.SGD(made.parameters(), lr=0.125)

    def closure() -> str:
        optimizer.zero_grad()
        trained(side, made)
        return "its loss"

    with side.no_grad():
        returned = optimizer.step(closure)
    return returned, optimizer.step(), made.state_dict()


@way
def state_by_parameter(side: Any) -> Any:
    made = network(side)
    optimizer = side.Adam(made.parameters(), lr=0.1)
    empty = len(optimizer.state)
    made.first.requires_grad_(False)
    trained(side, made)
    optimizer.step()
    weight = made.again.weight
    optimizer.state[weight]["exp_avg"][...] = 0
    entries = optimizer.state[weight]
    stepped = float(entries["step"]), sorted(entries), entries["exp_avg"]
    return empty, len(optimizer.state), optimizer.state[made.first.weight], stepped


# ---- Tables


@way
def from_pretrained(side: Any) -> Any:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    shown = []
    for made in (
        side.Embedding.from_pretrained(side.tensor(rows)),
        side.Embedding.from_pretrained(side.tensor(rows), False, 1),
        side.EmbeddingBag.from_pretrained(side.tensor(rows), mode="sum"),
    ):
        looked_up = made(side.tensor(np.array([[0, 2]])))
        shown += [made.weight.requires_grad, made.padding_idx, looked_up, made.weight.data]
    return shown


@refused
def rows_of_three_axes(side: Any) -> Any:
    side.Embedding.from_pretrained(side.tensor(np.ones((2, 2, 2), np.float32)))


# ---- Each on both sides


@pytest.mark.parametrize("name", WAYS)
def test_both_sides_do_the_same(name: str) -> None:
    assert_same(WAYS[name](BY_HAND), WAYS[name](IN_PYTORCH))


@pytest.mark.parametrize("name", REFUSED)
def test_both_sides_refuse(name: str) -> None:
    for side in (BY_HAND, IN_PYTORCH):
        with pytest.raises(ERRORS):
            REFUSED[name](side)


# ---- What only by hand there is


X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)


class Net(manual.Module):
    """A network as newcomers write it: not all its arguments are kept."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = manual.Sequential(
            manual.Linear(3, width), manual.Tanh(), manual.Linear(width, 2)
        )

    def forward(self, x: Any) -> Any:
        return self.layers(self.check_input(x, np.float32))

    def backward(self, g: Any) -> Any:
        return self.layers.backward(g)


def test_a_network_that_keeps_not_all_its_arguments_shows_itself() -> None:
    assert repr(Net(4)) == (
        "Net(\n"
        "  (layers): Sequential(\n"
        "    (0): Linear(3, 4)\n"
        "    (1): Tanh()\n"
        "    (2): Linear(4, 2)\n"
        "  )\n"
        ")"
    )
    with pytest.raises(TypeError, match=r"^Net\(…\): input is a list, expected a plain"):
        Net(4)([1.0])
    with pytest.raises(AttributeError, match=r"its argument width is not kept, as self\.width"):
        Net(4).arguments()


# What is done, and the cure that the message ends with
CURED: list[tuple[Callable[[], Any], str]] = [
    (
        lambda: Net(4)(X.astype(F64)),
        "input is float64, expected float32: take input.astype(np.float32), or make the network "
        "float64, by dtype=np.float64 or network.double()",
    ),
    (
        lambda: Net(4).double().layers(X),
        "input is float32, expected float64: take input.astype(np.float64), or make the network "
        "float32, by dtype=np.float32 or network.float()",
    ),
    (
        lambda: Net(4).layers(X.astype(int)),
        "input is int64, expected float32: take input.astype(np.float32)",
    ),
    (
        lambda: manual.Tanh()(X.astype(int)),
        "input is int64, expected a floating dtype: take input.astype(np.float32)",
    ),
    (
        lambda: manual.Embedding(3, 2)(X),
        "input is float32, expected integers: take input.astype(np.int64)",
    ),
    (lambda: Net(4)(torch.ones(4, 3)), "expected a plain NumPy array: take np.asarray(x)"),
    (lambda: Net(4)(np.ma.masked_array(X)), "is a MaskedArray, expected a plain NumPy array"),
    (
        lambda: manual.Linear(3, 2).weight.accumulate(np.ones((2, 3))),
        "grad in float64 for a parameter in float32: take grad.astype(np.float32), or make the "
        "network float64, by dtype=np.float64 or network.double()",
    ),
    (
        lambda: Net(4).to(np.float16),
        "dtype is float16, expected float32, float64 or longdouble, as in dtype=np.float64",
    ),
    (
        lambda: Net(4).to("cuda"),
        "dtype is cuda, expected float32, float64 or longdouble, as in dtype=np.float64",
    ),
    (
        lambda: Net(4).to(torch.float64),  # type: ignore[arg-type]
        "dtype is torch.float64, expected float32, float64 or longdouble, as in dtype=np.float64",
    ),
]


CURED += [
    (
        lambda: manual.SGD(Net(4)),  # type: ignore[arg-type]
        "SGD: params is a Net, expected parameters, as in network.parameters()",
    ),
    (
        lambda: manual.SGD(Net(4).parameters),  # type: ignore[arg-type]
        "SGD: params is a method, expected parameters, as in network.parameters()",
    ),
    (lambda: X @ Net(4).layers[0].weight, "for @: 'numpy.ndarray' and 'Parameter'"),
]


def test_a_parameter_is_no_array_and_says_where_its_numbers_are() -> None:
    weight = copy.deepcopy(manual.Linear(3, 3).weight)
    with pytest.raises(AttributeError, match="a Parameter has no T: its numbers are in "):
        weight.T  # type: ignore[attr-defined]  # noqa: B018
    again = pickle.loads(pickle.dumps(weight))
    np.testing.assert_array_equal(again.data, weight.data)


@pytest.mark.parametrize(("do", "cure"), CURED, ids=[cure for _, cure in CURED])
def test_a_message_ends_with_the_cure(do: Callable[[], Any], cure: str) -> None:
    with pytest.raises(TypeError) as caught:
        do()
    assert str(caught.value).endswith(cure)


def test_an_upstream_gradient_in_another_dtype_comes_with_the_cure() -> None:
    network = Net(4)
    y = network(X)
    with pytest.raises(TypeError, match=r"the output's float32: take g\.astype\(np\.float32"):
        network.backward(y.astype(F64))
    with pytest.raises(TypeError, match="a loss of several inputs returns one for each, take the"):
        network.backward((y, y))
    with pytest.raises(TypeError, match=r"upstream gradient is a Tensor, expected a plain array$"):
        network.backward(torch.from_numpy(y))


def test_what_only_pytorch_has_is_refused_in_a_group_too() -> None:
    groups: list[dict[str, Any]] = [{"params": Net(4).parameters(), "fused": True}]
    with pytest.raises(NotImplementedError, match=r"^SGD: fused is not supported$"):
        manual.SGD(groups)
    groups = [{"params": Net(4).parameters(), "fused": None}]
    assert manual.SGD(groups).param_groups[0]["fused"] is None


@pytest.mark.parametrize("kind", [manual.Embedding, manual.EmbeddingBag])
def test_rows_are_taken_in_their_dtype_and_every_option_arrives(kind: Any) -> None:
    rows = np.ones((3, 2))
    layer = kind.from_pretrained(rows)
    rows[...] = 7
    np.testing.assert_array_equal(layer.weight.data, np.ones((3, 2)))
    assert (layer.weight.dtype, layer.num_embeddings, layer.embedding_dim) == (F64, 3, 2)
    asking = {"max_norm": 1.0, "norm_type": 3.0, "scale_grad_by_freq": True, "sparse": True}
    for option, value in asking.items():
        with pytest.raises(NotImplementedError, match=f"{kind.__name__}: {option} is not"):
            kind.from_pretrained(rows, **{option: value})
    for wrong in (rows[0], rows[np.newaxis]):
        with pytest.raises(ValueError, match=f"embeddings has {wrong.ndim} axes, expected 2$"):
            kind.from_pretrained(wrong)
    with pytest.raises(TypeError, match=r"^embeddings is a matrix, expected a plain"):
        kind.from_pretrained(rows.view(np.matrix))
    bag = manual.EmbeddingBag.from_pretrained(
        rows, mode="max", include_last_offset=True, padding_idx=1
    )
    assert (bag.mode, bag.include_last_offset, bag.padding_idx) == ("max", True, 1)


def test_what_is_at_no_path_is_named() -> None:
    made = network(BY_HAND)
    for get, kind in (
        (made.get_submodule, "module"),
        (made.get_parameter, "parameter"),
        (made.get_buffer, "buffer"),
    ):
        with pytest.raises(AttributeError, match=rf"^Sequential has no {kind} 'inside\.7'$"):
            get("inside.7")


def test_a_state_that_is_to_be_assigned_is_refused() -> None:
    layer = manual.Linear(1, 1)
    with pytest.raises(NotImplementedError, match=r"^Linear: assign is not supported$"):
        layer.load_state_dict(layer.state_dict(), assign=True)


@pytest.mark.parametrize("kind", [manual.Module, manual.Sequential, manual.ModuleDict])
def test_the_constructor_that_was_left_out_is_named(kind: Any) -> None:
    class Left(kind):
        def __init__(self) -> None:
            self.layer = manual.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"^Left: call super\(\).__init__\(\) before layer is"):
        Left()


@pytest.mark.parametrize("before", [True, False])
def test_a_hook_that_changes_what_backward_needs_is_refused(before: bool) -> None:
    """And the pass is forgotten; the next one runs back as ever."""
    network = Net(4)
    layer = network.layers[0]
    register = layer.register_forward_pre_hook if before else layer.register_forward_hook
    handle = register(lambda module, *given: given[-1])
    what = "inputs" if before else "output"
    with pytest.raises(
        RuntimeError, match=rf"^Linear\(3, 4\): a hook returned another {what}, whose"
    ):
        network(X)
    handle.remove()
    assert "forward" not in vars(layer)
    network.backward(network(X))


def test_a_hook_is_left_while_there_is_another() -> None:
    layer, seen = manual.Tanh(), []
    first = layer.register_forward_hook(lambda *given: seen.append(1))
    second = layer.register_full_backward_hook(lambda *given: seen.append(2))
    third = layer.register_forward_hook(lambda *given: seen.append(3))
    first.remove()
    layer.backward(layer(X))
    assert seen == [3, 2]
    third.remove()
    fourth = layer.register_forward_hook(lambda *given: seen.append(4))
    third.remove()  # that of another time takes nothing off
    layer.backward(layer(X))
    assert seen == [3, 2, 4, 2]
    second.remove()
    fourth.remove()
    assert not {"forward", "backward"} & vars(layer).keys()
    with pytest.raises(NotImplementedError, match="Tanh: always_call is not supported"):
        layer.register_forward_hook(print, always_call=True)


def test_a_generator_under_no_grad_is_refused() -> None:
    """Most of it would run outside."""

    def batches() -> Any:
        yield X

    for decorate in (manual.no_grad, manual.no_grad(), manual.enable_grad):
        with pytest.raises(NotImplementedError, match="batches: a generator is not supported"):
            decorate(batches)


def test_one_no_grad_can_be_entered_twice() -> None:
    block, layer = manual.no_grad(), manual.Tanh()
    with block, block:
        layer(X)
    layer.backward(layer(X))
    with pytest.raises(RuntimeError, match="no forward to go back through"):
        layer.backward(X)


def test_a_number_that_is_a_name_already_is_refused() -> None:
    """PyTorch puts the new module in the other's place."""
    network = manual.Sequential(OrderedDict([("1", manual.Tanh())]))
    with pytest.raises(KeyError, match="Sequential has a module named 1 already"):
        network.append(manual.ReLU())
    assert [type(module) for module in network] == [manual.Tanh]


def test_state_dicts_go_across_and_back() -> None:
    """Of a network and of its optimizer, named parameters, groups with names and all."""
    mine = manual.MLP((3, 4, 2), "tanh")
    theirs = twin_of(mine)
    groups: list[dict[str, Any]] = [
        {"params": list(side.named_parameters()), "lr": 0.1, "note": "all"}
        for side in (mine, theirs)
    ]
    optimizer, twin = manual.Adam([groups[0]]), torch.optim.Adam([groups[1]])
    trained(BY_HAND, mine)
    optimizer.step()
    assert theirs.load_state_dict(to_torch(mine.state_dict())) == ([], [])
    twin.load_state_dict(to_torch(optimizer.state_dict()))
    for side, made, stepping in ((BY_HAND, mine, optimizer), (IN_PYTORCH, theirs, twin)):
        stepping.zero_grad()
        trained(side, made)
        stepping.step()
    assert_same(mine.state_dict(), dict(theirs.state_dict()))
    again = manual.MLP((3, 4, 2), "tanh")
    assert again.load_state_dict(to_numpy(theirs.state_dict())) == ([], [])
    resumed = manual.Adam(again.named_parameters())
    resumed.load_state_dict(to_numpy(twin.state_dict()))
    assert resumed.param_groups[0]["note"] == "all"
    trained(BY_HAND, again)
    resumed.step()
    optimizer.zero_grad()
    trained(BY_HAND, mine)
    optimizer.step()
    for name, values in again.state_dict().items():
        np.testing.assert_allclose(values, mine.state_dict()[name], rtol=1e-4, atol=1e-5)


def test_a_twin_has_the_names_of_its_containers() -> None:
    made = manual.ModuleDict(
        {
            "list": manual.ModuleList([manual.Linear(1, 2), manual.Tanh()]),
            "named": manual.Sequential(OrderedDict([("a", manual.Linear(2, 1))])),
        }
    )
    twin = twin_of(made)
    assert [n for n, _ in twin.named_modules()] == [n for n, _ in made.named_modules()]
    assert [type(m).__name__ for m in twin.modules()] == [type(m).__name__ for m in made.modules()]


def test_a_copy_of_a_container_is_whole() -> None:
    made = network(BY_HAND)
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again.first is not made.first
        assert again.again is again.inside[0]
        assert_same(to_numpy(again.state_dict()), to_torch(made.state_dict()))


def test_an_array_taken_before_an_optimizer_is_made_stays_behind() -> None:
    """As its docstring says: the parameter lives in the optimizer's array from then on."""
    layer = manual.Linear(3, 2)
    early = layer.weight.data
    optimizer = manual.SGD(layer.parameters(), lr=1.0)
    late = layer.weight.data
    layer.backward(layer(X))
    optimizer.step()
    assert late is layer.weight.data
    assert not np.array_equal(early, late)
