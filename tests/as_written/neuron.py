#: TwoNeurons --input 2 --input ''
# self.w5 -= learn_rate * slope * h1 ==> self.w5 -= learn_rate * slope * h2 :: 
# error = -2 * (y - o) ==> error = 2 * (y - o) :: sign
# self.b2 -= learn_rate * back2 ==> self.b2 -= learn_rate * slope * self.w6 * h2 :: 
import random
from math import exp


def sigmoid(z):
    return 1 / (1 + exp(-z))


def mse_loss(y_true, y_pred):
    return (y_true - y_pred) ** 2


class TwoNeurons:
    """Numbers as attributes; they move one sample after the other."""

    def __init__(self):
        for name in ("w1", "w2", "w3", "w4", "w5", "w6", "b1", "b2", "b3"):
            setattr(self, name, random.gauss(0, 1))

    def feedforward(self, x):
        h1 = sigmoid(self.w1 * x[0] + self.w2 * x[1] + self.b1)
        h2 = sigmoid(self.w3 * x[0] + self.w4 * x[1] + self.b2)
        return sigmoid(self.w5 * h1 + self.w6 * h2 + self.b3)

    def train(self, data, all_y_trues):
        learn_rate = 0.1
        for _ in range(100):
            for x, y in zip(data, all_y_trues):
                h1 = sigmoid(self.w1 * x[0] + self.w2 * x[1] + self.b1)
                h2 = sigmoid(self.w3 * x[0] + self.w4 * x[1] + self.b2)
                o = sigmoid(self.w5 * h1 + self.w6 * h2 + self.b3)
                error = -2 * (y - o)
                slope = error * o * (1 - o)
                back1 = slope * self.w5 * h1 * (1 - h1)
                back2 = slope * self.w6 * h2 * (1 - h2)
                self.w1 -= learn_rate * back1 * x[0]
                self.w2 -= learn_rate * back1 * x[1]
                self.b1 -= learn_rate * back1
                self.w3 -= learn_rate * back2 * x[0]
                self.w4 -= learn_rate * back2 * x[1]
                self.b2 -= learn_rate * back2
                self.w5 -= learn_rate * slope * h1
                self.w6 -= learn_rate * slope * h2
                self.b3 -= learn_rate * slope
