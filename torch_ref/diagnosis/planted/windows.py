"""Mistakes made with windows that slide over an input: convolution and pooling."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import torch
from torch.utils._pytree import tree_unflatten

from ..kinds import Change, at_slot, from_output, output_gradient, within
from ..operations import Gradients, Op, Tensor

Taps = Sequence[tuple[tuple[int, ...], Tensor]]  # each place of the window, and what it hands back


class Windows:
    """An operation's windows over the spatial axes of its input, (N, C, *S) or (C, *S)."""

    def __init__(self, op: Op, kernel: Any, stride: Any, padding: Any, dilation: Any = 1) -> None:
        x = op.inputs[0].tensor
        self.x, self.name = x, f"{op.name}{within(op)}"
        axes = len(kernel)
        several = [v if isinstance(v, list | tuple) else [v] for v in (stride, padding, dilation)]
        self.kernel = tuple(kernel)
        self.stride, self.padding, self.dilation = (
            tuple(v) * (axes if len(v) == 1 else 1) for v in several
        )
        self.stride = self.stride or self.kernel
        self.sizes = tuple(x.shape[-axes:])

    @property
    def overlap(self) -> bool:
        """Whether an element lies in several windows."""
        reach = [d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        return any(r > s for r, s in zip(reach, self.stride, strict=True))

    def taps(self) -> list[tuple[int, ...]]:
        """Every place of the window, row after row."""
        return [*product(*map(range, self.kernel))]

    def seen(
        self,
        tap: tuple[int, ...],
        places: Sequence[int],
        stride: bool = True,
        dilation: bool = True,
    ) -> tuple[Any, ...]:
        """The part of the padded input that one place of the window sees."""
        steps = self.stride if stride else (1,) * len(self.stride)
        apart = self.dilation if dilation else (1,) * len(self.dilation)
        slices = (
            slice(k * d, k * d + s * (m - 1) + 1, s)
            for k, d, s, m in zip(tap, apart, steps, places, strict=True)
        )
        return (..., *slices)

    def put(
        self,
        parts: Taps,
        places: Sequence[int],
        assign: bool,
        stride: bool = True,
        dilation: bool = True,
    ) -> Tensor:
        """The padded input's gradient from the parts, one after the other: added, or assigned.

        Without the stride, windows lie at steps of one; without the dilation, their places do.
        """
        reach = [
            max(n + 2 * p, s * (m - 1) + d * (k - 1) + 1)
            for n, p, s, m, d, k in zip(
                *(self.sizes, self.padding, self.stride, places, self.dilation, self.kernel),
                strict=True,
            )
        ]
        lead = self.x.shape[: self.x.dim() - len(self.kernel)]
        padded = self.x.new_zeros((*lead, *reach))
        for tap, part in parts:
            at = self.seen(tap, places, stride, dilation)
            if assign:
                padded[at] = part
            else:
                padded[at] += part
        return padded

    def cut(self, padded: Tensor, shift: int = 1) -> Tensor:
        """The padding cut away; with another shift of it than 1, at the wrong place."""
        for axis, (n, p) in enumerate(zip(self.sizes, self.padding, strict=True)):
            padded = padded.narrow(padded.dim() - len(self.sizes) + axis, shift * p, n)
        return padded


def with_defaults(args: Any, *defaults: Any) -> tuple[Any, ...]:
    """The kernel and all options of a pooling, given or not."""
    return (*args[1:], *defaults[len(args) - 2 :])


def windows_of(op: Op) -> tuple[Windows, Any] | None:
    """An operation's windows, and what makes from the upstream gradient what each place hands back.

    None for an operation that has none.
    """
    if op.function is None:
        return None
    args, _ = tree_unflatten(op.flat, op.spec)
    if op.short == "convolution":
        _, _, _, stride, padding, dilation, transposed, _, groups = args
        values = {position: value.tensor for position, value in op.slots}
        weight = values.get(1, op.flat[1])
        if transposed or op.slots[0][0] != 0 or op.inputs[0].tensor.dim() != weight.dim():
            return None
        kernel = weight.shape[2:]

        def back(g: Tensor, tap: tuple[int, ...]) -> Tensor:
            """Wᵀ g of one place of the kernel."""
            W = weight[(..., *tap)]  # (G·O, C)
            shape = g.shape[2:]
            grouped = g.reshape(len(g), groups, -1, *shape)
            W = W.reshape(groups, -1, W.shape[1])
            spread = torch.einsum("ngo...,goc->ngc...", grouped, W)
            return spread.reshape(len(g), -1, *shape)

        return Windows(op, kernel, stride, padding, dilation), back
    if op.short in ("avg_pool2d", "avg_pool3d"):
        options = with_defaults(args, [], 0, False, True, None)
        kernel, stride, padding, ceil_mode, counts_padding, divisor = options
        if ceil_mode or divisor is not None or (torch.tensor(padding).any() and not counts_padding):
            return None  # windows of several sizes
        axes = int(op.short[-2])
        kernel = list(kernel) * (axes if len(kernel) == 1 else 1)
        size = float(torch.tensor(kernel).prod())
        return Windows(op, kernel, stride, padding), lambda g, tap: g / size
    return None


def window_changes(op: Op) -> Iterator[Change]:
    """Towards the input: windows that overwrite each other, padding that is cut off wrongly."""
    found = windows_of(op)
    if found is None:
        return
    windows, back = found
    taps, name = windows.taps(), windows.name

    def changed(
        op: Op,
        grad_outputs: Gradients,
        grad_input: Tensor,
        order: int = 1,
        assign: bool = False,
        shift: int | None = 1,
        stride: bool = True,
        dilation: bool = True,
    ) -> Tensor:
        g = output_gradient(grad_outputs)
        parts = [(tap, back(g, tap)) for tap in taps[::order]]
        padded = windows.put(parts, g.shape[-len(windows.sizes) :], assign, stride, dilation)
        return padded if shift is None else windows.cut(padded, shift)

    if windows.overlap and len(taps) > 1:
        # The window that comes last over an element sees it at the earliest of its places.
        for order, which in ((-1, "window's"), (1, "window's, place by place,")):
            yield (
                "assigned-for-added",
                f"windows {order}",
                f"where the windows of {name} overlap, the last {which} gradient is assigned, and "
                "the others are lost",
                at_slot(0, partial(changed, order=order, assign=True)),
            )
    if any(windows.padding):
        for shift, where in ((0, "all of it at the end"), (2, "all of it at the beginning")):
            yield (
                "padding",
                f"cut {shift}",
                f"the padding of {name} is cut off at the wrong place, {where}",
                at_slot(0, partial(changed, shift=shift)),
            )
        yield (
            "padding",
            "not cut",
            f"the padding of {name} is not cut off",
            at_slot(0, partial(changed, shift=None)),
        )
    if any(step > 1 for step in windows.stride):
        yield (
            "stride",
            "one",
            f"the windows of {name} are put back in steps of one: the stride is forgotten",
            at_slot(0, partial(changed, stride=False)),
        )
    if any(step > 1 for step in windows.dilation):
        yield (
            "stride",
            "dilation one",
            f"the windows of {name} are put back without gaps: the dilation is forgotten",
            at_slot(0, partial(changed, dilation=False)),
        )


def kernel_changes(op: Op, slot: int) -> Iterator[Change]:
    """Towards the kernel: what each of its places has seen, without stride, dilation or padding."""
    found = windows_of(op) if op.short == "convolution" else None
    if found is None or op.slots[slot][0] != 1:
        return
    windows, _ = found
    groups = tree_unflatten(op.flat, op.spec)[0][8]
    border = [p for size in reversed(windows.padding) for p in (size, size)]
    behind = [p for size in reversed(windows.padding) for p in (0, 2 * size)]
    pad = torch.nn.functional.pad

    def changed(
        op: Op,
        grad_outputs: Gradients,
        grad_input: Tensor,
        padded: Tensor,
        stride: bool = True,
        dilation: bool = True,
    ) -> Tensor:
        g = output_gradient(grad_outputs)
        grad, places = torch.zeros_like(grad_input), g.shape[2:]
        g = g.reshape(len(g), groups, -1, *places)
        for tap in windows.taps():
            x = padded[windows.seen(tap, places, stride, dilation)]
            x = x.reshape(len(x), groups, -1, *places)
            per_group = torch.einsum("ngo...,ngc...->goc", g, x)
            at: tuple[Any, ...] = (..., *tap)
            grad[at] = per_group.reshape(grad.shape[:2])
        return grad

    x = windows.x
    ways: dict[str, tuple[str, dict[str, Any]]] = {
        "stride": ("in steps of one: the stride", {"padded": pad(x, border), "stride": False}),
        "dilation": ("without gaps: the dilation", {"padded": pad(x, border), "dilation": False}),
        "padding": ("without its border: the padding", {"padded": pad(x, behind)}),
    }
    for option, (how, options) in ways.items():
        if any(value != (option != "padding") for value in getattr(windows, option)):
            yield (
                "padding" if option == "padding" else "stride",
                f"kernel {option}",
                f"towards {op.inputs[slot].name}, the windows of {windows.name} are read {how} is "
                "forgotten",
                at_slot(slot, partial(changed, **options)),
            )


def pooling_changes(op: Op) -> Iterator[Change]:
    """Max pooling's gradient given to others than the one that was the largest."""
    if not op.short.startswith("max_pool") or len(op.outputs) < 2:
        return
    args, _ = tree_unflatten(op.flat, op.spec)
    kernel, stride, padding, dilation, ceil_mode = with_defaults(args, [], 0, 1, False)
    axes = int(op.short[8])
    if ceil_mode:
        return
    kernel = list(kernel) * (axes if len(kernel) == 1 else 1)
    windows = Windows(op, kernel, stride or kernel, padding, dilation)
    border = [p for size in reversed(windows.padding) for p in (size, size)]
    x = torch.nn.functional.pad(op.inputs[0].tensor, border, value=-torch.inf)
    y, name = op.outputs[0].tensor, windows.name
    places = y.shape[-axes:]

    def changed(
        op: Op, grad_outputs: Gradients, grad_input: Tensor, share: Any, order: int = 0
    ) -> Tensor:
        g, taps = output_gradient(grad_outputs), windows.taps()[:: order or 1]
        parts = [(tap, g * share(x[windows.seen(tap, places)])) for tap in taps]
        return windows.cut(windows.put(parts, places, assign=bool(order)))

    size = float(torch.tensor(kernel).prod())

    def largest(part: Tensor) -> Tensor:
        return (part == y).to(y)

    def at(tap: tuple[int, ...]) -> Tensor:
        return x[windows.seen(tap, places)]

    taps = windows.taps()
    smallest = torch.stack([at(tap) for tap in taps]).amin(0)
    ties = torch.stack([largest(x[windows.seen(tap, places)]) for tap in windows.taps()]).sum(0)
    ways: dict[str, tuple[str, Any]] = {
        "all": ("given to every element of its window", torch.ones_like),
        "mean": ("shared out evenly in its window", lambda part: torch.full_like(part, 1 / size)),
        "global": (
            "given to the largest element of all alone",
            lambda part: (part == op.inputs[0].tensor.max()).to(y),
        ),
        "smallest": ("given to the smallest of its window", lambda part: (part == smallest).to(y)),
        "ties": ("given to every element that is as large as the largest", largest),
        "shared": ("shared out among all that are as large", lambda part: largest(part) / ties),
    }
    for key, (what, share) in ways.items():
        if key in ("ties", "shared") and not bool((ties > 1).any()):
            continue
        yield (
            "not-the-largest",
            key,
            f"the gradient of {name} is {what}",
            at_slot(0, partial(changed, share=share)),
        )
    for tap, end in ((taps[0], "first"), (taps[-1], "last")):
        yield (
            "not-the-largest",
            end,
            f"the gradient of {name} is given to the {end} element of its window",
            from_output(0, partial(put_at, windows, tap, places)),
        )
    for order, which in ((-1, "window's"), (1, "window's, place by place,")):
        if windows.overlap:
            yield (
                "assigned-for-added",
                f"windows {order}",
                f"where the windows of {name} overlap, the last {which} gradient is assigned, and "
                "the others are lost",
                at_slot(0, partial(changed, share=largest, order=order)),
            )


def put_at(windows: Windows, tap: tuple[int, ...], places: Sequence[int], g: Tensor) -> Tensor:
    """All of the gradient put back to one place of each window."""
    return windows.cut(windows.put([(tap, g)], places, assign=False))


def mixings(count: int) -> Iterator[tuple[str, Any]]:
    """Channels of so many groups, (N, C, …), in an order that is not theirs."""

    def by(g: Tensor, first: int) -> Tensor:
        return g.reshape(len(g), first, -1, *g.shape[2:]).transpose(1, 2).reshape(g.shape)

    yield "as if the groups took turns", lambda g: by(g, g.shape[1] // count)
    yield "taken in turns from the groups", lambda g: by(g, count)
    for shift, which in ((1, "before"), (-1, "after")):
        yield f"taken from the group {which}", lambda g, s=shift: g.roll(s * g.shape[1] // count, 1)


def group_changes(op: Op, slot: int) -> Iterator[Change]:
    """Channels of a convolution's groups mixed up, towards one of its inputs."""
    if op.short != "convolution":
        return
    args, _ = tree_unflatten(op.flat, op.spec)
    groups = args[8]
    for how, mix in mixings(groups) if groups > 1 else ():

        def mixed(
            op: Op, grad_outputs: Gradients, grad_input: Tensor, mix: Any = mix
        ) -> Tensor | None:
            return op.vjp([mix(output_gradient(grad_outputs))])[slot]

        yield (
            "other-group",
            how,
            f"towards {op.inputs[slot].name}, the channels of {op.name}{within(op)} are {how}",
            at_slot(slot, mixed),
        )
