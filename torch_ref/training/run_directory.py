"""Where a run is written, and the command and the link that show it."""

import json
import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import quote

from .dashboard import LARGEST_DISTANCE, LOG_LOSS, OVERLAY
from .settings import SettingError


def reserve(logdir: Path, name: str | None, experiment: str) -> Path:
    """Make the run's directory: never one that is there already.

    Args:
        name: its name; None takes the experiment's, numbered if need be.
    Raises:
        SettingError: there is a run of that name, or no directory can be made there.
    """
    names = [name] if name else (f"{experiment}-{n}" if n > 1 else experiment for n in count(1))
    try:
        logdir.mkdir(parents=True, exist_ok=True)
        for candidate in names:
            path = logdir / candidate
            with suppress(FileExistsError):
                path.mkdir()
                return path
    except OSError as error:
        raise SettingError(f"--logdir {logdir}: {error.strerror}") from error
    raise SettingError(f"--name {name}: {path} exists already")


def beside_python(program: str) -> str:
    """The path of a program that was installed with this Python, as short as it can be typed."""
    path = Path(sys.executable).parent / program
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near


def command(logdir: Path) -> str:
    """The command that opens the dashboard."""
    where = "" if logdir == Path("runs") else f" --logdir {logdir}"
    return f"{beside_python('backprop')} board{where}"


def resuming(logdir: Path, name: str) -> str:
    """The command that goes on with a run that was interrupted."""
    where = "" if logdir == Path("runs") else f" --logdir {logdir}"
    return f"{beside_python('backprop')} train --resume {name}{where}"


def link(name: str) -> str:
    """The address of a run in the dashboard: no smoothing, loss and parity pinned to the top."""
    run = f"defaultExperimentId/{name}/parity"
    pinned = [
        {"plugin": "images", "tag": OVERLAY, "runId": run, "sample": 0},
        {"plugin": "scalars", "tag": LOG_LOSS},
        {"plugin": "scalars", "tag": LARGEST_DISTANCE},
    ]
    cards = quote(json.dumps(pinned, separators=(",", ":")))
    return (
        f"http://localhost:6006/?runFilter={quote(f'^{name}/')}&smoothing=0"
        f"&pinnedCards={cards}#timeseries"
    )
