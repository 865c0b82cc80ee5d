#: LSTMCell --args 3 4 --input 6,3 --input '(6,4 6,4)'
# df = dc * c ==> df = dc :: 
# return dx, (dh_prev, dc * f) ==> return dx, (dh_prev, dc) :: forgotten-factor
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LSTMCell:
    def __init__(self, n, m):
        self.Wi, self.Wf, self.Wo, self.Wg = (np.random.randn(n + m, m) / 3 for _ in range(4))
        self.bi, self.bf, self.bo, self.bg = np.zeros(m), np.ones(m), np.zeros(m), np.zeros(m)

    def forward(self, x, state):
        h, c = state
        z = np.hstack([x, h])
        i, f = sigmoid(z @ self.Wi + self.bi), sigmoid(z @ self.Wf + self.bf)
        o, g = sigmoid(z @ self.Wo + self.bo), np.tanh(z @ self.Wg + self.bg)
        c_next = f * c + i * g
        h_next = o * np.tanh(c_next)
        self.cache = z, c, i, f, o, g, c_next, x.shape[1]
        return h_next, (h_next, c_next)

    def backward(self, dy, dstate):
        dh, dc = dstate
        z, c, i, f, o, g, c_next, n = self.cache
        t = np.tanh(c_next)
        dh = dh + dy
        dc = dc + dh * o * (1 - t**2)
        do = dh * t
        di, dg = dc * g, dc * i
        df = dc * c
        di, df, do, dg = di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)
        self.dWi, self.dWf, self.dWo, self.dWg = z.T @ di, z.T @ df, z.T @ do, z.T @ dg
        self.dbi, self.dbf, self.dbo, self.dbg = di.sum(0), df.sum(0), do.sum(0), dg.sum(0)
        dz = di @ self.Wi.T + df @ self.Wf.T + do @ self.Wo.T + dg @ self.Wg.T
        dx, dh_prev = dz[:, :n], dz[:, n:]
        return dx, (dh_prev, dc * f)
