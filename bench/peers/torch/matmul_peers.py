"""Ceilings (copy, read, bf16 GEMM) and cuBLAS through PyTorch at the shapes of bench/gpu/shapes.json."""

import torch

from timing import device, num_copies, time_calls


def ceiling_rows(shape: dict):
    """Copy counts bytes read and written; read counts bytes read."""
    place = device()
    bytes_of_copy = shape["copyCeilingBytes"]
    source = torch.ones(bytes_of_copy // 4, device=place, dtype=torch.float32)
    target = torch.empty_like(source)
    yield {"table": "ceiling", "case": "copy", "bytes": 2 * bytes_of_copy, "time": time_calls([lambda: target.copy_(source)])}
    assert torch.equal(source, target)
    words = source.view(torch.int32)
    yield {"table": "ceiling", "case": "read", "bytes": bytes_of_copy, "time": time_calls([lambda: torch.max(words)])}
    size = shape["gemmCeiling"]
    a, b = (torch.randn(size, size, device=place, dtype=torch.bfloat16) for _ in range(2))
    yield {"table": "ceiling", "case": "gemm bf16", "flops": 2 * size**3, "time": time_calls([lambda: a @ b])}


def matmul_rows(shape: dict):
    for weight in shape["matmul"]:
        for num_rows in shape["matmulRows"]:
            yield _matmul(weight, num_rows)


def _matmul(weight: dict, num_rows: int) -> dict:
    in_dim, out_dim = weight["inDim"], weight["outDim"]
    place = device()
    weight_bytes = 2 * in_dim * out_dim
    weights = [
        torch.randn(out_dim, in_dim, device=place, dtype=torch.bfloat16) for _ in range(num_copies(weight_bytes))
    ]
    x = torch.randn(num_rows, in_dim, device=place, dtype=torch.bfloat16)
    expected = (x[:1].float() @ weights[0][:64].float().T)
    error = ((x @ weights[0].T)[:1, :64].float() - expected).abs().max().item() / in_dim**0.5
    assert error < 0.02, f"the peer's product differs by {error}"
    return {
        "table": "matmul",
        "peer": "torch.matmul (cuBLAS)",
        "case": f"{weight['name']}, {num_rows} rows",
        "flops": 2 * num_rows * in_dim * out_dim,
        "bytes": weight_bytes,
        "time": time_calls([lambda w=w: torch.matmul(x, w.T) for w in weights]),
    }
