"""Writes test/model/golden/: logits of tiny random models by PyTorch and transformers, in float64.

Run: python tools/golden/make_golden.py   (versions in requirements.txt)
"""

import json
import pathlib
import tempfile

import torch
import transformers
from random_model import fill, llama3_rope, saved_config

GOLDEN = pathlib.Path(__file__).parents[2] / "test" / "model" / "golden"
SEED = 7
PROMPT_LEN = 40
LOGIT_ROWS = [0, 7, 8, 23, 39]

SMALL = dict(
    vocab_size=64,
    hidden_size=64,
    intermediate_size=96,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=64,
    max_position_embeddings=128,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=None,
)

LLAMA3_ROPE = llama3_rope(64)

# Case name -> (class prefix, what it changes in SMALL). Each switch of the forward loop is on in one.
CASES = {
    "llama-tied": ("Llama", dict(tie_word_embeddings=True)),
    "llama-3-rope-biases": (
        "Llama",
        dict(rope_parameters=LLAMA3_ROPE, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-5),
    ),
    "llama-linear-rope-gelu": (
        "Llama",
        dict(
            rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0),
            hidden_act="gelu_pytorch_tanh",
            num_key_value_heads=4,
        ),
    ),
    "mistral-window": ("Mistral", dict(sliding_window=8, num_key_value_heads=1)),
    "qwen2-half-window": (
        "Qwen2",
        dict(
            num_attention_heads=7,
            num_key_value_heads=1,
            head_dim=96,
            use_sliding_window=True,
            sliding_window=8,
            max_window_layers=1,
        ),
    ),
    "qwen3-tied": ("Qwen3", dict(head_dim=128, tie_word_embeddings=True)),
    "smollm3-nope": ("SmolLM3", dict(num_hidden_layers=3, no_rope_layers=[1, 0, 1])),
    "phi3-partial-rope": (
        "Phi3",
        dict(
            hidden_size=128,
            num_attention_heads=2,
            num_key_value_heads=1,
            rope_parameters=dict(
                rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.75
            ),
        ),
    ),
}


def build(prefix: str, changes: dict) -> transformers.PreTrainedModel:
    """A model of a Hugging Face class with `tensor_values` as its weights, in float32."""
    fields = SMALL | changes
    if prefix == "Phi3":  # derives head_dim
        fields.pop("head_dim")
    config = getattr(transformers, f"{prefix}Config")(**fields)
    config._attn_implementation = "eager"
    model = getattr(transformers, f"{prefix}ForCausalLM")(config).eval()
    return fill(model, SEED)


def prompt_of(length: int) -> list[int]:
    """Token ids below the vocabulary size, in no simple order."""
    return [(17 * i * i + 5 * i + 3) % SMALL["vocab_size"] for i in range(length)]


def logits_of(model: transformers.PreTrainedModel) -> list[list[float]]:
    """Logits of LOGIT_ROWS in float64, to nine digits."""
    with torch.no_grad():
        logits = model.to(torch.float64)(torch.tensor([prompt_of(PROMPT_LEN)])).logits[0]
    return [[float(f"{value:.9g}") for value in logits[row].tolist()] for row in LOGIT_ROWS]


def write_golden(path: pathlib.Path, **fields) -> None:
    """One JSON file; the repository's formatter breaks its lines."""
    case = dict(promptTokens=prompt_of(PROMPT_LEN), rows=LOGIT_ROWS, **fields)
    path.write_text(json.dumps(case, indent=2) + "\n")


def write_sharded_checkpoint() -> None:
    """A folder as transformers saves it: bf16, three shards, an index, generation_config.json."""
    changes = dict(hidden_size=32, intermediate_size=32, num_attention_heads=2, num_key_value_heads=1)
    model = build("Llama", changes).to(torch.bfloat16)
    model.generation_config.eos_token_id = [2, 5]
    folder = GOLDEN / "llama-sharded"
    model.save_pretrained(folder, max_shard_size="30KB")
    for path in folder.iterdir():
        path.chmod(0o644)
    # Read back as float32: a cast to bfloat16 rounds the rotary frequencies too.
    model = transformers.LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    write_golden(GOLDEN / "llama-sharded.json", logits=logits_of(model.eval()))


def main() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for name, (prefix, changes) in CASES.items():
        model = build(prefix, changes)
        config = saved_config(model)
        write_golden(GOLDEN / f"{name}.json", seed=SEED, config=config, logits=logits_of(model))
        print(f"wrote {name}.json")
    write_sharded_checkpoint()
    print("wrote llama-sharded/")


main()
