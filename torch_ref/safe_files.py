"""Files that others wrote, read as data and nothing more; and files written whole or not at all."""

import json
import os
import shutil
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


class InputError(ValueError):
    """What was handed in cannot be used; the message is one line."""


# What NumPy raises for a header that is damaged or made up.
DAMAGED = (
    OSError,
    ValueError,
    EOFError,
    SyntaxError,
    TypeError,
    OverflowError,
    MemoryError,
    tokenize.TokenError,
)
JSON_LIMIT = 2**22  # bytes
LARGEST = 2**27  # elements of one array: a gigabyte in float64


def one_line(text: object) -> str:
    """A message, such as an error's, without line breaks."""
    return " ".join(str(text).split())


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        InputError: there is none, or it is too large or damaged.
    """
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise InputError(f"{path}: larger than {JSON_LIMIT:,} bytes")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({one_line(error)})") from None


def read_array(path: Path, name: str) -> np.ndarray:
    """A .npy file of plain numbers. Nothing is unpickled, and nothing allocated before it fits.

    Raises:
        InputError: there is none, it is damaged, too large, or holds something else.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{name}: not a regular file")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{name}: there is no such file") from None
    except DAMAGED as error:
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{name}: the file is empty") from None
        empty = _empty_array(path)
        if empty is not None:
            return empty
        reason = one_line(error) or type(error).__name__
        raise InputError(f"{name}: not a readable .npy array ({reason})") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{name}: expected one .npy array")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise InputError(f"{name}: an array of {array.dtype}, expected plain numbers")
    if array.size > LARGEST:
        raise InputError(f"{name}: {array.size:,} elements, at most {LARGEST:,} are taken")
    return np.array(array, array.dtype.newbyteorder("="))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, by name: plain numbers, or text. Nothing is unpickled.

    Raises:
        InputError: there is none, it is damaged, too large, or holds something else.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: not a .npz file, or damaged")
    arrays: dict[str, np.ndarray] = {}
    try:
        with np.load(path, allow_pickle=False) as file:
            for entry in file.zip.infolist():
                name = entry.filename.removesuffix(".npy")
                if entry.file_size > 8 * LARGEST:
                    raise InputError(f"{path}: {name}: larger than {8 * LARGEST:,} bytes")
                array = file[name]
                if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiubU":
                    raise InputError(f"{path}: {name}: expected an array of plain numbers or text")
                arrays[name] = np.array(array, array.dtype.newbyteorder("="))
    except InputError:
        raise
    except (*DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not a readable .npz file ({one_line(error)})") from None
    return arrays


def _empty_array(path: Path) -> np.ndarray | None:
    """An array without elements, which cannot be mapped into memory."""
    try:
        array = np.load(path, allow_pickle=False) if path.stat().st_size < 4096 else None
    except DAMAGED:
        return None
    return array if isinstance(array, np.ndarray) and array.size == 0 else None


def write_whole(
    path: Path, write: Callable[[Path], object], name: str, parents: bool = False
) -> None:
    """Have a file or directory made beside `path`, and put in its place once it is complete.

    Args:
        path: a file is replaced, a directory only if it is empty.
        write: makes it at the path that it is called with.
        name: of the path in messages.
        parents: make the directories above it.
    Raises:
        InputError: it cannot be written; nothing has changed then.
    """
    beside = None
    try:
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=path.parent))
        write(beside / path.name)
        os.replace(beside / path.name, path)
    except OSError as error:
        raise InputError(f"{name}: cannot be written ({error.strerror})") from None
    finally:
        if beside is not None:
            shutil.rmtree(beside)
