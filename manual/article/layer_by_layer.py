"""The formulas of one step, one for each layer, in matrices."""

from collections.abc import Iterator

from .description import Description
from .formulas import BACKWARD, FORWARD, LOSS, UPDATE, Equation, Parts, Term, call

TO_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def layer_by_layer(d: Description) -> Iterator[Equation]:
    """The formulas of one step in matrices, a few for each layer."""

    def term(name: str, key: str, transposed: bool = False) -> Term:
        return Term(name, key, None, transposed)

    sub = [str(i).translate(TO_SUBSCRIPTS) for i in range(d.layers + 1)]
    a = [term("x", "x"), *(term(f"a{sub[i]}", f"a{i}") for i in range(1, d.layers + 1))]
    for i in range(1, d.layers + 1):
        z = term(f"z{sub[i]}", f"z{i}")
        product: Parts = (a[i - 1], "·", term(f"W{sub[i]}ᵀ", f"W{i}", True), "+")
        yield Equation(z, (*product, term(f"b{sub[i]}", f"b{i}")), FORWARD, "Linear.forward")
        name = d.activations[i - 1]
        function: Parts = (f"{call(name)}(", z, ")") if name != "Identity" else (z,)
        yield Equation(a[i], function, FORWARD, f"{name}.forward")
    loss = term("L", "L")
    last, t = a[-1], term("t", "t")
    count = float(d.x.shape[0] * d.sizes[-1])
    samples = float(len(d.x))
    k = Term(f"{count:g}", plain=count)
    n = Term(f"{samples:g}", plain=samples)
    top = term(f"∂L/∂a{sub[-1]}", f"da{d.layers}")
    if d.loss == "half-squared":
        yield Equation(loss, ("½ Σ (", t, "−", last, ")²"), LOSS, "HalfSquaredError.forward")
        slope: Parts = (last, "−", t)
        yield Equation(top, slope, BACKWARD, "HalfSquaredError.backward")
    elif d.loss == "mse":
        yield Equation(loss, ("Σ (", last, "−", t, ")² /", k), LOSS, "MSELoss.loss")
        yield Equation(top, ("2 (", last, "−", t, ") /", k), BACKWARD, "MSELoss.slope")
    else:
        p = term("p", "p")
        yield Equation(p, ("softmax(", last, ")"), LOSS, "Softmax.forward")
        yield Equation(
            loss, ("− Σ log p of the class in", t, "/", n), LOSS, "CrossEntropyLoss.forward"
        )
        formula: Parts = ("(", p, "− [1 at the class in", t, "] ) /", n)
        yield Equation(top, formula, BACKWARD, "CrossEntropyLoss.backward")
    for i in range(d.layers, 0, -1):
        da, dz = term(f"∂L/∂a{sub[i]}", f"da{i}"), term(f"∂L/∂z{sub[i]}", f"dz{i}")
        name = d.activations[i - 1]
        slopes: Parts = (da, "∘", term(f"f′(z{sub[i]})", f"f{i}")) if name != "Identity" else (da,)
        yield Equation(dz, slopes, BACKWARD, f"{name}.backward")
        transposed = term(f"(∂L/∂z{sub[i]})ᵀ", f"dz{i}", True)
        dw = term(f"∂L/∂W{sub[i]}", f"dW{i}")
        yield Equation(dw, (transposed, "·", a[i - 1]), BACKWARD, "Linear.backward")
        db = term(f"∂L/∂b{sub[i]}", f"db{i}")
        yield Equation(db, ("Σ over samples of", dz), BACKWARD, "Linear.backward")
        if i > 1:
            below = term(f"∂L/∂a{sub[i - 1]}", f"da{i - 1}")
            yield Equation(
                below, (dz, "·", term(f"W{sub[i]}", f"W{i}")), BACKWARD, "Linear.backward"
            )
    eta = Term("η", "η")
    for i in range(1, d.layers + 1):
        for kind in ("W", "b") if d.trains_biases else ("W",):
            new = term(f"{kind}{sub[i]}⁺", f"{kind}{i}_new")
            old, slope_of = (
                term(f"{kind}{sub[i]}", f"{kind}{i}"),
                term(f"∂L/∂{kind}{sub[i]}", f"d{kind}{i}"),
            )
            yield Equation(new, (old, "−", eta, "·", slope_of), UPDATE, "SGD.step")
    yield Equation(
        term("L⁺", "L_new"), ("the loss with the new weights",), UPDATE, "Module.__call__"
    )
