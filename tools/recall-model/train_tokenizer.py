"""Trains the byte-level BPE tokenizer and writes tokenizer.json and tokenizer_config.json."""

import argparse
import json
import subprocess
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers import AddedToken

HERE = Path(__file__).parent
CONTROL_TOKENS = [
    "<|pad|>", "<|begin|>", "<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|end|>",
]
MARKUP_TOKENS = ["<tools>", "</tools>", "<tool_call>", "</tool_call>"]

# A lower-case word takes the space in front of it; a capitalised word and a digit do not, so that
# names and codes have the same ids after a space, after a quote and where a reply begins.
PIECES = r" ?[a-z]+|[A-Z][a-z]*|[0-9]|\s|[^\sA-Za-z0-9]+"


def train(vocab_size: int) -> Tokenizer:
    """Byte-level BPE over the pieces that vocabulary.mjs prints."""
    lines = subprocess.run(
        ["node", str(HERE / "vocabulary.mjs")], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        show_progress=False,
        special_tokens=CONTROL_TOKENS + MARKUP_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator([json.loads(line) for line in lines], trainer)
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vocab-size", type=int, default=1280)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    tokenizer = train(args.vocab_size)
    args.out.mkdir(parents=True, exist_ok=True)
    data = json.loads(tokenizer.to_str())
    for token in data["added_tokens"]:
        token["special"] = token["content"] in CONTROL_TOKENS
    (args.out / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<|begin|>",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
        "chat_template": (HERE / "chat-template.jinja").read_text().rstrip("\n"),
    }
    text = json.dumps(config, ensure_ascii=False, indent=2)
    (args.out / "tokenizer_config.json").write_text(text + "\n")
    print(f"vocabulary: {tokenizer.get_vocab_size()}")


if __name__ == "__main__":
    main()
