"""The walkthrough's formulas: each gives what stands beside it, and a name stands for one number.

So what is written out can be followed from the given numbers to the new weights, line by line, in
both views and for every kind of network. test_explain.py tests how it is shown.
And the descriptions of networks: what is drawn, what is refused.
"""

import re
from dataclasses import replace
from inspect import signature
from itertools import islice, product
from typing import Any

import numpy as np
import pytest

import manual
from manual.article.description import (
    LOSSES,
    Description,
    DescriptionError,
    check_description,
    drawn_network,
    the_article,
)
from manual.article.example import BIASES, RULES
from manual.article.figures import FIGURES, FORMS, rounds
from manual.article.formulas import Equation, Rest, Term
from manual.article.layer_by_layer import layer_by_layer
from manual.article.names import HIDDEN, MOST, shown_of
from manual.article.neuron_by_neuron import neuron_by_neuron
from manual.article.walkthrough import after, after_steps, values_by_hand
from manual.special import sigmoid
from torch_ref.explaining.code_lines import code_line

Array = np.ndarray
VIEWS = {"layers": layer_by_layer, "neurons": neuron_by_neuron}
SECTIONS = (
    *("Forward pass", "Loss", "Backward pass", "Update"),
    "Forward pass with the new weights",
)


def networks() -> dict[str, Description]:
    """Every loss with several activations, shallow, deep, wide, with and without its biases."""
    found = {"the article": the_article(), "the article, later": after_steps(the_article(), 3)}
    activations = ("Sigmoid", "Tanh", "ReLU", "GELU")
    for i, (loss, name) in enumerate(product(LOSSES, activations)):
        found[f"{loss} {name}"] = drawn_network((3, 4, 2), name, loss, i)
    for loss in LOSSES:
        found[f"{loss} of one layer"] = drawn_network((3, 2), "Tanh", loss, 21)
        found[f"{loss} of one output"] = drawn_network((2, 3, 1), "Sigmoid", loss, 22)
        found[f"{loss} deep"] = drawn_network((2, 3, 4, 2, 3), "Tanh", loss, 23)
        found[f"{loss} wide"] = drawn_network((MOST + 1, MOST + 3, MOST + 2), "ReLU", loss, 24)
        found[f"{loss} of two digits"] = drawn_network((12, 11, 10), "Tanh", loss, 25)
        found[f"{loss} of ten"] = drawn_network((2, 10, 2), "Softplus", loss, 26)
        names = ("Identity", "Sigmoid", "Tanh")
        d = drawn_network((2, 3, 2, 3), "Identity", loss, 27)
        found[f"{loss} of mixed activations"] = replace(d, activations=names)
        found[f"{loss} with fixed biases"] = replace(d, trains_biases=False)
    return found


NETWORKS = networks()
BATCHES = {
    f"{loss} {samples}": drawn_network((3, 4, 2), "Tanh", loss, 31, samples, 0.2)
    for loss, samples in product(LOSSES, (1, 5))
}


def terms(equation: Equation) -> list[Term]:
    return [part for part in equation.formula if isinstance(part, Term)]


def shares_of(x: Array) -> Array:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# What is written, and what it means
MEANINGS = (
    (r"− Σ \( (\S+) ⊙ log (\S+) \)", r"-np.sum(\1 * np.log(\2))"),
    (r"Σ over samples of (\S+)", r"np.sum(\1, axis=0)"),
    (r"Σ \( (.*?) \)²", r"np.sum((\1)**2)"),
    (r"^2 \(", "2 * ("),
    ("½", "0.5 *"),
    (r"0\.5 \* ·", "0.5 *"),
    (r"(\w+)′\(", r"slope(\1)("),
    (r"\b(ReLU|GELU|Softplus)\(", r"made(\1)("),
    (r"slope\((\w+)\)", r'slope("\1")'),
    (r"made\((\w+)\)", r'made("\1")'),
    (r"σ\(", "sigmoid("),
    (r"\btanh\(", "np.tanh("),
    (r"e\^ (\S+)", r"np.exp(\1)"),
    ("−log ?(.*)", r"-np.log(\1)"),
    ("−", "-"),
    ("²", "**2"),
    ("⊙", "*"),
)


def evaluated(equation: Equation, values: dict[str, Array], scalar: bool) -> Any:
    """The formula, computed as it is written from its terms' values."""
    known = terms(equation)
    written = " ".join(
        f"v[{known.index(part)}]" if isinstance(part, Term) else part for part in equation.formula
    )
    written = re.sub(r"v\[(\d+)\]", r"v\1", written)  # brackets have a meaning of their own
    for pattern, meaning in MEANINGS:
        written = re.sub(pattern, meaning, written)
    matrices = not scalar and "η" not in {term.name for term in known}
    written = written.replace("·", "@" if matrices else "*")

    def made(name: str) -> Any:
        return lambda x: getattr(manual, name)()(np.asarray(x))

    def slope(name: str) -> Any:
        def at(x: float) -> float:
            step = 1e-6
            return (made(name)(x + step) - made(name)(x - step)) / (2 * step)

        return at

    names: dict[str, Any] = {f"v{i}": term.value(values) for i, term in enumerate(known)}
    names |= {"np": np, "sigmoid": sigmoid, "softmax": shares_of}
    names |= {"made": made, "slope": slope}
    return eval(written, names)


def shown(d: Description) -> list[tuple[str, list[Equation]]]:
    """The views there are of it: single neurons only of a single sample."""
    return [
        (view, list(make(d))) for view, make in VIEWS.items() if len(d.x) == 1 or view == "layers"
    ]


@pytest.mark.parametrize("name", [*NETWORKS, *BATCHES])
def test_every_formula_gives_what_stands_beside_it(name: str) -> None:
    d = {**NETWORKS, **BATCHES}[name]
    values = values_by_hand(d)
    for view, equations in shown(d):
        for equation in equations:
            found = equation.result.value(values)
            by_differences = "′(" in str(equation.formula[0])
            np.testing.assert_allclose(
                evaluated(equation, values, view == "neurons"),
                found,
                rtol=1e-7 if by_differences else 1e-12,
                atol=1e-9 if by_differences else 1e-15,
                err_msg=str(equation),
            )


def letters_of(d: Description) -> str:
    return f"i{HIDDEN[: d.layers - 1]}o"


def given(d: Description) -> dict[str, Any]:
    """What a network is given, by the names that stand for it."""
    found: dict[str, Any] = {"i": d.x, "t": d.t, "η": d.lr}
    if d.loss == "cross-entropy":
        found["onehot_t"] = (d.t[:, np.newaxis] == np.arange(d.sizes[-1])).astype(float)
    if d.article:
        weights = np.concatenate([w.ravel() for w in d.weights])
        found |= {f"w{i}": w for i, w in enumerate(weights, 1)}
        found |= {f"b{layer}": b[0] for layer, b in enumerate(d.biases, 1)}
    below = "i"
    for letter, w, b in zip(letters_of(d)[1:], d.weights, d.biases, strict=True):
        found |= {f"W_{letter}": w, f"W_{letter}ᵀ": w.T, f"b_{letter}": b}
        if not d.article:
            found |= {f"w_{letter}{i + 1}{below}{j + 1}": w[i, j] for i, j in np.ndindex(*w.shape)}
            found |= {f"b_{letter}{i + 1}": b[i] for i in range(len(b))}
        below = letter
    if len(d.x) == 1:
        found |= {f"i{j + 1}": x for j, x in enumerate(d.x[0])}
        if d.t.ndim == 2:
            found |= {f"t{i + 1}": t for i, t in enumerate(d.t[0])}
    return found


def beyond(d: Description, name: str) -> bool:
    """Whether it is of a neuron that is not shown, where a layer is wide."""
    if d.article:
        return False
    sizes = dict(zip(letters_of(d), d.sizes, strict=True))
    neurons = re.findall(r"([a-z])(\d+)", name)
    return any(int(number) - 1 not in shown_of(sizes[letter]) for letter, number in neurons)


@pytest.mark.parametrize("name", [*NETWORKS, *BATCHES])
def test_a_name_stands_for_one_number_that_is_given_or_came_before(name: str) -> None:
    d = {**NETWORKS, **BATCHES}[name]
    values = values_by_hand(d)
    wide = max(d.sizes) > MOST
    for view, equations in shown(d):
        known = given(d)
        results: list[str] = []
        for equation in equations:
            for term in terms(equation):
                value = term.value(values)
                if term.plain is not None:
                    assert float(term.name) == value
                    continue
                if isinstance(term, Rest):  # only of what is not shown
                    assert wide
                    assert view == "neurons"
                    assert {len(part) for part in term.parts} in ({1}, {2}, {3}, {5})
                    continue
                if term.transposed:
                    known[term.name] = known[term.name.rstrip("ᵀ").strip("()")].T
                np.testing.assert_array_equal(value, known[term.name], err_msg=term.name)
            own = equation.result
            assert own.name not in known
            assert not beyond(d, own.name.replace("⁺", "")), own.name
            known[own.name] = own.value(values)
            results.append(own.name)
        assert len(set(results)) == len(results)


@pytest.mark.parametrize("name", [*NETWORKS, *BATCHES])
def test_all_that_is_shown_is_updated(name: str) -> None:
    d = {**NETWORKS, **BATCHES}[name]
    letters, kinds = letters_of(d), "Wb" if d.trains_biases else "W"
    neurons = {f"w{i}⁺" for i in range(1, 9)} if d.article else set()
    if not d.article:
        for layer in range(1, d.layers + 1):
            for i in shown_of(d.sizes[layer]):
                own = f"{letters[layer]}{i + 1}"
                below = [f"{letters[layer - 1]}{j + 1}" for j in shown_of(d.sizes[layer - 1])]
                neurons |= {f"w_{own}{one}⁺" for one in below}
                neurons |= {f"b_{own}⁺" for _ in range(d.trains_biases)}
    wanted = {
        "layers": {f"{kind}_{letter}⁺" for kind in kinds for letter in letters[1:]},
        "neurons": neurons,
    }
    for view, equations in shown(d):
        updated = [e.result.name for e in equations if e.section == "Update"]
        assert set(updated) == wanted[view]
        assert len(updated) == len(wanted[view])
        assert equations[-1].result.name == "E⁺"


def test_a_wide_layer_is_shortened_in_the_middle() -> None:
    assert shown_of(MOST) == list(range(MOST))
    assert shown_of(MOST + 1) == [0, 1, 2, 3, 4, MOST - 1, MOST]
    d = drawn_network((MOST + 4, 2), loss="cross-entropy")
    first = next(neuron_by_neuron(d))
    written = [part if isinstance(part, str) else part.name for part in first.formula]
    assert "(5 more)" in written
    assert written.index("(5 more)") == 2 * 10  # after five products and their pluses


@pytest.mark.parametrize("name", NETWORKS)
def test_every_neuron_of_a_narrow_network_has_all_its_quantities(name: str) -> None:
    d = NETWORKS[name]
    if d.article:
        return
    results = [equation.result.name for equation in neuron_by_neuron(d)]
    for layer, size in enumerate(d.sizes[1:], 1):
        for i in shown_of(size):
            own = f"{letters_of(d)[layer]}{i + 1}"
            z, a = f"net_{own}", f"out_{own}"
            wanted = [z, a, f"∂E/∂{a}", f"∂E/∂{z}"]
            if d.activations[layer - 1] != "Identity":
                wanted.insert(3, f"∂{a}/∂{z}")
            assert [r for r in results if r in wanted] == wanted
    assert {"E", "E⁺"} <= set(results)


@pytest.mark.parametrize("name", [*NETWORKS, *BATCHES])
def test_every_formula_says_which_function_it_stands_in(name: str) -> None:
    """One that there is; and the parts of a step come in their order."""
    d = {**NETWORKS, **BATCHES}[name]
    for _, equations in shown(d):
        order = [order_of(equation) for equation in equations]
        assert order == sorted(order)
        assert set(order) == {0, 1, 2, 3, 4}
        for equation in equations:
            own = equation.result.name
            assert equation.why.endswith((".", "!", "?")), equation
            assert equation.kind
            is_slope = "∂" in own or "f′" in own
            assert is_slope == (equation.section == "Backward pass")
            assert ("⁺" in own) == (order_of(equation) >= 3)
            if not equation.source:
                assert d.article
                assert equation.kind in ("along", "by w of net", "by shared b")
                continue
            line = code_line(equation.source)
            assert line is not None
            assert line.text
            method = line.listing.name.partition(".")[2]
            if is_slope:
                assert method in ("backward", "derivative", "slope")


def order_of(equation: Equation) -> int:
    return SECTIONS.index(equation.section)


ARTICLE = """
net_h1 = w1 · i1 + w2 · i2 + b1
out_h1 = σ( net_h1 )
net_h2 = w3 · i1 + w4 · i2 + b1
out_h2 = σ( net_h2 )
net_o1 = w5 · out_h1 + w6 · out_h2 + b2
out_o1 = σ( net_o1 )
net_o2 = w7 · out_h1 + w8 · out_h2 + b2
out_o2 = σ( net_o2 )
E_o1 = ½ · ( t1 − out_o1 )²
E_o2 = ½ · ( t2 − out_o2 )²
E = E_o1 + E_o2
∂E/∂out_o1 = −( t1 − out_o1 )
∂out_o1/∂net_o1 = out_o1 · (1 − out_o1 )
∂E/∂net_o1 = ∂E/∂out_o1 · ∂out_o1/∂net_o1
∂net_o1/∂w5 = out_h1
∂E/∂w5 = ∂E/∂out_o1 · ∂out_o1/∂net_o1 · ∂net_o1/∂w5
∂net_o1/∂w6 = out_h2
∂E/∂w6 = ∂E/∂out_o1 · ∂out_o1/∂net_o1 · ∂net_o1/∂w6
∂E/∂out_o2 = −( t2 − out_o2 )
∂out_o2/∂net_o2 = out_o2 · (1 − out_o2 )
∂E/∂net_o2 = ∂E/∂out_o2 · ∂out_o2/∂net_o2
∂net_o2/∂w7 = out_h1
∂E/∂w7 = ∂E/∂out_o2 · ∂out_o2/∂net_o2 · ∂net_o2/∂w7
∂net_o2/∂w8 = out_h2
∂E/∂w8 = ∂E/∂out_o2 · ∂out_o2/∂net_o2 · ∂net_o2/∂w8
∂E/∂b2 = ∂E/∂net_o1 + ∂E/∂net_o2
∂net_o1/∂out_h1 = w5
∂E_o1/∂out_h1 = ∂E/∂net_o1 · ∂net_o1/∂out_h1
∂net_o2/∂out_h1 = w7
∂E_o2/∂out_h1 = ∂E/∂net_o2 · ∂net_o2/∂out_h1
∂E/∂out_h1 = ∂E_o1/∂out_h1 + ∂E_o2/∂out_h1
∂out_h1/∂net_h1 = out_h1 · (1 − out_h1 )
∂E/∂net_h1 = ∂E/∂out_h1 · ∂out_h1/∂net_h1
∂net_h1/∂w1 = i1
∂E/∂w1 = ∂E/∂out_h1 · ∂out_h1/∂net_h1 · ∂net_h1/∂w1
∂net_h1/∂w2 = i2
∂E/∂w2 = ∂E/∂out_h1 · ∂out_h1/∂net_h1 · ∂net_h1/∂w2
∂net_o1/∂out_h2 = w6
∂E_o1/∂out_h2 = ∂E/∂net_o1 · ∂net_o1/∂out_h2
∂net_o2/∂out_h2 = w8
∂E_o2/∂out_h2 = ∂E/∂net_o2 · ∂net_o2/∂out_h2
∂E/∂out_h2 = ∂E_o1/∂out_h2 + ∂E_o2/∂out_h2
∂out_h2/∂net_h2 = out_h2 · (1 − out_h2 )
∂E/∂net_h2 = ∂E/∂out_h2 · ∂out_h2/∂net_h2
∂net_h2/∂w3 = i1
∂E/∂w3 = ∂E/∂out_h2 · ∂out_h2/∂net_h2 · ∂net_h2/∂w3
∂net_h2/∂w4 = i2
∂E/∂w4 = ∂E/∂out_h2 · ∂out_h2/∂net_h2 · ∂net_h2/∂w4
∂E/∂b1 = ∂E/∂net_h1 + ∂E/∂net_h2
w1⁺ = w1 − η · ∂E/∂w1
w2⁺ = w2 − η · ∂E/∂w2
w3⁺ = w3 − η · ∂E/∂w3
w4⁺ = w4 − η · ∂E/∂w4
w5⁺ = w5 − η · ∂E/∂w5
w6⁺ = w6 − η · ∂E/∂w6
w7⁺ = w7 − η · ∂E/∂w7
w8⁺ = w8 − η · ∂E/∂w8
net_h1⁺ = w1⁺ · i1 + w2⁺ · i2 + b1
out_h1⁺ = σ( net_h1⁺ )
net_h2⁺ = w3⁺ · i1 + w4⁺ · i2 + b1
out_h2⁺ = σ( net_h2⁺ )
net_o1⁺ = w5⁺ · out_h1⁺ + w6⁺ · out_h2⁺ + b2
out_o1⁺ = σ( net_o1⁺ )
net_o2⁺ = w7⁺ · out_h1⁺ + w8⁺ · out_h2⁺ + b2
out_o2⁺ = σ( net_o2⁺ )
E_o1⁺ = ½ · ( t1 − out_o1⁺ )²
E_o2⁺ = ½ · ( t2 − out_o2⁺ )²
E⁺ = E_o1⁺ + E_o2⁺
"""
CLASSES = """
net_h1 = w_h1i1 · i1 + w_h1i2 · i2 + b_h1
out_h1 = ReLU( net_h1 )
net_o1 = w_o1h1 · out_h1 + b_o1
out_o1 = net_o1
net_o2 = w_o2h1 · out_h1 + b_o2
out_o2 = net_o2
p_o1 = e^ out_o1 / ( e^ out_o1 + e^ out_o2 )
p_o2 = e^ out_o2 / ( e^ out_o1 + e^ out_o2 )
E = −log p_o2
∂E/∂out_o1 = p_o1 − 0
∂E/∂net_o1 = ∂E/∂out_o1
∂E/∂w_o1h1 = ∂E/∂net_o1 · out_h1
∂E/∂b_o1 = ∂E/∂net_o1
∂E/∂out_o2 = p_o2 − 1
∂E/∂net_o2 = ∂E/∂out_o2
∂E/∂w_o2h1 = ∂E/∂net_o2 · out_h1
∂E/∂b_o2 = ∂E/∂net_o2
∂E/∂out_h1 = ∂E/∂net_o1 · w_o1h1 + ∂E/∂net_o2 · w_o2h1
∂out_h1/∂net_h1 = ReLU′( net_h1 )
∂E/∂net_h1 = ∂E/∂out_h1 · ∂out_h1/∂net_h1
∂E/∂w_h1i1 = ∂E/∂net_h1 · i1
∂E/∂w_h1i2 = ∂E/∂net_h1 · i2
∂E/∂b_h1 = ∂E/∂net_h1
w_h1i1⁺ = w_h1i1 − η · ∂E/∂w_h1i1
w_h1i2⁺ = w_h1i2 − η · ∂E/∂w_h1i2
b_h1⁺ = b_h1 − η · ∂E/∂b_h1
w_o1h1⁺ = w_o1h1 − η · ∂E/∂w_o1h1
b_o1⁺ = b_o1 − η · ∂E/∂b_o1
w_o2h1⁺ = w_o2h1 − η · ∂E/∂w_o2h1
b_o2⁺ = b_o2 − η · ∂E/∂b_o2
net_h1⁺ = w_h1i1⁺ · i1 + w_h1i2⁺ · i2 + b_h1⁺
out_h1⁺ = ReLU( net_h1⁺ )
net_o1⁺ = w_o1h1⁺ · out_h1⁺ + b_o1⁺
out_o1⁺ = net_o1⁺
net_o2⁺ = w_o2h1⁺ · out_h1⁺ + b_o2⁺
out_o2⁺ = net_o2⁺
p_o1⁺ = e^ out_o1⁺ / ( e^ out_o1⁺ + e^ out_o2⁺ )
p_o2⁺ = e^ out_o2⁺ / ( e^ out_o1⁺ + e^ out_o2⁺ )
E⁺ = −log p_o2⁺
"""


def written(d: Description) -> list[str]:
    return [
        f"{e.result.name} = {' '.join(p if isinstance(p, str) else p.name for p in e.formula)}"
        for e in neuron_by_neuron(d)
    ]


def test_the_articles_formulas_are_written_as_the_article_does() -> None:
    assert written(the_article()) == ARTICLE.split("\n")[1:-1]


def test_the_formulas_of_classes() -> None:
    d = drawn_network((2, 1, 2), "ReLU", "cross-entropy", 1)
    d = replace(d, t=np.array([1]))
    assert written(d) == CLASSES.split("\n")[1:-1]


def test_a_step_leads_to_the_next_description() -> None:
    d = NETWORKS["mse Tanh"]
    values = values_by_hand(d)
    once = after(d, values)
    for i in range(d.layers):
        np.testing.assert_array_equal(once.weights[i], d.weights[i] - 0.1 * values[f"dW{i + 1}"])
        np.testing.assert_array_equal(once.biases[i], d.biases[i] - 0.1 * values[f"db{i + 1}"])
    fixed = replace(d, trains_biases=False)
    for before, now in zip(fixed.biases, after_steps(fixed, 2).biases, strict=True):
        np.testing.assert_array_equal(before, now)
    twice = after(once, values_by_hand(once))
    for mine, theirs in zip(after_steps(d, 2).weights, twice.weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert after_steps(d, 0) is d
    assert replace(once, weights=(), biases=()) == replace(d, weights=(), biases=())
    assert values["L_new"] == values_by_hand(once)["L"] < values["L"]


def test_shares_of_huge_scores_do_not_overflow() -> None:
    """Each sample's largest score is taken off its own, however far apart the samples are."""
    d = drawn_network((2, 3), loss="cross-entropy", samples=3)
    d = replace(d, x=np.array([[1e4, 1.0], [1.0, -1e4], [-1.0, 1.0]]))
    values = values_by_hand(d)
    np.testing.assert_allclose(values["p"], manual.Softmax(1)(values["z1"]), rtol=1e-14)
    np.testing.assert_allclose(values["p"].sum(axis=1), 1, rtol=1e-14)


# ---- descriptions


def same(d: Description, e: Description) -> bool:
    arrays = [(*one.weights, *one.biases, one.x, one.t) for one in (d, e)]
    return all(map(np.array_equal, *arrays))


def test_a_drawn_network_is_the_one_that_was_asked_for() -> None:
    for loss in LOSSES:
        d = drawn_network((3, 4, 5, 2), "GELU", loss, 7, 6, 0.25)
        assert d.sizes == (3, 4, 5, 2)
        assert [w.shape for w in d.weights] == [(4, 3), (5, 4), (2, 5)]
        assert [b.shape for b in d.biases] == [(4,), (5,), (2,)]
        assert (d.layers, d.loss, d.lr) == (3, loss, 0.25)
        assert (d.trains_biases, d.article) == (True, False)
        assert d.activations == ("GELU", "GELU", "Identity")
        assert d.x.shape == (6, 3)
        assert d.t.shape == ((6,) if loss == "cross-entropy" else (6, 2))
        short = [*d.weights, *d.biases, d.x, d.t]
        for array in short:
            np.testing.assert_array_equal(array, array.round(2))
            assert (array != array.round(1)).any() or array is d.t
        assert same(d, drawn_network((3, 4, 5, 2), "GELU", loss, 7, 6, 0.25))
        assert not same(d, drawn_network((3, 4, 5, 2), "GELU", loss, 8, 6, 0.25))
        layer = manual.Linear(3, 4, dtype=np.float64, generator=np.random.default_rng(7))
        np.testing.assert_array_equal(d.weights[0], layer.weight.data.round(2))
    d = drawn_network((3, 2))
    assert d.activations == ("Identity",)
    assert (d.loss, d.lr, len(d.x)) == ("mse", 0.1, 1)
    assert drawn_network((3, 4, 2)).activations == ("Sigmoid", "Identity")
    assert drawn_network((3, 2), "Tanh").activations == ("Tanh",)
    assert same(d, drawn_network((3, 2), seed=0))
    classes = drawn_network((2, 3), loss="cross-entropy", samples=99).t
    assert {*classes.tolist()} == {0, 1, 2}
    assert drawn_network((1, 1)).sizes == (1, 1)


GOOD = drawn_network((3, 4, 2), "Tanh", "mse", 1, samples=2)
CLASSED = replace(GOOD, loss="cross-entropy", t=np.array([0, 1]))


def put(arrays: Any, layer: int, value: Any) -> tuple[Array, ...]:
    """The arrays of all layers, one of them another."""
    return tuple(value if i == layer else array for i, array in enumerate(arrays, 1))


def one_wrong(array: Array, value: float) -> Array:
    changed = array.copy()
    changed.flat[-1] = value
    return changed


NAN, INF = float("nan"), float("inf")
W, B = GOOD.weights, GOOD.biases
# What is changed of a good description, and what is said of it
MISFITS: list[tuple[Description, dict[str, Any], str]] = [
    (GOOD, {"loss": "hinge"}, "loss 'hinge': expected one of half-squared, mse, cross-entropy"),
    (GOOD, {"activations": ("Tanh", "Soft")}, "activation: there is no activation 'Soft', only"),
    (GOOD, {"activations": ("PReLU", "Tanh")}, "activation PReLU has a weight of its own"),
    *(
        (GOOD, {"lr": lr}, f"lr {lr}: expected a number above 0")
        for lr in (0, -0.5, INF, NAN, -INF)
    ),
    (
        GOOD,
        {"weights": (), "biases": (), "activations": ()},
        "not 0 weights, 0 biases and 0 activations",
    ),
    (GOOD, {"weights": W[:1]}, "for each layer, not 1 weights, 2 biases and 2 activations"),
    (GOOD, {"biases": B[:1]}, "for each layer, not 2 weights, 1 biases and 2 activations"),
    (GOOD, {"activations": ("Tanh",)}, "not 2 weights, 2 biases and 1 activations"),
    *(
        (GOOD, {"x": np.ones(shape)}, f"x has the shape {shape}, expected (samples, inputs)")
        for shape in ((), (3,), (1,), (2, 3, 1), (0, 3), (2, 0))
    ),
    (
        GOOD,
        {"weights": put(W, 1, W[0][:, :2])},
        "weights of layer 1 have the shape (4, 2), expected (out, 3)",
    ),
    (
        GOOD,
        {"weights": put(W, 2, W[1].T)},
        "weights of layer 2 have the shape (4, 2), expected (out, 4)",
    ),
    (
        GOOD,
        {"weights": put(W, 1, W[0][:, :, np.newaxis])},
        "weights of layer 1 have the shape (4, 3, 1)",
    ),
    (
        GOOD,
        {"weights": put(W, 1, np.ones((0, 3))), "biases": put(B, 1, np.ones(0))},
        "weights of layer 1 have the shape (0, 3)",
    ),
    (GOOD, {"biases": put(B, 1, B[0][:3])}, "bias of layer 1 has the shape (3,), expected (4,)"),
    (GOOD, {"biases": put(B, 2, B[1][:1])}, "bias of layer 2 has the shape (1,), expected (2,)"),
    *(
        (GOOD, {name: one_wrong(getattr(GOOD, name), value)}, f"{name} has a value that is not fin")
        for name in ("x", "t")
        for value in (NAN, INF)
    ),
    (GOOD, {"x": one_wrong(GOOD.x, -INF)}, "x has a value that is not finite: -inf"),
    *(
        (
            GOOD,
            {f"{kind}": put(arrays, layer, one_wrong(arrays[layer - 1], NAN))},
            f"{said} of layer {layer} has a value that is not finite: nan",
        )
        for kind, said, arrays in (("weights", "weights", W), ("biases", "bias", B))
        for layer in (1, 2)
    ),
    (GOOD, {"t": np.ones((2, 1))}, "t has the shape (2, 1), expected (2, 2)"),
    (GOOD, {"t": np.ones((1, 2))}, "t has the shape (1, 2), expected (2, 2)"),
    (CLASSED, {"t": np.array([0])}, "t has the shape (1,) of int64, expected 2 classes"),
    (CLASSED, {"t": np.array([[0, 1]])}, "t has the shape (1, 2) of int64, expected 2 classes"),
    (CLASSED, {"t": np.array([0.0, 1.0])}, "t has the shape (2,) of float64, expected 2 classes"),
    (CLASSED, {"t": np.array([0, -1])}, "t has the class -1, expected 0 to 1"),
    (CLASSED, {"t": np.array([-2, 0])}, "t has the class -2, expected 0 to 1"),
    (CLASSED, {"t": np.array([0, 2])}, "t has the class 2, expected 0 to 1"),
    (CLASSED, {"t": np.array([3, 0])}, "t has the class 3, expected 0 to 1"),
]


@pytest.mark.parametrize(("good", "change", "message"), MISFITS, ids=[m for *_, m in MISFITS])
def test_what_does_not_fit_together_is_named(
    good: Description, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(DescriptionError, match=re.escape(message)):
        check_description(replace(good, **change))


def test_what_fits_together_is_taken_as_it_is() -> None:
    for d in (GOOD, CLASSED, *NETWORKS.values(), *BATCHES.values()):
        assert check_description(d) is d
    for t in ([0, 0], [1, 1], [1, 0]):
        for kind in (np.int64, np.uint8):
            check_description(replace(CLASSED, t=np.array(t, kind)))
    check_description(replace(GOOD, lr=1e-300))
    for sizes in ((1,), (), (3, 0), (0, 3), (3, -1, 2)):
        message = f"layers {'-'.join(map(str, sizes))}: expected at least two widths from 1 up"
        with pytest.raises(DescriptionError, match=re.escape(message)):
            drawn_network(sizes)


# ---- the article's example


@pytest.mark.parametrize("function", [*FORMS.values(), rounds], ids=lambda f: f.__name__)
def test_the_signatures_name_rules_that_there_are(function: Any) -> None:
    defaults = {
        name: parameter.default for name, parameter in signature(function).parameters.items()
    }
    assert (defaults["rule"], defaults["biases"]) == (RULES[0], BIASES[0])


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("biases", BIASES)
def test_no_one_run_gives_all_that_the_article_prints(rule: str, biases: str) -> None:
    run = rounds({figure.said_of for figure in FIGURES}, rule, biases)
    assert sorted(run) == [0, 1, 10_000]
    decimals = [len(figure.printed.partition(".")[2]) for figure in FIGURES]
    same = [
        f"{run[figure.said_of][figure.quantity]:.{digits}f}" == figure.printed
        for figure, digits in zip(FIGURES, decimals, strict=True)
    ]
    assert not all(same)
    assert any(same)


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_of_the_example_agree_by_every_rule(form: str) -> None:
    """Each goes on for ever, by each rule."""
    for rule, biases in product(RULES, BIASES):
        run, scalar = FORMS[form](rule, biases), FORMS["scalars"](rule, biases)
        for mine, theirs in islice(zip(run, scalar, strict=True), 4):
            for quantity in ("E_total", "out_o1", "out_o2"):
                assert mine[quantity] == pytest.approx(theirs[quantity], rel=1e-13)
        assert next(run)["E_total"] > 0
