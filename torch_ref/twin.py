"""A by-hand module or optimizer -> its PyTorch twin, holding the same numbers; and the way back.

A by-hand class has the name, the constructor arguments and the parameter names of its twin, so a
twin is made by calling the class of that name with the same arguments and loading the same state.
The way back is the same, but for where PyTorch keeps an argument under another name.
"""

import copy
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, overload

import numpy as np
import torch

import manual
from manual import Module, ModuleDict, ModuleList, Optimizer, Sequential
from manual.article import modules as article
from manual.containers import Container

from . import models

DTYPES = {np.dtype(np.float32): torch.float32, np.dtype(np.float64): torch.float64}


def to_torch(value: Any) -> Any:
    """Arrays become tensors with their own memory, dtypes become PyTorch's; all else stays.

    So they do in dicts, lists and tuples: `to_torch(network.state_dict())`, and an optimizer's, is
    what the twin's `load_state_dict` takes.
    """
    if isinstance(value, Mapping | list | tuple):
        return converted(to_torch, value)
    if isinstance(value, np.dtype):
        if value not in DTYPES:
            raise TypeError(f"dtype is {value}, expected float32 or float64, as PyTorch has them")
        return DTYPES[value]
    if isinstance(value, np.ndarray | np.generic):
        return torch.from_numpy(np.array(value))
    return value


def to_numpy(value: Any) -> Any:
    """Tensors become arrays, which share their memory, in dicts, lists and tuples too.

    So `to_numpy(twin.state_dict())`, and an optimizer's, is what `load_state_dict` by hand takes.
    """
    if isinstance(value, Mapping | list | tuple):
        return converted(to_numpy, value)
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def converted(one: Callable[[Any], Any], values: Any) -> Any:
    """A dict, list or tuple of what `one` makes of each value."""
    if isinstance(values, Mapping):
        return {name: one(value) for name, value in values.items()}
    return type(values)([one(value) for value in values])


@overload
def twin_of(original: Module) -> torch.nn.Module: ...


@overload
def twin_of(
    original: Optimizer, parameters: Iterable[torch.nn.Parameter]
) -> torch.optim.Optimizer: ...


def twin_of(original: Any, parameters: Any = None) -> Any:
    """The PyTorch twin of a by-hand module or optimizer, holding the same numbers.

    Args:
        original: a module of `manual`, or an optimizer.
        parameters: for an optimizer, the twins of its parameters, in the same order.
    Raises:
        NotImplementedError: PyTorch has no class of that name.
    """
    if isinstance(original, Optimizer):
        return _twin_optimizer(original, list(parameters))
    return _twin_module(original, {}, {})


def _twin_module(
    module: Module, made_already: dict[Module, torch.nn.Module], copies: dict[int, Any]
) -> torch.nn.Module:
    """`copies` is deepcopy's memo: what draws from one generator goes on doing so."""
    if module in made_already:  # used in several places: so is its twin
        return made_already[module]
    if isinstance(module, Container):
        kind = next(k for k in (Sequential, ModuleList, ModuleDict) if isinstance(module, k))
        twin: torch.nn.Module = getattr(torch.nn, kind.__name__)()
        for name, part in module._modules.items():
            twin.add_module(name, _twin_module(part, made_already, copies))
    else:
        twin_class = getattr(module, "twin_class", None)  # a module of one's own can name its twin
        twin_class = twin_class or _torch_class(type(module).__name__, models, torch.nn)
        arguments = {
            name: _twin_module(value, made_already, copies)
            if isinstance(value, Module)
            else to_torch(value)
            for name, value in module.arguments().items()
        }
        if hasattr(module, "generator"):  # its twin draws the same numbers from a copy
            arguments["generator"] = copy.deepcopy(module.generator, copies)
        twin = twin_class(**arguments)
    twin.load_state_dict(to_torch(module.state_dict()))
    for (_, mine), theirs in zip(module.named_parameters(), twin.parameters(), strict=True):
        theirs.requires_grad_(mine.requires_grad)
    made_already[module] = twin
    same_mode(twin, module)
    return twin


def same_mode(module: Any, as_module: Any) -> None:
    """Have each part train that does so in the other, which is of this side or of that.

    Parts that have no name there do as what they are in.
    """
    known = dict(as_module.named_modules())
    for name, part in module.named_modules():
        if name in known:
            part.train(known[name].training)


def _twin_optimizer(
    optimizer: Optimizer, parameters: list[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    left = iter(parameters)
    groups = [{"params": [next(left) for _ in group["params"]]} for group in optimizer.param_groups]
    twin_class = _torch_class(type(optimizer).__name__, torch.optim)
    accepted = inspect.signature(type(optimizer)).parameters
    twin = twin_class(groups, **{k: v for k, v in optimizer.defaults.items() if k in accepted})
    twin.load_state_dict(to_torch(optimizer.state_dict()))
    return twin


# The way back

# Where PyTorch keeps what its constructor was given, if not under the argument's own name.
LAYER_OF_TRANSFORMER = {
    "d_model": "self_attn.embed_dim",
    "nhead": "self_attn.num_heads",
    "dim_feedforward": "linear1.out_features",
    "dropout": "dropout.p",
    "layer_norm_eps": "norm1.eps",
    "batch_first": "self_attn.batch_first",
    "bias": "linear1.bias",
}
KEPT_AS: dict[str, dict[str, str]] = {
    "PairwiseDistance": {"p": "norm"},
    "MultiheadAttention": {"bias": "in_proj_bias", "add_bias_kv": "bias_k"},
    "ScaledDotProductAttention": {"dropout_p": "leave_out.p"},
    "TransformerEncoderLayer": LAYER_OF_TRANSFORMER,
    "TransformerDecoderLayer": LAYER_OF_TRANSFORMER,
    "TransformerEncoder": {"encoder_layer": "layers.0"},
    "TransformerDecoder": {"decoder_layer": "layers.0"},
    "Transformer": {
        "num_encoder_layers": "encoder.num_layers",
        "num_decoder_layers": "decoder.num_layers",
        **{
            name: f"encoder.layers.0.{path}"
            for name, path in {
                **LAYER_OF_TRANSFORMER,
                "activation": "activation",
                "norm_first": "norm_first",
            }.items()
        },
    },
}
# Arguments that leave no trace: older names of others, and where a module works, not what it does.
UNTOLD = (
    *("device", "inplace", "size_average", "reduce", "min_value", "max_value"),
    *("args", "kwargs", "_weight", "custom_encoder", "custom_decoder"),
)
CONTAINERS = (torch.nn.Sequential, torch.nn.ModuleList, torch.nn.ModuleDict)


@overload
def by_hand_of(
    original: torch.nn.Module, *, generator: np.random.Generator | None = None
) -> Module: ...


@overload
def by_hand_of(
    original: torch.optim.Optimizer, parameters: Iterable[manual.Parameter]
) -> Optimizer: ...


def by_hand_of(original: Any, parameters: Any = None, *, generator: Any = None) -> Any:
    """The by-hand module or optimizer with the numbers of one of PyTorch's: `twin_of` backwards.

    Args:
        original: a Sequential, or a module whose class has its like in `manual`: the same name, or
            that is its `twin_class`; or an optimizer.
        parameters: for an optimizer, those by hand of its own, in the same order.
        generator: what the masks of a dropout are drawn from, which PyTorch draws from a stream of
            its own; without one, the system's entropy.
    Raises:
        NotImplementedError: there is no such class by hand, or not all that it was made with; the
            message says where in the module, and what is missing.
        TypeError: it is neither, or the numbers are neither float32 nor float64.
    """
    if isinstance(original, torch.optim.Optimizer):
        return _optimizer_by_hand(original, list(parameters))
    if not isinstance(original, torch.nn.Module):
        raise TypeError(f"got a {type(original).__name__}, expected a torch.nn.Module")
    mine = _module_by_hand(original, type(original).__name__, generator, {}, {})
    shared = len(list(original.parameters())) - len(list(mine.parameters()))
    if shared:
        raise NotImplementedError(
            f"{type(original).__name__}: {abs(shared)} parameters are shared between modules, "
            "which is not done by hand for modules of one's own making"
        )
    return mine


def class_by_hand(cls: type) -> type[Module] | None:
    """The by-hand class that this class of PyTorch's is the twin of, if there is one."""
    derived = [Module]
    for by_hand in derived:
        if cls is getattr(by_hand, "twin_class", None):
            return by_hand
        derived += by_hand.__subclasses__()
    name = cls.__name__
    if cls not in (getattr(models, name, None), getattr(torch.nn, name, None)):
        return None  # a class of someone's own, whatever it is called
    return getattr(manual, name, getattr(article, name, None))


def _module_by_hand(
    module: torch.nn.Module,
    place: str,
    generator: Any,
    made_already: dict[torch.nn.Module, Module],
    copies: dict[int, Any],
) -> Module:
    """`place` is where the module stands, for messages; `copies` as for `_twin_module`."""
    if module in made_already:  # used in several places: so is what is made of it
        return made_already[module]
    hooks = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")
    if any(getattr(module, name) for name in hooks):
        raise NotImplementedError(f"{place}: it has hooks, which are not run by hand")
    plain = type(module).forward is torch.nn.Sequential.forward
    if isinstance(module, torch.nn.Sequential) and plain:
        inside = [
            _module_by_hand(part, f"{place}.{name}", generator, made_already, copies)
            for name, part in module.named_children()
        ]
        mine: Module = Sequential(*inside)
        mine.training = module.training
        made_already[module] = mine
        return mine
    by_hand = class_by_hand(type(module))
    if by_hand is None:
        name = f"{type(module).__module__}.{type(module).__qualname__}"
        raise NotImplementedError(
            f"{place}: {name} has no class by hand: it takes a class derived from manual.Module "
            f"with forward, backward and twin_class = {type(module).__name__}"
        )
    arguments = {
        name: _module_by_hand(value, f"{place}.{name}", generator, made_already, copies)
        if isinstance(value, torch.nn.Module)
        else value
        for name, value in told_arguments(module, by_hand, place).items()
    }
    if "generator" in inspect.signature(by_hand).parameters:
        own = (part.generator for part in module.modules() if hasattr(part, "generator"))
        generator = copy.deepcopy(next(own, None), copies) or generator
        arguments["generator"] = generator
    before = None if generator is None else generator.bit_generator.state
    try:
        mine = by_hand(**arguments)
        if not isinstance(module, CONTAINERS):
            mine.load_state_dict({n: to_numpy(v).copy() for n, v in module.state_dict().items()})
    except (NotImplementedError, ValueError, TypeError) as error:
        raise NotImplementedError(f"{place}: {error}") from None
    if before is not None:  # its first weights, which are not kept, were drawn from it
        generator.bit_generator.state = before
    if not isinstance(module, CONTAINERS):
        if any(module.children()):
            require_unchanged(module, twin_of(mine), place)
        trains = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
        for name, parameter in mine.named_parameters():
            parameter.requires_grad = trains[name]
    same_mode(mine, module)
    made_already[module] = mine
    return mine


def told_arguments(module: torch.nn.Module, by_hand: type[Module], place: str) -> dict[str, Any]:
    """The arguments that a module of PyTorch's was made with, for the by-hand constructor."""
    told: dict[str, Any] = {}
    for name, parameter in inspect.signature(by_hand).parameters.items():
        if name == "generator" or name in UNTOLD:
            continue
        if name == "dtype":
            own = [*module.parameters(), *module.buffers()]
            dtypes = [values.dtype for values in own if values.is_floating_point()]
            told[name] = _numpy_dtype(dtypes[0] if dtypes else torch.float32, place)
            continue
        value: Any = module
        try:
            for step in KEPT_AS.get(by_hand.__name__, {}).get(name, name).split("."):
                value = getattr(value, step)
        except AttributeError:
            raise NotImplementedError(
                f"{place}: {type(module).__name__} does not keep its argument {name}"
            ) from None
        if isinstance(parameter.default, bool):  # bias=True is kept as the bias itself
            value = value is not None and value is not False
        elif name == "modules":
            value = dict(module.named_children())
            value = value if isinstance(module, torch.nn.ModuleDict) else list(value.values())
        elif name == "activation" and callable(value):  # a transformer keeps the function
            value = value.__name__
        told[name] = to_numpy(value).copy() if torch.is_tensor(value) else value
    return told


def require_unchanged(module: torch.nn.Module, as_made: torch.nn.Module, place: str) -> None:
    """Raise NotImplementedError unless the parts are those that the constructor makes."""
    made = dict(as_made.named_modules())
    for name, part in module.named_modules():
        by_hand = class_by_hand(type(part))
        same = name in made and (
            isinstance(made[name], type(part)) or class_by_hand(type(made[name])) is by_hand
        )
        if same and by_hand is not None and not isinstance(part, CONTAINERS):
            asked, has = (
                told_arguments(one, by_hand, f"{place}.{name}") for one in (part, made[name])
            )
            same = all(
                isinstance(value, torch.nn.Module) or np.array_equal(value, has[key])
                for key, value in asked.items()
            )
        if not same:
            raise NotImplementedError(
                f"{place}: {name} was changed after it was made, which is not done by hand"
            )


def _optimizer_by_hand(
    optimizer: torch.optim.Optimizer, parameters: list[manual.Parameter]
) -> Optimizer:
    name = type(optimizer).__name__
    by_hand = getattr(manual, name, None)
    if type(optimizer) is not getattr(torch.optim, name, None) or by_hand is None:
        raise NotImplementedError(f"{name} has no class by hand")
    left = iter(parameters)
    groups = [{"params": [next(left) for _ in group["params"]]} for group in optimizer.param_groups]
    accepted = {*inspect.signature(by_hand).parameters}
    if "unsupported" in accepted:  # refused by hand, if True
        accepted |= {"foreach", "fused", "capturable", "differentiable"}
    mine: Optimizer = by_hand(
        groups, **{name: value for name, value in optimizer.defaults.items() if name in accepted}
    )
    saved = optimizer.state_dict()
    state = {
        number: {key: to_numpy(value) for key, value in entries.items() if value is not None}
        for number, entries in saved["state"].items()
    }
    mine.load_state_dict({"param_groups": saved["param_groups"], "state": state})
    return mine


def _numpy_dtype(dtype: torch.dtype, place: str) -> np.dtype:
    if dtype in DTYPES.values():
        return to_numpy(torch.zeros(0, dtype=dtype)).dtype
    raise TypeError(f"{place}: {dtype}, expected float32 or float64; .float() converts it")


@contextmanager
def all_in(dtype: np.dtype) -> Iterator[None]:
    """Within this block PyTorch's optimizers and modules compute in this dtype throughout.

    By themselves they do not: NAdam's product of momenta and ASGD's η and μ are tensors of the
    default dtype, float32, also where the weights are float64; Muon iterates in bfloat16; and
    Hardsigmoid's backward has 1/6 in float32, which costs a float64 gradient half its digits.
    """
    functional = torch.nn.functional
    default, bfloat16 = torch.get_default_dtype(), torch.Tensor.bfloat16
    hardsigmoid = functional.hardsigmoid
    torch.set_default_dtype(DTYPES[dtype])
    torch.Tensor.bfloat16 = torch.Tensor.clone  # type: ignore[method-assign]
    functional.hardsigmoid = lambda input, inplace=False: functional.relu6(input + 3) / 6
    try:
        yield
    finally:
        torch.set_default_dtype(default)
        torch.Tensor.bfloat16 = bfloat16  # type: ignore[method-assign]
        functional.hardsigmoid = hardsigmoid


def _torch_class(name: str, *places: Any) -> Any:
    for place in places:
        if hasattr(place, name):
            return getattr(place, name)
    raise NotImplementedError(
        f"{name} has no twin in {' or '.join(p.__name__ for p in places)}; "
        "a class of your own names its twin: twin_class = MyTorchModule"
    )
