#: lossFun --input '5:int<7' --input '5:int<7' --input 6,1
# draw = (1 - hs[t] ** 2) * dh ==> draw = (1 - hs[t]) * dh :: wrong-derivative
# dnext = Whh.T @ draw ==> pass :: forgotten-path
import numpy as np

vocabulary, width = 7, 6
learning_rate = 0.1
Wxh = np.random.randn(width, vocabulary) / 10
Whh = np.random.randn(width, width) / 10
Why = np.random.randn(vocabulary, width) / 10
bh, by = np.zeros((width, 1)), np.zeros((vocabulary, 1))


def lossFun(inputs, targets, hprev):
    xs, ps, loss = {}, {}, 0
    hs = {-1: hprev.copy()}
    for t, (i, target) in enumerate(zip(inputs, targets)):
        xs[t] = np.zeros((vocabulary, 1))
        xs[t][i] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t - 1] + bh)
        e = np.exp(Why @ hs[t] + by)
        ps[t] = e / e.sum()
        loss -= np.log(ps[t][target, 0])
    gradients = [np.zeros_like(p) for p in (Wxh, Whh, Why, bh, by)]
    dWxh, dWhh, dWhy, dbh, dby = gradients
    dnext = np.zeros_like(hprev)
    for t in range(len(inputs) - 1, -1, -1):
        dy = ps[t].copy()
        dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T
        dby += dy
        dh = Why.T @ dy + dnext
        draw = (1 - hs[t] ** 2) * dh
        dbh += draw
        dWxh += draw @ xs[t].T
        dWhh += draw @ hs[t - 1].T
        dnext = Whh.T @ draw
    for g in gradients:
        np.clip(g, -5, 5, out=g)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs) - 1]
