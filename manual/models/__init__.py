"""Whole networks, built of the layers.

mlp        MLP: linear layers with an activation between each two
convnet    ConvNet: convolutions; ResNet: blocks that add to their input
"""
