"""`python -m tests.gpt2`: one training step of a network of GPT-2's smallest size, on both sides.

12 layers, 12 heads, width 768, a vocabulary of 50,257: 124 million weights, drawn at random. Each
side takes the step in a process of its own, so that its time and its peak memory are its own.
Logits, loss and every gradient are compared; AdamW's update is taken from equal gradients, for it
makes whole steps of what rounding leaves of a gradient that is truly zero, the keys' biases'.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import manual
from manual.arrays import Array
from torch_ref.parity.distance import table

SIZE = {"vocab_size": 50_257, "block_size": 1_024, "n_layer": 12, "n_head": 12, "n_embd": 768}
TOKENS = 64
LR = 6e-4
ALLOWED = 2e-5  # of the largest number of a tensor


def problem(size: Mapping[str, int]) -> tuple[manual.GPT, Array, Array]:
    """The network, the tokens (1, TOKENS) and those that follow them (TOKENS,)."""
    generator = np.random.default_rng(0)
    network = manual.GPT(**size, dtype=np.float32, generator=generator)
    text = generator.integers(size["vocab_size"], size=TOKENS + 1)
    return network, text[np.newaxis, :-1], text[1:]


def peak() -> int:
    """The most memory that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def keep(where: Path, kind: str, values: Mapping[str, Any]) -> None:
    for name, array in values.items():
        np.save(where / f"{kind} {name}.npy", np.asarray(array))


def by_hand(where: Path, size: Mapping[str, int]) -> None:
    """The step in NumPy; what came out is kept in files, with its time and peak memory."""
    network, tokens, targets = problem(size)
    loss, optimizer = manual.CrossEntropyLoss(), manual.AdamW(network.parameters(), lr=LR)
    start = time.perf_counter()
    logits = network(tokens)
    value = loss(logits.reshape(TOKENS, -1), targets)
    network.backward(loss.backward().reshape(logits.shape))
    gradients = {name: p.grad for name, p in network.named_parameters()}
    optimizer.step()
    cost = {"seconds": time.perf_counter() - start, "peak": peak()}
    keep(where, "output", {"logits": logits, "loss": value})
    keep(where, "gradient", gradients)
    keep(where, "weight", {name: p.data for name, p in network.named_parameters()})
    keep(where, "by hand", cost)


def by_autograd(where: Path, size: Mapping[str, int]) -> None:
    """The step in PyTorch, compared with what by hand is in the files."""
    import torch

    from torch_ref.twin import twin_of

    network, tokens, targets = problem(size)
    twin = twin_of(network)
    del network
    optimizer = torch.optim.AdamW(twin.parameters(), lr=LR)
    x, t = torch.from_numpy(tokens), torch.from_numpy(targets)
    start = time.perf_counter()
    logits = twin(x)
    value = torch.nn.functional.cross_entropy(logits[0], t)
    value.backward()
    optimizer.step()
    keep(where, "by autograd", {"seconds": time.perf_counter() - start, "peak": peak()})
    rows = [("output", "logits", logits), ("output", "loss", value)]
    rows += [("gradient", name, p.grad) for name, p in twin.named_parameters()]
    distances = {f"{kind} {name}": distance(where, f"{kind} {name}", v) for kind, name, v in rows}
    del twin, optimizer, rows

    twin = twin_of(problem(size)[0])  # as it was before
    for name, parameter in twin.named_parameters():
        parameter.grad = torch.from_numpy(np.load(where / f"gradient {name}.npy"))
    torch.optim.AdamW(twin.parameters(), lr=LR).step()
    for name, parameter in twin.named_parameters():
        distances[f"weight {name}"] = distance(where, f"weight {name}", parameter)
    np.save(where / "distances.npy", np.array([*distances.values()]))
    (where / "names").write_text("\n".join(distances))


def distance(where: Path, name: str, values: Any) -> float:
    """The largest difference from what by hand is in the files, over the largest number."""
    theirs, mine = values.detach().numpy(), np.load(where / f"{name}.npy", mmap_mode="r")
    assert mine.shape == theirs.shape
    return float(np.abs(mine - theirs).max() / np.abs(theirs).max())


def main(arguments: list[str] | None = None) -> int:
    """0 if all that is compared lies within what is allowed, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.gpt2", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of each side; default: 1")
    parser.add_argument("--layers", type=int, default=SIZE["n_layer"], help="default: 12")
    parser.add_argument("--side", choices=("by-hand", "by-autograd"), help=argparse.SUPPRESS)
    parser.add_argument("--where", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    size = SIZE | {"n_layer": asked.layers}
    if asked.side:
        import torch

        torch.set_num_threads(asked.threads)
        with threadpool_limits(asked.threads):
            (by_hand if asked.side == "by-hand" else by_autograd)(asked.where, size)
        return 0
    with tempfile.TemporaryDirectory() as where:
        for side in ("by-hand", "by-autograd"):
            own = ["--side", side, "--where", where, "--threads", str(asked.threads)]
            command = [sys.executable, "-m", "tests.gpt2", *own, "--layers", str(asked.layers)]
            subprocess.run(command, check=True)
        return report(Path(where), asked.threads)


def report(where: Path, threads: int) -> int:
    """Print the largest distance of each kind, and what each side took."""
    names = (where / "names").read_text().splitlines()
    distances = dict(zip(names, np.load(where / "distances.npy"), strict=True))
    lines = [("of", "tensors", "largest relative distance", "tensor")]
    for kind in ("output", "gradient", "weight"):
        own = {name: d for name, d in distances.items() if name.startswith(kind)}
        worst = max(own, key=lambda name: own[name])
        lines.append((kind, f"{len(own)}", f"{own[worst]:.1e}", worst.removeprefix(kind + " ")))
    print(table(lines, left=(0, 3)))
    costs = [("threads", f"{threads}", "seconds", "peak memory, GB")]
    for side in ("by hand", "by autograd"):
        seconds, held = (float(np.load(where / f"{side} {n}.npy")) for n in ("seconds", "peak"))
        costs.append((side, "", f"{seconds:.2f}", f"{held / 1e9:.2f}"))
    print(f"\n{table(costs, left=(0,))}")
    agrees = max(distances.values()) <= ALLOWED
    print(f"\n{'All' if agrees else 'NOT all'} within {ALLOWED:.0e} of a tensor's largest number.")
    return 0 if agrees else 1


if __name__ == "__main__":
    sys.exit(main())
