"""Backward passes of layers for images, as people write them, each with one mistake.

As in `faulty`, `bug` names the mistake that is made; without it every one of them is right.
"""

from typing import Any

import numpy as np

from .faulty import Array


class Conv2d:
    """(N, C, H, W), place by place of the output; channels in groups."""

    def __init__(
        self, shape: tuple[int, ...], stride: int, padding: int, groups: int = 1, bug: str = ""
    ) -> None:
        self.weight, self.bias = np.zeros(shape), np.zeros(shape[0])
        self.stride, self.padding, self.groups, self.bug = stride, padding, groups, bug

    def windows(self, shape: tuple[int, ...]) -> Any:
        """Each place of the output, and the window of the padded input that it sees."""
        for i, j in np.ndindex(*shape[2:]):
            rows, columns = (
                slice(self.stride * n, self.stride * n + k)
                for n, k in zip((i, j), self.weight.shape[2:], strict=True)
            )
            yield (..., i, j), (..., rows, columns)

    def by_group(self, x: Array) -> Array:  # (N, C, …) -> (N, G, C / G, …)
        return x.reshape(x.shape[0], self.groups, -1, *x.shape[2:])

    def forward(self, x: Array) -> Array:
        p, s = self.padding, self.stride
        self.x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
        size = (
            (n - k) // s + 1 for n, k in zip(self.x.shape[2:], self.weight.shape[2:], strict=True)
        )
        y = np.zeros((len(x), len(self.weight), *size), x.dtype)
        W = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
        for at, seen in self.windows(y.shape):
            part = np.einsum("ngcij,gocij->ngo", self.by_group(self.x[seen]), W)
            y[at] = part.reshape(len(x), -1) + self.bias
        return y

    def backward(self, g: Array) -> Array:
        W = self.weight.reshape(self.groups, -1, *self.weight.shape[1:])
        dW, dx, p = np.zeros_like(W), np.zeros_like(self.x), self.padding
        for at, seen in self.windows(g.shape):
            of_group = g[at].reshape(len(g), self.groups, -1)
            dW += np.einsum("ngo,ngcij->gocij", of_group, self.by_group(self.x[seen]))
            if self.bug == "channels of groups interleaved":
                of_group = g[at].reshape(len(g), -1, self.groups).swapaxes(1, 2)
            back = W[..., ::-1, ::-1] if self.bug == "kernel not flipped" else W
            if self.bug == "kernel's rows not flipped":
                back = W[..., ::-1, :]
            part = np.einsum("ngo,gocij->ngcij", of_group, back).reshape(self.x[seen].shape)
            if self.bug == "stride forgotten":
                i, j = at[1:]
                seen = (..., slice(i, i + W.shape[-2]), slice(j, j + W.shape[-1]))
            if self.bug == "windows assigned":
                dx[seen] = part
            else:
                dx[seen] += part
        self.dweight, self.dbias = dW.reshape(self.weight.shape), g.sum(axis=(0, 2, 3))
        height, width = dx.shape[2] - 2 * p, dx.shape[3] - 2 * p
        if self.bug == "padding not cut":
            return dx
        if self.bug == "padding cut at the end":
            return dx[..., :height, :width]
        if self.bug == "padding cut at the beginning":
            return dx[..., 2 * p :, 2 * p :]
        return dx[..., p : p + height, p : p + width]


class AvgPool2d:
    """Windows of `size`, side by side or overlapping."""

    def __init__(self, size: int, stride: int, bug: str = "") -> None:
        self.size, self.stride, self.bug = size, stride, bug

    def windows(self, shape: tuple[int, ...]) -> Any:
        k, s = self.size, self.stride
        for i, j in np.ndindex(*shape[2:]):
            yield (..., i, j), (..., slice(s * i, s * i + k), slice(s * j, s * j + k))

    def forward(self, x: Array) -> Array:
        self.x = x
        y = np.zeros((*x.shape[:2], *((n - self.size) // self.stride + 1 for n in x.shape[2:])))
        for at, seen in self.windows(y.shape):
            y[at] = x[seen].mean(axis=(-2, -1))
        return y.astype(x.dtype)

    def backward(self, g: Array) -> Array:
        dx = np.zeros_like(self.x)
        count = {
            "count forgotten": 1,
            "one axis only": self.size,
            "count twice": self.size**4,
        }.get(self.bug, self.size**2)
        for at, seen in self.windows(g.shape):
            part = g[at][..., None, None] / dx.dtype.type(count)
            dx[seen] = part if self.bug == "windows assigned" else dx[seen] + part
        return dx


class BatchNorm2d:
    """(N, C, H, W) over all but C."""

    def __init__(self, n: int, bug: str = "") -> None:
        self.weight, self.bias, self.bug = np.ones(n), np.zeros(n), bug

    def shaped(self, v: Array) -> Array:
        return v[None, :, None, None]

    def forward(self, x: Array) -> Array:
        self.x, axes = x, (0, 2, 3)
        self.n = x.size // x.shape[1]
        self.mean = x.mean(axis=axes, keepdims=True)
        self.var = x.var(axis=axes, keepdims=True)
        self.std = np.sqrt(self.var + x.dtype.type(1e-5))
        self.xhat = (x - self.mean) / self.std
        return self.shaped(self.weight) * self.xhat + self.shaped(self.bias)

    def backward(self, g: Array) -> Array:
        axes: tuple[int, ...] = (0, 2, 3)
        bug, n = self.bug, self.n
        self.dweight, self.dbias = (g * self.xhat).sum(axis=axes), g.sum(axis=axes)
        if bug == "gamma and beta swapped":
            self.dweight, self.dbias = self.dbias, self.dweight
        if bug == "gamma without the normalized input":
            self.dweight = (g * self.x).sum(axis=axes)
        d = g if bug == "gamma left out" else g * self.shaped(self.weight)
        if bug == "beta for gamma":
            d = g * self.shaped(self.bias)
        std = self.std
        if bug == "eps forgotten":
            std = np.sqrt(self.var)
        if bug == "eps outside the root":
            std = np.sqrt(self.var) + 1e-5
        if bug == "eps forgotten everywhere":
            std = np.sqrt(self.var)
            self.xhat = (self.x - self.mean) / std
            self.dweight = (g * self.xhat).sum(axis=axes)
        if bug == "n − 1 in all":
            n = n - 1
        count_var = n - 1 if bug == "n − 1 for the variance" else n
        if bug == "axes of a layer norm":
            axes, n = (1, 2, 3), self.x[0].size
            count_var = n
        if bug == "axes of an instance norm":
            axes, n = (2, 3), self.x[0, 0].size
            count_var = n
        mean = d.sum(axis=axes, keepdims=True) / n
        through_var = (d * self.xhat).sum(axis=axes, keepdims=True) / count_var
        if bug == "mean's path left out":
            mean = 0 * mean
        if bug == "variance's path left out":
            through_var = 0 * through_var
        if bug == "statistics as constants":
            return d / std
        return (d - mean - self.xhat * through_var) / std


class BatchNormInEval(BatchNorm2d):
    """With running statistics, in evaluation."""

    def __init__(self, n: int, bug: str = "") -> None:
        super().__init__(n, bug)
        self.running_mean, self.running_var = np.zeros(n), np.ones(n)

    def forward(self, x: Array) -> Array:
        self.std = np.sqrt(self.shaped(self.running_var) + 1e-5)
        self.xhat = (x - self.shaped(self.running_mean)) / self.std
        y = self.shaped(self.weight) * self.xhat + self.shaped(self.bias)
        if self.bug == "statistics updated in eval":
            self.running_mean = 0.9 * self.running_mean + 0.1 * x.mean(axis=(0, 2, 3))
            self.running_var = 0.9 * self.running_var + 0.1 * x.var(axis=(0, 2, 3))
        self.x, self.mean, self.var = (
            x,
            x.mean((0, 2, 3), keepdims=True),
            x.var((0, 2, 3), keepdims=True),
        )
        self.n = x.size // x.shape[1]
        return y.astype(x.dtype)

    def backward(self, g: Array) -> Array:
        if self.bug == "backward as in training":
            return super().backward(g)
        self.dweight, self.dbias = (g * self.xhat).sum(axis=(0, 2, 3)), g.sum(axis=(0, 2, 3))
        return (g * self.shaped(self.weight) / self.std).astype(g.dtype)


class GroupNorm:
    """(N, C, H, W), the channels of a group together."""

    def __init__(self, groups: int, n: int, bug: str = "") -> None:
        self.weight, self.bias, self.groups, self.bug = np.ones(n), np.zeros(n), groups, bug

    def split(self, x: Array) -> Array:
        return x.reshape(len(x), self.groups, -1)

    def forward(self, x: Array) -> Array:
        rows = self.split(x)
        self.std = np.sqrt(rows.var(axis=-1, keepdims=True) + x.dtype.type(1e-5))
        self.xhat = ((rows - rows.mean(axis=-1, keepdims=True)) / self.std).reshape(x.shape)
        return self.xhat * self.weight[:, None, None] + self.bias[:, None, None]

    def backward(self, g: Array) -> Array:
        self.dweight = (g * self.xhat).sum(axis=(0, 2, 3))
        self.dbias = g.sum(axis=(0, 2, 3))
        d, xhat = self.split(g * self.weight[:, None, None]), self.split(self.xhat)
        if self.bug == "channels of groups interleaved":
            shape = (len(g), -1, self.groups, *g.shape[2:])
            mixed = (g * self.weight[:, None, None]).reshape(shape).swapaxes(1, 2)
            d = mixed.reshape(d.shape)
        if self.bug == "groups as one":
            d_all, all_of = d.reshape(len(g), 1, -1), xhat.reshape(len(g), 1, -1)
            mean = d_all.mean(axis=-1, keepdims=True)
            through = (d_all * all_of).mean(axis=-1, keepdims=True)
        else:
            mean = d.mean(axis=-1, keepdims=True)
            through = (d * xhat).mean(axis=-1, keepdims=True)
        if self.bug == "mean's path left out":
            mean = 0 * mean
        return ((d - mean - xhat * through) / self.std).reshape(g.shape)
