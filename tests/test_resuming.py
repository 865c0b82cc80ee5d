"""A run that was interrupted goes on as if it had not been: to the last bit, on both sides."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from torch_ref.cli import DIVERGED, main
from torch_ref.safe_files import InputError
from torch_ref.training import session
from torch_ref.training.checkpoints import (
    checkpoints_of,
    load_checkpoint,
    packed,
    same,
    save_checkpoint,
    unpacked,
)

RUNS = {
    "plain": "xor --steps 60 --activation tanh",
    "moments, a schedule": "xor --steps 60 --optimizer nadam --schedule onecyclelr",
    "batches": "digits-mlp --steps 45 --hidden 16 --batch-size 7",
    "each step by itself": "digits-mlp --steps 30 --hidden 16 --dtype float32 --optimizer rprop",
    "what is seen": "worked-example --steps 60",
    "statistics, masks": "digits-resnet --steps 6 --hidden 4 --batch-size 8",
    "a schedule of schedules": "moons --steps 60 --schedule sequentiallr --layers 8",
    "a metric": "moons --steps 60 --schedule reducelronplateau --optimizer asgd --layers 8",
}
SLOW = {"each step by itself", "statistics, masks", "a schedule of schedules", "batches"}


def interrupt_after(step: int, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send this process the signal once the step has been taken."""
    original = session.Lockstep.step

    def stepped(pair: Any, *batch: Any) -> Any:
        done = original(pair, *batch)
        if done.number == step:
            os.kill(os.getpid(), number)
        return done

    monkeypatch.setattr(session.Lockstep, "step", stepped)


def points(path: Path) -> dict[tuple[str, str], Any]:
    """Every point of every curve, of all sides."""
    found = {}
    for side in ("manual", "torch", "parity"):
        events = EventAccumulator(str(path / side), size_guidance={"scalars": 0, "images": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            found[side, tag] = [(e.step, e.value) for e in events.Scalars(tag)]
        for tag in events.Tags()["images"]:
            found[side, tag] = [e.step for e in events.Images(tag)]
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in RUNS]
)
def test_a_run_goes_on_as_if_it_had_not_been_interrupted(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", *RUNS[name].split(), "--logdir", str(tmp_path), "--csv"]
    assert main([*words, "--name", "whole"]) == 0
    middle = int(words[words.index("--steps") + 1]) // 2 + 1
    with monkeypatch.context() as patch:
        interrupt_after(middle, signal.SIGINT, patch)
        assert main([*words, "--name", "part"]) == 130
    said = capsys.readouterr().err
    assert f"interrupted after step {middle}" in said
    assert "train --resume part" in said
    assert not (tmp_path / "part" / "weights.safetensors").exists()
    assert main(["train", "--resume", "part", "--logdir", str(tmp_path)]) == 0
    assert f"going on after step {middle}" in capsys.readouterr().out
    whole, part = (load_file(tmp_path / n / "weights.safetensors") for n in ("whole", "part"))
    for key, values in whole.items():
        assert values.tobytes() == part[key].tobytes(), key
    for file in ("curves.csv", "parity.csv", "settings.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "part" / file).read_bytes()
    assert points(tmp_path / "whole") == points(tmp_path / "part")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    interrupt_after(5, number, monkeypatch)
    words = ["train", "xor", "--steps", "50", "--logdir", str(tmp_path)]
    assert main(words) == 128 + number
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    (checkpoint,) = checkpoints_of(tmp_path / "xor")
    assert load_checkpoint(checkpoint)["step"] == 5
    assert "Traceback" not in capsys.readouterr().err


def test_a_signal_at_the_last_step_ends_the_run_as_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_after(20, signal.SIGINT, monkeypatch)
    assert main(["train", "xor", "--steps", "20", "--logdir", str(tmp_path)]) == 0
    assert (tmp_path / "xor" / "weights.safetensors").exists()


def test_checkpoints_every_so_often(tmp_path: Path) -> None:
    words = ["train", "xor", "--steps", "50", "--logdir", str(tmp_path)]
    assert main([*words, "--checkpoint-every", "20", "--keep", "2"]) == 0
    names = [file.name for file in checkpoints_of(tmp_path / "xor")]
    assert names == ["checkpoint-40.safetensors", "checkpoint-20.safetensors"]
    assert main([*words, "--name", "one", "--checkpoint-every", "20"]) == 0
    assert [f.name for f in checkpoints_of(tmp_path / "one")] == ["checkpoint-40.safetensors"]


def test_what_was_logged_after_the_checkpoint_is_void(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill: the curves have no point twice, and lose none."""
    words = ["train", "xor", "--steps", "40", "--logdir", str(tmp_path), "--csv"]
    assert main([*words, "--name", "whole"]) == 0

    class Killed(BaseException):
        pass

    def kill(step: int) -> Callable[..., Any]:
        original = session.Lockstep.step

        def stepped(pair: Any, *batch: Any) -> Any:
            if pair.steps == step:
                raise Killed
            return original(pair, *batch)

        return stepped

    with monkeypatch.context() as patch:
        patch.setattr(session.Lockstep, "step", kill(25))
        with pytest.raises(Killed):
            main([*words, "--name", "part", "--checkpoint-every", "10"])
    assert main(["train", "--resume", "part", "--logdir", str(tmp_path)]) == 0
    whole, part = points(tmp_path / "whole"), points(tmp_path / "part")
    assert {k: v for k, v in whole.items() if "overlay" not in k[1]} == {
        k: v for k, v in part.items() if "overlay" not in k[1]
    }
    for file in ("curves.csv", "parity.csv"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "part" / file).read_bytes()


def test_before_a_run_goes_on_its_whole_state_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A schedule, a moment, a weight that is not as it was is found, and nothing goes on."""
    words = ["train", "xor", "--steps", "30", "--logdir", str(tmp_path), "--optimizer", "adam"]
    with monkeypatch.context() as patch:
        interrupt_after(10, signal.SIGINT, patch)
        assert main(words) == 130

    def loses(original: Callable[..., Any]) -> Callable[..., Any]:
        def load(optimizer: Any, state: Any) -> None:
            original(optimizer, state)
            optimizer.param_groups[0]["lr"] *= 1 + 1e-15

        return load

    with monkeypatch.context() as patch:
        from manual import Adam

        patch.setattr(Adam, "load_state_dict", loses(Adam.load_state_dict))
        assert main(["train", "--resume", "xor", "--logdir", str(tmp_path)]) == 2
    assert "cannot be gone on from: by hand is not as it was" in capsys.readouterr().err
    assert main(["train", "--resume", "xor", "--logdir", str(tmp_path)]) == 0


REFUSED = {
    "no run": (["--resume", "none"], "there is no such file"),
    "a path": (["--resume", "../xor"], "expected a plain name"),
    "settings": (["--resume", "xor", "--lr", "1"], "lr is as it was, and not taken"),
    "an option": (["--resume", "xor", "--rule", "early"], "rule is as it was, and not taken"),
    "finished": (["--resume", "xor"], "has come to its end"),
    "nothing": ([], "expected an experiment, data of your own, or --resume RUN"),
    "none kept": (["xor", "--keep", "0"], "--keep 0: expected at least 1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_gone_on_with(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, message = REFUSED[what]
    assert main(["train", "xor", "--steps", "3", "--logdir", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["train", *words, "--logdir", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_run_without_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "xor", "--steps", "3", "--logdir", str(tmp_path)]) == 0
    (tmp_path / "xor" / "weights.safetensors").unlink()
    assert main(["train", "--resume", "xor", "--logdir", str(tmp_path)]) == 2
    assert "there is no checkpoint" in capsys.readouterr().err


def test_a_run_that_diverges_names_the_last_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "xor", "--steps", "2000", "--logdir", str(tmp_path), "--lr", "30"]
    assert main([*words, "--activation", "identity", "--checkpoint-every", "5"]) == DIVERGED
    assert "checkpoint-" in capsys.readouterr().err


# ---- the file

STATE: dict[Any, Any] = {
    "none": None,
    1: [True, 2**70, 0.1, float("inf"), "text", "\x1b"],
    ("a", "tuple"): (np.arange(3, dtype=np.float32), np.float64(0.1), torch.ones(2, 2)),
    "empty": [[], (), {}, np.zeros((0, 3))],
    "views": [np.arange(6.0).reshape(2, 3).T, np.arange(4, dtype=np.uint32)],
}


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    file = save_checkpoint(tmp_path, 7, STATE, keep=1)
    assert file.name == "checkpoint-7.safetensors"
    back = load_checkpoint(file)
    assert same(back, STATE)
    assert isinstance(back["a", "tuple"][2], torch.Tensor)
    assert isinstance(back["a", "tuple"][1], np.float64)
    for changed in ({**STATE, "none": 0}, {**STATE, "views": [STATE["views"][0] + 1e-16 * 8, 1]}):
        assert not same(changed, STATE)
    with pytest.raises(TypeError, match="cannot hold a set"):
        packed({1, 2}, {})
    arrays: dict[str, np.ndarray] = {}
    tree = json.loads(json.dumps(packed(STATE, arrays)))
    assert same(unpacked(tree, arrays), STATE)


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 100, 600])
def test_a_damaged_checkpoint_is_refused(cut: int, tmp_path: Path) -> None:
    file = save_checkpoint(tmp_path, 1, STATE, keep=1)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) - cut - 1] if cut < 100 else whole[:cut])
    with pytest.raises(InputError, match=r"checkpoint-1\.safetensors"):
        load_checkpoint(file)


def test_another_file_is_no_checkpoint(tmp_path: Path) -> None:
    assert main(["train", "xor", "--steps", "3", "--logdir", str(tmp_path)]) == 0
    with pytest.raises(InputError, match="no checkpoint of a training run"):
        load_checkpoint(tmp_path / "xor" / "weights.safetensors")
    with pytest.raises(InputError, match="there is no such file"):
        load_checkpoint(tmp_path / "none")
