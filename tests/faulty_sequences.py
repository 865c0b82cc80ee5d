"""Backward passes of recurrent layers and of attention, each with one mistake of the field.

As in `faulty`, `bug` names the mistake that is made; without it every one of them is right. A
recurrent layer takes (T, N, inputs) and the state before the first step, (1, N, hidden).
"""

from typing import Any

import numpy as np
import torch

from .faulty import Array, sigmoid


class Recurrent:
    """The parameters of one layer, named as in PyTorch, and what its loop over time does."""

    GATES = 1

    def __init__(self, n: int, hidden: int, bug: str = "") -> None:
        rows, self.bug = self.GATES * hidden, bug
        self.params = {
            "weight_ih_l0": np.zeros((rows, n)),
            "weight_hh_l0": np.zeros((rows, hidden)),
            "bias_ih_l0": np.zeros(rows),
            "bias_hh_l0": np.zeros(rows),
        }

    def start(self) -> tuple[Array, Array, dict[str, Array]]:
        """W_ih, W_hh, and a gradient of zero for every parameter."""
        W_ih, W_hh, *_ = self.params.values()
        return W_ih, W_hh, {name: np.zeros_like(p) for name, p in self.params.items()}

    def add(self, grads: dict[str, Array], dzx: Array, dzh: Array, x: Array, h: Array) -> None:
        """One step's share of each parameter's gradient."""
        if self.bug == "weights assigned":
            grads["weight_hh_l0"] = 0 * grads["weight_hh_l0"]
        grads["weight_ih_l0"] += dzx.T @ x
        grads["weight_hh_l0"] += dzh.T @ h
        grads["bias_ih_l0"] += dzx.sum(axis=0)
        grads["bias_hh_l0"] += dzh.sum(axis=0)

    def carried(self, dh: Array, g: Array, t: int, steps: int) -> Array:
        """∂L/∂hₜ from what is carried back, dh, and what comes from the output."""
        if self.bug == "carry overwritten":
            return g
        if self.bug == "output's gradient overwritten" and t < steps - 1:
            return dh
        return dh + g

    def before_the_first(self, dh: Array) -> Array:
        return np.zeros_like(dh) if self.bug == "initial state dropped" else dh


class RNN(Recurrent):
    """hₜ = tanh(W_ih xₜ + b_ih + W_hh hₜ₋₁ + b_hh)."""

    def forward(self, x: Array, h0: Array) -> tuple[Array, Array]:
        W_ih, W_hh, b_ih, b_hh = self.params.values()
        self.x, h, self.h = x, h0[0], [h0[0]]
        for xt in x:
            h = np.tanh(xt @ W_ih.T + b_ih + h @ W_hh.T + b_hh)
            self.h.append(h)
        return np.stack(self.h[1:]), h[None].copy()

    def backward(self, g: Array, g_last: Array) -> tuple[Any, ...]:
        W_ih, W_hh, grads = self.start()
        steps, dx, dh = len(g), np.zeros_like(self.x), g_last[0]
        g = g[::-1] if self.bug == "time reversed" else g
        for t in reversed(range(steps)):
            dh = self.carried(dh, g[t], t, steps)
            dz = dh * (1 - self.h[t + 1] ** 2)
            if self.bug == "derivative left out":
                dz = dh
            if self.bug == "derivative at the state before":
                dz = dh * (1 - self.h[t] ** 2)
            self.add(grads, dz, dz, self.x[t], self.h[t])
            dx[t] = dz @ W_ih
            dh = 0 * dh if self.bug == "no carry" else dz @ W_hh
            if self.bug == "carry not transposed":
                dh = dz @ W_hh.T
        if self.bug == "inputs reversed":
            dx = dx[::-1].copy()
        return dx, self.before_the_first(dh)[None], grads


class LSTM(Recurrent):
    """Gates i, f, g, o; c = f c + i g; h = o tanh c."""

    GATES = 4

    def forward(self, x: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
        W_ih, W_hh, b_ih, b_hh = self.params.values()
        h, c, self.x, self.saved, outputs = h0[0], c0[0], x, [], []
        for xt in x:
            i, f, g, o = np.split(xt @ W_ih.T + b_ih + h @ W_hh.T + b_hh, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            after = f * c + i * g
            self.saved.append((h, c, i, f, g, o, np.tanh(after)))
            c, h = after, o * np.tanh(after)
            outputs.append(h)
        return np.stack(outputs), h[None].copy(), c[None].copy()

    def backward(self, gy: Array, g_last: Array, g_cell: Array) -> tuple[Any, ...]:
        W_ih, W_hh, grads = self.start()
        steps, dx = len(gy), np.zeros_like(self.x)
        dh, dc = g_last[0], g_cell[0]
        gy = gy[::-1] if self.bug == "time reversed" else gy
        for t in reversed(range(steps)):
            h, c, i, f, g, o, tanh_c = self.saved[t]
            dh = self.carried(dh, gy[t], t, steps)
            through_h = dh * o * (1 - tanh_c**2)
            if self.bug == "tanh of the cell left out":
                through_h = dh * o
            if self.bug == "output gate left out of the cell":
                through_h = dh * (1 - tanh_c**2)
            if self.bug == "cell's carry overwritten":
                dc = through_h
            elif self.bug == "cell's own gradient overwritten" and t < steps - 1:
                pass
            else:
                dc = dc + through_h
            deltas = {"i": dc * g, "f": dc * c, "g": dc * i, "o": dh * tanh_c}
            if self.bug == "gates i and f swapped":
                deltas["i"], deltas["f"] = deltas["f"], deltas["i"]
            if self.bug == "forget gate with the new cell":
                deltas["f"] = dc * (f * c + i * g)
            slopes = {"i": i * (1 - i), "f": f * (1 - f), "g": 1 - g * g, "o": o * (1 - o)}
            if self.bug == "sigmoid's derivative for g":
                slopes["g"] = g * (1 - g)
            if self.bug.startswith("derivative left out of"):
                slopes[self.bug[-1]] = np.ones_like(i)
            dz = np.concatenate([deltas[k] * slopes[k] for k in "ifgo"], axis=1)
            if self.bug == "parts i and f swapped":
                dz = np.concatenate([deltas[k] * slopes[k] for k in "figo"], axis=1)
            self.add(grads, dz, dz, self.x[t], h)
            dx[t] = dz @ W_ih
            dh = 0 * dh if self.bug == "no carry" else dz @ W_hh
            dc = dc if self.bug == "forget gate left out" else dc * f
            if self.bug == "no cell carry":
                dc = 0 * dc
            if self.bug == "carry times 0.731":
                dh = 0.731 * dh
        return dx, self.before_the_first(dh)[None], self.before_the_first(dc)[None], grads


class GRU(Recurrent):
    """Gates r, z, n; n = tanh(… + r (W_hn h + b_hn)); h = (1 − z) n + z h."""

    GATES = 3

    def forward(self, x: Array, h0: Array) -> tuple[Array, Array]:
        W_ih, W_hh, b_ih, b_hh = self.params.values()
        h, self.x, self.saved, outputs = h0[0], x, [], []
        for xt in x:
            xr, xz, xn = np.split(xt @ W_ih.T + b_ih, 3, axis=1)
            hr, hz, hn = np.split(h @ W_hh.T + b_hh, 3, axis=1)
            r, z = sigmoid(xr + hr), sigmoid(xz + hz)
            n = np.tanh(xn + r * hn)
            self.saved.append((h, r, z, n, hn))
            h = (1 - z) * n + z * h
            outputs.append(h)
        return np.stack(outputs), h[None].copy()

    def backward(self, g: Array, g_last: Array) -> tuple[Any, ...]:
        W_ih, W_hh, grads = self.start()
        steps, dx, dh = len(g), np.zeros_like(self.x), g_last[0]
        g = g[::-1] if self.bug == "time reversed" else g
        for t in reversed(range(steps)):
            h, r, z, n, hn = self.saved[t]
            dh = self.carried(dh, g[t], t, steps)
            dn = dh * (1 - z)
            dz = dh * (h - n)
            if self.bug == "z and 1 − z swapped":
                dn = dh * z
            if self.bug == "z without the new state":
                dz = dh * h
            if self.bug == "z's sign":
                dz = dh * (n - h)
            dn = dn if self.bug == "derivative left out of n" else dn * (1 - n * n)
            dr = dn * hn
            if self.bug == "r without the bias":
                dr = dn * (h @ W_hh.T)[:, -h.shape[1] :]
            dr = dr if self.bug == "derivative left out of r" else dr * r * (1 - r)
            dz = dz if self.bug == "derivative left out of z" else dz * z * (1 - z)
            if self.bug == "inner derivative left out of r":
                dr = dh * (1 - z) * hn * r * (1 - r)
            if self.bug == "gates r and z swapped":
                dr, dz = dz, dr
            dhn = dn if self.bug == "reset gate left out" else dn * r
            dzx, dzh = np.concatenate([dr, dz, dn], axis=1), np.concatenate([dr, dz, dhn], axis=1)
            self.add(grads, dzx, dzh, self.x[t], h)
            dx[t] = dzx @ W_ih
            direct = 0 * dh if self.bug == "no direct carry" else dh * z
            dh = direct + (0 * dh if self.bug == "no carry" else dzh @ W_hh)
        return dx, self.before_the_first(dh)[None], grads


class WithStates(torch.nn.Module):
    """An LSTM that takes and returns its two states as tensors of their own."""

    def __init__(self, n: int, hidden: int) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(n, hidden)

    def forward(self, x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        y, (h, c) = self.lstm(x, (h, c))
        return y, h, c


def softmax(s: Array) -> Array:
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class Attention:
    """softmax(q kᵀ / √d) v, with `causal` each query before what comes later."""

    def __init__(self, bug: str = "", causal: bool = False) -> None:
        self.bug, self.causal = bug, causal

    def forward(self, q: Array, k: Array, v: Array) -> Array:
        self.q, self.k, self.v, self.scale = q, k, v, 1 / np.sqrt(q.shape[-1])
        self.scores = q @ k.swapaxes(-1, -2) * self.scale
        self.seen = np.ones(self.scores.shape[-2:])
        if self.causal:
            self.seen = np.tril(self.seen)
        self.p = softmax(np.where(self.seen, self.scores, -np.inf))
        return self.p @ v

    def backward(self, g: Array) -> tuple[Array, Array, Array]:
        p, bug = self.p, self.bug
        if bug == "mask forgotten":
            p = softmax(self.scores)
        if bug == "mask after the softmax":
            p = softmax(self.scores) * self.seen
        dp = g @ self.v.swapaxes(-1, -2)
        dv = p.swapaxes(-1, -2) @ g
        ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
        if bug == "mask forgotten for the scores":
            s = softmax(self.scores)
            ds = s * (dp - (s * dp).sum(axis=-1, keepdims=True))
        if bug == "Jacobian diagonal":
            ds = dp * p * (1 - p)
        if bug == "Jacobian identity":
            ds = dp
        if bug == "Jacobian without its sum":
            ds = dp * p
        if bug == "sum over the queries":
            ds = p * (dp - (p * dp).sum(axis=-2, keepdims=True))
        scale = {"scale missing": 1.0, "scale twice": self.scale**2}.get(bug, self.scale)
        dq, dk = ds @ self.k * scale, ds.swapaxes(-1, -2) @ self.q * scale
        if bug == "scale missing for k":
            dk = dk / scale
        if bug == "scores not transposed":
            dk = ds @ self.q * scale
        if bug == "q and k exchanged":
            dq, dk = dk, dq
        return dq, dk, dv


class CausalAttention(torch.nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


class SelfAttention(torch.nn.Module):
    """PyTorch's attention of a sequence to itself, and its output alone."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.mha = torch.nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mha(x, x, x, need_weights=False)[0]


class ManyHeads:
    """The by-hand side of `SelfAttention`: (N, T, E), one matrix for q, k and v."""

    def __init__(self, width: int, heads: int, bug: str = "") -> None:
        self.heads, self.bug = heads, bug
        self.params = {
            "mha.in_proj_weight": np.zeros((3 * width, width)),
            "mha.in_proj_bias": np.zeros(3 * width),
            "mha.out_proj.weight": np.zeros((width, width)),
            "mha.out_proj.bias": np.zeros(width),
        }

    def split(self, x: Array) -> Array:  # (N, T, E) -> (N, H, T, d)
        return x.reshape(*x.shape[:2], self.heads, -1).swapaxes(1, 2)

    def merge(self, x: Array) -> Array:  # (N, H, T, d) -> (N, T, E)
        return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)

    def forward(self, x: Array) -> Array:
        W, b, W_out, b_out = self.params.values()
        self.x, self.scale = x, 1 / np.sqrt(x.shape[-1] // self.heads)
        self.q, self.k, self.v = map(self.split, np.split(x @ W.T + b, 3, axis=-1))
        self.p = softmax(self.q @ self.k.swapaxes(-1, -2) * self.scale)
        self.y = self.merge(self.p @ self.v)
        return self.y @ W_out.T + b_out

    def backward(self, g: Array) -> tuple[Array, dict[str, Array]]:
        W, _, W_out, _ = self.params.values()
        rows, flat = g.reshape(-1, g.shape[-1]), self.y.reshape(-1, g.shape[-1])
        grads = {"mha.out_proj.weight": rows.T @ flat, "mha.out_proj.bias": rows.sum(axis=0)}
        dy = self.split(g @ W_out)
        if self.bug == "heads split without moving the axis":
            dy = (g @ W_out).reshape(dy.shape)
        if self.bug == "heads reversed":
            dy = dy[:, ::-1]
        if self.bug == "one head only":
            dy = np.concatenate([dy[:, :1], 0 * dy[:, 1:]], axis=1)
        if self.bug == "heads rolled":
            dy = np.roll(dy, 1, axis=1)
        dp = dy @ self.v.swapaxes(-1, -2)
        dv = self.p.swapaxes(-1, -2) @ dy
        ds = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True))
        if self.bug == "Jacobian diagonal":
            ds = self.p * (1 - self.p) * dp
        scale = self.scale
        if self.bug == "scale of the whole width":
            scale = 1 / np.sqrt(g.shape[-1])
        if self.bug == "scale missing":
            scale = 1.0
        dq, dk = ds @ self.k * scale, ds.swapaxes(-1, -2) @ self.q * scale
        parts = [dq, dk, dv]
        if self.bug == "k and v exchanged":
            parts = [dq, dv, dk]
        merged = [self.merge(part) for part in parts]
        if self.bug == "heads merged without moving the axis":
            merged = [part.reshape(self.x.shape) for part in parts]
        d = np.concatenate(merged, axis=-1)
        if self.bug == "value's path left out":
            d[..., -g.shape[-1] :] = 0
        together = d.reshape(-1, d.shape[-1])
        grads["mha.in_proj_weight"] = together.T @ self.x.reshape(len(rows), -1)
        grads["mha.in_proj_bias"] = together.sum(axis=0)
        return d @ W, grads


class TinyText(torch.nn.Module):
    """Tokens and their positions; the output layer has the tokens' own weight."""

    def __init__(self, tokens: int, positions: int, width: int) -> None:
        super().__init__()
        self.tokens = torch.nn.Embedding(tokens, width)
        self.positions = torch.nn.Parameter(torch.randn(positions, width))
        self.output = torch.nn.Linear(width, tokens, bias=False)
        self.output.weight = self.tokens.weight

    def forward(self, index: torch.Tensor) -> torch.Tensor:
        return self.output(torch.tanh(self.tokens(index) + self.positions))


class ByHandText:
    """The by-hand side of `TinyText`."""

    def __init__(self, tokens: int, positions: int, width: int, bug: str = "") -> None:
        self.bug = bug
        self.params = {
            "tokens.weight": np.zeros((tokens, width)),
            "positions": np.zeros((positions, width)),
        }

    def forward(self, index: Array) -> Array:
        W, P = self.params.values()
        self.index, self.h = index, np.tanh(W[index] + P)
        return self.h @ W.T

    def backward(self, g: Array) -> dict[str, Array]:
        W, _ = self.params.values()
        d = g @ W * (1 - self.h**2)
        of_output = g.reshape(-1, len(W)).T @ self.h.reshape(-1, W.shape[1])
        of_lookup = np.zeros_like(W)
        if self.bug == "repeated tokens assigned":
            of_lookup[self.index] = d
        else:
            np.add.at(of_lookup, self.index, d)
        dW = of_output + of_lookup
        if self.bug == "tied weight: only the output":
            dW = of_output
        if self.bug == "tied weight: only the lookup":
            dW = of_lookup
        dP = d.sum(axis=0)
        if self.bug == "positions: the first sample only":
            dP = d[0]
        if self.bug == "positions averaged":
            dP = d.mean(axis=0)
        return {"tokens.weight": dW, "positions": dP}
