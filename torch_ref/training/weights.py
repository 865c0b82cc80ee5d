"""A network's weights in a file, as any tool reads them; written whole or not at all."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from manual import Module

from ..safe_files import InputError, one_line, write_whole

FILE = "weights.safetensors"


def save_weights(path: Path, network: Module, notes: dict[str, str]) -> None:
    """Write every parameter and buffer under its name.

    Args:
        notes: kept beside them.
    Raises:
        InputError: it cannot be written.
    """
    state = network.state_dict()
    write_whole(path, lambda beside: save_file(state, beside, notes), str(path))


def load_weights(path: Path, network: Module) -> dict[str, str]:
    """Take over every parameter and buffer of a file; its notes.

    Raises:
        InputError: there is none, it is damaged, or it is of another network; nothing changes then.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            state: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            notes = file.metadata() or {}
    except (SafetensorError, OSError, TypeError) as error:
        raise InputError(f"{path}: not readable as safetensors ({one_line(error)})") from None
    try:
        network.load_state_dict(state)
    except ValueError as error:
        raise InputError(f"{path}: {one_line(error)}") from None
    return notes
