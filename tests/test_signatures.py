"""Every public class beside PyTorch's: the constructor's arguments, and what one can call.

Names, order, kinds and defaults are the same. Each difference that is meant stands below with its
reason; one that is not is found, and so is a reason that has lost its difference.
"""

import inspect
from collections.abc import Iterator
from typing import Any, get_overloads

import pytest
import torch
from torch.optim import lr_scheduler

import manual
from manual.article.modules import ArticleNetwork, SharedBias
from manual.schedules.schedule import LRScheduler
from torch_ref import models

CLASSES: dict[str, Any] = {
    **{name: getattr(manual, name) for name in manual.__all__},
    **{made.__name__: made for made in (ArticleNetwork, SharedBias, LRScheduler)},
}
CLASSES = {name: made for name, made in CLASSES.items() if isinstance(made, type)}
NO_TWIN = {"TorchGenerator": "draws what torch.manual_seed has PyTorch draw"}

# What is different in the constructors of which classes (those that inherit from it too), and why
SMALL_STEPS = "asks for another way to compute the same; refused unless it is off"
CONSTRUCTORS: dict[tuple[type, str], str] = {
    (manual.Module, "generator only by hand"): "random numbers come from what is handed in",
    (manual.Module, "activation by default"): "a function of PyTorch's is its name by hand",
    (manual.Parameter, "data by default"): "there is nothing that it could start from",
    (manual.Embedding, "_weight only in PyTorch"): "private, for from_pretrained",
    (manual.Embedding, "_freeze only in PyTorch"): "private, for from_pretrained",
    **{
        (manual.Optimizer, f"{name} only in PyTorch"): SMALL_STEPS
        for name in ("foreach", "fused", "capturable", "differentiable")
    },
    (manual.Optimizer, "unsupported only by hand"): "takes those, to refuse them by their names",
    (manual.Optimizer, "defaults by kind"): "by keyword, not as a dict: for authors of optimizers",
    (manual.ASGD, "maximize by kind"): "stands behind those, so by keyword only",
    (manual.RMSprop, "maximize by kind"): "stands behind those, so by keyword only",
}

# What one can call in PyTorch and not by hand, and why
DEVICES = "there is one device, the processor's memory"
DTYPES = "there are float32, float64 and longdouble: float(), double(), to(dtype)"
STATE_HOOKS = "a function around the call does"
COMPILER = "belongs to PyTorch's compiler, serialization or profiler"
MISSING: dict[type, dict[str, str]] = {
    manual.Module: {
        **dict.fromkeys(("cpu", "cuda", "ipu", "mtia", "xpu", "to_empty", "share_memory"), DEVICES),
        **dict.fromkeys(("half", "bfloat16", "type"), DTYPES),
        **dict.fromkeys(
            (
                *("register_state_dict_pre_hook", "register_state_dict_post_hook"),
                *("register_load_state_dict_pre_hook", "register_load_state_dict_post_hook"),
            ),
            STATE_HOOKS,
        ),
        **dict.fromkeys(("compile", "dump_patches", "call_super_init", "T_destination"), COMPILER),
        **dict.fromkeys(("get_extra_state", "set_extra_state"), "a state is arrays by name"),
        "register_backward_hook": "deprecated in PyTorch for register_full_backward_hook",
        "set_submodule": "assigning the attribute does",
        "__getattr__": "parameters, buffers and modules are plain attributes",
        "__setstate__": COMPILER,
    },
    manual.Sequential: dict.fromkeys(
        ("__mul__", "__rmul__", "__imul__"), "the same layers several times: by a loop, in sight"
    ),
    manual.Optimizer: {
        **dict.fromkeys(
            (
                *("register_state_dict_pre_hook", "register_state_dict_post_hook"),
                *("register_load_state_dict_pre_hook", "register_load_state_dict_post_hook"),
                *("register_step_pre_hook", "register_step_post_hook"),
                *("OptimizerPreHook", "OptimizerPostHook"),
            ),
            STATE_HOOKS,
        ),
        **dict.fromkeys(("profile_hook_step", "__setstate__"), COMPILER),
    },
    LRScheduler: {"get_lr": "`next` gives the rate of one group, from which all are set"},
}
MISSING[manual.ModuleList] = MISSING[manual.ModuleDict] = {}

# The same of the arguments of what both sides have
METHODS: dict[tuple[type, str, str], str] = {
    (manual.Module, "forward", "args only by hand"): "the base takes anything; PyTorch says input",
    (manual.Module, "forward", "kwargs only by hand"): "the base takes anything",
    (manual.Module, "forward", "input only in PyTorch"): "the base takes anything",
    (manual.Module, "register_buffer", "values only by hand"): "an array is no tensor",
    (manual.Module, "register_buffer", "tensor only in PyTorch"): "an array is no tensor",
    (manual.Sequential, "extend", "modules only by hand"): "as in ModuleList",
    (manual.Sequential, "extend", "sequential only in PyTorch"): "modules in ModuleList",
    (LRScheduler, "step", "epoch only in PyTorch"): "deprecated there",
    (manual.Module, "state_dict", "args only in PyTorch"): "deprecated there",
    (manual.Module, "state_dict", "destination only in PyTorch"): "deprecated there",
    (manual.Module, "state_dict", "prefix only in PyTorch"): "for a module's own use there",
    (manual.Module, "state_dict", "keep_vars only in PyTorch"): "by hand a state is a copy",
    (manual.Module, "to", "dtype only by hand"): "there are no devices to go to",
    (manual.Module, "to", "args only in PyTorch"): "there are no devices to go to",
    (manual.Module, "to", "kwargs only in PyTorch"): "there are no devices to go to",
}


def twin(name: str) -> Any:
    """The PyTorch class of this name."""
    places = (torch.nn, models, torch.optim, lr_scheduler)
    return next(getattr(place, name) for place in places if hasattr(place, name))


def arguments(function: Any, skipped: int) -> dict[str, inspect.Parameter]:
    return dict([*inspect.signature(function).parameters.items()][skipped:])


def constructor(made: Any) -> dict[str, inspect.Parameter]:
    """Its arguments; where there are several forms, those of the first. A module's own has none."""
    if made.__init__ is torch.nn.Module.__init__:
        return {}
    if made is torch.nn.Parameter:
        return arguments(made.__new__, 1)
    first, *_ = [*get_overloads(made.__init__), made.__init__]
    return arguments(first, 1)


def differences(
    mine: dict[str, inspect.Parameter], theirs: dict[str, inspect.Parameter]
) -> Iterator[str]:
    """In which way each argument of either side differs from the other's."""
    yield from (f"{name} only by hand" for name in mine if name not in theirs)
    yield from (f"{name} only in PyTorch" for name in theirs if name not in mine)
    shared = [name for name in mine if name in theirs]
    if shared != [name for name in theirs if name in mine]:
        yield "another order"
    for name in shared:
        if mine[name].kind is not theirs[name].kind:
            yield f"{name} by kind"
        if mine[name].default != theirs[name].default:
            yield f"{name} by default"


FOUND = {
    name: list(differences(constructor(made), constructor(twin(name))))
    for name, made in CLASSES.items()
    if name not in NO_TWIN
}


@pytest.mark.parametrize("name", FOUND)
def test_the_constructor_has_pytorchs_signature(name: str) -> None:
    allowed = {what for (of, what) in CONSTRUCTORS if issubclass(CLASSES[name], of)}
    assert set(FOUND[name]) <= allowed
    mine, theirs = constructor(CLASSES[name]), constructor(twin(name))
    for argument in mine.keys() & theirs.keys():
        if inspect.isfunction(theirs[argument].default):
            assert mine[argument].default == theirs[argument].default.__name__


@pytest.mark.parametrize(("of", "what"), CONSTRUCTORS)
def test_each_reason_has_its_difference_in_signature(of: type, what: str) -> None:
    assert any(what in FOUND[name] for name in FOUND if issubclass(CLASSES[name], of))


def callables(made: Any) -> set[str]:
    """What is public in a class, and what Python calls by itself, but for what every class has."""
    every = {*dir(object), "__annotations__", "__dict__", "__module__", "__weakref__", "__dir__"}
    own = {name for name in dir(made) if not name.startswith("_") or name.endswith("__")}
    return own - every


@pytest.mark.parametrize("made", MISSING, ids=lambda made: made.__name__)
def test_what_is_missing_has_its_reason(made: Any) -> None:
    theirs = getattr(torch.nn, made.__name__, None) or twin(made.__name__)
    missing = callables(theirs) - callables(made)
    reasons = {name for of, names in MISSING.items() if issubclass(made, of) for name in names}
    assert missing <= reasons
    assert MISSING[made].keys() <= missing


def methods(made: Any) -> Iterator[tuple[str, str]]:
    """Each difference of the arguments of what both sides have."""
    theirs = twin(made.__name__)
    for name in sorted(callables(made) & callables(theirs)):
        one, other = getattr(made, name), getattr(theirs, name)
        if inspect.isfunction(one) and inspect.isfunction(other) and not name.startswith("__"):
            for what in differences(arguments(one, 1), arguments(other, 1)):
                yield name, what


@pytest.mark.parametrize("made", MISSING, ids=lambda made: made.__name__)
def test_methods_have_pytorchs_signatures(made: Any) -> None:
    allowed = {(name, what) for (of, name, what) in METHODS if issubclass(made, of)}
    found = set(methods(made))
    assert found <= allowed
    assert {(name, what) for (of, name, what) in METHODS if of is made} <= found
