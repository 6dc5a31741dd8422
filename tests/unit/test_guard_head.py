"""The head of the demo safety model: the shipped file fits the encoder, and any other file is refused with a reason."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks import guard as measure
from helpers import readme
from local_nemo.guard.head import HEAD, HIDDEN, SHAPES, Head, HeadMissing
from local_nemo.lm.encoder import LAYERS, MARK, WIDTH


def written(folder: Path, encoder: str = MARK, threshold: object = 0.5, **tensors: np.ndarray) -> Path:
    file = folder / "head.safetensors"
    good = {name: np.zeros(shape, np.float16) for name, shape in SHAPES.items()}
    save_file(good | tensors, file, metadata={"head": json.dumps({"encoder": encoder, "threshold": threshold})})
    return file


def test_the_shipped_head_is_for_this_encoder_and_small() -> None:
    head = Head.load()
    assert head.hidden.shape == (HIDDEN, LAYERS * WIDTH)
    assert HEAD.stat().st_size < 1_300_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"encoder": "another"}, "made for encoder 'another'"),
        ({"hidden": np.zeros((HIDDEN, 1152), np.float16)}, "1152"),
        ({"more": np.zeros(1, np.float16)}, "more"),
        ({"threshold": 0}, "can't be right"),
        ({"threshold": 1}, "can't be right"),
        ({"out": np.full(HIDDEN, np.nan, np.float16)}, "can't be right"),
        ({"threshold": "x"}, "damaged"),
        ({"threshold": None}, "damaged"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_with_the_reason(tmp_path: Path, change: dict, reason: str) -> None:
    with pytest.raises(HeadMissing, match=reason):
        Head.load(written(tmp_path, **change))


def test_a_head_that_fits_is_taken_and_computes_what_it_says(tmp_path: Path) -> None:
    hidden, out = np.zeros((HIDDEN, LAYERS * WIDTH), np.float16), np.zeros(HIDDEN, np.float16)
    hidden[0, 0], out[0] = 1, 2
    head = Head.load(written(tmp_path, hidden=hidden, out=out, out_bias=np.array([-1], np.float16)))
    features = np.zeros((2, LAYERS * WIDTH), np.float32)
    features[:, 0] = (3, -3)  # a hidden value below zero counts as zero
    assert head.unsafe(features) == pytest.approx(1 / (1 + np.exp([-5.0, 1.0])))


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HeadMissing, match="can't be read"):
        Head.load(tmp_path / "head.safetensors")
    file = written(tmp_path)
    whole = file.read_bytes()
    for broken in (b"", b"{", whole[:-10], whole[:50], b"\xff" * 100):
        file.write_bytes(broken)
        with pytest.raises(HeadMissing, match="damaged"):
            Head.load(file)


def test_the_page_shows_what_was_measured_and_for_this_head() -> None:
    record = json.loads(measure.RECORD.read_text(encoding="utf-8"))
    assert record["threshold"] == Head.load().threshold
    assert readme.section_of(measure.PAGE, "guard") == measure.table(record["sources"])


def test_texts_of_other_peoples_classes_are_read_and_none_of_their_code_runs() -> None:
    source = """
raise RuntimeError("this would run")
class One:
    NAME = "Bob"
    GOAL = f"Pay {NAME} and {_OTHER}."
class Two:
    GOAL: str = "Wait."
class Three:
    PROMPT = "not asked for"
"""
    assert list(measure.class_texts(source, "GOAL")) == ["Pay Bob and Alice.", "Wait."]
