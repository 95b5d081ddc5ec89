"""Rows of token ids from make-rows.mjs, and positions for them."""

import subprocess
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent


class RowStream:
    """Reads an endless stream of rows from the generator."""

    def __init__(self, row_tokens: int, seed: str, split: str, level: int):
        command = ["node", str(HERE / "make-rows.mjs"), str(row_tokens), seed, split, str(level)]
        self.row_tokens = row_tokens
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def read(self, num_rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids [num_rows, row_tokens] int64 and the mask of tokens that the model generates."""
        num_bytes = num_rows * self.row_tokens * 4
        data = self.process.stdout.read(num_bytes)
        if len(data) != num_bytes:
            raise RuntimeError(f"make-rows.mjs ended: {len(data)} of {num_bytes} bytes")
        pairs = np.frombuffer(data, dtype=np.uint16).reshape(num_rows, self.row_tokens, 2)
        pairs = torch.from_numpy(pairs.astype(np.int64))
        return pairs[..., 0], pairs[..., 1].bool()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def draw_copy_rows(
    num_rows: int, row_tokens: int, first_id: int, vocab_size: int, digit_ids: list[int],
    rng: np.random.Generator,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of meaningless spans that come again in random order: they teach to copy.

    The mask holds the tokens that a reader of the row can foretell: those of a repeated span after
    its first one, or first two where the row is made of digits.
    """
    ids = np.zeros((num_rows, row_tokens), dtype=np.int64)
    mask = np.zeros((num_rows, row_tokens), dtype=bool)
    for row in range(num_rows):
        is_digits = rng.random() < 0.3
        alphabet = digit_ids if is_digits else np.arange(first_id, vocab_size)
        num_given = 2 if is_digits else 1
        spans = [rng.choice(alphabet, rng.integers(3, 9)) for _ in range(rng.integers(2, 9))]
        order, filled, index = list(range(len(spans))), 0, 0
        while filled < row_tokens:
            span = spans[order[index] if index < len(order) else rng.integers(len(spans))]
            end = min(row_tokens, filled + len(span))
            ids[row, filled:end] = span[: end - filled]
            mask[row, filled + num_given:end] = index >= len(order)
            filled, index = end, index + 1
    return torch.from_numpy(ids), torch.from_numpy(mask)


def draw_positions(
    ids: torch.Tensor, stop_id: int, max_positions: int, fraction: float, rng: np.random.Generator
) -> torch.Tensor:
    """Positions [rows, tokens]: in `fraction` of the rows they jump at ends of sentences.

    So short rows show distances as long as the longest context (positional skips, PoSE, Zhu 2023).
    """
    num_rows, row_tokens = ids.shape
    positions = np.tile(np.arange(row_tokens), (num_rows, 1))
    stops = ids.numpy() == stop_id
    weights = np.where(stops, np.exp(2 * rng.standard_normal(stops.shape)), 0)
    total = np.maximum(weights.sum(1, keepdims=True), 1e-9)
    budget = (max_positions - row_tokens) * rng.random((num_rows, 1))
    budget *= rng.random((num_rows, 1)) < fraction
    jumps = np.floor(np.cumsum(weights / total * budget, axis=1)).astype(np.int64)
    positions[:, 1:] += jumps[:, :-1]
    return torch.from_numpy(positions)
