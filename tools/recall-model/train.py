"""Trains the recall model through the stages of a recipe and exports it.

train.py --minutes 1 --out DIR   proves that everything runs
train.py --out DIR               the whole recipe
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from evaluate import evaluate_rows
from export import export_model, load_model
from model import Llama, Shape
from optimizer import Optimizers
from rows import RowStream, draw_positions
from tokenizers import Tokenizer

HERE = Path(__file__).parent
MODEL_FOLDER = HERE.parent.parent / "models" / "recall"
WARMUP_STEPS = 50


def reply_loss(model: Llama, hidden: torch.Tensor, ids: torch.Tensor, is_reply: torch.Tensor,
               text_weight: float) -> torch.Tensor:
    """Cross entropy of the replies, plus `text_weight` times that of the rest of the text."""
    target, mask, states = ids[:, 1:], is_reply[:, 1:], hidden[:, :-1]
    loss = F.cross_entropy(model.logits(states[mask]), target[mask])
    if text_weight > 0:
        rest = ~mask & (target != 0)
        loss = loss + text_weight * F.cross_entropy(model.logits(states[rest]), target[rest])
    return loss


class Trainer:
    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.tokenizer = Tokenizer.from_file(str(MODEL_FOLDER / "tokenizer.json"))
        self.stop_id = self.tokenizer.token_to_id(".")
        shape = Shape(vocab_size=self.tokenizer.get_vocab_size(), **json.loads(args.shape))
        self.model = load_model(args.start, shape) if args.start else Llama(shape)
        self.optimizers = Optimizers(self.model, args.muon_lr, args.adam_lr)
        self.rng = np.random.default_rng(args.seed)
        self.started = time.time()
        self.num_steps = 0
        if args.start and (args.start / "optimizer.pt").exists():
            state = torch.load(args.start / "optimizer.pt")
            self.optimizers.load_state_dict(state["optimizers"])
            self.num_steps = state["num_steps"]
        num_parameters = sum(p.numel() for p in self.model.parameters())
        print(f"{num_parameters} parameters, {shape}", flush=True)

    def out_of_time(self) -> bool:
        minutes = self.args.minutes
        return minutes is not None and time.time() - self.started > 60 * minutes

    def train_step(self, forward, stage: dict, stream: RowStream, factor: float) -> float:
        ids, is_reply = stream.read(stage["rows"])
        positions = draw_positions(ids, self.stop_id, self.model.shape.max_positions,
                                   stage.get("jumps", 0.5), self.rng)
        cos, sin = self.model.rope(positions)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = forward(ids, cos, sin)
            loss = reply_loss(self.model, hidden, ids, is_reply, stage.get("text_weight", 0.0))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers.step(factor)
        return loss.item()

    def run_stage(self, index: int, stage: dict) -> None:
        print(f"stage {index}: {stage}", flush=True)
        seed = f"{self.args.seed}/{self.num_steps}/{index}"
        stream = RowStream(stage["row_tokens"], seed, "train", stage.get("level", 1))
        forward = torch.compile(self.model, dynamic=False) if self.args.compile else self.model
        losses, since, first_step = [], time.time(), self.num_steps
        for step in range(stage["steps"]):
            if self.out_of_time():
                break
            progress = step / stage["steps"]
            low, high = stage.get("lr", [1.0, 1.0])[-1], stage.get("lr", [1.0, 1.0])[0]
            factor = high + (low - high) * progress
            factor *= min(1.0, (self.num_steps + 1) / WARMUP_STEPS)
            losses.append(self.train_step(forward, stage, stream, factor))
            self.num_steps += 1
            if self.num_steps % self.args.log_steps == 0:
                speed = stage["rows"] * stage["row_tokens"] * len(losses) / (time.time() - since)
                minutes = (time.time() - self.started) / 60
                print(f"{minutes:6.1f} min  step {self.num_steps}  loss {np.mean(losses):.4f}  "
                      f"{speed:.0f} tokens/s", flush=True)
                losses, since = [], time.time()
            if self.num_steps % self.args.evaluate_steps == 0:
                self.report(stage["row_tokens"])
                since = time.time()
        stream.close()
        if self.num_steps > first_step:
            self.report(stage["row_tokens"])

    def report(self, row_tokens: int) -> None:
        for length in sorted({row_tokens, *self.args.report_lengths}):
            num_rows = max(4, 16384 // length)
            result = evaluate_rows(self.model, self.tokenizer, length, num_rows)
            print(f"    held out, rows of {length}: {result}", flush=True)
        self.save()

    def save(self) -> None:
        export_model(self.model, self.tokenizer, self.args.out)
        state = {"optimizers": self.optimizers.state_dict(), "num_steps": self.num_steps,
                 "model": self.model.state_dict()}
        torch.save(state, self.args.out / "optimizer.pt")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.json")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--start", type=Path, help="folder of an earlier run to go on from")
    parser.add_argument("--shape", default="{}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--muon-lr", type=float, default=0.02)
    parser.add_argument("--adam-lr", type=float, default=0.003)
    parser.add_argument("--log-steps", type=int, default=50)
    parser.add_argument("--evaluate-steps", type=int, default=400)
    parser.add_argument("--report-lengths", type=int, nargs="*", default=[])
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(args)
    for index, stage in enumerate(json.loads(args.recipe.read_text())):
        trainer.run_stage(index, stage)


if __name__ == "__main__":
    main()
