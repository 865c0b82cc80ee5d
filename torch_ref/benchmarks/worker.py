"""One contender in a process of its own: `python -m torch_ref.benchmarks.worker JSON`.

It is told what to do by lines on its standard input, and answers each with a line of JSON: a number
of steps to run, timed, or "memory". Before that it takes one step, and writes the loss and the
gradients to a file.

With one thread the time is the processor's: what other processes take of a shared machine does not
count. With several it is the clock's on the wall, for they all run at once.
"""

import gc
import importlib
import json
import os
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # of Linux


def memory(line: str) -> int | None:
    """What the system says of this process's memory, in bytes; None where it does not say."""
    if not STATUS.exists():
        return None
    said = dict(row.split(":", 1) for row in STATUS.read_text().splitlines())
    return int(said[line].split()[0]) * 1024


def forget_peak() -> None:
    """What was used until now does not count as a peak."""
    gc.collect()
    if CLEAR.exists():
        CLEAR.write_text("5")


def pin(threads: int) -> None:
    """Stay on so many processors, where the system can."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def serve(asked: dict[str, Any]) -> None:
    """Be the contender that was asked for."""
    pin(asked["threads"])
    if asked["manual"]:  # another checkout's
        sys.path.insert(0, asked["manual"])
    import numpy as np

    importlib.import_module("manual")
    if asked["contender"].startswith("PyTorch"):
        import torch

        from .. import twin  # noqa: F401  its modules, too, are loaded before anything is measured

        torch.set_num_threads(asked["threads"])
    from .contenders import make
    from .workloads import WORKLOADS

    forget_peak()
    idle = memory("VmRSS")
    contender = make(asked["contender"], WORKLOADS[asked["workload"]].task())
    forget_peak()
    np.savez(asked["results"], **contender.results())
    answer({"ready": True})
    step, clock = contender.step, process_time if asked["threads"] == 1 else perf_counter
    for line in sys.stdin:
        if line.strip() == "memory":
            peak = memory("VmHWM")
            answer({"memory": None if peak is None or idle is None else peak - idle})
            continue
        steps = int(line)
        for _ in range(-(-steps // 10)):  # what the others left of the caches is no part of it
            step()
        start = clock()
        for _ in range(steps):
            step()
        answer({"seconds": clock() - start})


def answer(values: dict[str, Any]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
