"""The figures of the dashboard: losses, decision boundaries, misread digits.

TensorBoard shows a figure at half its size: each is 4 by 4 inches, with little text and all of it
large.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

FLAT = 1e-6  # outputs that differ by less over the plane are the same
SIZE: dict[str, Any] = {"figsize": (4, 4), "dpi": 100, "layout": "constrained"}
BROAD: dict[str, Any] = {"colors": "tab:orange", "linewidths": 6, "alpha": 0.5}  # autograd's lines
DASHED: dict[str, Any] = {"colors": "black", "linewidths": 1.5, "linestyles": "dashed"}  # by hand


def overlay(curve: list[tuple[int, float, float]]) -> Figure:
    """Both losses in one chart, which two charts or two equal lines would hide, and their gap.

    Args:
        curve: step, loss by hand, loss by autograd.
    """
    drawable = [point for point in curve if max(map(abs, point[1:])) < 1e30]  # not yet run off
    steps, mine, theirs = zip(*drawable, strict=True) if drawable else ((0,), (0,), (0,))
    gaps = [abs(a - b) for a, b in zip(mine, theirs, strict=True)]
    figure = Figure(**SIZE)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    above.plot(steps, theirs, color="tab:orange", linewidth=8, alpha=0.4, label="autograd")
    above.plot(steps, mine, color="tab:blue", linewidth=2, linestyle="--", label="by hand")
    if min(*mine, *theirs) > 0:
        in_decades(above, [*mine, *theirs])
    above.set_title("loss", fontsize=14)
    figure.legend(fontsize=12, loc="outside upper center", ncols=2)
    below.plot(steps, [gap or math.nan for gap in gaps], ".", color="tab:red", markersize=4)
    if any(gaps):
        in_decades(below, [gap for gap in gaps if gap])
    else:
        below.set_yticks([])
        below.text(0.5, 0.5, "none", ha="center", transform=below.transAxes, fontsize=14)
    below.set_title("difference of the two", fontsize=14)
    below.set_xlabel("step", fontsize=14)
    for axes in (above, below):
        axes.tick_params(labelsize=12)
    return figure


def distances(points: Sequence[tuple[int, float]]) -> Figure:
    """The largest distance of any tensor over the run."""
    figure = Figure(**SIZE)
    axes = figure.subplots()
    steps = [step for step, distance in points if distance]
    found = [distance for _, distance in points if distance]
    axes.plot(steps, found, ".", color="tab:red", markersize=4)
    if found:
        in_decades(axes, found)
    else:
        axes.text(0.5, 0.5, "none", ha="center", transform=axes.transAxes, fontsize=14)
    axes.set_title("largest distance of any tensor", fontsize=14)
    axes.set_xlabel("step", fontsize=14)
    axes.tick_params(labelsize=12)
    return figure


def in_decades(axes: Any, values: Sequence[float]) -> None:
    """A logarithmic axis with a tick at each power of ten, or every second, third, …, one.

    What stays within a factor of ten keeps an even axis, whose numbers say more.
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return
    low, high = math.log10(min(finite)), math.log10(max(finite))
    if high - low < 1:
        return
    axes.set_yscale("log")
    few = high - low < 2
    base = 10.0 ** math.ceil((high - low) / 5)
    axes.yaxis.set_major_locator(LogLocator(base, subs=(1, 2, 5) if few else (1,)))
    axes.yaxis.set_minor_locator(NullLocator())
    if few:
        axes.yaxis.set_major_formatter("{x:.3g}")


def boundary(evaluate: Callable[[Any], tuple[Any, Any]], x: np.ndarray, t: np.ndarray) -> Figure:
    """What a network of two inputs and one output says all over the plane.

    Args:
        evaluate: from points (N, 2) to the outputs of both sides.
        x, t: the samples, drawn on top.
    """
    low, high = x.min() - 0.5, x.max() + 0.5
    line = np.linspace(low, high, 81, dtype=x.dtype)
    points = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    mine, theirs = (np.asarray(y).reshape(81, 81) for y in evaluate(points))
    figure = Figure(**SIZE)
    axes = figure.subplots()
    axes.imshow(
        mine, extent=(low, high, low, high), origin="lower", cmap="coolwarm", vmin=-0.2, vmax=1.2
    )
    levels = [0.5]
    undecided = float(np.ptp(mine)) < FLAT  # what varies then is rounding
    if not undecided and mine.min() < 0.5 < mine.max():
        axes.contour(line, line, theirs, levels, **BROAD)
        axes.contour(line, line, mine, levels, **DASHED)
    axes.scatter(
        x[:, 0],
        x[:, 1],
        c=t.ravel(),
        s=160,
        cmap="coolwarm",
        vmin=-0.2,
        vmax=1.2,
        edgecolors="black",
    )
    title = "output; 0.5 dashed by hand,\nbroad by autograd"
    if undecided:
        title = f"undecided: the output is\n{mine.mean():.3g} everywhere"
    axes.set_title(title, fontsize=13)
    axes.tick_params(labelsize=12)
    return figure


def regions(
    evaluate: Callable[[Any], tuple[Any, Any]],
    x: np.ndarray,
    t: np.ndarray,
    inputs: Sequence[str],
    classes: Sequence[str],
) -> Figure:
    """The class that a network of two inputs gives every point of the plane.

    Args:
        evaluate: from points (N, 2) to the scores (N, classes) of both sides.
        x, t: the samples, drawn on top, and their classes.
        inputs, classes: their names.
    """
    (across, up), (mine, theirs) = over_the_plane(evaluate, x)
    figure, axes = plane(inputs)
    colors = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    shades = {"cmap": colors, "vmin": -0.5, "vmax": colors.N - 0.5}
    said = [scores.argmax(axis=-1) for scores in (theirs, mine)]
    axes.pcolormesh(across, up, said[1] % colors.N, alpha=0.3, rasterized=True, **shades)
    for k in range(len(classes)):
        for side, style in zip(said, (BROAD, DASHED), strict=True):
            if 0 < np.mean(side == k) < 1:
                axes.contour(across, up, side == k, [0.5], **style)
    axes.scatter(*x.T, c=t % colors.N, s=dot(x), edgecolors="black", linewidths=0.5, **shades)
    for k, name in enumerate(classes[:6]):
        axes.scatter([], [], color=colors(k), edgecolors="black", label=name)
    axes.legend(fontsize=10, loc=emptiest_corner(x))
    axes.set_title("class; border dashed by hand,\nbroad by autograd", fontsize=13)
    return figure


def surface(
    evaluate: Callable[[Any], tuple[Any, Any]], x: np.ndarray, t: np.ndarray, inputs: Sequence[str]
) -> Figure:
    """The number that a network of two inputs gives every point of the plane.

    Args:
        evaluate: from points (N, 2) to the outputs (N, 1) of both sides.
        x, t: the samples, drawn on top, and their numbers.
        inputs: their names.
    """
    (across, up), (mine, theirs) = over_the_plane(evaluate, x)
    figure, axes = plane(inputs)
    shades = {"cmap": "coolwarm", "vmin": t.min(), "vmax": t.max()}
    axes.pcolormesh(across, up, mine[..., 0], rasterized=True, **shades)
    levels = np.linspace(t.min(), t.max(), 8)[1:-1]
    for side, style in ((theirs[..., 0], BROAD), (mine[..., 0], DASHED)):
        reached = levels[(side.min() < levels) & (levels < side.max())]
        if len(reached):
            axes.contour(across, up, side, reached, **style)
    axes.scatter(*x.T, c=t, s=dot(x), edgecolors="black", linewidths=0.5, **shades)
    axes.set_title("output; levels dashed by hand,\nbroad by autograd", fontsize=13)
    return figure


def over_the_plane(evaluate: Callable[[Any], tuple[Any, Any]], x: np.ndarray) -> tuple[Any, Any]:
    """A grid somewhat wider than the samples, and what both sides give there: (161, 161, …)."""
    low, high = x.min(axis=0), x.max(axis=0)
    margin = (high - low) * 0.1 + (high == low)
    lines = np.linspace(low - margin, high + margin, 161).T
    points = np.stack(np.meshgrid(*lines), axis=-1)
    both = evaluate(points.reshape(-1, 2))
    return lines, [np.asarray(y).reshape(161, 161, -1) for y in both]


def plane(inputs: Sequence[str]) -> tuple[Figure, Any]:
    figure = Figure(**SIZE)
    axes = figure.subplots()
    axes.set_xlabel(inputs[0], fontsize=13)
    axes.set_ylabel(inputs[1], fontsize=13)
    axes.tick_params(labelsize=12)
    return figure, axes


def emptiest_corner(x: np.ndarray) -> str:
    """Where a legend hides the fewest samples."""
    across, up = ((x - x.min(axis=0)) / (np.ptp(x, axis=0) + (np.ptp(x, axis=0) == 0))).T
    hidden = {
        "upper right": (across > 0.5) & (up > 0.6),
        "upper left": (across < 0.5) & (up > 0.6),
        "lower left": (across < 0.5) & (up < 0.4),
        "lower right": (across > 0.5) & (up < 0.4),
    }
    return min(hidden, key=lambda corner: int(hidden[corner].sum()))


def dot(x: np.ndarray) -> float:
    """How large a sample is drawn: small where there are many."""
    return float(np.clip(8_000 / len(x), 2, 160))


def misread(images: np.ndarray, wanted: np.ndarray, mine: np.ndarray, theirs: np.ndarray) -> Figure:
    """The first held-out images that one side or the other reads wrongly, with what each reads.

    Args:
        images: (N, 64) or (N, 1, 8, 8).
        wanted, mine, theirs: (N,) digits.
    """
    wrong = np.flatnonzero((mine != wanted) | (theirs != wanted))
    figure = Figure(**SIZE)
    grid = figure.subplots(3, 3).ravel()
    for axes, index in zip(grid, wrong, strict=False):
        axes.imshow(images[index].reshape(8, 8), cmap="gray_r")
        axes.set_title(f"{wanted[index]}: {mine[index]}, {theirs[index]}", fontsize=14)
    for axes in grid:
        axes.set_axis_off()
    figure.suptitle(f"{len(wrong)} misread: by hand, autograd", fontsize=14)
    return figure


def tiles(mine: np.ndarray, theirs: np.ndarray) -> Figure:
    """The first small images of both sides, row by row: by hand above, by autograd below.

    Args:
        mine, theirs: (N, H, W).
    """
    count = min(len(mine), 8)
    columns = max(1, (count + 1) // 2)
    size = float(max(np.abs(mine).max(), np.abs(theirs).max())) or 1.0
    figure = Figure(**SIZE)
    grid = figure.subplots(4, columns, squeeze=False)
    for images, axes_of_side, name in ((mine, grid[:2], "by hand"), (theirs, grid[2:], "autograd")):
        for axes in axes_of_side.ravel():
            axes.set_axis_off()
        for image, axes in zip(images[:count], axes_of_side.ravel(), strict=False):
            axes.imshow(image, cmap="RdBu", vmin=-size, vmax=size)
        axes_of_side[0, 0].set_title(name, fontsize=14, loc="left")
    return figure


def attention(mine: np.ndarray, theirs: np.ndarray, letters: list[str]) -> Figure:
    """What the first heads look at: a row of each looks back over what was said before it.

    Args:
        mine, theirs: (heads, T, T).
        letters: (T,), the text.
    """
    figure = Figure(**SIZE)
    shown = min(len(mine), 2)
    grid = figure.subplots(shown, 2, squeeze=False)
    for head, row in enumerate(grid):
        for maps, axes, name in ((mine, row[0], "by hand"), (theirs, row[1], "autograd")):
            axes.imshow(maps[head], cmap="Blues", vmin=0, vmax=1)
            axes.set_title(f"head {head + 1}, {name}", fontsize=12)
            axes.set_xticks(range(len(letters)), letters, fontsize=6)
            axes.set_yticks(range(len(letters)), letters, fontsize=6)
    return figure
