"""Whole networks, built of the layers.

mlp        MLP: linear layers with an activation between each two
convnet    ConvNet: convolutions; ResNet: blocks that add to their input
text       TextLSTM: a recurrent network for text
gpt        GPT, with GPT-2's names
llama      Llama: turned queries, shared heads, a gated network
microgpt   MicroGPT, of 4,192 numbers
"""
