"""Writes a Hugging Face folder of Llama-3-8B's shape with random bf16 weights: make_random_llama.py DIR

Speed does not depend on the weights' values, and nothing of this size can be carried to a machine
without a network. Needs torch and safetensors, 17 GB of disk; `--layers N` makes it smaller.
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": 128256,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "hidden_act": "silu",
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def layer_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    hidden, mlp = config["hidden_size"], config["intermediate_size"]
    q_dim = config["num_attention_heads"] * config["head_dim"]
    kv_dim = config["num_key_value_heads"] * config["head_dim"]
    return {
        "input_layernorm.weight": (hidden,),
        "post_attention_layernorm.weight": (hidden,),
        "self_attn.q_proj.weight": (q_dim, hidden),
        "self_attn.k_proj.weight": (kv_dim, hidden),
        "self_attn.v_proj.weight": (kv_dim, hidden),
        "self_attn.o_proj.weight": (hidden, q_dim),
        "mlp.gate_proj.weight": (mlp, hidden),
        "mlp.up_proj.weight": (mlp, hidden),
        "mlp.down_proj.weight": (hidden, mlp),
    }


def random_tensor(name: str, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    if name.endswith("norm.weight"):
        return torch.ones(shape, dtype=torch.bfloat16)
    spread = shape[-1] ** -0.5
    values = torch.randn(shape, generator=generator, device=generator.device, dtype=torch.bfloat16)
    return (values * spread).cpu()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=CONFIG["num_hidden_layers"])
    args = parser.parse_args()
    config = CONFIG | {"num_hidden_layers": args.layers}
    args.folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator(device="cuda" if torch.cuda.is_available() else "cpu").manual_seed(1)

    shards: list[dict[str, tuple[int, ...]]] = [
        {
            "model.embed_tokens.weight": (config["vocab_size"], config["hidden_size"]),
            "model.norm.weight": (config["hidden_size"],),
            "lm_head.weight": (config["vocab_size"], config["hidden_size"]),
        }
    ]
    for layer in range(config["num_hidden_layers"]):
        shards.append({f"model.layers.{layer}.{name}": shape for name, shape in layer_shapes(config).items()})

    weight_map = {}
    for index, shapes in enumerate(shards):
        file = f"model-{index + 1:05d}-of-{len(shards):05d}.safetensors"
        save_file({name: random_tensor(name, shape, generator) for name, shape in shapes.items()}, args.folder / file)
        weight_map |= dict.fromkeys(shapes, file)
        print(f"{file}: {len(shapes)} tensors", flush=True)
    (args.folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (args.folder / "config.json").write_text(json.dumps(config, indent=1))


if __name__ == "__main__":
    main()
