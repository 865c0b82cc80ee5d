"""The commands `check`, `bundle` and `explain`, from their arguments to what they print."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from manual.module import float_dtype
from manual.walkthrough import Description, DescriptionError, the_article
from manual.walkthrough import drawn as network_drawn

from .bundle import Bundle, judge, upstream_of, write
from .checking import check
from .experiments import EXPERIMENTS
from .explain import activation_named, class_text, read_description, text
from .layouts import CandidateError
from .loading import LOSSES, drawn, find, loss_on, made
from .page import write_page
from .reference import outputs_of, prepared, random_like
from .report import Checked
from .twin import to_torch, twin_of


def reference_of(text: str, words: Sequence[str], seed: int, dtype: Any) -> Any:
    """The reference that `--against` names, its weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = made(find(text), words)
    if not callable(found):
        raise CandidateError(f"{text} is a {type(found).__name__}, expected a module or function")
    return found.to(to_torch(dtype)) if isinstance(found, torch.nn.Module) else found


def inputs_of(specs: Sequence[str], seed: int, dtype: Any) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [drawn(spec, generator, dtype) for spec in specs]


def the_loss(
    name: str | None, reference: Any, inputs: Sequence[Any], seed: int
) -> tuple[Callable[[torch.Tensor], torch.Tensor] | None, np.ndarray | None]:
    """A loss of the reference's output with a target drawn for it."""
    if name is None:
        return None, None
    with torch.no_grad():
        y = outputs_of(reference, [to_torch(x) for x in inputs])[0]
    if name == "cross-entropy" and (y.dim() < 2 or not y.shape[1]):
        raise CandidateError(f"--loss {name}: expected an output of (samples, classes)")
    generator = np.random.default_rng(seed + 1)
    target = loss_on(name, y.shape, generator, y.detach().numpy().dtype)
    return (lambda y: LOSSES[name](y, to_torch(target))), target


def run_check(arguments: argparse.Namespace) -> bool:
    """Print the report of one check; whether all agrees."""
    dtype = float_dtype(arguments.dtype)
    if Path(arguments.mine).is_dir():
        checked = check_bundle(arguments, dtype)
    else:
        checked = check_code(arguments, dtype)
    print(checked.json() if arguments.json else checked)
    return checked.agrees


def check_bundle(arguments: argparse.Namespace, dtype: Any) -> Checked:
    bundle = Bundle(Path(arguments.mine))
    against = arguments.against
    if against in EXPERIMENTS:
        reference = experiment(against)[0]
    else:
        reference = reference_of(against, arguments.args, arguments.seed, dtype)
    return judge(bundle, reference)


def check_code(arguments: argparse.Namespace, dtype: Any) -> Checked:
    mine = find(arguments.mine)
    reference = reference_of(arguments.against, arguments.args, arguments.seed, dtype)
    words = arguments.args if arguments.mine_args is None else arguments.mine_args
    mine = mine if isinstance(mine, tuple) else made(mine, words)
    if not arguments.input:
        raise CandidateError("--input: expected at least one, as in --input 5,3")
    inputs = inputs_of(arguments.input, arguments.seed, dtype)
    loss, _ = the_loss(arguments.loss, reference, inputs, arguments.seed)
    layouts = {}
    for words_ in arguments.map:
        name, equals, layout = words_.partition("=")
        if not equals:
            raise CandidateError(f"--map {words_}: expected NAME=LAYOUT, as in weight=W.T")
        layouts[name] = layout
    try:
        extra = [json.loads(value) for value in arguments.extra]
    except ValueError:
        raise CandidateError(f"--extra {' '.join(arguments.extra)}: expected JSON") from None
    return check(
        mine,
        reference,
        *inputs,
        layouts=layouts,
        extra=extra,
        loss=loss,
        lr=arguments.lr,
        steps=arguments.steps,
        seed=arguments.seed,
    )


def experiment(name: str) -> tuple[Any, list[np.ndarray], np.ndarray, str, float]:
    """An experiment's network, first batch, target, loss and learning rate."""
    settings = replace(EXPERIMENTS[name].defaults).resolve()
    problem = EXPERIMENTS[name].build(settings)
    x, t = next(problem.data.batches(settings.batch_size, problem.generator))
    loss = {type(one).__name__: key for key, one in LOSSES.items()}[type(problem.loss).__name__]
    return twin_of(problem.network), [x], t, loss, settings.lr


def run_bundle(arguments: argparse.Namespace) -> bool:
    """Write a reference's bundle."""
    dtype = float_dtype(arguments.dtype)
    target: np.ndarray | None
    if arguments.reference in EXPERIMENTS:
        reference, inputs, target, loss, lr = experiment(arguments.reference)
    else:
        reference = reference_of(arguments.reference, arguments.args, arguments.seed, dtype)
        reference = prepared(reference, to_torch(dtype), arguments.seed)
        inputs, loss, lr = inputs_of(arguments.input, arguments.seed, dtype), arguments.loss, 0.1
        if not inputs:
            raise CandidateError("--input: expected at least one, as in --input 5,3")
        target = the_loss(loss, reference, inputs, arguments.seed)[1]
    lr = lr if arguments.lr is None else arguments.lr
    with torch.no_grad():
        outputs = outputs_of(reference, [to_torch(x) for x in inputs])
    given = random_like(outputs, arguments.seed + 1)
    upstream = upstream_of(loss, target, [g.numpy() for g in given])
    name = " ".join([arguments.reference, *arguments.args])
    out = write(arguments.out, reference, inputs, upstream, name, loss, target, lr, arguments.steps)
    words = f" --args {' '.join(arguments.args)}" if arguments.args else ""
    print(f"{out}: {len(list(out.glob('*.npy')))} arrays and index.json, by {name}")
    print(
        f"to check a copy that was filled in elsewhere:\n  backprop check COPY --against "
        f"{arguments.reference}{words}"
    )
    return True


def run_explain(arguments: argparse.Namespace) -> bool:
    """Print a walkthrough or a class's derivation, or write the page."""
    what = arguments.what
    options = ("layers", "activation", "loss", "samples", "lr", "seed")
    given = [f"--{name}" for name in options if getattr(arguments, name) is not None]
    if what is not None and given:
        raise DescriptionError(f"{what} says all of it: {' '.join(given)} is not taken with it")
    if what is not None and not what.endswith(".json"):
        if arguments.html or arguments.step or arguments.view:
            raise DescriptionError(f"{what}: --html, --step and --view are for networks")
        print(class_text(what))
        return True
    if arguments.step > MOST_STEPS:
        raise DescriptionError(f"--step {arguments.step}: expected at most {MOST_STEPS:,}")
    network = described(arguments)
    if arguments.html:
        write_page(arguments.html, network, arguments.step)
        print(f"{arguments.html}: written; open it in any browser")
    else:
        scalar = arguments.view == "neurons" or (not arguments.view and len(network.x) == 1)
        print(text(network, arguments.step, scalar))
    return True


def described(arguments: argparse.Namespace) -> Description:
    """The network that the arguments describe."""
    if arguments.what is not None:
        return read_description(Path(arguments.what))
    if arguments.layers is None:
        for name in ("activation", "loss", "samples", "lr", "seed"):
            if getattr(arguments, name) is not None:
                raise DescriptionError(
                    f"--{name} needs --layers: the article's network is as it is"
                )
        return the_article()
    try:
        sizes = [int(size) for size in arguments.layers.split("-")]
    except ValueError:
        raise DescriptionError(
            f"--layers {arguments.layers}: expected widths, as in 3-4-2"
        ) from None
    return network_drawn(
        sizes,
        activation_named(arguments.activation or "sigmoid"),
        arguments.loss or "mse",
        arguments.seed or 0,
        1 if arguments.samples is None else arguments.samples,
        arguments.lr or 0.1,
    )


MOST_STEPS = 20_000
RUN = {"check": run_check, "bundle": run_bundle, "explain": run_explain}
