"""One experiment from its settings to what it shows: trained on both sides, logged, summed up."""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from manual.arrays import Array

from ..parity.distance import table
from ..safe_files import InputError
from ..twin import to_torch
from .checkpoints import checkpoints_of, load_checkpoint, save_checkpoint
from .dashboard import Dashboard, in_table, log10
from .experiment import Problem, Run
from .interruption import Interruption
from .lockstep import SIMULTANEOUS, Lockstep, Step
from .report import FILE as REPORT
from .report import write_report
from .run_directory import beside_python, command, link, reserve, resuming
from .settings import DivergenceError, InterruptedRunError
from .state import restore, state_of
from .weights import FILE, save_weights

HELD_OUT_CHECKS = 50  # times in a run that the held-out samples are looked at


@dataclass(frozen=True)
class Saving:
    """When a run leaves checkpoints, beside the one where it is interrupted.

    Attributes:
        every: so many steps; 0 never.
        keep: so many of the newest.
    """

    every: int = 0
    keep: int = 1


def train(
    problem: Problem,
    logdir: Path,
    name: str | None,
    csv: bool = False,
    saving: Saving = Saving(),
    going_on: bool = False,
) -> Run:
    """Train both sides, log them, print what came out.

    Args:
        name: of the run; None takes the experiment's, numbered if it is taken.
        csv: write curves and distances in CSV too, beside the event files.
        going_on: from the newest checkpoint of the run of that name, as if it had never stopped.
    Raises:
        InputError: the run's directory cannot be made, or there is nothing to go on from.
        DivergenceError: a number on both sides is none any more; what was logged so far is kept.
        InterruptedRunError: by a signal, after a step; there is a checkpoint of it.
    """
    experiment, settings = problem.experiment, problem.settings
    saved = None
    if going_on:
        path = logdir / (name or "")
        saved = newest_state(path)
    else:
        path = reserve(logdir, name, experiment.run_name)
    start = saved["step"] if saved else 0
    print(f"{experiment.name}: {experiment.summary}")
    if experiment.has_command:
        words = shlex.quote(experiment.name), settings.options()
        print(beside_python("backprop"), "train", *words)
    pair = lockstep_of(problem)
    run = Run(problem, pair, path)
    held_every = max(1, settings.steps // HELD_OUT_CHECKS)
    data, held_out = problem.data, problem.data.held_out
    batches = data.batches(settings.batch_size, problem.generator)

    # One thread: in one process NumPy's and PyTorch's thread pools would wait for each other.
    with (
        threadpool_limits(1),
        np.errstate(over="ignore", invalid="ignore"),  # what is not finite is caught below
        Interruption() as interruption,
        Dashboard(path, asdict(settings), settings.steps, csv, start) as dashboard,
    ):
        if saved:
            for _ in range(start):  # the batches that were taken
                next(batches)
            restore(saved, run, dashboard)
            print(f"going on after step {start:,} of {settings.steps:,}")
        else:
            experiment.observe(run, 0)
        left = range(start, settings.steps)
        for n in tqdm(left, disable=None, leave=False, unit="step"):
            dashboard.keep_weights(pair, n + 1)
            step = pair.step(*next(batches))
            if step.diverged and run.parted:  # it did so because they had parted
                break
            if step.diverged:
                last = next((f"; {file} is from before" for file in checkpoints_of(path)), "")
                raise DivergenceError(
                    f"diverged at step {step.number:,}: {step.diverged}; a smaller learning rate "
                    f"than {settings.lr:g} may help (logs: {path}){last}"
                )
            dashboard.log(step, pair)
            if run.parted is None and not step.report.agrees:
                run.parted = step
            if held_out and step.number % held_every == 0:
                output, twin_output, loss, twin_loss = pair.evaluate(*held_out)
                score, twin_score = (
                    experiment.score.of(o, held_out[1]) for o in (output, twin_output)
                )
                dashboard.log_both("Loss/val", loss, twin_loss, step.number)
                dashboard.log_both(experiment.score.tag, score, twin_score, step.number)
            experiment.observe(run, step.number)
            if interruption.asked and step.number < settings.steps:
                dashboard.flush()
                save_checkpoint(path, step.number, state_of(run, dashboard), saving.keep)
                raise InterruptedRunError(
                    f"interrupted after step {step.number:,} of {settings.steps:,}; go on with\n"
                    f"  {resuming(logdir, path.name)}",
                    interruption.asked,
                )
            if saving.every and step.number % saving.every == 0:
                dashboard.flush()
                save_checkpoint(path, step.number, state_of(run, dashboard), saving.keep)
        for tag, figure in run.pictures().items():
            dashboard.log_picture(tag, figure, step.number)
        save_weights(path / FILE, pair.network, experiment.notes(problem))
        metrics = final_metrics(run, step)
        dashboard.finish(pair, step, to_torch(data.x[:1]), metrics)
        write_report(
            path,
            experiment.summary,
            in_table(asdict(settings)),
            (run.agrees, verdict(run)),
            metrics,
            dashboard.curves(),
            dashboard.pictures,
            str(step.report),
        )

    if headline := experiment.headline(run):
        print(f"\n{headline}")
    print(f"\nParity at the last step, {step.number:,}\n{step.report}\n")
    print_furthest(pair)
    if results := experiment.results(run):
        print(f"{results}\n")
    if held_out:
        print_held_out(run, *held_out)
    if pair.rejoined:
        print(
            "Training itself magnified rounding until half of all digits were gone, and the two\n"
            f"were brought together again, {pair.rejoined:,} times in {step.number:,} steps.\n"
        )
    print(verdict(run))
    print(f"\nLogs in {path}; to look at them:\n  {command(logdir)}\n  {link(path.name)}")
    print(f"or without TensorBoard:\n  {path / REPORT}")
    return run


def newest_state(path: Path) -> dict[str, Any]:
    """What a run goes on from.

    Raises:
        InputError: it has left no checkpoint, or has come to its end.
    """
    if (path / FILE).is_file():
        raise InputError(f"{path}: the run has come to its end: there is nothing to go on with")
    file = next(checkpoints_of(path), None)
    if file is None:
        raise InputError(
            f"{path}: there is no checkpoint: a run leaves one where it is interrupted, or with "
            "--checkpoint-every"
        )
    state: dict[str, Any] = load_checkpoint(file)
    return state


def final_metrics(run: Run, step: Step) -> dict[str, float]:
    """The final metrics, under the same names for every experiment with the same score."""
    worst = max(row.relative for row, _ in run.pair.furthest.values())
    return {
        "final/loss by hand": step.loss,
        "final/loss by autograd": step.torch_loss,
        "final/largest distance, log10": log10(worst),
        f"final/{run.problem.experiment.score.metric}": run.scores()[0],
    }


def lockstep_of(problem: Problem) -> Lockstep:
    """The problem's two sides, to be trained as its settings say."""
    return Lockstep(
        problem.network,
        problem.loss,
        problem.optimizer,
        problem.settings.compare,
        problem.schedule,
        problem.experiment.rule(problem.settings) or SIMULTANEOUS,
    )


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


def print_held_out(run: Run, x: Array, t: Array) -> None:
    """How well both sides do on samples they were not trained on."""
    score = run.problem.experiment.score
    mine, theirs = (format(value, score.written) for value in run.scores())
    same, of = score.same(*run.pair.outputs(x), t) if score.same else (0, 0)
    predictions = f"; the same prediction for {same} of {of}" if of else ""
    print(f"Held-out {score.name}: {mine} by hand, {theirs} by autograd{predictions}\n")


def verdict(run: Run) -> str:
    """Whether the two sides agreed; if not, where they parted by more than rounding explains."""
    if run.parted is None:
        return "By hand and autograd agree at every step."
    row = run.parted.report.worst
    return (
        f"By hand and autograd DISAGREE, first at step {run.parted.number:,}: {row.kind} "
        f"{row.name} ({row.problem or f'{row.distance:.2g} eps, allowed {row.tolerance:.2g}'})"
    )
