"""Accuracy on single held-out questions by length of the prompt, weights rounded to bfloat16.

evaluate_questions.py models/recall --count 500
"""

import argparse
import json
import subprocess
from collections import defaultdict
from pathlib import Path

import torch

from evaluate import rounded
from export import load_exported
from model import Llama

HERE = Path(__file__).parent
BUCKETS = [512, 1024, 2048, 3072, 4096]


def read_questions(count: int, seed: str, style: str, kind: str, max_tokens: int) -> list[dict]:
    command = ["node", str(HERE / "make-questions.mjs"), str(count), seed, style, kind,
               str(max_tokens)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in lines.splitlines()]


@torch.no_grad()
def replies_with(model: Llama, prompt: list[int], reply: list[int]) -> tuple[bool, list[int]]:
    """Whether the greedy reply is this one; and the most likely token at each of its places."""
    ids = torch.tensor([prompt + reply[:-1]])
    cos, sin = model.rope(torch.arange(ids.shape[1])[None])
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model(ids, cos, sin)
        best = model.logits(hidden[0, len(prompt) - 1:]).argmax(-1).tolist()
    return best == reply, best


def table(model: Llama, questions: list[dict], removed: bool, show: int) -> str:
    right, total = defaultdict(int), defaultdict(int)
    num_stated = 0
    for question in questions:
        num_tokens = len(question["prompt"]) + len(question["reply"])
        bucket = next(b for b in BUCKETS if num_tokens <= b)
        is_right, best = replies_with(model, question["prompt"], question["reply"])
        total[bucket] += 1
        right[bucket] += is_right
        if not is_right and show > 0:
            show -= 1
            print("   wrong:", num_tokens, question["question"], question["reply"], best)
        if removed and not is_right:
            num_stated += replies_with(model, question["prompt"], question["stated"])[0]
    cells = [f"<= {b}: {right[b]}/{total[b]}" for b in BUCKETS if total[b]]
    line = f"{100 * sum(right.values()) / len(questions):.1f}%  ({', '.join(cells)})"
    return line + (f"; states the removed fact: {num_stated}" if removed else "")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", default="final")
    parser.add_argument("--max-tokens", type=int, default=3900)
    parser.add_argument("--show", type=int, default=0)
    parser.add_argument("--styles", nargs="*", default=["plain", "json", "lookup", "answer"])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model = rounded(load_exported(args.folder))
    for style in args.styles:
        for kind in ("stated", "removed"):
            questions = read_questions(args.count, args.seed, style, kind, args.max_tokens)
            line = table(model, questions, kind == "removed", args.show)
            print(f"{style} {kind}: {line}", flush=True)


if __name__ == "__main__":
    main()
