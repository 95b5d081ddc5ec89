"""Trains three small tokenizers and writes them with what Python makes of 5,000 odd strings.

`test/text/golden.test.ts` holds the JavaScript side against it. Of each string a hash of its ids and one of the
text that they decode to are kept: `fnv` here, `fnv` in `test/text/text-cases.ts`.
"""

import base64
import json
import struct
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from text_cases import text_cases, well_formed

COUNT = 5000
SEED = 20261121
FOLDER = Path(__file__).resolve().parents[2] / "test/text/golden"
SPECIALS = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def fnv(numbers):
    value = 0x811C9DC5
    for number in numbers:
        for shift in (0, 8, 16, 24):
            value = ((value ^ ((number >> shift) & 255)) * 0x01000193) & 0xFFFFFFFF
    return value


def corpus():
    return [well_formed(units) for units in text_cases(4000, SEED + 1)]


def latin(text):
    return "".join(char for char in text if " " <= char < "\u0180")


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, initial_alphabet=alphabet, special_tokens=SPECIALS, show_progress=False
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def like_sentence_piece(model):
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def sentence_piece_bpe():
    tokenizer = like_sentence_piece(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=SPECIALS + BYTES, limit_alphabet=200, show_progress=False
    )
    tokenizer.train_from_iterator([text[:40] for text in corpus()], trainer)
    return with_plain_bytes(tokenizer)


def unigram():
    tokenizer = like_sentence_piece(models.Unigram())
    trainer = trainers.UnigramTrainer(
        vocab_size=700, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator([latin(text) for text in corpus()], trainer)
    state = json.loads(tokenizer.to_str())
    model = state["model"]
    pieces = [entry for entry in model["vocab"] if entry[0] not in BYTES and len(entry[0]) < 9]
    model["vocab"] = pieces[:3] + [[name, -30.0] for name in BYTES] + pieces[3:403]
    model["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(state))


def with_plain_bytes(tokenizer):
    """Byte tokens are what unknown characters become; nobody types them, so they are not added tokens."""
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in SPECIALS]
    return Tokenizer.from_str(json.dumps(state))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    texts = [well_formed(units) for units in text_cases(COUNT, SEED)]
    for name, make in {"byte-level": byte_level, "sentence-piece": sentence_piece_bpe, "unigram": unigram}.items():
        tokenizer = make()
        ids = [encoding.ids for encoding in tokenizer.encode_batch(texts)]
        decoded = tokenizer.decode_batch(ids, skip_special_tokens=False)
        hashes = [fnv(row) for row in ids] + [fnv(text.encode()) for text in decoded]
        packed = base64.b64encode(struct.pack(f"<{len(hashes)}I", *hashes)).decode()
        golden = {"count": COUNT, "seed": SEED, "numIds": sum(map(len, ids)), "hashes": packed}
        (FOLDER / f"{name}.tokenizer.json").write_text(tokenizer.to_str(), "utf8")
        (FOLDER / f"{name}.hashes.json").write_text(json.dumps(golden), "utf8")
        whole = sum(text == back for text, back in zip(texts, decoded))
        print(f"{name}: {tokenizer.get_vocab_size()} tokens, {golden['numIds']} ids, {whole} of {COUNT} decode to themselves")


if __name__ == "__main__":
    main()
