"""Checkpoints: two generations, every damage noticed, nothing started again in silence."""

import pytest
import torch

from harness.errors import UserError
from harness.models.torch_loop import checkpoint


def test_the_two_newest_states_are_kept_and_the_newest_is_loaded(tmp_path):
    assert checkpoint.load(tmp_path, pytest.fail) is None
    for step in (9, 10, 11):
        checkpoint.save(tmp_path, {"step": step, "weights": torch.arange(3)}, step)
    names = [path.name for path in checkpoint.generations(tmp_path)]
    assert names == ["step-000000011.checkpoint", "step-000000010.checkpoint"]
    state = checkpoint.load(tmp_path, pytest.fail)
    assert state["step"] == 11 and state["weights"].tolist() == [0, 1, 2]


def flip_a_bit(content: bytes) -> bytes:
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


@pytest.mark.parametrize("damage", [flip_a_bit, lambda content: content[:-1], lambda content: b""])
def test_any_damage_is_noticed_and_the_state_before_is_taken_but_nothing_starts_again(damage, tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, {"step": step}, step)
    newest, older = checkpoint.generations(tmp_path)
    newest.write_bytes(damage(newest.read_bytes()))
    warnings: list[str] = []
    assert checkpoint.load(tmp_path, warnings.append)["step"] == 1
    assert len(warnings) == 1 and str(newest) in warnings[0]
    older.write_bytes(b"rubbish")
    with pytest.raises(UserError, match=f"no checkpoint in {tmp_path} can be read.*delete the folder"):
        checkpoint.load(tmp_path, lambda sentence: None)


def test_a_finished_fit_leaves_weights_alone_and_their_damage_is_noticed(tmp_path):
    with pytest.raises(UserError, match="holds no finished fit"):
        checkpoint.finished(tmp_path)
    checkpoint.save(tmp_path, {"step": 1}, 1)
    checkpoint.finish(tmp_path, {"bias": torch.ones(2)}, {"epochs": 3})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["finished.json", "weights.safetensors"]
    assert checkpoint.finished(tmp_path)["bias"].tolist() == [1, 1]
    path = tmp_path / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    with pytest.raises(UserError, match=r"weights\.safetensors is missing or damaged"):
        checkpoint.finished(tmp_path)
