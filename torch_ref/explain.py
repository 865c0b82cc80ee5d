"""One training step written out beside autograd: the rows that the terminal and the page show."""

import inspect
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch

import manual
from manual import models
from manual.walkthrough import (
    NEURONS,
    Description,
    DescriptionError,
    Step,
    Term,
    Values,
    after,
    by_hand,
    checked,
    matrix_steps,
    scalar_steps,
)
from manual.worked_example import FIGURES, Figure, rounds

from .loading import LOSSES, read_json
from .models import make_activation
from .one_pass import Criterion, one_pass
from .twin import to_torch

ROUNDS = (0, 1, 10, 100, 1_000, 10_000)
ROWS, COLUMNS = 4, 6  # of a matrix, at most, on the terminal
WIDEST = 64  # neurons of a layer that is still written out


# ---- the same step by autograd


def by_autograd(d: Description) -> Values:
    """Every quantity of one step by PyTorch, under the names that `walkthrough.by_hand` gives."""
    network = torch.nn.Sequential()
    for w, b, name in zip(d.weights, d.biases, d.activations, strict=True):
        out_features, in_features = w.shape
        layer = torch.nn.Linear(in_features, out_features, dtype=torch.float64)
        layer.load_state_dict({"weight": to_torch(w), "bias": to_torch(b)})
        network.extend([layer, make_activation(name, torch.float64)])
    x, t = to_torch(d.x), to_torch(d.t)
    criterion = Criterion(LOSSES[d.loss], t)
    passed = one_pass(network, [x], criterion, inside=True, input_gradients=False)
    values: dict[str, Any] = {"x": x, "a0": x, "t": t, "L": criterion.value}
    values["η"] = torch.tensor(d.lr, dtype=torch.float64)
    below = x
    for number in range(1, d.layers + 1):
        first, second = str(2 * number - 2), str(2 * number - 1)
        linear: Any = network[2 * number - 2]
        activation = network[2 * number - 1]
        z, a = passed.inside["inside", first], passed.inside["inside", second]
        dz, da = (passed.inside["gradient inside", name] for name in (first, second))
        leaf = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(activation(leaf).sum(), leaf)
        below = below.clone().requires_grad_()
        net = linear(below)
        single = [  # what comes back to the layer below from one neuron alone
            torch.autograd.grad(net[:, i], below, dz[:, i], retain_graph=True)[0]
            for i in range(z.shape[1])
        ]
        dW, db = (passed.gradients[f"{first}.{name}"] for name in ("weight", "bias"))
        W, bias = linear.weight.detach(), linear.bias.detach()
        step = d.lr if d.trains_biases else 0
        values |= {f"W{number}": W, f"b{number}": bias, f"z{number}": z, f"a{number}": a}
        values |= {f"dW{number}": dW, f"db{number}": db, f"dz{number}": dz, f"da{number}": da}
        values |= {f"f{number}": slope, f"from{number}": torch.stack(single, dim=1)}
        values |= {f"W{number}_new": W - d.lr * dW, f"b{number}_new": bias - step * db}
        below = a
    output = passed.outputs[0]
    if d.loss == "cross-entropy":
        values["p"] = torch.softmax(output, dim=1)
    if d.loss == "half-squared":
        values["errors"] = (t - output).square() / 2
    new = [values[f"{name}{n}_new"] for n in range(1, d.layers + 1) for name in ("W", "b")]
    names = [name for name, _ in network.named_parameters()]
    again = torch.func.functional_call(network, dict(zip(names, new, strict=False)), (x,))
    values["L_new"] = criterion.loss(again, t)
    return {name: value.detach().numpy() for name, value in values.items()}


def both_after(d: Description, steps: int) -> tuple[Values, Values, Description]:
    """One step by hand and by autograd, each after so many steps of its own."""
    mine = theirs = d
    for _ in range(steps):
        mine, theirs = after(mine, by_hand(mine)), after(theirs, by_autograd(theirs))
    return by_hand(mine), by_autograd(theirs), mine


# ---- rows


@dataclass(frozen=True)
class Row:
    """One quantity in four forms: formula, numbers, by hand, by autograd.

    Attributes:
        printed: the article's figure for it, if it prints one, and why it is another, if it is.
    """

    step: Step
    numbers: tuple[Any, ...]
    mine: Any
    theirs: Any
    printed: Figure | None = None

    @property
    def difference(self) -> float:
        """The largest."""
        return float(np.max(np.abs(np.asarray(self.mine) - np.asarray(self.theirs)), initial=0))


def rows_of(d: Description, mine: Values, theirs: Values, scalar: bool, first: bool) -> list[Row]:
    """The rows of one view; `first` where it is the article's own first round."""
    rows = []
    for step in scalar_steps(d) if scalar else matrix_steps(d):
        numbers = tuple(t if isinstance(t, str) else t.value(mine) for t in step.formula)
        values = step.result.value(mine), step.result.value(theirs)
        figure = printed_figure(step.result) if d.article and first and scalar else None
        rows.append(Row(step, numbers, *values, figure))
    return rows


def printed_figure(term: Term) -> Figure | None:
    """What the article prints for this quantity in its first round."""
    name = term.name.replace("/∂", "_d").replace("∂", "d").replace("⁺", "_new")
    if name.startswith("dout_"):  # which the article names by the neuron once
        name = "dout_dnet_" + name.rpartition("_")[2]
    if name == "E_new":
        return next(f for f in FIGURES if f.name == "E after 1 round")
    name = "E_total" if name == "E" else name
    return next((f for f in FIGURES if f.quantity == name and f.said_of == 0), None)


def decimals(figure: Figure) -> int:
    return len(figure.printed.partition(".")[2])


def number(value: float) -> str:
    """Nine significant digits, with a real minus."""
    return f"{value:.9g}".replace("-", "−")


def small(value: float) -> str:
    """A difference: 0 where it is, else its size."""
    return "0" if value == 0 else f"{value:.1e}".replace("-", "−")


def the_slip(row: Row) -> str:
    """How a printed figure that no gradient step gives came about."""
    figure = row.printed
    if figure is None or f"{float(row.mine):.{decimals(figure)}f}" == figure.printed:
        return ""
    if figure.rule == "early":
        early = rounds({0, 1}, "early")
        carried = early[0]["dE_dout_h1"]
        return (
            f"The article prints {figure.printed}. It is {figure.why}: with w5⁺ and w7⁺ in place "
            f"of w5 and w7, ∂E/∂out_h1 becomes {number(carried)} and the error after the round "
            f"{early[1]['E_total']:.9f}. That is no step along the gradient, which is taken at one "
            "point; and the w1⁺ … w4⁺ that the article prints are those of the right rule."
        )
    return f"The article prints {figure.printed}: {figure.why}."


# ---- the terminal


def text(d: Description, steps: int, scalar: bool) -> str:
    """The walkthrough in plain text of at most 100 columns.

    Args:
        scalar: neuron by neuron, which needs a single sample; else in matrices.
    Raises:
        DescriptionError: there are more samples, or a layer is too wide to be written out.
    """
    written_out(d, scalar)
    mine, theirs, now = both_after(d, steps)
    rows = rows_of(now, mine, theirs, scalar, first=steps == 0)
    lines = [title(now, steps), ""]
    section = ""
    for row in rows:
        if row.step.section != section:
            section = row.step.section
            lines += [section, "=" * len(section), ""]
        lines += scalar_lines(row) if scalar else matrix_lines(row)
        lines.append("")
    worst = max(rows, key=lambda row: row.difference)
    lines.append(f"largest difference by hand − autograd: {small(worst.difference)}")
    if scalar and left_out(now):
        lines.append(left_out(now))
    return "\n".join(lines)


def written_out(d: Description, scalar: bool) -> None:
    """Raise unless the network can be shown."""
    if scalar and len(d.x) > 1:
        raise DescriptionError(
            f"neuron by neuron only one sample can be followed, not {len(d.x)}: see --view matrices"
        )
    if max(d.sizes) > WIDEST:
        raise DescriptionError(f"a layer of {max(d.sizes)}: at most {WIDEST} are written out")


def title(d: Description, steps: int) -> str:
    """What is shown, in a line."""
    sizes = "-".join(map(str, d.sizes))
    names = ", ".join(dict.fromkeys(d.activations))
    when = f"after {steps:,} steps" if steps else "from the first weights"
    count = f"{len(d.x)} sample{'s' if len(d.x) > 1 else ''}"
    return f"One step of a {sizes} network ({names}; {d.loss}; η = {d.lr:g}; {count}), {when}"


def left_out(d: Description) -> str:
    """What the view of single neurons does not show."""
    if max(d.sizes) <= NEURONS:
        return ""
    return (
        f"Left out: of each layer the first {NEURONS} neurons are shown, and all that reaches them"
    )


def scalar_lines(row: Row) -> list[str]:
    """Name, formula, numbers, value, each in its line."""
    name = row.step.result.name
    formula = joined([t if isinstance(t, str) else t.name for t in row.step.formula])
    numbers = joined(
        [
            n if isinstance(n, str) else bracketed(float(n)) if in_brackets(row, i) else number(n)
            for i, n in enumerate(row.numbers)
        ]
    )
    pad = " " * len(name)
    lines = [f"{name} = {formula}"]
    if numbers != formula:
        lines.append(f"{pad} = {numbers}")
    found = f"{pad} = {number(float(row.mine))}"
    lines.append(
        f"{found:36}autograd {number(float(row.theirs)):>16}   "
        f"difference {small(row.difference):>8}"
    )
    if row.printed:
        lines[-1] = f"{lines[-1]:96}".rstrip()
        lines.append(f"{pad}   the article: {row.printed.printed.replace('-', '−')}")
    slip = the_slip(row)
    lines = [part for line in lines for part in wrapped(line, len(name) + 5)]
    return lines + [f"    {line}" for line in textwrap.wrap(slip, 92)]


def wrapped(line: str, indent: int) -> list[str]:
    return textwrap.wrap(line, 100, subsequent_indent=" " * indent, drop_whitespace=False) or [""]


def in_brackets(row: Row, index: int) -> bool:
    """Whether a number in a formula needs brackets if it is negative: after an operator."""
    before = row.numbers[index - 1] if index else None
    return isinstance(before, str) and not before.endswith(("(", "^", "/ ("))


def bracketed(value: float) -> str:
    return f"({number(value)})" if value < 0 else number(value)


def joined(parts: Sequence[str]) -> str:
    """With spaces between, but none inside brackets and before powers."""
    line = " ".join(parts)
    for before, now in (
        ("( ", "("),
        (" )", ")"),
        ("^ ", "^"),
        (" ²", "²"),
        ("− (", "−("),
        ("−( ", "−("),
        ("] )", "])"),
    ):
        line = line.replace(before, now)
    return line


def matrix_lines(row: Row) -> list[str]:
    """The formula in a line, below it the matrices side by side."""
    name = row.step.result.name
    formula = joined([t if isinstance(t, str) else t.name for t in row.step.formula])
    lines = [f"{name} = {formula}"]
    blocks: list[list[str]] = []
    for part in row.numbers:
        blocks.append([part] if isinstance(part, str) else block(part))
    result = [["="], block(row.mine)]
    if any(not isinstance(part, str) for part in row.numbers):
        beside = side_by_side([*blocks, *result])
        if max(map(len, beside)) <= 96:
            lines += [f"    {line}" for line in beside]
        else:
            below = side_by_side(blocks)
            if max(map(len, below)) <= 96:
                lines += [f"    {line}" for line in below]
            lines += [f"    {line}" for line in side_by_side(result)]
    else:
        lines += [f"    {line}" for line in side_by_side(result)]
    lines.append(f"    autograd: {agreement(row)}")
    return lines


def agreement(row: Row) -> str:
    if row.difference == 0:
        return "the same to the last bit"
    return f"largest difference {small(row.difference)}"


def block(value: Any) -> list[str]:
    """A number, or a matrix in brackets; of a large one the first rows and columns."""
    array = np.asarray(value)
    if array.ndim == 0:
        return [number(float(array)) if array.dtype.kind == "f" else str(int(array))]
    array = array.reshape(1, -1) if array.ndim == 1 else array
    shown = array[:ROWS, :COLUMNS]
    cells = [[f"{float(v):.5g}".replace("-", "−") for v in line] for line in shown]
    if array.shape[1] > COLUMNS:
        cells = [[*line, "…"] for line in cells]
    if array.shape[0] > ROWS:
        cells.append(["⋮"] * len(cells[0]))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = [" ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in cells]
    if len(rows) == 1:
        return [f"[{rows[0]}]"]
    marks = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(rows) - 2), ("⎣", "⎦")]
    return [f"{left}{line}{right}" for (left, right), line in zip(marks, rows, strict=True)]


def side_by_side(blocks: Sequence[Sequence[str]]) -> list[str]:
    """Blocks of lines beside each other, each in the middle of the highest."""
    height = max(map(len, blocks))
    columns = []
    for lines in blocks:
        width = max(map(len, lines))
        top = (height - len(lines)) // 2
        padded = [" " * width] * top + [line.ljust(width) for line in lines]
        columns.append(padded + [" " * width] * (height - len(padded)))
    return [" ".join(parts).rstrip() for parts in zip(*columns, strict=True)]


# ---- a description from a file


def read_description(path: Path) -> Description:
    """A network, its data and its step from a JSON file.

    Keys: `weights` and `biases` (a list each, a layer each), `x`, `t`, and perhaps `activation`
    (one name, or one for each layer), `loss` and `lr`.

    Raises:
        CandidateError: it cannot be read.
        DescriptionError: what it says is no network.
    """
    given = read_json(path)
    if not isinstance(given, dict):
        raise DescriptionError(f"{path}: expected an object with weights, biases, x and t")
    missing = [key for key in ("weights", "biases", "x", "t") if key not in given]
    if missing:
        raise DescriptionError(f"{path}: there is no {', no '.join(missing)}")
    known = {"weights", "biases", "x", "t", "activation", "loss", "lr"}
    if given.keys() - known:
        raise DescriptionError(
            f"{path}: {', '.join(sorted(given.keys() - known))} is not known, only "
            f"{', '.join(sorted(known))}"
        )
    for key in ("weights", "biases"):
        if not isinstance(given[key], list):
            raise DescriptionError(f"{path}: {key}: expected a list, a layer each")
    weights = [array(w, f"{path}: weights of layer {i}") for i, w in enumerate(given["weights"], 1)]
    biases = [array(b, f"{path}: bias of layer {i}") for i, b in enumerate(given["biases"], 1)]
    loss = given.get("loss", "mse")
    if not isinstance(loss, str):
        raise DescriptionError(f"{path}: loss: expected a name, not {loss!r}")
    names = given.get("activation", "sigmoid")
    if isinstance(names, str):
        names = [*[names] * (len(weights) - 1), "identity"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DescriptionError(f"{path}: activation: expected a name, or one for each layer")
    x = array(given["x"], f"{path}: x")
    t = array(given["t"], f"{path}: t", whole=loss == "cross-entropy")
    lr = given.get("lr", 0.1)
    if isinstance(lr, bool) or not isinstance(lr, int | float) or lr > 1e300:
        raise DescriptionError(f"{path}: lr: expected a number, not {lr!r:.20}")
    try:
        return checked(
            Description(
                tuple(weights),
                tuple(biases),
                tuple(map(activation_named, names)),
                loss,
                x,
                t,
                float(lr),
            )
        )
    except DescriptionError as error:
        raise DescriptionError(f"{path}: {error}") from None


def array(given: Any, name: str, whole: bool = False) -> np.ndarray:
    """Nested lists of numbers as an array."""
    try:
        found = np.asarray(given)
        if found.dtype.kind not in "fiu":
            raise ValueError
    except ValueError:
        raise DescriptionError(f"{name}: expected numbers in lists of equal length") from None
    return found if whole else found.astype(np.float64)


def activation_named(name: str) -> str:
    """The class's name from one in any case."""
    known = {known.lower(): known for known in models.ACTIVATIONS}
    if name.lower() not in known:
        raise DescriptionError(f"activation {name!r}: expected one of {', '.join(sorted(known))}")
    return known[name.lower()]


# ---- one class


def class_text(name: str) -> str:
    """The derivation of a by-hand class, its source, its twin, and a small example.

    Raises:
        DescriptionError: there is no public class of that name.
    """
    made = getattr(manual, name, None)
    public = sorted(n for n in manual.__all__ if isinstance(getattr(manual, n), type))
    if name not in public or not isinstance(made, type):
        lower = {n.lower(): n for n in public}
        close = get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
        hint = f"; is it {' or '.join(lower[n] for n in close)}?" if close else ""
        raise DescriptionError(f"there is no class {name}{hint}")
    lines = [name, "=" * len(name), "", inspect.cleandoc(made.__doc__ or ""), ""]
    for method in (
        "forward",
        "value",
        "loss",
        "backward",
        "derivative",
        "slope",
        "target_slope",
        "step",
    ):
        function = next((vars(c)[method] for c in made.__mro__ if method in vars(c)), None)
        if function is None or function.__module__ == "manual.module":
            continue
        source, first = inspect.getsourcelines(function)
        file = f"{function.__module__.replace('.', '/')}.py"
        lines += [f"{file}, lines {first} to {first + len(source) - 1}", ""]
        lines += textwrap.dedent("".join(source)).rstrip().splitlines()
        lines.append("")
    return "\n".join([*lines, *twin_lines(made)])


def twin_lines(made: type) -> list[str]:
    """The PyTorch class of the same name, and both on a small example."""
    from . import models as own

    twin = next((p for p in (own, torch.nn, torch.optim) if hasattr(p, made.__name__)), None)
    if twin is None:
        twin = (
            torch.optim.lr_scheduler if hasattr(torch.optim.lr_scheduler, made.__name__) else None
        )
    if twin is None:
        return ["It has no twin in PyTorch."]
    found = getattr(twin, made.__name__)
    return [
        f"its twin: {found.__module__.partition('.modules')[0]}.{found.__name__}",
        *example_lines(made),
    ]


def example_lines(made: type) -> list[str]:
    """Both sides on three numbers a row, where the class can be made without being told how."""
    from .parity import compare
    from .twin import twin_of

    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 3)).round(1).astype(np.float32)
    t = generator.uniform(0.1, 0.9, size=(2, 3)).round(1).astype(np.float32)
    tries: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = [  # constructor's arguments, inputs
        ((), (x,)),
        ((3, 2), (x,)),
        ((), (x, t)),
        ((), (x, np.array([0, 2]))),
        ((-1,), (x,)),
        ((4, 3), (np.array([0, 2]),)),
        ((3, 3, 2), (x, t)),
        ((), (t, t)),
    ]
    if not issubclass(made, manual.Module):
        return []
    for arguments, inputs in tries:
        try:
            options: dict[str, Any] = {"generator": generator} if arguments else {}
            if made is manual.KLDivLoss:  # its plain mean is not the divergence's
                options = {"reduction": "batchmean"}
            module = made(*arguments, **options)
            module.to(np.float32)
            y = module(*inputs)
        except (TypeError, ValueError, RuntimeError, IndexError, NotImplementedError):
            continue  # it is not made or called so: the next way
        twin = twin_of(module)
        upstream = [np.asarray(generator.normal(size=np.shape(y)).round(1), np.float32)]
        module.forget_passes()
        mine, theirs = one_pass(module, inputs, upstream), one_pass(twin, inputs, upstream)
        report = compare(mine.quantities, theirs.quantities, mine.allowed)
        lines = ["", f"An example: {module!r}"]
        for name, value in (
            *(("input", i) for i in inputs),
            ("output", y),
            ("∂L/∂output", *upstream),
        ):
            lines += [
                f"{name:12}{line}" if not i else f"{'':12}{line}"
                for i, line in enumerate(block(value))
            ]
        return [*lines, "", str(report)]
    return []
