"""Which modules get adapters, by NeMo's and by Hugging Face's names."""

import json
from pathlib import Path

import pytest
import torch
from peft import PeftModel

from local_nemo.lm import lora
from tests import tiny_model


def leaves(*targets: str) -> set[str]:
    names = lora.match_modules(tiny_model.model(), targets)
    return {f"{lora.layer_of(name)}.{name.rsplit('.', 1)[1]}" for name in names}


def test_by_default_all_linear_modules_of_the_upper_half_are_adapted() -> None:
    modules = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    assert leaves() == {f"{layer}.{module}" for layer in (2, 3) for module in modules}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("linear_qkv", {"2.q_proj", "2.k_proj", "2.v_proj", "3.q_proj", "3.k_proj", "3.v_proj"}),
        ("linear_proj", {"2.o_proj", "3.o_proj"}),
        ("linear_fc1", {"2.gate_proj", "2.up_proj", "3.gate_proj", "3.up_proj"}),
        ("linear_fc2", {"2.down_proj", "3.down_proj"}),
        ("q_proj", {"2.q_proj", "3.q_proj"}),
        ("*.q_proj", {f"{layer}.q_proj" for layer in range(4)}),
        ("*.layers.0.*.linear_qkv", {"0.q_proj", "0.k_proj", "0.v_proj"}),
        ("*.layers.1.mlp.linear_fc2", {"1.down_proj"}),
        ("model.layers.1.self_attn.o_proj", {"1.o_proj"}),
    ],
)
def test_a_target_means_the_modules_it_names(target: str, expected: set[str]) -> None:
    assert leaves(target) == expected


def test_a_target_that_matches_nothing_is_named_with_what_there_is() -> None:
    with pytest.raises(lora.NoSuchModules, match="'linear_foo' matches no module.*q_proj.*linear_qkv"):
        leaves("linear_qkv", "linear_foo")


def test_a_saved_adapter_opens_with_peft_and_gives_the_same_output(tmp_path: Path) -> None:
    model = lora.add_lora(tiny_model.model(), lora.LoraSettings(4, 12), seed=1)
    chance = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(generator=chance)
    lora.save_adapter(model, tmp_path / "adapter", "ns/base")
    assert sorted(path.name for path in (tmp_path / "adapter").iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (4, 12, "ns/base")
    # In double precision: what is left of rounding depends on the weights and on the machine.
    opened = PeftModel.from_pretrained(tiny_model.model(), str(tmp_path / "adapter")).double()
    ids = torch.arange(12)[None]
    torch.testing.assert_close(opened(input_ids=ids).logits, model.double().eval()(input_ids=ids).logits)


def test_fresh_adapters_change_nothing_and_the_seed_decides_their_start() -> None:
    plain, ids = tiny_model.model(), torch.arange(12)[None]
    expected = plain(input_ids=ids).logits
    first, same, other = (lora.add_lora(tiny_model.model(), lora.LoraSettings(), seed) for seed in (1, 1, 2))
    torch.testing.assert_close(first(input_ids=ids).logits, expected, rtol=1e-4, atol=1e-4)
    weights = [next(p for n, p in model.named_parameters() if "lora_A" in n) for model in (first, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
