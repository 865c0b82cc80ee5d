"""Step rules as people write them, in each form, and the mistakes that are planted in their text.

Each rule is right as it stands; `MISTAKES` names what is put in place of what.
"""

from typing import Any

ADAM_IN_A_LIST = """
class Rule:
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        self.params, self.lr, self.betas, self.eps = params, lr, betas, eps
        self.weight_decay, self.t = weight_decay, 0
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads):
        b1, b2 = self.betas
        self.t += 1
        for i, (p, g) in enumerate(zip(self.params, grads)):
            g = g + self.weight_decay * p
            self.m[i] = b1 * self.m[i] + (1 - b1) * g
            self.v[i] = b2 * self.v[i] + (1 - b2) * g**2
            m_hat = self.m[i] / (1 - b1**self.t)
            v_hat = self.v[i] / (1 - b2**self.t)
            p -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
"""

ADAM_AS_IN_TENSORFLOW = """
class Rule:
    def __init__(self, params, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
        self.params, self.lr, self.b1, self.b2, self.eps, self.t = params, lr, b1, b2, eps, 0
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads):
        self.t += 1
        a = self.lr * np.sqrt(1 - self.b2**self.t) / (1 - self.b1**self.t)
        for p, g, m, v in zip(self.params, grads, self.m, self.v):
            m += (1 - self.b1) * (g - m)
            v += (1 - self.b2) * (g * g - v)
            p -= a * m / (np.sqrt(v) + self.eps)
"""

ADAM_OF_A_COURSE = """
def rule(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-3)
    config.setdefault("beta1", 0.9)
    config.setdefault("beta2", 0.999)
    config.setdefault("epsilon", 1e-8)
    m = config.get("m", np.zeros_like(w))
    v = config.get("v", np.zeros_like(w))
    t = config.get("t", 0) + 1
    m = config["beta1"] * m + (1 - config["beta1"]) * dw
    v = config["beta2"] * v + (1 - config["beta2"]) * dw * dw
    m_hat = m / (1 - config["beta1"] ** t)
    v_hat = v / (1 - config["beta2"] ** t)
    w = w - config["learning_rate"] * m_hat / (np.sqrt(v_hat) + config["epsilon"])
    config["m"], config["v"], config["t"] = m, v, t
    return w, config
"""

ADAM_OF_LAYERS = """
def rule(parameters, grads, v, s, t, learning_rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    for n in range(1, len(parameters) // 2 + 1):
        for key in (f"W{n}", f"b{n}"):
            d = "d" + key
            v[d] = beta1 * v[d] + (1 - beta1) * grads[d]
            s[d] = beta2 * s[d] + (1 - beta2) * np.square(grads[d])
            corrected = v[d] / (1 - beta1**t)
            s_corrected = s[d] / (1 - beta2**t)
            step = corrected / (np.sqrt(s_corrected) + epsilon)
            parameters[key] = parameters[key] - learning_rate * step
    return parameters, v, s
"""

ADAMW_OF_OBJECTS = """
class Rule:
    def __init__(self, parameters, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8, weight_decay=1e-2):
        self.parameters, self.lr, self.b1, self.b2, self.eps = list(parameters), lr, b1, b2, eps
        self.weight_decay, self.count, self.state = weight_decay, 0, {}

    def step(self):
        self.count += 1
        for p in self.parameters:
            g = p.grad
            p.data *= 1 - self.lr * self.weight_decay
            m, v = self.state.get(id(p), (0.0, 0.0))
            m = self.b1 * m + (1 - self.b1) * g
            v = self.b2 * v + (1 - self.b2) * g * g
            self.state[id(p)] = m, v
            c1, c2 = 1 - self.b1**self.count, 1 - self.b2**self.count
            p.data -= self.lr * (m / c1) / (np.sqrt(v / c2) + self.eps)
"""

SGD_WITH_A_STATE = """
def rule(params, grads, state, lr=0.1, momentum=0.0, dampening=0.0, nesterov=False, wd=0.0):
    new = []
    for i, (p, g) in enumerate(zip(params, grads)):
        g = g + wd * p
        if momentum:
            if i not in state:
                state[i] = g.copy()
            else:
                state[i] = momentum * state[i] + (1 - dampening) * g
            g = g + momentum * state[i] if nesterov else state[i]
        new.append(p - lr * g)
    return new, state
"""

MOMENTUM_IN_A_DICT = """
class Rule:
    def __init__(self, lr, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, params, grads):
        if self.v is None:
            self.v = {key: np.zeros_like(p) for key, p in params.items()}
        for key in params:
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] += self.v[key]
"""

RMSPROP_OF_ONE_ARRAY = """
class Rule:
    def __init__(self, learning_rate=0.01, rho=0.99, epsilon=1e-8):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.cache = None

    def update(self, w, grad_wrt_w):
        if self.cache is None:
            self.cache = np.zeros_like(w)
        self.cache = self.rho * self.cache + (1 - self.rho) * grad_wrt_w**2
        return w - self.learning_rate * grad_wrt_w / (np.sqrt(self.cache) + self.epsilon)
"""

RMSPROP_IN_TORCH = """
import torch


class Rule(torch.optim.Optimizer):
    def __init__(self, params, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.0, centered=False):
        super().__init__(params, dict(lr=lr, alpha=alpha, eps=eps, mu=momentum, centered=centered))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            alpha = group["alpha"]
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    for name in ("square", "mean", "buffer"):
                        state[name] = torch.zeros_like(p)
                state["square"].mul_(alpha).add_((1 - alpha) * p.grad**2)
                square = state["square"]
                if group["centered"]:
                    state["mean"].mul_(alpha).add_((1 - alpha) * p.grad)
                    square = square - state["mean"] ** 2
                step = p.grad / (square.sqrt() + group["eps"])
                state["buffer"].mul_(group["mu"]).add_(step)
                p -= group["lr"] * state["buffer"]
"""

ADAGRAD_OF_ATTRIBUTES = """
class Rule:
    def __init__(self, params, lr=0.01, lr_decay=0.0, eps=1e-10):
        self.params, self.lr, self.lr_decay, self.eps = params, lr, lr_decay, eps
        self.grads, self.t = None, 0
        self.sums = [np.zeros_like(p) for p in params]

    def step(self):
        self.t += 1
        rate = self.lr / (1 + (self.t - 1) * self.lr_decay)
        for p, g, s in zip(self.params, self.grads, self.sums):
            s += g * g
            p -= rate * g / (np.sqrt(s) + self.eps)
"""

ADADELTA_OF_A_COURSE = """
def rule(x, dx, config):
    rho, eps = config["rho"], config["epsilon"]
    s = config.get("s", np.zeros_like(x))
    d = config.get("d", np.zeros_like(x))
    s = rho * s + (1 - rho) * dx**2
    step = np.sqrt(d + eps) / np.sqrt(s + eps) * dx
    config["s"], config["d"] = s, rho * d + (1 - rho) * step**2
    return x - config["lr"] * step, config
"""

NADAM_OF_LAYERS = """
class Rule:
    def __init__(self, learning_rate=2e-3, beta_1=0.9, beta_2=0.999, epsilon=1e-8, decay=0.004):
        self.lr, self.b1, self.b2, self.eps = learning_rate, beta_1, beta_2, epsilon
        self.decay, self.t, self.product = decay, 0, 1.0

    def mu(self, t):
        return self.b1 * (1 - 0.5 * 0.96 ** (t * self.decay))

    def pre_update_params(self):
        self.t += 1
        self.product *= self.mu(self.t)

    def update_params(self, layer):
        if not hasattr(layer, "m"):
            layer.m = [np.zeros_like(layer.weights), np.zeros_like(layer.biases)]
            layer.v = [np.zeros_like(layer.weights), np.zeros_like(layer.biases)]
        now, after = self.mu(self.t), self.mu(self.t + 1)
        for i, (p, g) in enumerate(
            ((layer.weights, layer.dweights), (layer.biases, layer.dbiases))
        ):
            layer.m[i] = self.b1 * layer.m[i] + (1 - self.b1) * g
            layer.v[i] = self.b2 * layer.v[i] + (1 - self.b2) * g**2
            ahead = (1 - now) / (1 - self.product) * g
            ahead = ahead + after / (1 - self.product * after) * layer.m[i]
            p -= self.lr * ahead / (np.sqrt(layer.v[i] / (1 - self.b2**self.t)) + self.eps)
"""

ADAMAX_OF_TWO = """
class Rule:
    def __init__(self, eta=2e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.eta, self.beta1, self.beta2, self.eps = eta, beta1, beta2, eps
        self.m, self.u = [0, 0], [0, 0]

    def update(self, t, w, b, dw, db):
        out = []
        for i, (p, g) in enumerate(((w, dw), (b, db))):
            self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * g
            self.u[i] = np.maximum(self.beta2 * self.u[i], np.abs(g) + self.eps)
            out.append(p - self.eta / (1 - self.beta1**t) * self.m[i] / self.u[i])
        return tuple(out)
"""

PAIR_OF_FUNCTIONS = """
def begin(params):
    zeros = [np.zeros_like(p) for p in params]
    return {"m": zeros, "v": zeros, "count": 0}


def update(grads, state, params, lr, b1, b2, eps):
    t = state["count"] + 1
    m = [b1 * m + (1 - b1) * g for m, g in zip(state["m"], grads)]
    v = [b2 * v + (1 - b2) * g * g for v, g in zip(state["v"], grads)]
    steps = [
        -lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps) for m, v in zip(m, v)
    ]
    return steps, {"m": m, "v": v, "count": t}


rule = begin, update
"""

GRADIENTS_AT_ONCE = """
class Rule:
    def __init__(self, params, grads, lr, weight_decay=0.0):
        self.params, self.grads, self.lr, self.decay = params, grads, lr, weight_decay

    def step(self):
        for i, (p, g) in enumerate(zip(self.params, self.grads)):
            self.params[i] = (1 - self.lr * self.decay) * p - self.lr * g
"""

STEPS_TO_SUBTRACT = """
class Rule:
    def __init__(self, eta, gamma):
        self.eta, self.gamma, self.v = eta, gamma, None

    def get_update(self, grads):
        self.v = self.v or [np.zeros_like(g) for g in grads]
        self.v = [self.gamma * v + self.eta * g for v, g in zip(self.v, grads)]
        return self.v
"""

STEPS_FROM_ZERO = """
def rule(w, g, m, v, t, alpha, beta1, beta2):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    w = w - alpha * m / (1 - beta1 ** (t + 1)) / (np.sqrt(v / (1 - beta2 ** (t + 1))) + 1e-8)
    return w, m, v
"""

# Source, PyTorch's rule, its options: right.
RIGHT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "Adam, a list": (ADAM_IN_A_LIST, "Adam", {}),
    "Adam, a list, decay": (ADAM_IN_A_LIST, "Adam", {"weight_decay": 0.1, "lr": 0.1}),
    "Adam, a course": (ADAM_OF_A_COURSE, "Adam", {"betas": (0.8, 0.95), "eps": 1e-4}),
    "Adam, layers by number": (ADAM_OF_LAYERS, "Adam", {"lr": 0.05}),
    "AdamW, objects": (ADAMW_OF_OBJECTS, "AdamW", {}),
    "SGD, a state": (SGD_WITH_A_STATE, "SGD", {"lr": 0.1}),
    "SGD, decay": (SGD_WITH_A_STATE, "SGD", {"lr": 0.1, "weight_decay": 0.01}),
    "SGD, dampening": (SGD_WITH_A_STATE, "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    "SGD, nesterov": (SGD_WITH_A_STATE, "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "momentum, a dict": (MOMENTUM_IN_A_DICT, "SGD", {"lr": 0.1, "momentum": 0.9}),
    "RMSprop, one array": (RMSPROP_OF_ONE_ARRAY, "RMSprop", {}),
    "RMSprop, torch": (RMSPROP_IN_TORCH, "RMSprop", {"centered": True, "momentum": 0.9}),
    "Adagrad, attributes": (ADAGRAD_OF_ATTRIBUTES, "Adagrad", {"lr_decay": 0.1}),
    "Adadelta, a course": (ADADELTA_OF_A_COURSE, "Adadelta", {}),
    "NAdam, layers": (NADAM_OF_LAYERS, "NAdam", {}),
    "Adamax, weights and biases": (ADAMAX_OF_TWO, "Adamax", {}),
}
RIGHT |= {
    "Adam, two functions": (PAIR_OF_FUNCTIONS, "Adam", {"lr": 0.01}),
    "Adam, from zero": (STEPS_FROM_ZERO, "Adam", {"lr": 0.01}),
    "SGD, gradients at once": (GRADIENTS_AT_ONCE, "SGD", {"lr": 0.1, "weight_decay": 0.2}),
    "momentum, to subtract": (STEPS_TO_SUBTRACT, "SGD", {"lr": 0.1, "momentum": 0.8}),
}
# Of which of these, what stands there, what is put in its place; the kind that is to be named.
MISTAKES = [
    ("Adam, a list", "np.sqrt(v_hat) + self.eps", "np.sqrt(v_hat + self.eps)", "epsilon-place"),
    (
        "Adam, a list",
        "m_hat / (np.sqrt(v_hat) + self.eps)",
        "np.sqrt(1 - b2**self.t) * m_hat / (np.sqrt(self.v[i]) + self.eps)",
        "epsilon-place",
    ),
    ("Adam, a list", "(np.sqrt(v_hat) + self.eps)", "np.sqrt(v_hat)", "no-epsilon"),
    ("Adam, a list", "m_hat /", "self.m[i] /", "no-bias-correction"),
    ("Adam, a list", "np.sqrt(v_hat)", "np.sqrt(self.v[i])", "no-bias-correction"),
    ("Adam, a list", "b1, b2 =", "b2, b1 =", "betas-exchanged"),
    (
        "Adam, a list",
        "self.v[i] = b2 * self.v[i] + (1 - b2)",
        "self.v[i] = b1 * self.v[i] + (1 - b1)",
        "one-beta",
    ),
    ("Adam, a list", "g**2", "g", "not-squared"),
    ("Adam, a list", "(1 - b2) * g**2", "((1 - b2) * g)**2", "not-squared"),
    ("Adam, a list", "g**2", "abs(g)", "not-squared"),
    ("Adam, a list", "* g**2", "* self.m[i]**2", "not-squared"),
    ("Adam, a list", "np.sqrt(v_hat)", "v_hat", "no-root"),
    ("Adam, a list", "p -= self", "p += self", "added"),
    ("Adam, a list", "self.lr * m_hat", "m_hat", "no-rate"),
    ("Adam, a list", "(1 - b1) * g", "g", "new-not-weighed"),
    (
        "Adam, a list",
        "b1 * self.m[i] + (1 - b1) * g",
        "(1 - b1) * self.m[i] + b1 * g",
        "beta-for-its-rest",
    ),
    ("Adam, a list", "b1**self.t", "b1**(self.t + 1)", "step-off-by-one"),
    ("Adam, a list", "self.t = weight_decay, 0", "self.t = weight_decay, 1", "step-off-by-one"),
    ("Adam, a list", "self.t = weight_decay, 0", "self.t = weight_decay, -1", "step-off-by-one"),
    (
        "Adam, a list",
        "        self.t += 1\n        for i, (p, g) in enumerate(zip(self.params, grads)):\n",
        "        for i, (p, g) in enumerate(zip(self.params, grads)):\n            self.t += 1\n",
        "step-per-parameter",
    ),
    ("Adam, a list", "[i]", "[0]", "state-shared"),
    ("Adam, a list", "self.m[i]", "self.m[0]", "state-shared"),
    ("momentum, a dict", "self.v[key]", "self.v['W1']", "state-shared"),
    ("RMSprop, torch", "state = self.state[p]", "state = self.state[0]", "state-shared"),
    ("Adam, a list, decay", "g + self.w", "g - self.w", "decay-sign"),
    (
        "Adam, a list, decay",
        "g = g + self.weight_decay * p",
        "p *= 1 - self.lr * self.weight_decay",
        "decoupled-decay",
    ),
    ("Adam, a list, decay", "g = g + self.weight_decay * p", "pass", "no-decay"),
    (
        "Adam, a course",
        'np.sqrt(v_hat) + config["epsilon"]',
        'np.sqrt(v_hat + config["epsilon"])',
        "epsilon-place",
    ),
    ("Adam, a course", "m_hat / (np", "m / (np", "no-bias-correction"),
    ("Adam, a course", "dw * dw", "dw", "not-squared"),
    ("Adam, a course", '["m"], config["v"], config["t"] = m, v, t', '["t"] = t', "state-not-kept"),
    (
        "Adam, a course",
        '["m"], config["v"], config["t"] = m, v',
        '["m"], config["v"], config["t"] = m_hat, v_hat',
        "corrected-state",
    ),
    (
        "Adam, layers by number",
        "np.sqrt(s_corrected) + epsilon",
        "np.sqrt(s_corrected + epsilon)",
        "epsilon-place",
    ),
    ("Adam, layers by number", "step = corrected", "step = v[d]", "no-bias-correction"),
    (
        "AdamW, objects",
        "p.data *= 1 - self.lr * self.weight_decay",
        "g = g + self.weight_decay * p.data",
        "coupled-decay",
    ),
    (
        "AdamW, objects",
        "1 - self.lr * self.weight_decay",
        "1 - self.weight_decay",
        "decay-without-rate",
    ),
    ("AdamW, objects", "1 - self.lr * self", "1 + self.lr * self", "decay-sign"),
    ("AdamW, objects", "self.state[id(p)] = m, v", "self.state[0] = m, v", "state-not-kept"),
    ("SGD, decay", "g + wd", "g - wd", "decay-sign"),
    ("SGD, a state", "p - lr", "p + lr", "added"),
    ("SGD, a state", "p - lr * g", "p - g", "no-rate"),
    ("SGD, dampening", "(1 - dampening) * g", "g", "dampening"),
    ("SGD, dampening", "1 - dampening", "1 - momentum", "dampening"),
    ("SGD, dampening", "1 - dampening", "1 + dampening", "dampening"),
    ("SGD, dampening", "g.copy()", "(1 - dampening) * g", "momentum-start"),
    ("SGD, nesterov", " if nesterov else state[i]", " if 0 else state[i]", "no-look-ahead"),
    ("SGD, nesterov", "g = g + momentum * state[i]", "g = momentum * state[i]", "no-look-ahead"),
    ("momentum, a dict", "self.momentum * self.v", "-self.momentum * self.v", "momentum-sign"),
    ("momentum, a dict", "- self.lr * grads", "+ self.lr * grads", "added"),
    ("momentum, a dict", "+= self.v", "-= self.v", "added"),
    ("momentum, a dict", "self.lr * grads", "(1 - self.momentum) * self.lr * grads", "dampening"),
    (
        "RMSprop, one array",
        "np.sqrt(self.cache) + self.epsilon",
        "np.sqrt(self.cache + self.epsilon)",
        "epsilon-place",
    ),
    ("RMSprop, one array", "grad_wrt_w**2", "grad_wrt_w", "not-squared"),
    ("RMSprop, one array", "np.sqrt(self.cache)", "self.cache", "no-root"),
    ("RMSprop, one array", "(1 - self.rho) * ", "", "new-not-weighed"),
    ("RMSprop, torch", '- state["mean"] ** 2', "", "option-ignored"),
    ("RMSprop, torch", '.mul_(group["mu"])', ".zero_()", "no-momentum"),
    ("Adagrad, attributes", "(self.t - 1)", "self.t", "step-off-by-one"),
    ("Adagrad, attributes", "np.sqrt(s) + self.eps", "np.sqrt(s + self.eps)", "epsilon-place"),
    ("Adagrad, attributes", "s += g * g", "s += g", "not-squared"),
    ("Adadelta, a course", 'config["lr"] * step', '-config["lr"] * step', "added"),
    ("NAdam, layers", "g**2", "g", "not-squared"),
    (
        "Adamax, weights and biases",
        "self.eta / (1 - self.beta1**t)",
        "self.eta",
        "no-bias-correction",
    ),
    ("SGD, dampening", " if nesterov else", " if True else", "look-ahead"),
    (
        "momentum, a dict",
        "self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]\n"
        "            params[key] += self.v[key]",
        "params[key] += self.v[key]\n"
        "            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]",
        "old-state",
    ),
]
# Mistakes that the catalogue does not know: they get no name.
UNKNOWN = [
    ("Adadelta, a course", "np.sqrt(s + eps)", "(np.sqrt(s) + eps)"),
    ("NAdam, layers", "ahead = (1", "ahead = 0 * (1"),
    ("Adamax, weights and biases", "np.abs(g) + self.eps)", "np.abs(g)) + self.eps"),
    ("Adam, a course", "np.sqrt(v_hat)", "np.cbrt(v_hat)"),
]
