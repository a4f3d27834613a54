"""Checkpoints come back as they were, and no damaged file is taken for a whole one."""

from __future__ import annotations

import json
import os
import pickle
import re

import numpy as np
import pytest
import safetensors.numpy
import torch

from payoff.baselines import checkpoint
from payoff.files import _digest

TENSORS = {
    "weights": np.arange(6, dtype=np.float32).reshape(2, 3),
    "double": np.array([np.pi, -0.0, np.inf, np.nan]),
    "count": np.array(7, dtype=np.int64),
    "bytes": np.arange(256, dtype=np.uint8),
    "flags": np.array([[True], [False]]),
    "none": np.zeros((0, 5)),
    "strided": np.arange(12.0).reshape(3, 4)[:, ::2].T,
    "half": np.array([0.5], dtype=np.float16),
}
META = {"update": 3, "rng": {"state": 2**127 + 1}, "text": "γ", "nothing": None, "list": [1, 2.5]}


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "run" / "state.safetensors"
    checkpoint.save(file, TENSORS, META)
    return file


def test_everything_comes_back_bit_for_bit(path):
    tensors, meta = checkpoint.load(path)
    assert meta == META
    assert set(tensors) == set(TENSORS)
    for name, expected in TENSORS.items():
        assert tensors[name].dtype == expected.dtype
        assert tensors[name].shape == expected.shape
        assert tensors[name].tobytes() == np.ascontiguousarray(expected).tobytes(), name


def test_state_of_torch_generators_comes_back(tmp_path):
    generator = torch.Generator().manual_seed(5)
    checkpoint.save(tmp_path / "rng", {"rng": generator.get_state().numpy()}, {})
    expected = torch.rand(3, generator=generator)
    again = torch.Generator()
    again.set_state(torch.from_numpy(checkpoint.load(tmp_path / "rng")[0]["rng"]))
    assert torch.equal(torch.rand(3, generator=again), expected)


def test_foreign_byte_order_is_converted(tmp_path):
    checkpoint.save(tmp_path / "x", {"x": np.array([1, 256], dtype=">i4")}, {})
    assert checkpoint.load(tmp_path / "x")[0]["x"].tolist() == [1, 256]


def refused(path):
    with pytest.raises(ValueError, match="damaged") as caught:
        checkpoint.load(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message


def test_every_truncation_is_refused(path):
    data = path.read_bytes()
    for length in (*range(0, len(data), 37), 8, len(data) - 1):
        path.write_bytes(data[:length])
        refused(path)


def test_every_flipped_byte_is_refused(path):
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a checkpoint",
        json.dumps({"a": 1}).encode(),
        pickle.dumps({"a": 1}),
        safetensors.numpy.save({"a": np.zeros(2)}),
        safetensors.numpy.save({"a": np.zeros(2)}, {"format": "pt"}),
    ],
    ids=["empty", "text", "json", "pickle", "safetensors", "other metadata"],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x")


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ("{", "its metadata is no JSON object: Expecting property name enclosed in double quotes at character 1"),
        ("[1]", "its metadata is no JSON object"),
        ('{"a": ' + "7" * 5000 + "}", "its metadata is no JSON object: a number has 5000 digits"),
        ("[" * 100_000, "its metadata is no JSON object: it is nested too deeply"),
        ('{"a": 1, "a": 2}', "its metadata is no JSON object: the name 'a' stands there twice"),
        ('{"a": Infinity}', "its metadata is no JSON object: Infinity is no finite number"),
        ('{"a": -1e999}', "its metadata is no JSON object: -1e999 is no finite number"),
    ],
)
def test_metadata_that_nothing_of_ours_wrote_is_refused(tmp_path, meta, message):
    """Whole files, checksum and all, as a program of somebody else may write them."""
    arrays = {"a": np.zeros(2)}
    header = {"format": "payoff-checkpoint-1", "meta": meta, "sha256": _digest(arrays, meta)}
    (tmp_path / "x").write_bytes(safetensors.numpy.save(arrays, header))
    refused(tmp_path / "x")
    with pytest.raises(ValueError, match=f"{re.escape(message)}$"):
        checkpoint.load(tmp_path / "x")


def test_a_header_that_says_something_twice_is_refused(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + size].rstrip()
    header = header[:-1] + b',"none":{"dtype":"F64","shape":[0,5],"data_offsets":[0,0]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
    refused(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        checkpoint.load(tmp_path / "nothing")


@pytest.mark.parametrize("bad", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_other_types_are_refused_before_anything_is_written(path, bad):
    before = path.read_bytes()
    with pytest.raises(ValueError, match="tensor 'x' must hold"):
        checkpoint.save(path, {"x": bad}, {})
    with pytest.raises(ValueError):
        checkpoint.save(path, {}, {"x": float("nan")})
    with pytest.raises(TypeError):
        checkpoint.save(path, {}, {"x": object()})
    assert path.read_bytes() == before


def test_a_write_that_fails_leaves_the_old_file(path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, {"x": np.zeros(1)}, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
