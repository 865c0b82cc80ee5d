#: NeuralNetwork --args 2 2 2 --input 2 --input 2:uniform
import math
import random


class NeuralNetwork:
    LEARNING_RATE = 0.5

    def __init__(self, num_inputs, num_hidden, num_outputs):
        self.num_inputs = num_inputs
        self.hidden_layer = NeuronLayer(num_hidden, num_inputs)
        self.output_layer = NeuronLayer(num_outputs, num_hidden)

    def feed_forward(self, inputs):
        hidden_layer_outputs = self.hidden_layer.feed_forward(inputs)
        return self.output_layer.feed_forward(hidden_layer_outputs)

    def train(self, training_inputs, training_outputs):
        self.feed_forward(training_inputs)
        out = [0] * len(self.output_layer.neurons)
        for o in range(len(self.output_layer.neurons)):
            out[o] = self.output_layer.neurons[o].delta(training_outputs[o])
        hidden = [0] * len(self.hidden_layer.neurons)
        for h in range(len(self.hidden_layer.neurons)):
            d = 0
            for o in range(len(self.output_layer.neurons)):
                d += out[o] * self.output_layer.neurons[o].weights[h]
            hidden[h] = d * self.hidden_layer.neurons[h].slope()
        for o in range(len(self.output_layer.neurons)):
            for w_ho in range(len(self.output_layer.neurons[o].weights)):
                step = out[o] * self.output_layer.neurons[o].inputs[w_ho]
                self.output_layer.neurons[o].weights[w_ho] -= self.LEARNING_RATE * step
        for h in range(len(self.hidden_layer.neurons)):
            for w_ih in range(len(self.hidden_layer.neurons[h].weights)):
                step = hidden[h] * self.hidden_layer.neurons[h].inputs[w_ih]
                self.hidden_layer.neurons[h].weights[w_ih] -= self.LEARNING_RATE * step


class NeuronLayer:
    def __init__(self, num_neurons, num_weights):
        self.bias = random.random()
        self.neurons = []
        for i in range(num_neurons):
            self.neurons.append(Neuron(self.bias))
            for k in range(num_weights):
                self.neurons[i].weights.append(random.random())

    def feed_forward(self, inputs):
        outputs = []
        for neuron in self.neurons:
            outputs.append(neuron.calculate_output(inputs))
        return outputs


class Neuron:
    def __init__(self, bias):
        self.bias = bias
        self.weights = []

    def calculate_output(self, inputs):
        self.inputs = inputs
        self.output = self.squash(self.calculate_total_net_input())
        return self.output

    def calculate_total_net_input(self):
        total = 0
        for i in range(len(self.inputs)):
            total += self.inputs[i] * self.weights[i]
        return total + self.bias

    def squash(self, total_net_input):
        return 1 / (1 + math.exp(-total_net_input))

    def delta(self, target_output):
        return self.slope_of_error(target_output) * self.slope()

    def slope_of_error(self, target_output):
        return -(target_output - self.output)

    def slope(self):
        return self.output * (1 - self.output)
