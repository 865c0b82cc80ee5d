"""An experiment of one's own: data from anywhere, with layers as asked for or a network given."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import manual
from manual import Embedding, Flatten, Linear, Module, Sequential
from manual.arrays import float_dtype
from manual.models.mlp import make_activation
from manual.names import name_meant

from .data import Data
from .preparing import OnData, check_fit, count_held_out, prepare
from .settings import ACTIVATION_NAMES, SettingError, Settings, choice, option
from .sources import Samples, read_samples

OF_CLASSES: dict[str, Callable[[], Module]] = {
    "cross-entropy": manual.CrossEntropyLoss,
    "multi-margin": manual.MultiMarginLoss,
}
OF_NUMBERS: dict[str, Callable[[], Module]] = {
    "mse": manual.MSELoss,
    "l1": manual.L1Loss,
    "smooth-l1": manual.SmoothL1Loss,
    "huber": manual.HuberLoss,
    "half-squared": manual.HalfSquaredError,
}
LOSSES = {**OF_CLASSES, **OF_NUMBERS}
COLUMNS = "COLUMN[,COLUMN...]"


@dataclass(frozen=True)
class OwnSettings(Settings):
    """Settings with what becomes of the data. What is None follows from them."""

    data: str | None = option(None, str, "what a network of your own is trained on")
    target: str | None = option(
        None, str, "the column to predict, or its number; default: the last"
    )
    loss: str | None = option(None, str, f"{', '.join(LOSSES)}; default: by the target")
    epochs: int | None = option(None, int, "times through the data, in place of --steps")
    hold_out: float = option(0.2, float, "the share to test on; default: 0.2")
    standardize: bool = option(True, bool, "numbers get mean 0 and deviation 1, the default")
    drop: str | None = option(None, str, f"{COLUMNS} to leave out")
    categories: str | None = option(None, str, f"{COLUMNS} whose numbers are names")
    header: str = choice("auto", "yes", "no")

    def known(self) -> dict[str, tuple[Any, ...]]:
        """Of the activations there may be several."""
        known = super().known()
        return {name: values for name, values in known.items() if name != "activation"}

    def meant(self) -> "OwnSettings":
        """With every name as it is, however it was typed."""
        chosen = [name_meant(name, ACTIVATION_NAMES) or name for name in self.activation.split(",")]
        loss = name_meant(self.loss or "", LOSSES) or self.loss
        return replace(super().meant(), activation=",".join(chosen), loss=loss)

    def check_network(self) -> None:
        """No hidden layer, or an activation for each, are right as well."""
        self.check_sizes()
        if self.data is not None:
            return
        self.require("hidden", min(self.hidden, default=1) >= 1, "widths of at least 1")
        known, chosen = ", ".join(ACTIVATION_NAMES), self.activation.split(",")
        named = all(name in ACTIVATION_NAMES for name in chosen)
        self.require("activation", named, f"one of {known}; or one for each hidden layer")
        wish = f"one, or {len(self.hidden)}, as many as there are hidden layers"
        self.require("activation", len(chosen) in (1, len(self.hidden)), wish)


DEFAULTS = OwnSettings("DATA", 1_000, 1e-2, "adam", 32, (16, 16), "relu")


class Own(OnData):
    """Layers as the settings say, or a network of one's own, on data of one's own.

    Args:
        name: what was asked for on the command line.
        network: makes a by-hand network.
    """

    defaults: OwnSettings
    samples: Samples

    def __init__(self, name: str, network: Callable[[int], Module] | None = None) -> None:
        self.network = network
        self.defaults = replace(DEFAULTS, experiment=name)
        if network is not None:
            self.defaults = replace(self.defaults, hidden=(), activation="")

    @property
    def run_name(self) -> str:
        """The file's name, without what means something in a path or a pattern."""
        return re.sub(r"[^\w-]+", "-", Path(self.name.partition(":")[0]).stem)

    def resolve(self, settings: OwnSettings) -> OwnSettings:
        """Reads the data: the target, the loss and the number of steps follow from it."""
        settings = settings.meant()
        self.check_layers(settings)
        settings.require("hold_out", 0 <= settings.hold_out < 1, "a share from 0, below 1")
        for name, values in {"loss": (*LOSSES, None), **settings.choices()}.items():
            settings.require_known(name, values)
        self.samples = read_samples(
            settings.data or self.name,
            settings.target,
            settings.header,
            names(settings.drop),
            names(settings.categories),
        )
        count = len(self.samples.x) - count_held_out(self.samples, settings.hold_out)
        settings.require(
            "hold_out", count >= 1, f"some of {len(self.samples.x)} samples to be left"
        )
        batch_size, steps = settings.batch_size, settings.steps
        if batch_size == self.defaults.batch_size:
            batch_size = min(batch_size, count)
        if settings.epochs is not None:
            settings.require("batch_size", batch_size >= 1, "at least 1")
            settings.require("epochs", settings.epochs >= 1, "at least 1")
            steps = settings.epochs * math.ceil(count / batch_size)
        loss = settings.loss or ("cross-entropy" if self.samples.of_classes else "mse")
        return replace(
            settings,
            target=self.samples.target,
            loss=loss,
            steps=steps,
            epochs=None,
            batch_size=batch_size,
        ).resolve()

    def check_layers(self, settings: OwnSettings) -> None:
        """Either the settings give the layers, or the network has its own."""
        if self.network is None:
            settings.require("data", settings.data is None, f"nothing: {self.name} is the data")
            return
        if settings.data is None:
            raise SettingError(f"{self.name}: expected --data, what to train it on")
        wish = f"none: {self.name} has its own layers"
        settings.require("hidden", not settings.hidden, wish)
        settings.require("activation", not settings.activation, wish)

    def make(
        self, settings: OwnSettings, generator: np.random.Generator
    ) -> tuple[Module, Module, Data]:
        dtype = float_dtype(settings.dtype)
        own = None if self.network is None else self.network(settings.seed).to(dtype)
        prepared = prepare(
            self.samples,
            settings.loss in OF_CLASSES,
            settings.hold_out,
            settings.standardize,
            dtype,
            generator,
            tokens=own is not None and any(isinstance(m, Embedding) for m in own.modules()),
        )
        data = self.take(prepared)
        if own is not None:
            check_fit(own, prepared, self.name)
        network = self.layers(settings, dtype, generator) if own is None else own
        loss = LOSSES[settings.loss or ""]()
        self.summary = f"{prepared}\n{network.one_line()}, {loss!r}"
        return network, loss, data

    def layers(
        self, settings: OwnSettings, dtype: np.dtype[Any], generator: np.random.Generator
    ) -> Sequential:
        """Linear layers of the hidden widths, with an activation between each two."""
        x = self.samples.x
        sizes = (math.prod(x.shape[1:]), *settings.hidden, self.prepared.outputs)
        chosen = settings.activation.split(",")
        chosen = chosen * len(settings.hidden) if len(chosen) == 1 else chosen
        parts: list[Module] = [Flatten()] if x.ndim > 2 else []
        for i, (before, after) in enumerate(pairwise(sizes)):
            if i:
                parts.append(make_activation(ACTIVATION_NAMES[chosen[i - 1]], dtype))
            parts.append(Linear(before, after, dtype=dtype, generator=generator))
        return Sequential(*parts)


def names(text: str | None) -> tuple[str, ...]:
    """'a,b' -> ("a", "b")."""
    return tuple(filter(None, (text or "").split(",")))
