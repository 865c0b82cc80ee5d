#: FullyConnected --args 3 --input 6,4
#: Add --args tanh --input 6,4
# dZ = dLda * self.act_fn.grad(Z) ==> dZ = dLda :: forgotten-derivative
import numpy as np


class Tanh:
    def fn(self, z):
        return np.tanh(z)

    def grad(self, x):
        return 1 - np.tanh(x) ** 2


class LayerBase:
    def __init__(self):
        self.X = []
        self.act_fn = None
        self.trainable = True
        self.gradients = {}
        self.parameters = {}
        self.derived_variables = {}


class FullyConnected(LayerBase):
    def __init__(self, n_out):
        super().__init__()
        self.n_in = None
        self.n_out = n_out
        self.act_fn = Tanh()
        self.is_initialized = False

    def _init_params(self):
        b = np.zeros((1, self.n_out))
        W = np.random.randn(self.n_in, self.n_out)
        self.parameters = {"W": W, "b": b}
        self.derived_variables = {"Z": []}
        self.gradients = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
        self.is_initialized = True

    def forward(self, X, retain_derived=True):
        if not self.is_initialized:
            self.n_in = X.shape[1]
            self._init_params()
        Y, Z = self._fwd(X)
        if retain_derived:
            self.X.append(X)
            self.derived_variables["Z"].append(Z)
        return Y

    def _fwd(self, X):
        W, b = self.parameters["W"], self.parameters["b"]
        Z = X @ W + b
        return self.act_fn.fn(Z), Z

    def backward(self, dLdy, retain_grads=True):
        assert self.trainable, "Layer is frozen"
        if not isinstance(dLdy, list):
            dLdy = [dLdy]
        dX = []
        X = self.X
        for dy, x in zip(dLdy, X):
            dx, dw, db = self._bwd(dy, x)
            dX.append(dx)
            if retain_grads:
                self.gradients["W"] += dw
                self.gradients["b"] += db
        return dX[0] if len(X) == 1 else dX

    def flush_gradients(self):
        self.X = []
        for k, v in self.derived_variables.items():
            self.derived_variables[k] = []
        for k, v in self.gradients.items():
            self.gradients[k] = np.zeros_like(v)

    def _bwd(self, dLda, X):
        W, b = self.parameters["W"], self.parameters["b"]
        Z = X @ W + b
        dZ = dLda * self.act_fn.grad(Z)
        dX = dZ @ W.T
        dW = X.T @ dZ
        dB = dZ.sum(axis=0, keepdims=True)
        return dX, dW, dB


class Add:
    def __init__(self, name):
        self.name = name

    def forward(self, x):
        self.x = x
        return np.tanh(x) if self.name == "tanh" else x

    def backward(self, dLdy):
        return dLdy * (1 - np.tanh(self.x) ** 2) if self.name == "tanh" else dLdy
