#: FCLayer --args 4 3 --input 1,4
#: ActivationLayer --args tanh tanh_prime --input 6,4
#: mse,mse_prime --input 6,4 --input 6,4
#: Network --input 1,4 --input 1,2
# self.bias -= learning_rate * output_error ==> self.bias += learning_rate * output_error :: sign
# 2 * (y_pred - y_true) / y_true.size ==> 2 * (y_pred - y_true) :: sum-for-mean
# output_error * self.slope(self.input) ==> output_error * self.slope(self.output) :: wrong
import numpy as np


def tanh(x):
    return np.tanh(x)


def tanh_prime(x):
    return 1 / np.cosh(x) ** 2


def mse(y_true, y_pred):
    return ((y_true - y_pred) ** 2).mean()


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_true.size


class FCLayer:
    """A step is taken on the way back, a sample at a time."""

    def __init__(self, inputs, outputs):
        self.weights = np.random.rand(inputs, outputs) - 0.5
        self.bias = np.random.rand(1, outputs) - 0.5

    def forward_propagation(self, input_data):
        self.input = input_data
        self.output = self.input @ self.weights + self.bias
        return self.output

    def backward_propagation(self, output_error, learning_rate):
        input_error = output_error @ self.weights.T
        self.weights -= learning_rate * self.input.T @ output_error
        self.bias -= learning_rate * output_error
        return input_error


class ActivationLayer:
    def __init__(self, activation, slope):
        self.activation, self.slope = activation, slope

    def forward_propagation(self, input_data):
        self.input, self.output = input_data, self.activation(input_data)
        return self.output

    def backward_propagation(self, output_error, learning_rate):
        return output_error * self.slope(self.input)


class Network:
    def __init__(self):
        self.layers = [FCLayer(4, 3), ActivationLayer(tanh, tanh_prime), FCLayer(3, 2)]
        self.loss, self.loss_prime = mse, mse_prime

    def predict(self, data):
        for layer in self.layers:
            data = layer.forward_propagation(data)
        return data

    def fit(self, x_train, y_train, epochs=1, learning_rate=0.1):
        for _ in range(epochs):
            error = self.loss_prime(y_train, self.predict(x_train))
            for layer in self.layers[::-1]:
                error = layer.backward_propagation(error, learning_rate)
