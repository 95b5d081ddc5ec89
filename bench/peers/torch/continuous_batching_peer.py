"""transformers' continuous batching, end to end, on a random Llama of the shape that bench/gpu runs."""

import torch

from timing import device, seconds_of


def end_to_end_rows(is_rehearsal: bool):
    """Tokens per second of `generate_batch` for prompts of one length, greedy, no stop token."""
    cases = [(2, 24, 4)] if is_rehearsal else [(1, 4096, 64), (32, 4096, 64)]
    for num_prompts, prompt_len, max_new in cases:
        row = {"table": "end to end", "peer": "transformers continuous batching, sdpa",
               "case": f"{num_prompts} x {prompt_len} + {max_new}"}
        try:
            yield row | _run(is_rehearsal, num_prompts, prompt_len, max_new)
        except Exception as error:
            yield row | {"unavailable": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}


def _model(is_rehearsal: bool):
    from transformers import LlamaConfig, LlamaForCausalLM

    small = dict(hidden_size=128, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
    llama_3_8b = dict(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=8)
    config = LlamaConfig(vocab_size=128256 if not is_rehearsal else 512, max_position_embeddings=8192, rope_theta=500000.0,
                         **(small if is_rehearsal else llama_3_8b))
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device()):
        model = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    return model.eval()


def _run(is_rehearsal: bool, num_prompts: int, prompt_len: int, max_new: int) -> dict:
    from transformers import GenerationConfig

    model = _model(is_rehearsal)
    model.set_attn_implementation("sdpa")
    generator = torch.Generator().manual_seed(7)
    prompts = [torch.randint(5, model.config.vocab_size, (prompt_len,), generator=generator).tolist() for _ in range(num_prompts)]
    config = GenerationConfig(max_new_tokens=max_new, do_sample=False, eos_token_id=None, pad_token_id=0)
    if device().type == "cpu":  # continuous batching needs a GPU; a rehearsal proves model and prompts only
        ids = torch.tensor(prompts)
        out = model.generate(ids, generation_config=config)
        assert out.shape == (num_prompts, prompt_len + max_new)
        return {"seconds": None}
    replies = {}

    def generate():
        replies.update(model.generate_batch(inputs=prompts, generation_config=config, progress_bar=False))

    generate()  # compiles and warms up
    seconds = seconds_of(generate)
    counts = [len(reply.generated_tokens) for reply in replies.values()]
    assert all(count == max_new for count in counts), f"generated {counts}, expected {max_new} each"
    return {"seconds": seconds, "promptTokens": num_prompts * prompt_len, "outputTokens": sum(counts)}
