"""The peer of our training: trl's `SFTTrainer`, in a process of its own so that its memory is its own.

    python -m benchmarks.trl_peer REQUEST.json

The request names the base model's folder, JSONL rows of `prompt` and `completion`, the folder for the adapter, steps,
rows per step, LoRA rank, learning rate, and whether in bf16. All other settings are trl's own: gradient checkpointing,
loss on the completion alone. Writes `peer.json` beside the adapter: seconds of the training loop, tokens, peak memory.
"""

import json
import sys
import time
from pathlib import Path


def main(request: dict) -> None:
    """Train, save, write what it took."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    from local_nemo.lm.trainer import peak_rss_mb

    dtype = torch.bfloat16 if request["bf16"] else torch.float32
    torch.set_num_threads(request["threads"])
    rows = [json.loads(line) for line in Path(request["rows"]).read_text(encoding="utf-8").splitlines()]
    out = Path(request["out"])
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(request["base"], dtype=dtype, local_files_only=True),
        processing_class=AutoTokenizer.from_pretrained(request["base"], local_files_only=True),
        train_dataset=Dataset.from_list(rows),
        peft_config=LoraConfig(
            r=request["rank"], lora_alpha=2 * request["rank"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        args=SFTConfig(
            output_dir=str(out / "trl"),
            max_steps=request["steps"],
            per_device_train_batch_size=request["rows_per_step"],
            learning_rate=request["learning_rate"],
            seed=request["seed"],
            use_cpu=True,
            bf16=request["bf16"],
            save_strategy="no",
            report_to="none",
            logging_steps=1,
        ),
    )
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    trainer.save_model(str(out))
    found = {
        "seconds": round(seconds, 1),
        "steps": trainer.state.global_step,
        "tokens": int(next(log["num_tokens"] for log in reversed(trainer.state.log_history) if "num_tokens" in log)),
        "bf16": trainer.args.bf16,
        "gradient_checkpointing": trainer.args.gradient_checkpointing,
        "peak_rss_mb": round(peak_rss_mb()),
    }
    (out / "peer.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
