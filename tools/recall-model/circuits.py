"""Starting weights that already hold the rough shape of a look-up circuit.

Training from noise spends most of its time on finding these heads, so they are drawn in: heads of
the first layer that read fixed offsets, heads of the last layers that match what stands around two
tokens, and values that copy. Training moves every weight; nothing here is frozen.

    dimension 0          one constant, the same in every embedding: a bias for q_proj and k_proj
    TOKEN                the token's own embedding
    PREVIOUS             the token before, written by layer 0
    AROUND               a blend of the tokens 3 to 10 before, written by layer 0
"""

import torch

TYPE, BALLAST = 1, 2
TOKEN, PREVIOUS, AROUND = slice(3, 131), slice(131, 195), slice(195, 256)
CONSTANT = 0.8
TOKEN_DEVIATION = 0.07
CODE_DIM = 64
# Tokens that occur less often than this in a row have embeddings of full size.
RARE_PER_ROW = 1.0
MATCH, PREFER = 3.2, 1.6

# Layer 0: (head, offset, rotated pairs, strength, written dimensions, gain). Fast pairs make a
# sharp peak at the offset, slower ones a wide one.
OFFSET_HEADS = [
    (0, 1, range(0, 8), 0.5, PREVIOUS, 0.115),
    (1, 3, range(0, 8), 0.5, AROUND, 0.05),
    (2, 4.5, range(3, 9), 0.5, AROUND, 0.11),
    (3, 7, range(4, 10), 0.35, AROUND, 0.08),
]
# Pairs that hardly turn within a context carry content.
SLOW_PAIRS = list(range(12, 32))


def orthonormal_rows(num_rows: int, num_columns: int) -> torch.Tensor:
    return torch.linalg.qr(torch.randn(num_columns, num_rows))[0].T


def draw_offset_heads(model, code: torch.Tensor) -> None:
    attention = model.layers[0].self_attn
    frequencies = model.frequencies()
    half = model.shape.head_dim // 2
    attention.k_proj.weight.zero_()
    attention.v_proj.weight.zero_()
    attention.o_proj.weight.zero_()
    for kv_head in range(model.shape.num_kv_heads):
        rows = slice(kv_head * 2 * half, kv_head * 2 * half + CODE_DIM)
        attention.v_proj.weight[rows, TOKEN] = code
        attention.k_proj.weight[kv_head * 2 * half:kv_head * 2 * half + 10, 0] = 0.5
    for head, offset, pairs, strength, written, gain in OFFSET_HEADS:
        attention.q_proj.weight[head * 2 * half:(head + 1) * 2 * half] = 0.0
        for pair in pairs:
            angle = torch.tensor(-offset * frequencies[pair])
            row = head * 2 * half + pair
            attention.q_proj.weight[row, 0] = strength * angle.cos()
            attention.q_proj.weight[row + half, 0] = strength * angle.sin()
        size = written.stop - written.start
        columns = slice(head * 2 * half, head * 2 * half + size)
        attention.o_proj.weight[written, columns] = gain * torch.eye(size)


def draw_match_head(model, layer: int, kv_head: int, code: torch.Tensor, reads_previous: float,
                    reads_around: float) -> None:
    """Keys: the token before and the tokens around; queries: the token itself and those around.

    All query heads of the group start alike; values copy the token.
    """
    attention = model.layers[layer].self_attn
    half = model.shape.head_dim // 2
    rows = torch.tensor(SLOW_PAIRS + [half + pair for pair in SLOW_PAIRS])
    by_previous = reads_previous * orthonormal_rows(len(rows), CODE_DIM)
    by_around = reads_around * orthonormal_rows(len(rows), AROUND.stop - AROUND.start)
    base = kv_head * 2 * half
    attention.k_proj.weight[base + rows, PREVIOUS] = by_previous
    attention.k_proj.weight[base + rows, AROUND] = by_around
    attention.v_proj.weight[base:base + CODE_DIM, TOKEN] = code
    heads_per_kv = model.shape.num_heads // model.shape.num_kv_heads
    for head in range(kv_head * heads_per_kv, (kv_head + 1) * heads_per_kv):
        base = head * 2 * half
        attention.q_proj.weight[base + rows, TOKEN] = by_previous @ code
        attention.q_proj.weight[base + rows, AROUND] = by_around
        attention.o_proj.weight[TOKEN, base:base + CODE_DIM] = 0.3 * code.T


def prefer_reply_tokens(model, layer: int, kv_head: int, strength: float) -> None:
    """Adds to the scores a preference for keys whose token can begin a reply."""
    attention = model.layers[layer].self_attn
    half = model.shape.head_dim // 2
    slowest = 2 * half - half - 1
    attention.k_proj.weight[kv_head * 2 * half + slowest, TYPE] = strength
    heads_per_kv = model.shape.num_heads // model.shape.num_kv_heads
    for head in range(kv_head * heads_per_kv, (kv_head + 1) * heads_per_kv):
        attention.q_proj.weight[head * 2 * half + slowest, 0] = strength


@torch.no_grad()
def draw_circuits(model, ids: torch.Tensor, is_reply: torch.Tensor) -> None:
    """Draws the circuits into a new model; `ids` and `is_reply` are sample rows.

    Frequent tokens get small embeddings, so that what two places share counts by its rarity.
    """
    vocab_size = model.shape.vocab_size
    counts = torch.bincount(ids.flatten(), minlength=vocab_size).float() / len(ids)
    weight = model.embed_tokens.weight
    weight.normal_(std=0.01)
    weight[:, TOKEN].normal_(std=TOKEN_DEVIATION)
    rarity = (RARE_PER_ROW / counts.clamp(min=1e-6)).sqrt().clamp(0.12, 1.0)
    weight[:, TOKEN] *= rarity[:, None]
    weight[:, 0] = CONSTANT
    starts = is_reply & ~torch.roll(is_reply, 1, dims=1)
    replies = torch.bincount(ids[starts], minlength=vocab_size) > 0
    weight[:, TYPE] = torch.where(replies, 0.3, -0.3)
    # Equal norms, so that the constant is the same after the norm, whatever the token.
    squares = weight.square().sum(1) - weight[:, BALLAST].square()
    weight[:, BALLAST] = (squares.max() - squares).sqrt()
    code = orthonormal_rows(CODE_DIM, TOKEN.stop - TOKEN.start)
    draw_offset_heads(model, code)
    last = model.shape.num_layers - 1
    draw_match_head(model, last - 1, 0, code, 1.2, 0.0)
    draw_match_head(model, last - 1, 1, code, 0.0, MATCH)
    draw_match_head(model, last, 0, code, 1.0, MATCH)
    draw_match_head(model, last, 1, code, 0.0, MATCH)
    for layer, kv_head in ((last - 1, 1), (last, 1)):
        prefer_reply_tokens(model, layer, kv_head, PREFER)
