"""One experiment from its settings to what it shows: trained on both sides, logged, summed up."""

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from manual import no_grad
from manual.module import Array
from manual.worked_example import FIGURES, figures_table

from .article import article_round
from .dashboard import Dashboard, beside_python, command, link, log10, reserve
from .experiments import EXPERIMENTS, Problem, SettingError, Settings, linear_floor
from .lockstep import Lockstep, Step
from .models import ArticleNetwork
from .parity import table
from .pictures import boundary, misread
from .twin import to_torch

HELD_OUT_CHECKS = 50  # times in a run that the held-out samples are looked at


def train(settings: Settings, problem: Problem, logdir: Path, name: str | None) -> bool:
    """Train both sides, log them, print what came out, and say whether they agreed throughout.

    Raises:
        SettingError: the run's directory cannot be made, or the loss ran off to infinity.
    """
    path = reserve(logdir, name, settings.experiment)
    print(f"{settings.experiment}: {EXPERIMENTS[settings.experiment].summary}")
    print(f"{beside_python('backprop')} train {settings.experiment} {settings.options()}")
    pair = side_by_side(settings, problem)
    parted: Step | None = None
    article: dict[int, dict[str, float]] = {}
    of_article = {figure.said_of for figure in FIGURES} if is_the_articles(settings) else set()
    held_every = max(1, settings.steps // HELD_OUT_CHECKS)
    data, held_out = problem.data, problem.data.held_out
    batches = data.batches(settings.batch_size, problem.generator)

    def observe(n: int) -> None:
        """The article's quantities after n rounds, from PyTorch, where it prints any."""
        if n in of_article and isinstance(pair.twin, ArticleNetwork):
            sample = to_torch(data.x), to_torch(data.t)
            article[n] = article_round(pair.twin, *sample, settings.lr, settings.rule or "")

    # One thread: in one process NumPy's and PyTorch's thread pools would wait for each other.
    with (
        threadpool_limits(1),
        np.errstate(over="ignore", invalid="ignore"),  # a loss that is not finite is caught below
        Dashboard(path, asdict(settings), settings.steps) as dashboard,
    ):
        for n in tqdm(range(settings.steps), disable=None, leave=False, unit="step"):
            observe(n)
            dashboard.ahead(pair, n + 1)
            step = pair.step(*next(batches))
            if not (math.isfinite(step.loss) or math.isfinite(step.torch_loss)):
                raise SettingError(
                    f"--lr {settings.lr}: the loss is {step.loss} by hand and {step.torch_loss} by "
                    f"autograd after {step.number} steps (logs: {path})"
                )
            dashboard.log(step, pair)
            if parted is None and not step.report.agrees:
                parted = step
            if held_out and step.number % held_every == 0:
                output, twin_output, loss, twin_loss = pair.evaluate(*held_out)
                right, twin_right = (accuracy(o, held_out[1]) for o in (output, twin_output))
                dashboard.both("Loss/val", loss, twin_loss, step.number)
                dashboard.both("Accuracy/val", right, twin_right, step.number)
        observe(settings.steps)
        pictures(dashboard, pair, problem, step.number)
        dashboard.finish(pair, step, to_torch(data.x[:1]), outcome(pair, problem, step))

    if article:
        print(f"\n{figures_table(settings.rule or '', settings.biases or '', article)}")
    elif settings.experiment == "worked-example":
        print("\nThe article's figures hold for its own settings only; they are not shown here.")
    print(f"\nParity at the last step, {step.number:,}\n{step.report}\n")
    print_furthest(pair)
    if settings.experiment == "xor":
        print_xor(pair, problem)
    if held_out:
        print_held_out(pair, *held_out)
    if pair.rejoined:
        print(
            "Training itself magnified rounding until half of all digits were gone, and the two\n"
            f"were brought together again, {pair.rejoined:,} times in {step.number:,} steps.\n"
        )
    if parted is None:
        print("By hand and autograd agree at every step.")
    else:
        print_parted(parted)
    print(f"\nLogs in {path}; to look at them:\n  {command(logdir)}\n  {link(path.name)}")
    return parted is None


def outcome(pair: Lockstep, problem: Problem, step: Step) -> dict[str, float]:
    """The final metrics, under the same names for every experiment."""
    found = {"final/loss by hand": step.loss, "final/loss by autograd": step.torch_loss}
    worst = max(row.relative for row, _ in pair.furthest.values())
    found["final/largest distance, log10"] = log10(worst)
    output, _, _, _ = pair.evaluate(*(problem.data.held_out or (problem.data.x, problem.data.t)))
    t = (problem.data.held_out or (problem.data.x, problem.data.t))[1]
    right = accuracy(output, t) if t.ndim == 1 else float((np.round(output) == np.round(t)).mean())
    found["final/right"] = right
    return found


def pictures(dashboard: Dashboard, pair: Lockstep, problem: Problem, number: int) -> None:
    """What can be seen of this kind of problem."""
    x, t = problem.data.x, problem.data.t
    if x.shape[1] == 2 and t.shape[1:] == (1,):
        dashboard.picture("Decision boundary", boundary(plane(pair), x, t), number)
    if problem.data.held_out and x.shape[1] == 64:
        images, wanted = problem.data.held_out
        output, twin_output, *_ = pair.evaluate(images, wanted)
        read = output.argmax(axis=1), twin_output.argmax(axis=1)
        dashboard.picture("Misread digits", misread(images, wanted, *read), number)


def plane(pair: Lockstep) -> Callable[[Array], tuple[Any, Any]]:
    """Both sides' outputs, without a target."""

    def evaluate(points: Array) -> tuple[Any, Any]:
        with no_grad(), torch.no_grad():
            return pair.network(points), pair.twin(to_torch(points)).numpy()

    return evaluate


def side_by_side(settings: Settings, problem: Problem) -> Lockstep:
    """The problem's two sides, to be trained as the settings say."""
    return Lockstep(
        problem.network,
        problem.loss,
        problem.optimizer,
        settings.compare or "trajectory",
        settings.rule or "simultaneous",
        problem.schedule,
    )


def is_the_articles(settings: Settings) -> bool:
    """Whether this is the article's own network, whose figures it prints; any rule, any biases."""
    free = {key: getattr(settings, key) for key in ("steps", "rule", "biases", "seed", "compare")}
    own = EXPERIMENTS["worked-example"].defaults
    return settings == replace(own, **free)


def accuracy(output: Array, t: Array) -> float:
    return float((output.argmax(axis=1) == t).mean())


def print_furthest(pair: Lockstep) -> None:
    """The largest distance of each kind of quantity over the whole run."""
    lines = [("largest distance of the run", "relative", "eps", "allowed", "at step", "tensor")]
    for kind in dict.fromkeys(kind for kind, _ in pair.furthest):
        row, step = max(
            (worst for key, worst in pair.furthest.items() if key[0] == kind),
            key=lambda worst: worst[0].share,
        )
        lines.append(
            (
                kind,
                f"{row.relative:.1e}",
                f"{row.distance:.2g}",
                f"{row.tolerance:.2g}",
                f"{step:,}",
                row.name,
            )
        )
    print(table(lines, left=(0, 5)))
    print()


def print_xor(pair: Lockstep, problem: Problem) -> None:
    """All four points, and what is out of reach without a nonlinearity."""
    x, t = problem.data.x, problem.data.t
    output, twin_output, loss, _ = pair.evaluate(x, t)
    lines = [("x1 xor x2", "target", "by hand", "autograd", "")]
    for point, target, mine, theirs in zip(x, t, output, twin_output, strict=True):
        wrong = max(abs(mine - target), abs(theirs - target))[0]
        verdict = "right" if wrong < 0.499 else "wrong" if wrong > 0.501 else "undecided"
        lines.append(
            (
                f"{point[0]:.0f} xor {point[1]:.0f}",
                f"{target[0]:.0f}",
                f"{mine[0]:.4f}",
                f"{theirs[0]:.4f}",
                verdict,
            )
        )
    print(table(lines))
    floor = linear_floor(problem.data)
    print(f"error {loss:.6g}; without a nonlinearity no network gets below {floor:.6g}\n")


def print_held_out(pair: Lockstep, x: Array, t: Array) -> None:
    """How well both sides read samples they were not trained on."""
    output, twin_output, *_ = pair.evaluate(x, t)
    same = int((output.argmax(axis=1) == twin_output.argmax(axis=1)).sum())
    print(
        f"Held-out accuracy: {accuracy(output, t):.2%} by hand, {accuracy(twin_output, t):.2%} by "
        f"autograd; the same prediction for {same} of {len(t)}\n"
    )


def print_parted(parted: Step) -> None:
    """Where the two sides first parted by more than rounding explains."""
    row = parted.report.worst
    print(
        f"By hand and autograd DISAGREE, first at step {parted.number:,}: {row.kind} {row.name} "
        f"({row.problem or f'{row.distance:.2g} eps, allowed {row.tolerance:.2g}'})"
    )
