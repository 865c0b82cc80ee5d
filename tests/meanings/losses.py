"""What the symbols of losses stand for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import manual
from manual.losses.ctc import walk

from ..derivations.docstrings import Case
from ..derivations.meaning import Meaning
from .draws import drawn, each, within

FAR = np.array([-2.6, -1.3, -0.6, -0.2, 0.15, 0.5, 1.4, 2.9])  # on either side of every kink
SIGNS = np.array([1.0, -1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0])


def gradients(loss: Any, inputs: dict[str, Any], targets: Sequence[str] = ()) -> dict[str, Any]:
    """The single losses and their derivatives, of a loss without reduction.

    Args:
        targets: the names of all that has a gradient, where a target has one too.
    """
    losses = loss(*inputs.values())
    ones = np.ones(np.shape(losses)) if np.ndim(losses) else 1.0
    back = loss.backward(ones, with_target=True) if targets else loss.backward(ones)
    back = back if isinstance(back, tuple) else (back,)
    names = targets or list(inputs)
    slopes = {f"∂l/∂{name}": grad for name, grad in zip(names, back, strict=False)}
    return {**inputs, "l": losses, **slopes}


def of_numbers(
    loss: Any,
    inputs: dict[str, Any],
    symbols: Mapping[str, Any] = {},
    options: Sequence[str] = (),
) -> Case:
    """A loss of number against number, at each pair of them."""
    loss.reduction = "none"
    values = {**gradients(loss, inputs, tuple(inputs)), **symbols}
    required = ("l", *(f"∂l/∂{name}" for name in inputs))
    meanings = [Meaning(one) for one in each(values)]
    return Case(type(loss), meanings, required, (type(loss).__name__,), frozenset(options))


def pairwise() -> Iterator[Case]:
    x = {"x": FAR + 0.1, "t": 0.1 * SIGNS}
    for loss, symbols in (
        (manual.L1Loss(), {}),
        (manual.MSELoss(), {}),
        (manual.SmoothL1Loss(beta=0.8), {"β": 0.8}),
        (manual.HuberLoss(delta=0.8), {"δ": 0.8}),
    ):
        yield of_numbers(loss, x, symbols)
    shares = {"x": within(8), "t": within(8)}
    yield of_numbers(manual.BCELoss(np.array(1.7)), shares, {"w": 1.7})
    yield of_numbers(manual.BCELoss(), shares, {"w": 1.0})  # as in the table, last
    logits = {"x": FAR, "t": within(8)}
    weighed = manual.BCEWithLogitsLoss(np.array(1.7), pos_weight=np.array(0.6))
    yield of_numbers(weighed, logits, {"w": 1.7, "p": 0.6})
    yield of_numbers(manual.BCEWithLogitsLoss(), logits, {"w": 1.0, "p": 1.0})
    yield of_numbers(manual.KLDivLoss(), logits)
    yield of_numbers(manual.KLDivLoss(log_target=True), x, {}, ["log_target"])
    counts = {"x": within(8), "t": np.array([0.4, 0.9, 1.2, 1.6, 2.3, 2.9, 3.4, 4.1])}
    yield of_numbers(manual.PoissonNLLLoss(), counts)
    yield of_numbers(manual.PoissonNLLLoss(False, eps=0.3), counts, {"ε": 0.3}, ["log_input=False"])
    yield stirling(counts)
    yield gaussian()
    yield halved()


def stirling(counts: dict[str, Any]) -> Case:
    """What `full` adds to PoissonNLLLoss where t > 1."""
    large = {name: x[2:] for name, x in counts.items()}
    full = gradients(manual.PoissonNLLLoss(full=True, reduction="none"), large, ("x", "t"))
    plain = gradients(manual.PoissonNLLLoss(reduction="none"), large, ("x", "t"))
    values = {**plain, "s": full["l"] - plain["l"], "∂s/∂t": full["∂l/∂t"] - plain["∂l/∂t"]}
    meanings = [Meaning(one) for one in each(values)]
    places = ("PoissonNLLLoss",)
    return Case(manual.PoissonNLLLoss, meanings, ("s", "∂s/∂t"), places, frozenset({"full"}))


def gaussian() -> Case:
    inputs = {"x": FAR, "t": drawn(8), "v": within(8)}
    loss = manual.GaussianNLLLoss(reduction="none")
    losses = loss(*inputs.values())
    by_x, by_t, by_v = loss.backward(np.ones(8), with_target=True)
    values = {**inputs, "l": losses, "∂l/∂x": by_x, "∂l/∂t": by_t, "∂l/∂v": by_v}
    required = ("l", "∂l/∂x", "∂l/∂t", "∂l/∂v")
    return Case(type(loss), [Meaning(one) for one in each(values)], required, ("GaussianNLLLoss",))


def halved() -> Case:
    loss, o, t, g = manual.HalfSquaredError(), drawn(4), drawn(4), 0.7
    E = loss(o, t)
    by_o, by_t = loss.backward(g, with_target=True)
    values = {"o": o, "t": t, "E": float(E), "g": g, "∂L/∂E": g, "∂L/∂o": by_o, "∂L/∂t": by_t}
    meaning = Meaning(values, {"k": range(4)})
    return Case(type(loss), [meaning], ("E", "∂L/∂o", "∂L/∂t"), ("HalfSquaredError",))


def reductions() -> Iterator[Case]:
    """How single losses become one, of a loss that has two derivatives."""
    inputs = {"x": FAR, "t": within(8)}
    single = gradients(manual.BCEWithLogitsLoss(reduction="none"), inputs, ("x", "t"))
    for reduction in ("none", "sum", "mean"):
        loss = manual.BCEWithLogitsLoss(reduction=reduction)
        L = loss(*inputs.values())
        g = drawn(*np.shape(L)) if np.ndim(L) else 0.7
        by_x, by_t = loss.backward(g, with_target=True)
        values = {**single, "K": 8, "L": L, "∂L/∂x": by_x, "∂L/∂t": by_t}
        values |= {"g": g, "∂L/∂l": np.broadcast_to(loss.expand(g, loss.count(single["l"])), 8)}
        required = ("∂L/∂x", "∂L/∂t") if reduction == "none" else ("L", "∂L/∂x", "∂L/∂t")
        meaning = Meaning(values, {"k": range(8)})
        yield Case(
            type(loss), [meaning], required, ("Loss", "PairwiseLoss"), frozenset({reduction})
        )


def of_rows(
    loss: Any,
    inputs: dict[str, Any],
    indices: str,
    targets: Sequence[str] = (),
    required: Sequence[str] = ("l", "∂l/∂x"),
    options: Sequence[str] = (),
    symbols: Mapping[str, Any] = {},
    more: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda row: {},
) -> Case:
    """A loss of which each is of a row: its formulas hold in every row."""
    values = gradients(loss, inputs, targets)
    rows, classes = next(iter(inputs.values())).shape
    ranges = {index: range(classes) for index in indices}
    meanings = []
    for n in range(rows):
        row = {**{name: value[n] for name, value in values.items()}, "C": classes, **symbols}
        meanings.append(Meaning({**row, **more(row)}, ranges))
    place = (type(loss).__name__,)
    return Case(type(loss), meanings, tuple(required), place, frozenset(options))


def of_classes() -> Iterator[Case]:
    x, true, w = drawn(5, 4), np.array([2, 0, 3, 3, 1]), within(4)
    likely = within(5, 4)
    one = "One true class t, of weight 1 and not smoothed"
    yield of_rows(manual.NLLLoss(w, reduction="none"), {"x": x, "t": true}, "c", symbols={"w": w})
    loss = manual.CrossEntropyLoss(w, reduction="none", label_smoothing=0.3)
    both, likely_is = ("l", "∂l/∂x", "∂l/∂q"), ["Of probabilities as targets"]
    yield of_rows(
        loss, {"x": x, "q": likely}, "ck", ("x", "q"), both, likely_is, {"w": w, "ε": 0.3}
    )
    plain = manual.CrossEntropyLoss(reduction="none")
    yield of_rows(
        *(plain, {"x": x, "t": true}, "ck"),
        options=[one],
        symbols={"w": np.ones(4), "ε": 0.0},
        more=lambda row: {"q": np.eye(4)[row["t"]]},
    )


def margins() -> Iterator[Case]:
    numbers = {"x": np.abs(FAR), "t": SIGNS}
    hinge = manual.HingeEmbeddingLoss(margin=1.1, reduction="none")
    values = {**gradients(hinge, numbers), "margin": 1.1}
    meanings = [Meaning(one) for one in each(values)]
    yield Case(type(hinge), meanings, ("l", "∂l/∂x"), ("HingeEmbeddingLoss",))
    apart = np.array([0.1, 0.7, -0.1, -0.9, 0.2, -0.3, 1.2, 0.6])  # kept, nearly, not at all
    pairs = {"x₁": FAR, "x₂": FAR - apart, "t": SIGNS}
    yield of_numbers(manual.MarginRankingLoss(margin=0.4), pairs, {"margin": 0.4})
    soft = manual.SoftMarginLoss(reduction="none")
    values = gradients(soft, {"x": FAR, "t": SIGNS})
    meanings = [Meaning(one) for one in each(values)]
    yield Case(type(soft), meanings, ("l", "∂l/∂x"), ("SoftMarginLoss",))

    x, true, w = drawn(5, 4), np.array([2, 0, 3, 3, 1]), within(4)
    for p in (1, 2):
        loss = manual.MultiMarginLoss(p, 0.7, w, reduction="none")
        yield of_rows(loss, {"x": x, "t": true}, "c", symbols={"p": p, "margin": 0.7, "w": w})
    several = np.array([[2, 0, -1, 1], [1, -1, 0, 0], [3, 2, -1, 0], [0, 1, 2, -1], [3, -1, 0, 1]])
    labels = manual.MultiLabelMarginLoss(reduction="none")
    yield of_rows(
        *(labels, {"x": x, "t": several}, "ij"),
        more=lambda row: {"T": {*row["t"][: list(row["t"]).index(-1)]}},
    )
    sure = manual.MultiLabelSoftMarginLoss(w, reduction="none")
    inputs, both = {"x": x, "t": within(5, 4)}, ("l", "∂l/∂x", "∂l/∂t")
    yield of_rows(sure, inputs, "c", ("x", "t"), both, symbols={"w": w})

    alike = manual.CosineEmbeddingLoss(margin=-0.4, reduction="none")
    alike.EPS = 0.3
    inputs = {"x₁": drawn(6, 3), "x₂": drawn(6, 3), "t": np.array([1, -1, -1, 1, -1, -1])}
    both = ("l", "∂l/∂x₁", "∂l/∂x₂")
    yield of_rows(alike, inputs, "i", required=both, symbols={"margin": -0.4, "ε": 0.3})
    yield from triplets()


def triplets() -> Iterator[Case]:
    a, p, n = drawn(6, 3), drawn(6, 3), drawn(6, 3)
    p[5], n[5] = a[5] + 0.1, a[5] + 4  # it is near enough: no loss
    required = ("l", "∂l/∂a", "∂l/∂p", "∂l/∂n")
    settings: dict[str, Any] = {"margin": 0.7, "p": 3, "eps": 0.3, "reduction": "none"}
    loss = manual.TripletMarginLoss(**settings)
    symbols = {"margin": 0.7, "r": 3, "ε": 0.3}
    yield of_rows(loss, {"a": a, "p": p, "n": n}, "ij", required=required, symbols=symbols)
    near = p + 0.2 * drawn(6, 3)  # nearer to p than to a
    a = np.concatenate([p[:4] + 2, a[4:]])
    p, near[5] = p.copy(), n[5]
    p[4], near[4] = a[4] - 0.2, a[4] - 0.8  # it is nearly far enough
    swapped = manual.TripletMarginLoss(**settings, swap=True)
    inputs = {"a": a, "p": p, "n": near}
    yield of_rows(swapped, inputs, "ij", required=required, options=["swap"], symbols=symbols)


def alignment(log_p: np.ndarray, target: list[int], options: Sequence[str] = ()) -> Case:
    """CTC of one sample: α and β from the code's walks, which are over logarithms."""
    steps, size = len(log_p), len(target)
    loss = manual.CTCLoss(reduction="none")
    L = loss(log_p[:, np.newaxis], np.array([target]), np.array([steps]), np.array([size]))
    slopes = loss.backward(np.ones(1))[:, 0]
    labels = np.zeros(2 * size + 1, int)
    labels[1::2] = target
    skips = np.zeros(len(labels), bool)
    skips[3::2] = labels[3::2] != labels[1:-2:2]
    emitted = log_p[:, labels]
    alpha = np.exp(walk(emitted, skips) + emitted)
    beta = np.exp(walk(emitted[::-1, ::-1], np.roll(skips[::-1], 2))[::-1, ::-1])

    def counted(values: np.ndarray) -> Any:
        """From 1 on, and 0 outside."""
        inside = {(t + 1, s + 1): v for (t, s), v in np.ndenumerate(values)}
        return lambda t, s: inside.get((int(t), int(s)), 0.0)

    values = {
        "p": lambda t, c: -np.inf if c is None else log_p[int(t) - 1, int(c)],
        "∂L/∂p": lambda t, c: slopes[int(t) - 1, int(c)],
        **{"l′": lambda s: dict(enumerate(labels, 1)).get(int(s))},
        **{"α": counted(alpha), "β": counted(beta), "L": float(L[0]), "P": np.exp(-L[0])},
        **{"T": steps, "S": size, "a": target[0]},
    }
    places = range(1, len(labels) + 1)
    ranges = {"t": range(1, steps + 1), "s": places, "r": places, "c": range(log_p.shape[1])}
    required = ("α", "β", "L", "P", "∂L/∂p")
    return Case(type(loss), [Meaning(values, ranges)], required, ("CTCLoss",), frozenset(options))


def ctc() -> Iterator[Case]:
    for target in ([1, 2, 2], [1]):
        scores = drawn(6, 3)
        yield alignment(scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True)), target)
    example = "In 3 steps of two classes, each of probability ½, a is spelt by "
    example += "a––, aa–, aaa, –a–, –aa, ––a"
    yield alignment(np.log(np.full((3, 2), 0.5)), [1], [example])


PAIRWISE = list(pairwise())
CASES = [*PAIRWISE, *reductions(), *of_classes(), *margins(), *ctc()]
TABLE = {  # without weights and other forms
    type(loss).__name__.removesuffix("Loss"): case
    for loss, case in ((case.cls(), case) for case in PAIRWISE if not case.options)
    if case.cls is not manual.HalfSquaredError
}
