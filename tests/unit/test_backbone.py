"""Two halves give what the whole gives, and rows computed together what rows alone give: loss and gradient."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from local_nemo.lm import lora
from local_nemo.lm.backbone import LEARNED_PROMPT, HiddenCache, SplitModel, tree_tensors
from local_nemo.lm.batches import Tree
from tests import tiny_model
from tests.tiny_model import row

ROWS = [row("shared beginning of all, " + question, answer) for question, answer in
        (("one?", "first"), ("and two?", "the second"), ("3?", "third one"))]  # fmt: skip
SHARED = len("shared beginning of all, ")
TOGETHER = Tree((0, 1, 2), SHARED, 0)


def adapted(architecture: str = "llama", dropout: float = 0.0) -> nn.Module:
    model = lora.add_lora(tiny_model.model(architecture), lora.LoraSettings(4, 8, dropout), seed=1)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                nn.init.normal_(parameter, std=0.1)
    return model


def loss_and_gradient(
    model: nn.Module, trees: list[Tree], context: int | None = None
) -> tuple[float, dict[str, torch.Tensor]]:
    split = SplitModel(model.get_base_model(), lora.first_trained_layer(model))
    assert split.cut == 2
    model.zero_grad()
    total = 0.0
    for tree in trees:
        tensors = tree_tensors(tree, ROWS)
        tensors = tensors if context is None else replace(tensors, context=context)
        logits = split.logits(tensors, split.lower(tensors))
        loss = nn.functional.cross_entropy(logits, tensors.targets, reduction="sum")
        loss.backward()
        total += loss.item()
    return total, {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("context", [0, SHARED])
@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_rows_in_a_tree_have_the_loss_and_gradient_of_rows_alone(architecture: str, context: int) -> None:
    model = adapted(architecture)
    loss, gradient = loss_and_gradient(model, [TOGETHER], context)
    alone, gradient_alone = loss_and_gradient(model, [Tree((index,), 0, index) for index in range(3)], context)
    assert loss == pytest.approx(alone, rel=1e-4)
    for name, value in gradient.items():
        torch.testing.assert_close(value, gradient_alone[name], rtol=1e-3, atol=1e-4)


def test_the_gradient_reaches_the_question_and_the_answer_but_not_the_shared_tools() -> None:
    model = adapted()
    tensors = tree_tensors(TOGETHER, ROWS)
    assert tensors.context == SHARED
    split = SplitModel(model.get_base_model(), 2)
    hidden = split.lower(tensors).requires_grad_()
    split.logits(tensors, hidden).sum().backward()
    reached = hidden.grad[0].abs().sum(-1) > 0
    assert not reached[:SHARED].any()
    assert reached[SHARED : tensors.predictors[0]].all()


def test_of_a_long_row_alone_the_gradient_reaches_the_last_tokens_before_the_answer() -> None:
    long = [row("x" * 100, "answer")]
    assert tree_tensors(Tree((0,), 0, 0), long).context == 100 - LEARNED_PROMPT
    assert tree_tensors(Tree((0,), 0, 0), [row("x" * 10, "answer")]).context == 0


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_the_loss_is_that_of_transformers_itself(architecture: str) -> None:
    model = adapted(architecture).eval()
    loss, _ = loss_and_gradient(model, [TOGETHER])
    expected = 0.0
    for one in ROWS:
        labels = [-100] * one.answer_start + list(one.ids[one.answer_start :])
        mean = model(input_ids=torch.tensor([one.ids]), labels=torch.tensor([labels])).loss.item()
        expected += mean * one.answer_tokens
    assert loss == pytest.approx(expected, rel=1e-4)


def test_the_fused_layer_computes_what_peft_computes() -> None:
    model = adapted()
    ids = torch.tensor([ROWS[0].ids])
    fused = model(input_ids=ids).logits
    layers = [module for module in model.modules() if isinstance(module, lora.LoraLinear)]
    assert len(layers) == 14
    for layer in layers:
        del layer.forward
    torch.testing.assert_close(model(input_ids=ids).logits, fused, rtol=1e-4, atol=1e-4)


def test_dropout_changes_training_and_leaves_evaluation_alone() -> None:
    ids = torch.tensor([ROWS[0].ids])
    with_dropout, without = adapted(dropout=0.5), adapted()
    torch.testing.assert_close(
        with_dropout.eval()(input_ids=ids).logits, without.eval()(input_ids=ids).logits, rtol=1e-4, atol=1e-4
    )
    with_dropout.train()
    first, second = with_dropout(input_ids=ids).logits, with_dropout(input_ids=ids).logits
    assert not torch.allclose(first, second)


def test_what_the_cache_gives_back_is_what_was_computed() -> None:
    model = adapted()
    split = SplitModel(model.get_base_model(), 2)
    cache = HiddenCache(1 << 20)
    assert cache.get(TOGETHER) is None
    hidden = split.lower(tree_tensors(TOGETHER, ROWS))
    cache.put(TOGETHER, ROWS, hidden)
    torch.testing.assert_close(cache.get(TOGETHER), hidden)
    other = Tree((2, 0), SHARED, 0)  # in another company in a later epoch
    torch.testing.assert_close(cache.get(other), split.lower(tree_tensors(other, ROWS)), rtol=1e-4, atol=1e-4)


def test_a_full_cache_keeps_nothing_more() -> None:
    cache = HiddenCache(10)
    cache.put(TOGETHER, ROWS, torch.zeros(1, 200, 32))
    assert cache.get(TOGETHER) is None


def test_a_model_that_cannot_be_cut_runs_whole() -> None:
    model = tiny_model.model()
    decoder, forward = model.get_decoder(), type(model.get_decoder()).forward
    decoder.forward = lambda *args, **named: forward(decoder, *args, **named)  # no half can take its place
    split = SplitModel(model, 2)
    tensors = tree_tensors(TOGETHER, ROWS)
    assert split.cut == 0
    expected = model(input_ids=tensors.ids, position_ids=tensors.positions, attention_mask=tensors.mask).logits
    torch.testing.assert_close(
        split.logits(tensors, split.lower(tensors)), expected[0, tensors.predictors], rtol=1e-4, atol=1e-4
    )
