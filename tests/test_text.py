"""Experiments with text: what is read, what is drawn, what is kept of a run and read again."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_tensors

import manual
from torch_ref.cli import main
from torch_ref.safe_files import InputError
from torch_ref.training.attention_maps import maps_by_autograd, maps_by_hand
from torch_ref.training.corpus import (
    NOTHING,
    Vocabulary,
    bigram_loss,
    documents,
    read_text,
    reference_manual,
    windows,
    words_of,
)
from torch_ref.training.experiment import Run
from torch_ref.training.experiments import EXPERIMENTS
from torch_ref.training.restored import restored
from torch_ref.training.sampling import continued, draw
from torch_ref.training.session import lockstep_of
from torch_ref.training.text import told
from torch_ref.training.weights import FILE, load_weights, save_weights
from torch_ref.twin import twin_of

TEXT = "the rain in spain stays mainly in the plain\n" * 40


# ---- what is read


def test_the_reference_manual_is_english() -> None:
    text = reference_manual()
    assert len(text) > 100_000
    assert text.count(" the ") > 1_000
    words = words_of("One two\ntwo, Three-3!")
    assert words == ["one", "three", "two"]


def test_a_vocabulary_numbers_characters() -> None:
    vocabulary = Vocabulary("abc")
    assert (len(vocabulary), vocabulary.end) == (3, None)
    assert vocabulary.encode("cab") == [2, 0, 1]
    assert vocabulary.decode([2, 0, 1]) == "cab"
    with_end = Vocabulary("abc", with_end=True)
    assert (len(with_end), with_end.end) == (4, 3)
    assert with_end.decode([3, 0, 3]) == "a"
    with pytest.raises(InputError, match=r"'d', character 2 of 'adb', is not known"):
        vocabulary.encode("adb")


def test_windows_are_followed_by_what_comes_next() -> None:
    data = windows(TEXT, 8)
    numbers = data.vocabulary.encode(TEXT)
    cut = len(numbers) * 9 // 10
    assert len(data.x) == cut - 8
    for start in (0, 5, cut - 9):
        assert [*data.x[start], data.t[start][-1]] == numbers[start : start + 9]
    assert data.held_out is not None
    x, t = data.held_out
    assert (x.shape, t.shape) == ((64, 8), (64 * 8,))
    np.testing.assert_array_equal(x[:, 1:], t.reshape(64, 8)[:, :-1])
    assert [*x[0]] == numbers[cut : cut + 8]  # from the very first held-out character
    assert [*x[-1], t[-1]] == numbers[-9:]  # to the very last
    batch, following = next(data.batches(4, np.random.default_rng(0)))
    assert (batch.shape, following.shape) == ((4, 8), (32,))


def test_documents_stand_between_ends() -> None:
    texts = [chr(97 + i) * (i + 1) for i in range(10)]  # a, bb, ccc, …
    data = documents(texts, 6)
    end = data.vocabulary.end
    assert data.held_out is not None
    rows = [*zip(data.x, data.t, strict=True)]
    rows += [*zip(data.held_out[0], data.held_out[1].reshape(-1, 6), strict=True)]
    seen = []
    for x, t in rows:
        count = int((t != NOTHING).sum())
        text = data.vocabulary.decode([*x[:count], t[count - 1]])
        assert x[0] == end
        assert (x[count:] == end).all()
        assert (t[:count] != NOTHING).all()
        assert (t[count - 1] == end) == (len(text) < 6)
        seen.append(text)
    assert sorted(seen) == sorted(text[:6] for text in texts)
    assert len(data.held_out[0]) == 1
    x, t = next(data.batches(1, np.random.default_rng(0)))
    assert x.shape[1] == len(t) == (t != NOTHING).sum()  # no longer than its document


def test_the_bigram_model_counts() -> None:
    """Over "ab" and "ba" between ends, one added to every count: by hand."""
    data = documents(["ab"] * 9 + ["ba"], 6)
    assert data.held_out is not None
    [t] = data.held_out[1].reshape(1, 6)
    counts = {(2, 0): 1, (0, 1): 1, (1, 2): 1, (2, 1): 1, (1, 0): 1, (0, 2): 1}  # + 1 each
    held = data.vocabulary.decode([*t[:2]])
    for text in ["ab"] * 9 + ["ba"]:
        a, b = data.vocabulary.encode(text)
        for pair in ((2, a), (a, b), (b, 2)):
            counts[pair] += 1
    a, b = data.vocabulary.encode(held)
    for pair in ((2, a), (a, b), (b, 2)):
        counts[pair] -= 1  # it is held out
    total = {i: sum(n for (before, _), n in counts.items() if before == i) + 1 for i in (0, 1, 2)}
    expected = [math.log(counts[p] / total[p[0]]) for p in ((2, a), (a, b), (b, 2))]
    assert bigram_loss(data) == pytest.approx(-sum(expected) / 3, rel=1e-12)


def test_texts_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"no text in UTF-8, at byte 3"):
        read_text(str(tmp_path / "latin"))
    with pytest.raises(InputError, match="No such file"):
        read_text(str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"--text: 30 characters, expected at least 180"):
        windows("abc" * 10, 8)
    with pytest.raises(InputError, match="--text: 3 lines, expected at least 10"):
        documents(["a", "b", "c"], 8)


# ---- what is drawn

SCORES = np.log([0.1, 0.6, 0.3])


def test_tokens_are_drawn_by_their_probabilities() -> None:
    """Laid end to end, the likeliest first: 0.6 of the way is token 1, 0.3 token 2, 0.1 token 0."""
    places = {0.0: 1, 0.599: 1, 0.601: 2, 0.899: 2, 0.901: 0, 0.999: 0}
    assert {u: draw(SCORES, 1.0, None, u) for u in places} == places
    assert draw(SCORES, 1.0, 2, 0.999) == 2
    assert draw(SCORES, 1.0, 1, 0.999) == 1
    assert draw(SCORES, 0.0, None, 0.999) == 1
    half = np.array([0.1, 0.6, 0.3]) ** 2  # of temperature one half
    assert draw(SCORES, 0.5, None, 0.36 / half.sum() - 1e-9) == 1
    assert draw(SCORES, 0.5, None, 0.36 / half.sum() + 1e-9) == 2
    assert draw(np.zeros(3), 1.0, None, 0.0) == 0  # of equal ones the first


def test_text_goes_on_from_what_can_be_seen_of_it() -> None:
    seen = []

    def score(tokens: Any) -> Any:
        seen.append(tokens[0].tolist())
        return np.eye(9)[(tokens[0, -1] + 1) % 9] * 99

    said = continued(score, [1, 2], 5, 3, np.random.default_rng(0))
    assert said == [3, 4, 5, 6, 7]
    assert seen == [[1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    assert continued(score, [1, 2], 5, 3, np.random.default_rng(0), end=4) == [3, 4]


def test_what_both_say_is_told_once() -> None:
    assert [*told("a\nb", "a\nb")] == [
        "Said by both sides, the same 3 characters:",
        "    a",
        "    b",
    ]
    assert "Said by autograd, which is something else:" in [*told("a", "b")]


# ---- attention maps


@pytest.mark.parametrize("name", ["text-gpt", "microgpt"])
def test_attention_maps_are_weights_and_the_same_on_both_sides(name: str) -> None:
    problem = EXPERIMENTS[name].build(EXPERIMENTS[name].defaults.resolve())
    pair = lockstep_of(problem)
    tokens = problem.data.x[:1]
    mine = maps_by_hand(pair.network, tokens)
    theirs = maps_by_autograd(pair.twin, tokens)
    heads = 4 * len(problem.settings.hidden)
    assert mine.shape == theirs.shape == (heads, tokens.shape[1], tokens.shape[1])
    np.testing.assert_allclose(mine, theirs, atol=1e-14)
    np.testing.assert_allclose(mine.sum(axis=-1), 1, rtol=1e-13)
    assert not np.triu(mine, 1).any()
    assert np.ptp(mine) > 0.1
    pair.step(*next(problem.data.batches(2, problem.generator)))  # no pass is left waiting
    [(title, _)] = EXPERIMENTS[name].pictures(Run(problem, pair, Path()))
    assert title == "Attention of each head"


# ---- what is kept of a run


def test_weights_are_read_by_other_tools(tmp_path: Path) -> None:
    network = manual.GPT(7, 6, 1, 2, 8, np.float32, np.random.default_rng(0))
    save_weights(tmp_path / FILE, network, {"a note": "b"})
    twin = twin_of(manual.GPT(7, 6, 1, 2, 8, np.float32, np.random.default_rng(1)))
    twin.load_state_dict(load_tensors(tmp_path / FILE))
    tokens = np.array([[1, 2, 3]])
    with manual.no_grad():
        scores = network(tokens)
    theirs = twin(torch.from_numpy(tokens)).detach().numpy()
    np.testing.assert_allclose(scores, theirs, rtol=1e-4, atol=1e-5)
    again = manual.GPT(7, 6, 1, 2, 8, np.float32, np.random.default_rng(2))
    assert load_weights(tmp_path / FILE, again) == {"a note": "b"}
    for name, values in network.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], values)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of three tiny runs, and of the text that they read."""
    where = tmp_path_factory.mktemp("runs")
    (where / "rain.txt").write_text(TEXT)
    (where / "names.txt").write_text("\n".join(f"name{chr(97 + i)}" for i in range(26)))
    for name, text, hidden in (
        ("text-lstm", "rain.txt", "8"),
        ("text-gpt", "rain.txt", "8,8"),
        ("microgpt", "names.txt", "8"),
    ):
        words = [name, "--steps", "3", "--hidden", hidden, "--text", str(where / text)]
        assert main(["train", *words, "--block", "8", "--logdir", str(where)]) == 0
    assert main(["train", "xor", "--steps", "2", "--logdir", str(where)]) == 0
    return where


@pytest.mark.parametrize("name", ["text-lstm", "text-gpt", "microgpt"])
def test_a_run_goes_on_saying_what_it_said(
    name: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--logdir", str(trained)]
    asked = ["sample", name, "--prompt", "na", "--length", "5", "--seed", "3", *where]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Said by both sides, the same")
    said = printed.partition(":\n    ")[2].removesuffix("\n")
    assert said.startswith("na")
    assert len(said) <= 7
    assert main(asked) == 0
    assert capsys.readouterr().out == printed
    problem, pair = restored(trained / name)
    state = load_file(trained / name / FILE)
    assert state.keys() == problem.network.state_dict().keys()
    for key, values in pair.twin.state_dict().items():
        np.testing.assert_array_equal(values.numpy(), state[key])


def test_the_end_of_a_run_says_so(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["text-gpt", "--steps", "2", "--hidden", "8", "--text", str(trained / "rain.txt")]
    assert main(["train", *words, "--block", "8", "--logdir", str(trained)]) == 0
    printed = capsys.readouterr().out
    pattern = r"Held-out loss, in nats per character:\n  ([\d.]+) by hand, ([\d.]+) by autograd; "
    found = re.search(pattern + r"([\d.]+) by\n  counting which", printed)
    assert found
    assert found[1] == found[2]
    assert "Said by both sides, the same 300 characters:" in printed
    assert main(["train", "microgpt", "--steps", "2", "--logdir", str(trained)]) == 0
    assert "Made up by both sides, the same 20:" in capsys.readouterr().out


BAD = {
    "none": "settings.json: there is no such file",
    "xor": "xor: xor was not trained on text",
    "text-gpt --prompt Q": "'Q', character 1 of 'Q', is not known",
    "text-gpt --length 0": "--length 0: expected at least 1",
    "text-gpt --temperature -1": "--temperature -1.0: expected 0 or more",
    "text-gpt --temperature nan": "--temperature nan: expected 0 or more",
    "text-gpt --top-k 0": "--top-k 0: expected at least 1",
    "text-gpt --seed -1": "--seed -1: expected 0 or more",
}


@pytest.mark.parametrize("words", BAD)
def test_bad_input_gets_one_line(
    words: str, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", *words.split(), "--logdir", str(trained)]) == 2
    error = capsys.readouterr().err
    assert BAD[words] in error
    assert error.count("\n") == 1


def test_what_a_run_left_is_looked_at_closely(trained: Path, tmp_path: Path) -> None:
    source = trained / "text-gpt"

    def copy(**changed: Any) -> Path:
        path = tmp_path / f"run{len([*tmp_path.iterdir()])}"
        path.mkdir()
        settings = json.loads((source / "settings.json").read_text()) | changed
        (path / "settings.json").write_text(json.dumps(settings))
        (path / FILE).write_bytes((source / FILE).read_bytes())
        return path

    restored(copy())
    for changed, message in (
        ({"experiment": "none"}, "'none' is no experiment"),
        ({"more": 1}, "not the settings of text-gpt"),
        ({"hidden": 8}, "not the settings of text-gpt"),
        ({"lr": "a"}, "settings.json"),
        ({"hidden": [4, 4]}, "has shape"),
        ({"hidden": [6]}, "expected a multiple of 4, for the heads"),
    ):
        with pytest.raises(InputError, match=message):
            restored(copy(**changed))
    path = copy()
    (path / FILE).unlink()
    with pytest.raises(InputError, match=r"has left no weights\.safetensors: it did not come to"):
        restored(path)
    (path / FILE).write_bytes((source / FILE).read_bytes()[:100])
    with pytest.raises(InputError, match="not readable as safetensors"):
        restored(path)
    save_file(load_file(source / FILE), path / FILE, {"vocabulary": '"abc"'})
    with pytest.raises(InputError, match="the text that it was trained on is no longer the same"):
        restored(path)
    with pytest.raises(InputError, match="there is no such file"):
        load_weights(path / "none", manual.Linear(1, 1))


SETTINGS = {
    "text-gpt --hidden 6,6": "--hidden 6: expected a multiple of 4, for the heads",
    "microgpt --hidden 6": "--hidden 6: expected a multiple of 4, for the heads",
    "text-lstm --hidden 4,6": "--hidden 4,6: expected layers of one width",
    "text-lstm --activation relu": "--activation relu: expected tanh",
    "text-gpt --block 1": "--block 1: expected at least 2",
    "text-gpt --text /none": "--text /none: No such file",
    "xor --text a": "--text a: only text-lstm and text-gpt and microgpt has a choice of text",
}


@pytest.mark.parametrize("words", SETTINGS)
def test_settings_that_do_not_fit_are_refused(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *words.split(), "--logdir", str(tmp_path)]) == 2
    assert SETTINGS[words] in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]


def test_microgpt_trains_as_its_source_does() -> None:
    """Adam with lr 0.01 and betas 0.85 and 0.99, and a rate that falls in a straight line to 0."""
    experiment = EXPERIMENTS["microgpt"]
    problem = experiment.build(experiment.defaults.resolve())
    assert sum(p.data.size for p in problem.network.parameters()) == 4_192
    optimizer = problem.optimizer
    assert isinstance(optimizer, manual.Adam)
    [group] = optimizer.param_groups
    assert (group["lr"], group["betas"], group["eps"]) == (0.01, (0.85, 0.99), 1e-8)
    assert problem.schedule is not None
    schedule = problem.schedule(manual, optimizer)
    rates = []
    for _ in range(1_000):
        rates.append(group["lr"])
        schedule.step()
    np.testing.assert_allclose(rates, 0.01 * (1 - np.arange(1_000) / 1_000), rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["text-lstm", "text-gpt"])
def test_a_network_learns_more_than_a_bigram_model(name: str) -> None:
    """On a text in which only what stands further back tells what comes next."""
    text = "".join(
        f"{word}{'-' * 3}{word}\n" for word in np.random.default_rng(0).choice(["ab", "cd"], 2_000)
    )
    settings: dict[str, Any] = {"text-lstm": {"hidden": (24,)}, "text-gpt": {"hidden": (16, 16)}}
    experiment: Any = EXPERIMENTS[name]
    data = windows(text, 16)
    generator = np.random.default_rng(0)
    from dataclasses import replace

    own = replace(experiment.defaults, block=16, **settings[name])
    network = manual.Sequential(
        experiment.model(own, len(data.vocabulary), generator), manual.Flatten(0, 1)
    )
    loss, optimizer = manual.CrossEntropyLoss(), manual.Adam(network.parameters(), lr=0.01)
    batches = data.batches(16, generator)
    for _ in range(200):
        x, t = next(batches)
        loss(network(x), t)
        network.zero_grad()
        network.backward(loss.backward())
        optimizer.step()
    assert data.held_out is not None
    with manual.no_grad():
        reached = float(loss(network(data.held_out[0]), data.held_out[1]))
    assert reached < bigram_loss(data) - 0.1
