"""All of a training run's state in one safetensors file, and back: nothing is unpickled.

Arrays are tensors of the file; what they stand in, dicts, lists, tuples, numbers and texts, is JSON
in its metadata.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..safe_files import InputError, one_line, write_whole

FORMAT = "backprop-parity training 1"
NAME = "checkpoint-{}.safetensors"


def save_checkpoint(path: Path, step: int, state: Any, keep: int) -> Path:
    """Write the state after so many steps into the run's directory; older ones but `keep` go.

    Raises:
        InputError: it cannot be written; what was there still is.
    """
    arrays: dict[str, np.ndarray] = {}
    tree = json.dumps(packed(state, arrays))
    notes = {"format": FORMAT, "state": tree}
    file = path / NAME.format(step)
    write_whole(file, lambda beside: save_file(arrays, beside, notes), str(file))
    for older in list(checkpoints_of(path))[keep:]:
        older.unlink()
    return file


def checkpoints_of(path: Path) -> Iterator[Path]:
    """The checkpoints of a run, the newest first."""
    found = {}
    for file in path.glob(NAME.format("*")):
        if match := re.fullmatch(NAME.format(r"(\d+)").replace(".", r"\."), file.name):
            found[int(match[1])] = file
    for step in sorted(found, reverse=True):
        yield found[step]


def load_checkpoint(file: Path) -> Any:
    """The state that was written.

    Raises:
        InputError: there is none, it is damaged, or it is another file.
    """
    if not file.is_file():
        raise InputError(f"{file}: there is no such file")
    try:
        with safe_open(file, framework="numpy") as opened:
            notes = opened.metadata() or {}
            if notes.get("format") != FORMAT:
                raise InputError(f"{file}: no checkpoint of a training run")
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        return unpacked(json.loads(notes["state"]), arrays)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: damaged ({one_line(error)})") from None


def packed(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The value as JSON has it, its arrays put aside under numbers."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, torch.Tensor | np.ndarray | np.generic):
        kind = "tensor" if isinstance(value, torch.Tensor) else "array"
        kind = "number" if isinstance(value, np.generic) else kind
        number = str(len(arrays))
        taken = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        arrays[number] = np.array(taken, order="C")  # a copy: one view is not another's memory
        return {kind: number}
    if isinstance(value, int | float):
        return value
    if isinstance(value, dict):
        return {"dict": [[packed(k, arrays), packed(v, arrays)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        inside = [packed(each, arrays) for each in value]
        return inside if isinstance(value, list) else {"tuple": inside}
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def unpacked(tree: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What `packed` was given."""
    if isinstance(tree, list):
        return [unpacked(each, arrays) for each in tree]
    if not isinstance(tree, dict):
        return tree
    ((kind, inside),) = tree.items()
    if kind == "dict":
        return {unpacked(k, arrays): unpacked(v, arrays) for k, v in inside}
    if kind == "tuple":
        return tuple(unpacked(each, arrays) for each in inside)
    array = arrays[inside]
    if kind == "number":
        return array[()]
    return torch.from_numpy(array) if kind == "tensor" else array


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal to the last bit."""
    arrays: tuple[dict[str, np.ndarray], dict[str, np.ndarray]] = {}, {}
    trees = [json.dumps(packed(v, a)) for v, a in zip((one, other), arrays, strict=True)]
    return trees[0] == trees[1] and all(
        a.dtype == b.dtype and a.tobytes() == b.tobytes()
        for a, b in zip(*(side.values() for side in arrays), strict=True)
    )
