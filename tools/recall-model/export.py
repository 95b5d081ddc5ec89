"""Writes and reads the model folder: config.json, model.safetensors, generation_config.json."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from model import Llama, Shape


def export_model(model: Llama, tokenizer: Tokenizer, folder: Path) -> None:
    """Writes bfloat16 weights under the names of the file format; embeddings are tied."""
    bos, eos, pad = (tokenizer.token_to_id(t) for t in ("<|begin|>", "<|end|>", "<|pad|>"))
    tensors = {
        f"model.{name}": tensor.detach().to(torch.bfloat16).contiguous()
        for name, tensor in model.state_dict().items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, str(folder / "model.safetensors"), metadata={"format": "pt"})
    config = model.shape.config(bos, eos, pad)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": pad,
                  "do_sample": False, "max_new_tokens": 64}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


def load_exported(folder: Path) -> Llama:
    """The model of an exported folder, as float32."""
    config = json.loads((folder / "config.json").read_text())
    model = Llama(Shape.from_config(config))
    tensors = load_file(str(folder / "model.safetensors"))
    model.load_state_dict({k.removeprefix("model."): v.float() for k, v in tensors.items()})
    return model


def load_run(folder: Path) -> Llama:
    """The full-precision weights of a training run."""
    model = load_exported(folder)
    model.load_state_dict(torch.load(folder / "run.pt")["model"])
    return model
