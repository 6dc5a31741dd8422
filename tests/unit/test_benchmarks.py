"""The benchmarks' own arithmetic: adapters for llama.cpp, targets in the table, and the page that shows it."""

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from safetensors.numpy import save_file

from benchmarks import conversion, gguf_adapter, report
from helpers import data, readme

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "results" / "bench.json"


def test_llama_cpp_gets_the_rows_of_a_head_in_the_order_in_which_it_rotates_them() -> None:
    rows = np.arange(8, dtype=np.float32)[:, None]  # two heads of four: the halves are 0 1 | 2 3 and 4 5 | 6 7
    assert gguf_adapter.interleave(rows, heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_an_adapter_keeps_its_matrices_alpha_and_names_for_llama_cpp(tmp_path: Path) -> None:
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    base.mkdir(), adapter.mkdir()
    (base / "config.json").write_text(json.dumps({"num_attention_heads": 2, "num_key_value_heads": 1}))
    (adapter / "adapter_config.json").write_text(json.dumps({"lora_alpha": 32}))
    chance = np.random.default_rng(1)
    key = "base_model.model.model.layers.7.{}.lora_{}.weight"
    wanted = {}
    for module, name in (("self_attn.q_proj", "attn_q"), ("mlp.down_proj", "ffn_down")):
        for half in "AB":
            wanted[module, name, half] = chance.normal(size=(8, 4)).astype(np.float32)
    save_file(
        {key.format(module, half): matrix for (module, _, half), matrix in wanted.items()},
        adapter / "adapter_model.safetensors",
    )
    reader = GGUFReader(gguf_adapter.convert(adapter, base, tmp_path / "adapter.gguf"))
    found = {tensor.name: tensor.data for tensor in reader.tensors}
    assert reader.fields["adapter.lora.alpha"].contents() == 32
    assert np.array_equal(found["blk.7.ffn_down.weight.lora_b"], wanted["mlp.down_proj", "ffn_down", "B"])
    assert np.array_equal(found["blk.7.attn_q.weight.lora_a"], wanted["self_attn.q_proj", "attn_q", "A"])
    rotated = gguf_adapter.interleave(wanted["self_attn.q_proj", "attn_q", "B"], heads=2)
    assert np.array_equal(found["blk.7.attn_q.weight.lora_b"], rotated)


def test_the_rows_that_the_conversion_is_timed_on_are_xlam_rows() -> None:
    prepared = data.prepare(conversion.rows(200), seed=1, limit_properties=None)
    assert prepared.counts["rows"] > 60  # the others call several tools
    assert set(prepared.report.drops) == {"more than one tool call"}


@pytest.mark.parametrize(("ours", "reached"), [(2.0, "yes"), (9.0, "no")])
def test_a_target_says_whether_it_is_reached(ours: float, reached: str) -> None:
    record = {"parts": {"adapters": {"served_after_s": [0.1, ours], "memory_mb": {"one": 100, "all": 120},
                                     "burst_s": {"one adapter": 4.0, "4 adapters": 5.0}}}}  # fmt: skip
    lines = {line.split(" | ")[0]: line for line in report.table(record).splitlines()}
    assert lines["| a new adapter is served after"].endswith(f"| {reached} |")
    assert "not recorded" in lines["| evaluation of 250 rows"]


def test_a_loss_that_was_not_reached_is_not_called_reached() -> None:
    measured = {"ours": {"seconds_to_the_peers_loss": None, "val_loss": 0.4}, "peer": {"seconds": 9.0, "val_loss": 0.3}}
    line = next(line for line in report.LINES if "time to the loss" in line.what)
    text, reached = line.found(measured)
    assert not reached and text.startswith("not reached")


def test_the_page_shows_what_is_recorded() -> None:
    shown = readme.section_of(readme.CLUSTER_GUIDE, "bench")
    assert shown == report.section(json.loads(RECORD.read_text(encoding="utf-8")))
