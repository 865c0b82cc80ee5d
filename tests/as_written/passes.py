#: Dense --args 3 4 --input 6,4
#: Sigmoid --input 6,4
#: CrossEntropy --input 6,4:uniform --input 6,4:uniform
#: SquareLoss --input 6,4 --input 6,4
# self.__call__(x) * (1 - self.__call__(x)) ==> self.__call__(x) :: activation
# -(y_true - y_pred) ==> (y_true - y_pred) :: sign
import numpy as np


class SGDStep:
    def __init__(self, learning_rate=0.01):
        self.learning_rate = learning_rate

    def update(self, w, grad_wrt_w):
        return w - self.learning_rate * grad_wrt_w


class Dense:
    def __init__(self, n_units, n_in):
        self.layer_input = None
        self.n_units = n_units
        self.trainable = True
        limit = 1 / np.sqrt(n_in)
        self.W = np.random.uniform(-limit, limit, (n_in, n_units))
        self.w0 = np.zeros((1, n_units))
        self.W_opt, self.w0_opt = SGDStep(), SGDStep()

    def forward_pass(self, X, training=True):
        self.layer_input = X
        return X.dot(self.W) + self.w0

    def backward_pass(self, accum_grad):
        W = self.W
        if self.trainable:
            grad_w = self.layer_input.T.dot(accum_grad)
            grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)
            self.W = self.W_opt.update(self.W, grad_w)
            self.w0 = self.w0_opt.update(self.w0, grad_w0)
        accum_grad = accum_grad.dot(W.T)
        return accum_grad


class Sigmoid:
    def __call__(self, x):
        return 1 / (1 + np.exp(-x))

    def gradient(self, x):
        return self.__call__(x) * (1 - self.__call__(x))


class SquareLoss:
    def loss(self, y_true, y_pred):
        return 0.5 * np.power((y_true - y_pred), 2)

    def gradient(self, y_true, y_pred):
        return -(y_true - y_pred)


class CrossEntropy:
    def loss(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return -y * np.log(p) - (1 - y) * np.log(1 - p)

    def gradient(self, y, p):
        p = np.clip(p, 1e-15, 1 - 1e-15)
        return -(y / p) + (1 - y) / (1 - p)
