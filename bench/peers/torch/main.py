"""Runs the PyTorch peers and writes one JSON file: main.py --out FILE [--rehearse]

--rehearse takes the small shapes; without a GPU nothing is timed, outputs are still verified.
"""

import argparse
import json
from pathlib import Path

import torch

from attention_peers import decode_rows, flex_rows, prefill_rows
from continuous_batching_peer import end_to_end_rows
from matmul_peers import ceiling_rows, matmul_rows
from timing import device

SHAPES = Path(__file__).resolve().parents[2] / "gpu" / "shapes.json"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--only", help="one table: ceiling, decode, prefill, matmul, flex, end to end")
    args = parser.parse_args()
    shape = json.loads(SHAPES.read_text())["rehearsal" if args.rehearse else "full"]
    tables = {
        "ceiling": lambda: ceiling_rows(shape),
        "decode": lambda: decode_rows(shape),
        "prefill": lambda: prefill_rows(shape),
        "matmul": lambda: matmul_rows(shape),
        "flex": lambda: flex_rows(shape),
        "end to end": lambda: end_to_end_rows(args.rehearse),
    }
    machine = torch.cuda.get_device_name() if device().type == "cuda" else "no GPU"
    rows = []
    for name, run in tables.items():
        if args.only not in (None, name):
            continue
        for row in run():
            rows.append(row)
            print(json.dumps(row), flush=True)
            report = {"device": machine, "torch": torch.__version__, "rows": rows}
            args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
