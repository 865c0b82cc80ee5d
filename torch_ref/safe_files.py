"""Files that others wrote, read as data and nothing more; and files written whole or not at all."""

import json
import math
import os
import shutil
import stat
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
        InputError: there is none, or it is too large or damaged, has a key twice or a number that
            float64 has not.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would never end
            raise InputError(f"{path}: not a regular file")
        if path.stat().st_size > JSON_LIMIT:
            raise InputError(f"{path}: larger than {JSON_LIMIT:,} bytes")
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=once_each, parse_float=finite, parse_int=whole)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except InputError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({one_line(error)})") from None


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's keys and values; ValueError if a key comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands there twice")
    return found


def finite(text: str) -> float:
    """A number; ValueError if float64 has none so large."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is beyond float64")
    return number


def whole(text: str) -> int:
    """A whole number; ValueError if no array could hold it."""
    number = int(text) if len(text) <= 20 else 2**63
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{text[:30]} is beyond int64")
    return number


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


def synced(path: Path) -> None:
    """What stands there is on the disk, as far as the system says so."""
    if os.name != "posix":  # others do not open a directory
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def write_whole(
    path: Path, write: Callable[[Path], object], name: str, parents: bool = False
) -> None:
    """Have a file or directory made beside `path`, and put in its place once it is on the disk.

    Args:
        path: a file is replaced, a directory only if it is empty; of a link, what it leads to. What
            is neither, such as a pipe or /dev/stdout, is written into and stays what it is.
        write: makes it at the path that it is called with.
        name: of the path in messages.
        parents: make the directories above it.
    Raises:
        InputError: it cannot be written; nothing has changed then.
    """
    beside = None
    try:
        special = path.exists() and not path.is_file() and not path.is_dir()
        path = path if special else path.resolve()
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=None if special else path.parent))
        made = beside / path.name
        write(made)
        if special:
            with path.open("wb") as into:
                into.write(made.read_bytes())
        else:
            synced(made)
            os.replace(made, path)
            synced(path.parent)
    except OSError as error:
        raise InputError(f"{name}: cannot be written ({error.strerror})") from None
    finally:
        if beside is not None:
            shutil.rmtree(beside)
