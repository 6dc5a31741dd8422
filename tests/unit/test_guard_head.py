"""The head of the demo safety model: the shipped file fits the encoder, and any other file is refused with a reason."""

import json
from pathlib import Path

import pytest

from local_nemo.guard.head import HEAD, Head, HeadMissing
from local_nemo.lm.encoder import LAYERS, MARK, WIDTH

GOOD = {"encoder": MARK, "threshold": 0.5, "bias": 0.0, "weights": [0.0] * (LAYERS * WIDTH)}


def written(folder: Path, **changes: object) -> Path:
    file = folder / "head.json"
    file.write_text(json.dumps(GOOD | changes))
    return file


def test_the_shipped_head_is_for_this_encoder_and_small():
    head = Head.load()
    assert head.weights.shape == (LAYERS * WIDTH,)
    assert HEAD.stat().st_size < 200_000


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"encoder": "another"}, "made for encoder 'another'"),
        ({"weights": [0.0] * 1152}, "1152 features"),
        ({"threshold": 0}, "can't be right"),
        ({"threshold": 1}, "can't be right"),
        ({"bias": float("nan")}, "can't be right"),
        ({"weights": ["x"]}, "damaged"),
        ({"weights": None}, "can.t be right"),
    ],
)
def test_a_head_that_does_not_fit_is_refused_with_the_reason(tmp_path, change, reason):
    with pytest.raises(HeadMissing, match=reason):
        Head.load(written(tmp_path, **change))


def test_a_head_that_fits_is_taken(tmp_path):
    assert Head.load(written(tmp_path)).threshold == 0.5


def test_a_missing_or_broken_file_is_refused(tmp_path):
    with pytest.raises(HeadMissing, match="can't be read"):
        Head.load(tmp_path / "head.json")
    (tmp_path / "head.json").write_text("{")
    with pytest.raises(HeadMissing, match="damaged"):
        Head.load(tmp_path / "head.json")
