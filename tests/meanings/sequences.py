"""What the symbols of recurrences, attention and whole networks stand for."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import manual

from ..derivations.docstrings import Case
from ..derivations.meaning import Meaning
from .draws import drawn, each, named, passed, ready
from .layers import of_indices, seeded


def steps() -> Iterator[Case]:
    """One step of a recurrence, at each of some numbers: what is between the linear layers."""
    for name, f in (("tanh", np.tanh), ("relu", lambda z: max(z, 0.0))):
        cell = manual.RNNCell(1, 1, nonlinearity=name)
        zx, zh, δ = np.array([-1.4, -0.6, -0.2, 0.3, 0.8, 1.7]), np.full(6, 0.05), drawn(6)
        (h,), kept = cell.step(zx[np.newaxis], zh[np.newaxis].copy(), (zh,))
        by_zx, by_zh, _ = cell.step_back(kept, (δ,))
        values = {"zx": zx, "zh": zh, "h′": h, "δ": δ, "∂L/∂h′": δ}
        values |= {"∂L/∂zx": by_zx[0], "∂L/∂zh": by_zh[0]}
        meanings = [Meaning({**one, "f": f}) for one in each(values)]
        back = ("h′", "∂L/∂zx", "∂L/∂zh")
        yield Case(manual.RNNCell, meanings, back, ("RNNStep",), frozenset({name}))

    zx, zh, h, c, δₕ, δ_c = drawn(4, 6), drawn(4, 6), drawn(6), drawn(6), drawn(6), drawn(6)
    (after, c_after), kept = manual.LSTMCell(1, 1).step(zx, zh.copy(), (h, c))
    by_z, _, (_, by_c) = manual.LSTMCell(1, 1).step_back(kept, (δₕ, δ_c))
    values = {"c": c, "h′": after, "c′": c_after, "δₕ": δₕ, "δ_c": δ_c, "∂L/∂c": by_c}
    for k, gate in enumerate(("zᵢ", "z_f", "z_g", "zₒ")):
        values |= {gate: zx[k] + zh[k], f"∂L/∂{gate}": by_z[k]}
    required = ("h′", "c′", *(name for name in values if name.startswith("∂L")))
    L = "δₕ h′ + δ_c c′"
    meanings = [seeded(Meaning(one), L) for one in each(values)]
    yield Case(manual.LSTMCell, meanings, required, ("LSTMStep",))

    zx, zh, h, δ = drawn(3, 6), drawn(3, 6), drawn(6), drawn(6)
    (after,), kept = manual.GRUCell(1, 1).step(zx, zh.copy(), (h,))
    by_zx, by_zh, (by_h,) = manual.GRUCell(1, 1).step_back(kept, (δ,))
    values = {"h": h, "h′": after, "δ": δ, "∂L/∂h′": δ, "∂L/∂h": by_h}
    for k, gate in enumerate("rzn"):
        values |= {f"zx_{gate}": zx[k], f"∂L/∂zx_{gate}": by_zx[k]}
        values |= {f"zh_{gate}": zh[k], f"∂L/∂zh_{gate}": by_zh[k]}
    required = ("h′", *(name for name in values if name.startswith("∂L/∂") and "′" not in name))
    meanings = [seeded(Meaning(one), "δ h′") for one in each(values)]
    yield Case(manual.GRUCell, meanings, required, ("GRUStep",))


def cells() -> Iterator[Case]:
    """A cell's linear layers; the step's own results are seen in cells of bias alone."""
    cell = ready(manual.GRUCell(3, 1))
    own = {"W_ih": "weight_ih", "W_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
    x, h = drawn(4, 3), drawn(4, 1)
    values = passed(cell, {"x": x, "h": h}, parameters=own)
    halves = ready(manual.Linear(3, 3)), ready(manual.Linear(1, 3))
    for half, kind in zip(halves, ("ih", "hh"), strict=True):
        half.weight.data, half.bias.data = values[f"W_{kind}"], values[f"b_{kind}"]
    zx, zh = halves[0](x), halves[1](h)
    _, saved = cell.step(zx.T[..., np.newaxis].copy(), zh.T[..., np.newaxis].copy(), (h,))
    by_zx, by_zh, (direct,) = cell.step_back(saved, (values["g"],))
    values |= {"zx": zx, "zh": zh, "D": direct}
    values |= {"∂L/∂zx": by_zx[..., 0].T, "∂L/∂zh": by_zh[..., 0].T}
    required = [name for name in values if name.startswith("∂L/∂") and name[-1] in "xh"]
    required = [name for name in required if not name.startswith("∂L/∂z")]
    yield of_indices(cell, values, {"n": 4}, required, places=["Cell"])


def through_time() -> Iterator[Case]:
    """A layer of one unit and one input: a step of its cell at each element."""
    T = 4
    layer = ready(manual.RNN(1, 1))
    x, g = drawn(T), drawn(T)
    h, _ = layer(x[:, np.newaxis])
    by_x = layer.backward(g[:, np.newaxis], None)
    own = dict(layer.named_parameters())
    values: dict[str, Any] = {}
    for symbol in ("W_ih", "W_hh", "b_ih", "b_hh"):
        parameter = own[symbol.replace("W", "weight").replace("b_", "bias_") + "_l0"]
        values |= {symbol: float(parameter.data.item()), f"∂L/∂{symbol}": parameter.grad.item()}

    def counted(array: np.ndarray) -> dict[int, float]:
        return dict(enumerate(map(float, np.ravel(array)), 1))

    values |= {"x": counted(x), "g": counted(g), "h": {0: 0.0, **counted(h)}, "T": T}
    values |= {"∂L/∂x": counted(by_x), "∂L/∂h": counted(g)}
    cell = manual.RNNCell(1, 1)

    def step(zx: float, zh: float) -> float:
        return float(cell.step(np.full((1, 1), zx), np.full((1, 1), zh), (None,))[0][0].item())

    def back(delta: float, after: float) -> float:
        return float(cell.step_back(np.array([after]), (np.array([delta]),))[0].item())

    values |= {"step": step, "step_back": back}
    required = ("h", "∂L/∂W_ih", "∂L/∂W_hh", "∂L/∂x")
    place = ["manual/layers/recurrent.py"]
    case = of_indices(manual.RNN, values, {"t": range(1, T + 1)}, required, places=place)
    (meaning,) = case.meanings
    assert isinstance(meaning, Meaning)
    case.meanings = [seeded(meaning, "Σₜ gₜ hₜ")]
    yield case


def attentions() -> Iterator[Case]:
    Q, K, V, M = drawn(2, 4), drawn(3, 4), drawn(3, 2), drawn(2, 3)
    for scale, place in ((None, "manual/layers/attention.py"), (0.7, "ScaledDotProductAttention")):
        module = manual.ScaledDotProductAttention(scale=scale)
        values = passed(module, {"Q": Q, "K": K, "V": V, "M": M}, "Y")
        values |= {"G": values["g"], "d": 4, "s": 0.7}
        ranges = {"i": 2, "j": 3, "k": 3}
        back = ("∂L/∂Q", "∂L/∂K", "∂L/∂V") if scale is None else ()
        case = of_indices(module, values, ranges, ("Y", *back), places=[place])
        G = values["G"]
        seeds = {"each": lambda Y, G=G: float((G * Y).sum())}
        meaning = case.meanings[0]
        assert isinstance(meaning, Meaning)
        case.meanings = [seeded(Meaning({**values, **seeds}, meaning.ranges), "each(Y)")]
        yield case
    yield heads()
    rotary = manual.RotaryEmbedding(50.0)
    plain = passed(rotary, {"x": drawn(3, 4)})
    meanings = []
    for t in range(3):
        for i in range(2):
            values = {"t": t, "i": i, "d": 4, "θ": 50.0}
            values |= {"g": plain["g"], "∂L/∂y": plain["g"]}
            for name in ("x", "y", "g", "∂L/∂x"):
                values |= {f"{name}₁": plain[name][t, i], f"{name}₂": plain[name][t, i + 2]}
            meanings.append(Meaning(values))
    required = ("y₁", "y₂", "∂L/∂x₁", "∂L/∂x₂")
    yield Case(manual.RotaryEmbedding, meanings, required, ("RotaryEmbedding",))


def heads() -> Case:
    """Two heads: their rows of the weights of queries, keys and values, their columns of W_O."""
    number, d = 2, 2
    module = ready(manual.MultiheadAttention(number * d, number))
    inputs = {"query": drawn(2, 4), "key": drawn(3, 4), "value": drawn(3, 4)}
    Y, _ = module(*inputs.values())
    G = drawn(2, 4)
    back = module.backward(G, None)
    values: dict[str, Any] = {**inputs, "Y": Y, "G": G, "∂L/∂Y": G, "d": d}
    values |= {f"∂L/∂{name}": grad for name, grad in zip(inputs, back, strict=False)}
    own = dict(module.named_parameters())

    def shared_out(rows: np.ndarray) -> dict[str, Any]:
        """Of each kind, what each head has."""
        parts = np.split(rows, 3 * number)
        return {kind: dict(enumerate(parts[i * number :][:number])) for i, kind in enumerate("QKV")}

    for symbol, name in (("W", "in_proj_weight"), ("b", "in_proj_bias")):
        values |= {f"{symbol}_{k}": v for k, v in shared_out(own[name].data).items()}
        values |= {f"∂L/∂{symbol}_{k}": v for k, v in shared_out(own[name].grad).items()}
    # what a key's bias adds, the same to all keys, softmax takes off again: seen only here
    values["K"] = {}
    for h in range(number):
        linear = ready(manual.Linear(number * d, d))
        linear.weight.data, linear.bias.data = values["W_K"][h], values["b_K"][h]
        values["K"][h] = linear(inputs["key"])
    out = own["out_proj.weight"]
    values |= {"b_O": own["out_proj.bias"].data}
    values |= {"W_O": dict(enumerate(np.split(out.data, number, axis=1)))}
    values |= {"∂L/∂W_O": dict(enumerate(np.split(out.grad, number, axis=1)))}
    values["each"] = lambda Y: float((G * Y).sum())
    required = ("Y", "∂L/∂query", "∂L/∂W_Q", "∂L/∂W_O")
    case = of_indices(module, values, {"h": number}, required)
    (meaning,) = case.meanings
    assert isinstance(meaning, Meaning)
    case.meanings = [seeded(meaning, "each(Y)")]
    return case


def networks() -> Iterator[Case]:
    gated = ready(manual.SwiGLU(3, 4))
    own = {f"W_{kind}": f"{kind}_proj.weight" for kind in ("gate", "up", "down")}
    values = passed(gated, {"x": drawn(2, 3)}, parameters=own)
    g = values["g"]
    values["each"] = lambda y: float((g * y).sum())
    case = of_indices(gated, values, {}, ("y", "∂L/∂x"))
    case.meanings = [seeded(Meaning(values), "each(y)")]
    yield case

    layers = [named("Tanh")(), named("Sigmoid")(), named("Softplus")()]
    y, grads = {0: drawn(5)}, {3: drawn(5)}
    slopes = {}
    for k, layer in enumerate(layers, 1):
        y[k] = layer(y[k - 1])
        slopes[k] = layer.backward(np.ones(5))
    whole = manual.Sequential(*layers)
    assert np.array_equal(whole(y[0]), y[3])
    by_x = whole.backward(grads[3])
    for k in (3, 2):
        layers[k - 1](y[k - 1])
        grads[k - 1] = layers[k - 1].backward(grads[k])
    grads[0] = by_x
    meanings = [
        Meaning(
            {
                "x": y[0][i],
                "y": {k: value[i] for k, value in y.items()},
                "f": lambda k, x: float(layers[int(k) - 1].value(np.array(x))),
                "f′": lambda k, x, i=i: slopes[int(k)][i],
                "∂L/∂y": {k: value[i] for k, value in grads.items()},
            },
            {"k": range(1, 4)},
        )
        for i in range(5)
    ]
    yield Case(manual.Sequential, meanings, ("y", "∂L/∂y"), ("Sequential",))
    yield perceptron()
    yield from residuals()


def back_of(part: Any, x: np.ndarray) -> Any:
    """What a module hands back of a gradient, after a forward pass on x."""

    def back(g: np.ndarray) -> Any:
        part(x)
        return part.backward(g)

    return back


def residuals() -> Iterator[Case]:
    head = "manual/layers/transformer.py"
    for norm_first in (True, False):
        layer = manual.TransformerEncoderLayer(4, 2, 3, 0.0, norm_first=norm_first)
        ready(layer)
        x, F, norm = drawn(3, 4), ready(manual.Linear(4, 4)), dict(layer.named_children())["norm1"]
        y = layer.residual(1, x, F)
        g = drawn(3, 4)
        by_x = layer.back_residual(1, g, F.backward)
        inside = (norm(x), x) if norm_first else (x, x + F(x))
        for module in (layer, F):
            module.forget_passes()
        values = {"x": x, "y": y, "g": g, "∂L/∂x": by_x, "F": silent(F), "norm": silent(norm)}
        values |= {"Fᵀ": back_of(F, inside[0]), "normᵀ": back_of(norm, inside[1])}
        option = ["norm_first" if norm_first else "else"]
        yield of_indices(layer, values, {}, ("y", "∂L/∂x"), places=[head], options=option)
    block = ready(manual.ResidualBlock(2))
    x = drawn(2, 2, 3, 3)
    values = passed(block, {"x": x})
    F, relu = block.branch, block.relu
    before = x + F(x)
    F.forget_passes()
    values |= {"F": silent(F), "relu": silent(relu)}
    values |= {"Fᵀ": back_of(F, x), "reluᵀ": back_of(relu, before)}
    yield of_indices(block, values, {}, ("y", "∂L/∂x"))


def silent(module: Any) -> Any:
    """Its forward, of which nothing is kept to be run backward."""

    def forward(x: np.ndarray) -> Any:
        with manual.no_grad():
            return module(x)

    return forward


def perceptron() -> Case:
    """Of every layer by itself, forward and backward: what stands between them."""
    network = ready(manual.MLP((3, 4, 5, 2), "Tanh", np.float64))
    parts: list[Any] = [m for _, m in network.named_modules() if not list(m.children())]
    x = drawn(6, 3)
    values = passed(network, {"x": x})
    between, back = [x], [values["g"]]
    for part in parts:
        between.append(part(between[-1]))
    for part in reversed(parts):
        back.insert(0, part.backward(back[0]))
    linears = parts[::2]
    tanh = named("Tanh")()
    values |= {
        "f": tanh.value,
        "f′": lambda z: tanh.derivative(z, tanh.value(z)),
        **{"h": dict(enumerate(between[::2])), "z": dict(enumerate(between[1::2], 1))},
        **{"∂L/∂h": dict(enumerate(back[::2])), "∂L/∂z": dict(enumerate(back[1::2], 1))},
    }
    network.zero_grad()
    network(x)
    network.backward(values["g"])
    for symbol, name in (("W", "weight"), ("b", "bias")):
        own = {k: getattr(layer, name) for k, layer in enumerate(linears, 1)}
        values |= {symbol: {k: parameter.data for k, parameter in own.items()}}
        values |= {f"∂L/∂{symbol}": {k: parameter.grad for k, parameter in own.items()}}
    values["K"] = 3
    required = ("y", "z", "h", "∂L/∂W", "∂L/∂b", "∂L/∂h", "∂L/∂z")
    return of_indices(network, values, {"k": range(1, 4), "n": 6}, required)


CASES = [*steps(), *cells(), *through_time(), *attentions(), *networks()]
