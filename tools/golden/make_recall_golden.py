"""Writes test/model/golden/recall.json: greedy replies of models/recall by PyTorch, in float32.

Run: python tools/golden/make_recall_golden.py   (versions in requirements.txt; needs node)
"""

import hashlib
import json
import pathlib
import subprocess

import torch
import transformers

ROOT = pathlib.Path(__file__).parents[2]
MODEL = ROOT / "models" / "recall"
QUESTIONS = ROOT / "tools" / "recall-model" / "make-questions.mjs"
SEED = "golden"
# Reply format, how many, longest text in tokens.
DRAWS = [("plain", 3, 600), ("json", 2, 400), ("lookup", 1, 300), ("plain", 1, 2000)]
MAX_NEW_TOKENS = 24


def prompts() -> list[list[int]]:
    """Token ids of held-out questions."""
    found = []
    for style, count, max_tokens in DRAWS:
        command = ["node", str(QUESTIONS), str(count), SEED, style, "stated", str(max_tokens)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        found += [json.loads(line)["prompt"] for line in lines.splitlines()]
    return found


def main() -> None:
    torch.set_num_threads(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    cases = []
    for prompt in prompts():
        ids = torch.tensor([prompt])
        with torch.no_grad():
            output = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                max_new_tokens=MAX_NEW_TOKENS,
            )
        cases.append(dict(promptTokens=prompt, replyTokens=output[0, len(prompt) :].tolist()))
    digest = hashlib.sha256((MODEL / "model.safetensors").read_bytes()).hexdigest()
    golden = dict(weightsSha256=digest, maxNewTokens=MAX_NEW_TOKENS, cases=cases)
    path = ROOT / "test" / "model" / "golden" / "recall.json"
    path.write_text(json.dumps(golden, indent=2) + "\n")
    print(f"wrote {path.relative_to(ROOT)}: {len(cases)} replies")


main()
