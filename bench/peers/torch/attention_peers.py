"""Attention of PyTorch at the shapes of bench/gpu/shapes.json: what our kernels are compared with."""

import inspect

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from inputs import PagedBatch
from timing import device, num_copies, time_calls

FLEX_PAGE = 128  # the page size that torch's PagedAttention is written for


def decode_rows(shape: dict):
    """One row per peer and decode shape; a peer that cannot run gives a row that says why."""
    for case in shape["decode"]:
        peers = [("varlen_attn, block table", _varlen), ("varlen_attn, contiguous", _varlen_contiguous)]
        if len(set(case["lengths"])) == 1:
            peers.append(("SDPA flash, contiguous", _sdpa(SDPBackend.FLASH_ATTENTION)))
            peers.append(("SDPA cuDNN, contiguous", _sdpa(SDPBackend.CUDNN_ATTENTION)))
        for name, run in peers:
            yield _row("decode", name, case["name"], lambda: run(shape, case["lengths"], 1))


def flex_rows(shape: dict):
    """Those of the decode table that torch.compile takes its time for."""
    for case in shape["decode"]:
        yield _row("decode", "flex_attention, paged", case["name"], lambda: _flex(shape, case["lengths"], 1))


def prefill_rows(shape: dict):
    for case in shape["prefill"]:
        peers = [("varlen_attn, block table", _varlen), ("varlen_attn, contiguous", _varlen_contiguous)]
        if case["queryLen"] == case["contextLen"]:
            peers.append(("SDPA flash, contiguous", _sdpa(SDPBackend.FLASH_ATTENTION)))
            peers.append(("SDPA cuDNN, contiguous", _sdpa(SDPBackend.CUDNN_ATTENTION)))
        for name, run in peers:
            yield _row("prefill", name, case["name"], lambda: run(shape, [case["contextLen"]], case["queryLen"]))


def _row(table: str, peer: str, case: str, run) -> dict:
    row = {"table": table, "peer": peer, "case": case}
    try:
        return row | run()
    except Exception as error:  # a peer this torch or GPU lacks is a row, not the end of the run
        torch.cuda.empty_cache() if device().type == "cuda" else None
        return row | {"unavailable": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}


def _batches(shape: dict, lengths: list[int], query_len: int, block_size: int) -> list[PagedBatch]:
    first = PagedBatch(shape, lengths, query_len, block_size, seed=1)
    more = range(2, num_copies(first.kv_bytes) + 1)
    return [first] + [PagedBatch(shape, lengths, query_len, block_size, seed) for seed in more]


def _result(batches: list[PagedBatch], calls, use_graph: bool = True) -> dict:
    worst = max(batch.check(call()) for batch, call in zip(batches, calls))
    return {"kvBytes": batches[0].kv_bytes, "worstError": worst, "time": time_calls(calls, use_graph)}


def _varlen(shape: dict, lengths: list[int], query_len: int) -> dict:
    from torch.nn.attention.varlen import varlen_attn

    batches = _batches(shape, lengths, query_len, max(shape["blockSize"], 256 if device().type == "cuda" else 0))

    def call_of(batch: PagedBatch):
        place = batch.q.device
        starts = torch.arange(len(lengths) + 1, dtype=torch.int32, device=place) * query_len
        used = torch.tensor(lengths, dtype=torch.int32, device=place)
        return lambda: varlen_attn(
            batch.q, batch.keys, batch.values, starts, None, query_len, max(lengths),
            window_size=(-1, 0), enable_gqa=True, seqused_k=used, block_table=batch.tables,
        )

    return _result(batches, [call_of(batch) for batch in batches]) | {"blockSize": batches[0].block_size}


def _varlen_contiguous(shape: dict, lengths: list[int], query_len: int) -> dict:
    """varlen_attn over K and V without gaps, which older versions of it take too."""
    from torch.nn.attention.varlen import varlen_attn

    batches = _batches(shape, lengths, query_len, shape["blockSize"])
    known = inspect.signature(varlen_attn).parameters
    options = {"window_size": (-1, 0)} if "window_size" in known else {"is_causal": True}
    if "enable_gqa" in known:
        options["enable_gqa"] = True

    def call_of(batch: PagedBatch):
        place = batch.q.device
        pairs = [batch.gathered(row) for row in range(len(lengths))]
        keys, values = (torch.cat(parts) for parts in zip(*pairs))
        q_starts = torch.arange(len(lengths) + 1, dtype=torch.int32, device=place) * query_len
        k_starts = F.pad(torch.tensor(lengths, dtype=torch.int32, device=place).cumsum(0, dtype=torch.int32), (1, 0))
        return lambda: varlen_attn(
            batch.q, keys, values, q_starts, k_starts, query_len, max(lengths), **options
        )

    return _result(batches, [call_of(batch) for batch in batches])


def _sdpa(backend: SDPBackend):
    """Attention over sequences of one length, K and V of each without gaps."""

    def run(shape: dict, lengths: list[int], query_len: int) -> dict:
        batches = _batches(shape, lengths, query_len, shape["blockSize"])

        def call_of(batch: PagedBatch):
            pairs = [batch.gathered(row) for row in range(len(lengths))]
            keys, values = (torch.stack(parts).transpose(1, 2).contiguous() for parts in zip(*pairs))
            q = batch.q.view(len(lengths), query_len, *batch.q.shape[1:]).transpose(1, 2).contiguous()

            def call():
                with sdpa_kernel(backend):
                    out = F.scaled_dot_product_attention(q, keys, values, is_causal=query_len > 1, enable_gqa=True)
                return out.transpose(1, 2).flatten(0, 1)

            return call

        return _result(batches, [call_of(batch) for batch in batches])

    return run


def _flex(shape: dict, lengths: list[int], query_len: int) -> dict:
    """flex_attention over a flat cache with physical block numbers in its mask, compiled once."""
    from torch.nn.attention.experimental._paged_attention import PagedAttention
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    compiled = torch.compile(flex_attention) if device().type == "cuda" else flex_attention
    batches = _batches(shape, lengths, query_len, FLEX_PAGE)

    def call_of(batch: PagedBatch):
        num_pages, _, kv_heads, head_dim = batch.keys.shape
        place = batch.q.device
        paged = PagedAttention(num_pages, FLEX_PAGE, len(lengths), device=str(place))
        flat = lambda cache: cache.permute(2, 0, 1, 3).reshape(1, kv_heads, -1, head_dim).contiguous()
        keys, values = flat(batch.keys), flat(batch.values)
        for row, length in enumerate(lengths):
            count = -(-length // FLEX_PAGE)
            blocks = batch.tables[row, :count].long()
            paged.page_table[row, :count] = blocks
            paged.physical_to_logical[row, blocks] = torch.arange(count, device=place)
            paged.capacity[row] = count * FLEX_PAGE
        used = torch.tensor(lengths, device=place)
        ends_at = lambda b, h, q_index, kv_index: kv_index < used[b]
        longest = -(-max(lengths) // FLEX_PAGE) * FLEX_PAGE
        mask = create_block_mask(ends_at, len(lengths), 1, query_len, longest, device=str(place), BLOCK_SIZE=FLEX_PAGE)
        mask = paged.convert_logical_block_mask(mask, kv_len=used)
        q = batch.q.view(len(lengths), query_len, *batch.q.shape[1:]).transpose(1, 2).contiguous()

        def call():
            out = compiled(q, keys.expand(len(lengths), -1, -1, -1), values.expand(len(lengths), -1, -1, -1),
                           block_mask=mask, enable_gqa=True)
            return out.transpose(1, 2).flatten(0, 1)

        return call

    return _result(batches, [call_of(batch) for batch in batches], use_graph=True) | {"blockSize": FLEX_PAGE}
