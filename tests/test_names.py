"""Names and widths are taken as people type them."""

import pytest

import manual
from manual.article.description import loss_named
from manual.article.modules import ArticleNetwork
from manual.names import name_meant
from torch_ref.cli import parse
from torch_ref.commands.settings import experiment_of, settings_from

NAMES = ("Conv1D", "Conv1d", "Linear", "cross-entropy", "one_two")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *((name, name) for name in NAMES),
        *(("linear", "Linear"), ("LINEAR", "Linear"), ("cross_entropy", "cross-entropy")),
        *(("CrossEntropy", "cross-entropy"), ("One-Two", "one_two")),
        *(("conv1d", None), ("line", None), ("", None)),  # of two, and of none
    ],
)
def test_the_only_name_that_can_be_meant_is(typed: str, meant: str | None) -> None:
    assert name_meant(typed, iter(NAMES)) == meant


@pytest.mark.parametrize(
    ("plain", "typed"),
    [
        ("xor --optimizer sgd", "XOR --optimizer SGD"),
        ("digits-mlp --activation gelu", "digits_mlp --activation GELU"),
        ("digits-mlp --schedule onecyclelr", "Digits-MLP --schedule OneCycleLR"),
        ("xor --compare steps", "xor --compare Steps"),
        ("worked-example --rule early", "worked-example --rule Early"),
        ("digits-mlp --hidden 128,64", "digits-mlp --hidden 128-64"),
    ],
)
def test_a_run_s_settings_are_taken_as_typed(plain: str, typed: str) -> None:
    given = [parse(["train", *words.split()]) for words in (plain, typed)]
    one, other = (settings_from(words, experiment_of(words.experiment)) for words in given)
    assert one == other


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        *(("MSE", "mse"), ("MSELoss", "mse"), ("mseloss", "mse"), ("half_squared", "half-squared")),
        *(("CrossEntropyLoss", "cross-entropy"), ("HalfSquaredError", "half-squared")),
        ("hinge", "hinge"),
    ],
)
def test_a_loss_is_named_by_its_class_too(typed: str, key: str) -> None:
    assert loss_named(typed) == key


def test_a_network_keeps_its_activations_own_name() -> None:
    for made in (
        manual.MLP((3, 4, 2), "leakyrelu"),
        manual.ConvNet((1, 2), 4, activation="LEAKYRELU"),
        ArticleNetwork(activation="leaky_relu"),
    ):
        assert made.activation == "LeakyReLU"
        assert "LeakyReLU" in repr(made)
