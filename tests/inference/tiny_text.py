"""Tokenizers made from scratch for the tiny checkpoints: every byte is a word."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers.pre_tokenizers import ByteLevel

QWEN_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
QWEN_ROLES = {
    "pad_token": "<|endoftext|>",
    "eos_token": "<|im_end|>",
    "unk_token": "<|endoftext|>",
}
QWEN_WORDS = 256 + len(QWEN_SPECIAL)
# What the pipelines use of the real template: roles, and no thinking.
QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n\n</think>\n\n"
    "{% endif %}"
)
CLIP_SPECIAL = ("<|startoftext|>", "<|endoftext|>")
CLIP_ROLES = {
    "bos_token": "<|startoftext|>",
    "eos_token": "<|endoftext|>",
    "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}
# Every byte within a word and at its end.
CLIP_WORDS = 2 * 256 + len(CLIP_SPECIAL)
CLIP_LENGTH = 77
T5_SPECIAL = ("<pad>", "</s>", "<unk>")
T5_ROLES = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
T5_WORDS = len(T5_SPECIAL) + 256


# The configuration of each part of a pipeline, where it shall not be tiny.
Sizes = Mapping[str, Mapping[str, Any]]
TINY: Sizes = {}


def sized(part: str, sizes: Sizes, **tiny: Any) -> dict[str, Any]:
    """Returns a configuration: the tiny one, with what `sizes` says of the part instead."""
    return {**tiny, **sizes.get(part, {})}


def qwen(folder: Path):
    """Writes a byte tokenizer with Qwen's special words and returns it."""
    from transformers import Qwen2TokenizerFast

    words = Tokenizer(models.BPE({letter: i for i, letter in enumerate(_alphabet())}, []))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    words.add_special_tokens(list(QWEN_SPECIAL))
    tokenizer = Qwen2TokenizerFast(
        tokenizer_object=words,
        **QWEN_ROLES,
        additional_special_tokens=list(QWEN_SPECIAL),
    )
    tokenizer.chat_template = QWEN_TEMPLATE
    tokenizer.save_pretrained(folder)
    return tokenizer


def clip(folder: Path):
    """Writes a byte tokenizer with CLIP's start and end and returns it."""
    from transformers import CLIPTokenizerFast

    pieces = [letter + end for end in ("", "</w>") for letter in _alphabet()]
    vocabulary = {piece: i for i, piece in enumerate([*pieces, *CLIP_SPECIAL])}
    words = Tokenizer(models.BPE(vocabulary, [], end_of_word_suffix="</w>"))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>",
        special_tokens=[(word, vocabulary[word]) for word in CLIP_SPECIAL],
    )
    tokenizer = CLIPTokenizerFast(
        tokenizer_object=words,
        **CLIP_ROLES,
        model_max_length=CLIP_LENGTH,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def t5(folder: Path, *, length: int):
    """Writes a byte tokenizer with T5's end and returns it.

    Args:
        folder: Where.
        length: Most words of a text.
    """
    from transformers import T5TokenizerFast

    pieces = [(word, 0.0) for word in T5_SPECIAL] + [(letter, -1.0) for letter in _alphabet()]
    words = Tokenizer(models.Unigram(pieces, unk_id=2))
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer = T5TokenizerFast(
        tokenizer_object=words,
        **T5_ROLES,
        extra_ids=0,
        model_max_length=length,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def _alphabet() -> list[str]:
    return sorted(ByteLevel.alphabet())
