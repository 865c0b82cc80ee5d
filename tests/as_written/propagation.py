#: FCLayer --args 4 3 --input 1,4
#: ActivationLayer --args tanh tanh_prime --input 6,4
#: mse,mse_prime --input 6,4 --input 6,4
#: Network --input 1,4 --input 1,2
# self.bias -= learning_rate * output_error ==> self.bias += learning_rate * output_error :: sign
# 2 * (y_pred - y_true) / y_true.size ==> 2 * (y_pred - y_true) :: sum-for-mean
# self.activation_prime(self.input) * output_error ==> self.activation_prime(self.output) * output_error :: wrong
import numpy as np


def tanh(x):
    return np.tanh(x)


def tanh_prime(x):
    return 1 - np.tanh(x) ** 2


def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))


def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / y_true.size


class Layer:
    def __init__(self):
        self.input = None
        self.output = None

    def forward_propagation(self, input):
        raise NotImplementedError

    def backward_propagation(self, output_error, learning_rate):
        raise NotImplementedError


class FCLayer(Layer):
    def __init__(self, input_size, output_size):
        self.weights = np.random.rand(input_size, output_size) - 0.5
        self.bias = np.random.rand(1, output_size) - 0.5

    def forward_propagation(self, input_data):
        self.input = input_data
        self.output = np.dot(self.input, self.weights) + self.bias
        return self.output

    def backward_propagation(self, output_error, learning_rate):
        input_error = np.dot(output_error, self.weights.T)
        weights_error = np.dot(self.input.T, output_error)
        self.weights -= learning_rate * weights_error
        self.bias -= learning_rate * output_error
        return input_error


class ActivationLayer(Layer):
    def __init__(self, activation, activation_prime):
        self.activation = activation
        self.activation_prime = activation_prime

    def forward_propagation(self, input_data):
        self.input = input_data
        self.output = self.activation(self.input)
        return self.output

    def backward_propagation(self, output_error, learning_rate):
        return self.activation_prime(self.input) * output_error


class Network:
    def __init__(self):
        self.layers = [FCLayer(4, 3), ActivationLayer(tanh, tanh_prime), FCLayer(3, 2)]
        self.loss = mse
        self.loss_prime = mse_prime

    def predict(self, input_data):
        output = input_data
        for layer in self.layers:
            output = layer.forward_propagation(output)
        return output

    def fit(self, x_train, y_train, epochs=1, learning_rate=0.1):
        for i in range(epochs):
            output = x_train
            for layer in self.layers:
                output = layer.forward_propagation(output)
            error = self.loss_prime(y_train, output)
            for layer in reversed(self.layers):
                error = layer.backward_propagation(error, learning_rate)
