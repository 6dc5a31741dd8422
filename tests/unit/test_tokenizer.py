"""The tokenizer built from the GGUF behaves as the model was trained with: nothing added, exact round trips, ChatML."""

import random
import string

import pytest

from local_nemo.lm import tokenizer as tokenizer_module
from local_nemo.lm.base import bundled_gguf

ALPHABETS = [
    string.printable,
    "äöüßéèñçøåłžčğışȘț¿¡«»“”‘’–—…€£¥§°µ",
    "中文日本語한국어العربيةעבריתहिन्दीไทยελληνικάрусский",
    "🙂🚀👩‍👩‍👧‍👦🇩🇪\u200b\u00a0\u0301\ufeff",
    "0123456789 .,-+eE/:%",
    '{}[]":,\\ \n\t<tool_call></tool_call>',
]


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizer_module.from_gguf(bundled_gguf())


def random_texts(count: int) -> list[str]:
    generator = random.Random(1234)
    return ["".join(generator.choices(generator.choice(ALPHABETS), k=generator.randint(1, 120))) for _ in range(count)]


def test_two_hundred_texts_come_back_unchanged(tokenizer):
    for text in random_texts(200):
        assert tokenizer.decode(tokenizer(text).input_ids, clean_up_tokenization_spaces=False) == text


def test_nothing_is_added_to_a_text(tokenizer):
    assert tokenizer("").input_ids == []
    assert len(tokenizer("the").input_ids) == 1
    assert tokenizer("a b").input_ids == tokenizer("a b", add_special_tokens=False).input_ids


def test_im_end_is_token_2_and_ends_an_answer(tokenizer):
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.eos_token_id == 2
    assert tokenizer("yes<|im_end|>").input_ids[-1] == 2


def test_digits_are_split_one_by_one(tokenizer):
    assert len(tokenizer("2025").input_ids) == 4


def test_the_chat_template_is_chatml(tokenizer):
    messages = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
    assert tokenizer(text).input_ids.count(1) == 3


def test_the_vocabulary_is_the_models(tokenizer):
    assert len(tokenizer) == 49152


def test_a_tokenizer_of_another_kind_is_refused(tokenizer, tmp_path):
    from gguf import GGUFWriter

    path = tmp_path / "other.gguf"
    writer = GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ValueError, match="other.gguf holds a tokenizer of kind"):
        tokenizer_module.from_gguf(path)
