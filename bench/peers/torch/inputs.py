"""Random paged K and V, the same shapes as bench/gpu, and the slow answer to check a peer against."""

import torch

from timing import device


class PagedBatch:
    """One query row per sequence, or `query_len` of them, over K and V in blocks in random order.

    `keys` and `values` are [num_blocks, block_size, kv_heads, head_dim]; `tables` [num_seqs,
    max_blocks] int32; twice as many blocks as needed, so neighbours in a sequence are not neighbours
    in memory.
    """

    def __init__(self, shape: dict, lengths: list[int], query_len: int, block_size: int, seed: int):
        generator = torch.Generator(device="cpu").manual_seed(seed)
        heads, kv_heads, head_dim = shape["heads"], shape["kvHeads"], shape["headDim"]
        counts = [-(-length // block_size) for length in lengths]
        num_blocks = 2 * sum(counts) + 1
        order = (torch.randperm(num_blocks - 1, generator=generator) + 1).tolist()
        tables = torch.zeros(len(lengths), max(counts), dtype=torch.int32)
        taken = 0
        for row, count in enumerate(counts):
            tables[row, :count] = torch.tensor(order[taken : taken + count], dtype=torch.int32)
            taken += count
        place = device()
        random = torch.Generator(device=place).manual_seed(seed)
        draw = lambda *size: torch.randn(*size, generator=random, device=place, dtype=torch.bfloat16)
        self.block_size = block_size
        self.lengths = lengths
        self.query_len = query_len
        self.tables = tables.to(place)
        self.keys = draw(num_blocks, block_size, kv_heads, head_dim)
        self.values = draw(num_blocks, block_size, kv_heads, head_dim)
        self.q = draw(len(lengths) * query_len, heads, head_dim)

    @property
    def kv_bytes(self) -> int:
        """Bytes of K and V that the sequences attend to."""
        kv_heads, head_dim = self.keys.shape[2:]
        return sum(self.lengths) * kv_heads * head_dim * 2 * self.keys.element_size()

    def gathered(self, row: int) -> tuple[torch.Tensor, torch.Tensor]:
        """K and V of one sequence, [length, kv_heads, head_dim]."""
        length = self.lengths[row]
        blocks = self.tables[row, : -(-length // self.block_size)].long()
        pick = lambda cache: cache[blocks].flatten(0, 1)[:length]
        return pick(self.keys), pick(self.values)

    def reference(self, row: int) -> torch.Tensor:
        """The right answer for one sequence in float32, [query_len, heads, head_dim]."""
        keys, values = (x.float() for x in self.gathered(row))
        q = self.q[row * self.query_len : (row + 1) * self.query_len].float()
        group = q.shape[1] // keys.shape[1]
        keys, values = (x.repeat_interleave(group, dim=1) for x in (keys, values))
        logits = torch.einsum("qhd,khd->hqk", q, keys) * q.shape[2] ** -0.5
        visible = torch.arange(keys.shape[0], device=q.device)[None, :] <= (
            torch.arange(self.query_len, device=q.device)[:, None] + keys.shape[0] - self.query_len
        )
        return torch.einsum("hqk,khd->qhd", logits.masked_fill(~visible, -torch.inf).softmax(-1), values)

    def check(self, out: torch.Tensor) -> float:
        """Largest difference to the reference over the first and last sequence, in units of the
        reference's root mean square.

        @raises AssertionError when it is past what bfloat16 explains
        """
        worst = 0.0
        for row in {0, len(self.lengths) - 1}:
            rows = slice(row * self.query_len, (row + 1) * self.query_len)
            if self.query_len > 1024:  # the float32 logits of 8k rows do not fit: check the last rows
                tail = PagedBatch.__new__(PagedBatch)
                tail.__dict__.update(self.__dict__, query_len=64)
                keep = slice(rows.stop - 64, rows.stop)
                tail.q = torch.zeros((row + 1) * 64, *self.q.shape[1:], dtype=self.q.dtype, device=self.q.device)
                tail.q[row * 64 :] = self.q[keep]
                actual, expected = out[keep].float(), tail.reference(row)
            else:
                actual, expected = out[rows].float(), self.reference(row)
            difference = ((actual - expected).abs().max() / expected.square().mean().sqrt()).item()
            assert difference < 0.1, f"a peer's output differs by {difference}"  # NaN fails too
            worst = max(worst, difference)
        return worst
