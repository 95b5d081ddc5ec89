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

from circuits import draw_circuits
from evaluate import evaluate_rows
from export import export_model, load_run
from model import Llama, Shape
from optimizer import Optimizers
from rows import RowStream, draw_copy_rows, draw_positions
from tokenizers import Tokenizer

HERE = Path(__file__).parent
MODEL_FOLDER = HERE.parent.parent / "models" / "recall"
WARMUP_STEPS = 50
# Longer rows are rare; compiling for them costs more than it gains.
COMPILED_TOKENS = 1024


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
        self.digit_ids = [self.tokenizer.token_to_id(digit) for digit in "0123456789"]
        self.first_word_id = self.tokenizer.token_to_id("<|end|>") + 1
        shape = Shape(vocab_size=self.tokenizer.get_vocab_size(), **json.loads(args.shape))
        self.model = load_run(args.start) if args.start else Llama(shape)
        if not args.start:
            self.draw_circuits()
        self.forward = torch.compile(self.model, dynamic=False) if args.compile else self.model
        self.optimizers = Optimizers(self.model, args.muon_lr, args.adam_lr)
        self.rng = np.random.default_rng(args.seed)
        self.started = time.time()
        self.num_steps = 0
        if args.start:
            state = torch.load(args.start / "run.pt")
            if "optimizers" in state:
                self.optimizers.load_state_dict(state["optimizers"])
            self.num_steps = state["num_steps"]
        num_parameters = sum(p.numel() for p in self.model.parameters())
        print(f"{num_parameters} parameters, {self.model.shape}", flush=True)

    def draw_circuits(self) -> None:
        stream = RowStream(256, f"{self.args.seed}/circuits", "train", 0)
        draw_circuits(self.model, *stream.read(256))
        stream.close()

    def out_of_time(self) -> bool:
        minutes = self.args.minutes
        return minutes is not None and time.time() - self.started > 60 * minutes

    def read_batch(self, stage: dict, stream: RowStream, num_rows: int):
        num_copy_rows = round(num_rows * stage.get("copy", 0))
        ids, is_reply = stream.read(num_rows - num_copy_rows)
        if not num_copy_rows:
            return ids, is_reply
        drawn = draw_copy_rows(num_copy_rows, stream.row_tokens, self.first_word_id,
                               self.model.shape.vocab_size, self.digit_ids, self.rng)
        return torch.cat([ids, drawn[0]]), torch.cat([is_reply, drawn[1]])

    def train_step(self, stage: dict, stream: RowStream, num_rows: int,
                   factor: float) -> float:
        ids, is_reply = self.read_batch(stage, stream, num_rows)
        positions = draw_positions(ids, self.stop_id, self.model.shape.max_positions,
                                   stage.get("jumps", 0.5), self.rng)
        cos, sin = self.model.rope(positions)
        with torch.autocast("cpu", torch.bfloat16):
            forward = self.forward if stream.row_tokens <= COMPILED_TOKENS else self.model
            hidden = forward(ids, cos, sin)
            loss = reply_loss(self.model, hidden, ids, is_reply, stage.get("text_weight", 0.0))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizers.step(factor)
        return loss.item()

    def rate_factor(self, stage: dict, progress: float) -> float:
        """The learning rate falls or rises evenly between the stage's two bounds."""
        first, last = stage.get("lr", [1.0, 1.0])
        return (first + (last - first) * progress) * min(1.0, (self.num_steps + 1) / WARMUP_STEPS)

    def run_stage(self, index: int, stage: dict) -> None:
        """`batches` lists [row_tokens, num_rows, share]; each step draws one by its share."""
        print(f"stage {index}: {stage}", flush=True)
        seed = f"{self.args.seed}/{self.num_steps}/{index}"
        streams = [RowStream(row_tokens, f"{seed}/{row_tokens}", "train", stage.get("level", 1))
                   for row_tokens, _, _ in stage["batches"]]
        shares = np.array([share for _, _, share in stage["batches"]], dtype=float)
        losses: dict[int, list[float]] = {}
        stage_started = since = time.time()
        num_tokens, step, progress = 0, 0, 0.0
        while progress < 1.0 and not self.out_of_time():
            choice = self.rng.choice(len(streams), p=shares / shares.sum())
            row_tokens, num_rows, _ = stage["batches"][choice]
            loss = self.train_step(stage, streams[choice], num_rows,
                                   self.rate_factor(stage, progress))
            losses.setdefault(row_tokens, []).append(loss)
            num_tokens, step = num_tokens + row_tokens * num_rows, step + 1
            self.num_steps += 1
            progress = step / stage["steps"]
            if "minutes" in stage:
                progress = max(progress, (time.time() - stage_started) / 60 / stage["minutes"])
            if self.num_steps % self.args.log_steps == 0:
                means = ", ".join(f"{t}: {np.mean(losses[t]):.4f}" for t in sorted(losses))
                minutes = (time.time() - self.started) / 60
                print(f"{minutes:6.1f} min  step {self.num_steps}  loss {means}  "
                      f"{num_tokens / (time.time() - since):.0f} tokens/s", flush=True)
                losses, num_tokens, since = {}, 0, time.time()
            if self.num_steps % self.args.evaluate_steps == 0:
                self.report(stage)
                since = time.time()
        for stream in streams:
            stream.close()
        self.report(stage)

    def report(self, stage: dict) -> None:
        self.save()
        for length, _, _ in stage["batches"]:
            num_rows = max(3, 8192 // length)
            result = evaluate_rows(self.model, self.tokenizer, length, num_rows)
            print(f"    held out, rows of {length}: {result}", flush=True)

    def save(self) -> None:
        export_model(self.model, self.tokenizer, self.args.out)
        state = {"optimizers": self.optimizers.state_dict(), "num_steps": self.num_steps,
                 "model": self.model.state_dict()}
        torch.save(state, self.args.out / "run.pt")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=HERE / "recipe.json")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--start", type=Path, help="folder of an earlier run to go on from")
    parser.add_argument("--shape", default="{}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--muon-lr", type=float, default=0.006)
    parser.add_argument("--adam-lr", type=float, default=0.001)
    parser.add_argument("--log-steps", type=int, default=50)
    parser.add_argument("--evaluate-steps", type=int, default=400)
    parser.add_argument("--compile", action="store_true", help="faster after a minute per shape")
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(args)
    for index, stage in enumerate(json.loads(args.recipe.read_text())):
        if not trainer.out_of_time():
            trainer.run_stage(index, stage)


if __name__ == "__main__":
    main()
