"""Times device work the way bench/gpu does: replays of a CUDA graph over rotating buffers, cold L2.

On a machine without a GPU the same calls run once each, so that a rehearsal proves that they work;
times of a rehearsal mean nothing and are left out.
"""

import statistics
import time

import torch

L2_BYTES_TO_PASS = 192 << 20  # three times the L2 of an H200: what one round touches is gone by the next
ROUNDS = 7


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def num_copies(bytes_per_call: int) -> int:
    """How many sets of buffers to rotate over, so that none is still in L2 when its turn comes."""
    if device().type == "cpu":
        return 1
    return max(1, min(16, -(-L2_BYTES_TO_PASS // max(1, bytes_per_call))))


def quantiles_us(samples: list[float]) -> dict[str, float]:
    ordered = sorted(samples)
    at = lambda q: ordered[min(len(ordered) - 1, int(q * len(ordered)))]
    return {"medianUs": statistics.median(ordered), "p10Us": at(0.1), "p90Us": at(0.9)}


def time_calls(calls, use_graph: bool = True, min_calls: int = 20) -> dict[str, float] | None:
    """Time of one call.

    @param calls functions that do the same work on different buffers
    @param use_graph whether the work can be captured (compiled code with host decisions cannot)
    @returns median, 10th and 90th percentile over rounds, microseconds; None in a rehearsal
    """
    if device().type == "cpu":
        for call in calls:
            call()
        return None
    for _ in range(3):
        for call in calls:
            call()
    torch.cuda.synchronize()
    repeats = -(-min_calls // len(calls))
    run = _captured(calls, repeats) if use_graph else _eager(calls, repeats)
    run()
    samples = []
    for _ in range(ROUNDS):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        samples.append(start.elapsed_time(end) * 1000 / (repeats * len(calls)))
    return quantiles_us(samples)


def _eager(calls, repeats):
    def run():
        for _ in range(repeats):
            for call in calls:
                call()

    return run


def _captured(calls, repeats):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        _eager(calls, repeats)()
    return graph.replay


def seconds_of(call) -> float:
    """Wall-clock seconds of one call, the device's work included."""
    if device().type == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    if device().type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
