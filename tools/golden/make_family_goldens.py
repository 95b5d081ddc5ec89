"""Writes test/model/golden/families/: what transformers computes in float32 for prompts of 1 to 600 tokens.

One tiny random model per family of checkpoints, with the head shapes of real ones. Each file has
  - config.json as transformers writes it, the seed of the weights, and the prompt,
  - the logits of ROWS: row i holds those of the prompt's first i + 1 tokens,
  - of every row the norm of its logits and their sum under a fixed pattern of signs,
  - 64 tokens of a greedy continuation; seeds are tried until the two largest logits of each step lie
    more than MIN_GAP apart and the continuation says more than one thing (a random model with a tied
    head repeats its last token, whatever the seed),
  - the error that transformers itself makes in bfloat16 against its float32.
Run: python tools/golden/make_family_goldens.py [case ...]   (versions in requirements.txt)
"""

import base64
import json
import pathlib
import sys

import numpy as np
import torch
import transformers
from random_model import fill, llama3_rope, saved_config

FOLDER = pathlib.Path(__file__).parents[2] / "test" / "model" / "golden" / "families"
PROMPT_LEN = 600
ROWS = [0, 1, 14, 15, 16, 31, 63, 64, 127, 128, 255, 256, 430, 511, 598, 599]
NUM_GREEDY = 64
MIN_GAP = 1e-3
MIN_DISTINCT = 12
MAX_SEEDS = 60

BASE = dict(
    vocab_size=384,
    hidden_size=128,
    intermediate_size=192,
    num_hidden_layers=3,
    max_position_embeddings=1024,
    rms_norm_eps=1e-5,
    tie_word_embeddings=False,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=None,
)


def heads(query: int, key_value: int, head_dim: int) -> dict:
    return dict(num_attention_heads=query, num_key_value_heads=key_value, head_dim=head_dim)


def phi3_heads(query: int, key_value: int, head_dim: int) -> dict:
    """Phi-3 derives head_dim from the hidden size."""
    shape = heads(query, key_value, head_dim)
    return dict(hidden_size=query * shape.pop("head_dim"), **shape)


LLAMA3 = llama3_rope(128)
YARN = dict(
    rope_type="yarn", rope_theta=1e6, factor=4.0, original_max_position_embeddings=256
)


def longrope(num_pairs: int, **more) -> dict:
    """Factors that grow from pair to pair, as those of Phi-3.5 do."""
    steps = [i / num_pairs for i in range(num_pairs)]
    return dict(
        rope_type="longrope",
        rope_theta=10000.0,
        short_factor=[1 + round(1.5 * step, 3) for step in steps],
        long_factor=[1 + round(60 * step * step, 3) for step in steps],
        **more,
    )


# Case -> (class prefix, what it changes in BASE, the context that the engine loads it for).
CASES = {
    "llama-2": ("Llama", dict(heads(2, 2, 128), hidden_size=256), 1024),
    "llama-3": ("Llama", dict(heads(8, 2, 128), rope_parameters=LLAMA3), 1024),
    "llama-linear": (
        "Llama",
        dict(
            heads(4, 2, 64),
            rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0),
        ),
        1024,
    ),
    "smollm2": (
        "Llama",
        dict(heads(3, 1, 64), hidden_size=192, num_hidden_layers=4, tie_word_embeddings=True),
        1024,
    ),
    "mistral-window": ("Mistral", dict(heads(4, 1, 128), sliding_window=64), 1024),
    "mistral-nemo": (
        "Mistral",
        dict(
            heads(8, 2, 128),
            hidden_size=160,
            sliding_window=None,
            rope_parameters=dict(rope_type="default", rope_theta=1e6),
        ),
        1024,
    ),
    "qwen2": ("Qwen2", dict(heads(7, 1, 64), tie_word_embeddings=True), 1024),
    "qwen2-yarn": ("Qwen2", dict(heads(4, 2, 128), rope_parameters=YARN), 1024),
    "qwen3": ("Qwen3", dict(heads(4, 2, 128), tie_word_embeddings=True), 1024),
    "qwen3-yarn": (
        "Qwen3",
        dict(
            heads(8, 1, 64),
            rope_parameters=YARN | dict(truncate=False, beta_fast=16.0, mscale=1.5, mscale_all_dim=0.5),
        ),
        1024,
    ),
    "phi3": ("Phi3", dict(phi3_heads(2, 2, 96), sliding_window=200), 1024),
    "phi3-longrope": (
        "Phi3",
        dict(
            phi3_heads(2, 2, 96),
            rope_parameters=longrope(48),
            original_max_position_embeddings=128,
        ),
        1024,
    ),
    "phi4-mini": (
        "Phi3",
        dict(
            phi3_heads(3, 1, 128),
            rope_parameters=longrope(48, partial_rotary_factor=0.75),
            original_max_position_embeddings=1024,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
        ),
        1024,
    ),
}


def build(prefix: str, changes: dict, seed: int) -> transformers.PreTrainedModel:
    config = getattr(transformers, f"{prefix}Config")(**BASE | changes)
    config._attn_implementation = "eager"
    return fill(getattr(transformers, f"{prefix}ForCausalLM")(config).eval(), seed)


def prompt_of(seed: int) -> list[int]:
    """Token ids from 3 on, in no simple order."""
    return [3 + (i * i * 37 + 11 * i + 7 * seed + i // 5) % 381 for i in range(PROMPT_LEN)]


def logits_of(model: transformers.PreTrainedModel, tokens: list[int]) -> np.ndarray:
    """`[len(tokens)][vocab]` by one pass over the whole sequence, without a cache."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0]
    return logits.to(torch.float32).numpy()


def greedy(model: transformers.PreTrainedModel, prompt: list[int]) -> tuple[list[int], float]:
    """The continuation, and the smallest gap between two largest logits of one pass over all of it.

    The cache of transformers only proposes; raises when the pass without one decides otherwise.
    """
    ids, cache, reply = torch.tensor([prompt]), None, []
    with torch.no_grad():
        for _ in range(NUM_GREEDY):
            output = model(ids, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            ids = output.logits[:, -1:].argmax(-1)
            reply.append(int(ids))
    rows = logits_of(model, prompt + reply)[PROMPT_LEN - 1 : -1]
    second, first = np.sort(rows, axis=1)[:, -2:].T
    gap = float((first - second).min())
    if gap > MIN_GAP and rows.argmax(axis=1).tolist() != reply:
        raise SystemExit("transformers continues otherwise with its cache than without")
    return reply, gap


def in_bf16(model: transformers.PreTrainedModel) -> transformers.PreTrainedModel:
    """The same model with bfloat16 weights and activations; rotary frequencies stay in float32."""
    kept = {name: buffer.clone() for name, buffer in model.named_buffers() if "inv_freq" in name}
    model.to(torch.bfloat16)
    for name, buffer in model.named_buffers():
        if name in kept:
            buffer.data = kept[name]
    return model


def relative_errors(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Per row, the largest difference over the largest magnitude."""
    return np.abs(found - expected).max(axis=1) / np.abs(expected).max(axis=1)


def signs(count: int) -> np.ndarray:
    """Mirrors `signOf` in test/model/family-cases.ts."""
    bits = (np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)) >> np.uint32(31)
    return np.where(bits == 1, -1.0, 1.0)


def packed(values: np.ndarray) -> str:
    """Little-endian float32 in base64."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def make(name: str) -> None:
    prefix, changes, context_len = CASES[name]
    for seed in range(1, MAX_SEEDS):
        model = build(prefix, changes, seed)
        prompt = prompt_of(seed)
        continuation, gap = greedy(model, prompt)
        is_varied = len(set(continuation)) >= MIN_DISTINCT or model.config.tie_word_embeddings
        if gap > MIN_GAP and is_varied:
            break
    else:
        raise SystemExit(f"{name}: no seed below {MAX_SEEDS} has a continuation with clear winners")
    logits = logits_of(model, prompt)
    config = saved_config(model)
    rounded = logits_of(in_bf16(model), prompt)
    case = dict(
        seed=seed,
        contextLen=context_len,
        config=config,
        promptTokens=prompt,
        rows=ROWS,
        logits=packed(logits[ROWS]),
        norms=packed(np.linalg.norm(logits.astype(np.float64), axis=1)),
        signedSums=packed(logits.astype(np.float64) @ signs(logits.shape[1])),
        greedyTokens=continuation,
        smallestGap=float(f"{gap:.3g}"),
        bf16Error=float(f"{relative_errors(rounded, logits)[ROWS].max():.4g}"),
    )
    (FOLDER / f"{name}.json").write_text(json.dumps(case, indent=2) + "\n")
    distinct = len(set(continuation))
    print(f"{name}: seed {seed}, gap {gap:.2g}, {distinct} distinct, bf16 error {case['bf16Error']}")


def main() -> None:
    torch.set_num_threads(1)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or CASES:
        make(name)


main()
