"""Layers: what a network is built of.

linear                  Linear, Conv1D, Bilinear, Identity, Flatten, Unflatten
activations             functions applied to each element, all derivatives in one table
gelu                    GELU, both forms
prelu                   PReLU, whose slope is learnt
softmax                 activations that share out one axis; GLU
embedding               rows of a table, looked up by number; EmbeddingBag, their sums
distance                PairwiseDistance, CosineSimilarity
dropout                 leaving out a random part
windows                 how images lie in memory, and windows that slide over them
padding                 a border around an image
correlation             the sums of a convolution, as matrix products
convolution             Conv1d, Conv2d, Conv3d
transposed_convolution  ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
pooling                 MaxPool, AvgPool, LPPool: one number from every window
adaptive_pooling        AdaptiveAvgPool, AdaptiveMaxPool: into an output of a given size
unpooling               MaxUnpool: back to where the largest came from
normalization           LayerNorm, GroupNorm, RMSNorm, LocalResponseNorm; the derivation
batch_normalization     BatchNorm, InstanceNorm, with running statistics
rearranging             Unfold, Fold, PixelShuffle, ChannelShuffle
resampling              Upsample: images of another size
recurrent_steps         one step of a recurrence: RNN, LSTM, GRU
recurrent_cells         RNNCell, LSTMCell, GRUCell: a step with its weights
recurrent               RNN, LSTM, GRU: a step at each element, and back through time
attention               ScaledDotProductAttention; the derivation
multihead_attention     MultiheadAttention: attentions side by side
rotary                  RotaryEmbedding: places as angles
gated                   SwiGLU
transformer             encoder and decoder layers, their stacks, Transformer
"""
