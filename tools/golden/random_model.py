"""Weights that both languages compute from tensor names, for models that are in no file."""

import json
import pathlib
import tempfile

import numpy as np
import torch
import transformers


def fmix(values: np.ndarray) -> np.ndarray:
    """The finalizer of murmur3 on uint32."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))


def tensor_values(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Element values of a tensor. Mirrors tensorValues in test/model/random-checkpoint.ts."""
    stream = 0x811C9DC5 ^ seed
    for byte in name.encode():
        stream = ((stream ^ byte) * 0x01000193) & 0xFFFFFFFF
    count = int(np.prod(shape))
    steps = np.arange(count, dtype=np.uint32) * np.uint32(0x9E3779B9)
    bits = fmix(np.uint32(stream) + steps)
    uniform = (bits >> np.uint32(8)).astype(np.float64) / 2**23 - 1
    if name.endswith("norm.weight"):
        values = 1 + 0.25 * uniform
    elif name.endswith(".bias"):
        values = 0.5 * uniform
    elif name == "model.embed_tokens.weight":
        values = 0.5 * uniform
    else:
        values = np.sqrt(3 / shape[1]) * uniform
    return values.astype(np.float32).reshape(shape)


def fill(model: transformers.PreTrainedModel, seed: int) -> transformers.PreTrainedModel:
    """Gives a model `tensor_values` as its weights."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(tensor_values(name, tuple(parameter.shape), seed)))
    return model


def llama3_rope(original_len: int) -> dict:
    """The rotary scaling of Llama 3.1, for a shorter original length."""
    return dict(
        rope_type="llama3",
        rope_theta=500000.0,
        factor=8.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=original_len,
    )


def saved_config(model: transformers.PreTrainedModel) -> dict:
    """config.json as `save_pretrained` writes it."""
    model.config.architectures = [type(model).__name__]
    with tempfile.TemporaryDirectory() as folder:
        model.config.save_pretrained(folder)
        return json.loads((pathlib.Path(folder) / "config.json").read_text())
