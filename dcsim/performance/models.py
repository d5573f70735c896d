"""What follows from the widths of a transformer: the row that kernels read, parameters by formula, FLOPs a token.

FLOPs follow Megatron-LM's convention (Narayanan 2021, arXiv 2104.04473, appendix): matrix products only, a
multiply-add being two, attention not halved for causality unless asked for.
"""

from __future__ import annotations

from dcsim.kernels import facts
from dcsim.scenario.model import GATED, Transformer
from dcsim.scenario.scaling_law import ScalingLaw


def model_row(model: Transformer) -> facts.Model:
    """The row of a transformer that kernels read, with every width filled in."""
    return facts.Model(
        layers=float(model.layers),
        hidden=float(model.hidden),
        heads=float(model.heads),
        kv_heads=float(model.kv_heads or model.heads),
        head_dim=float(model.head_dim or model.hidden // model.heads),
        ffn_hidden=float(model.ffn_hidden or 0),
        gated=float(model.mlp in GATED),
        vocab=float(model.vocab),
        tied=float(model.tied),
        experts=float(model.experts),
        top_k=float(model.top_k),
        expert_hidden=float(model.expert_hidden),
        shared_hidden=float(model.shared_hidden),
        dense_layers=float(model.dense_layers),
        q_rank=float(model.q_rank),
        kv_rank=float(model.kv_rank),
        rope_dim=float(model.rope_dim),
        v_head_dim=float(model.v_head_dim),
        causal=_causal(model),
        window=float(model.window),
        cross_layers=float(model.cross_layers),
        positions=float(model.positions),
        capacity=model.capacity_factor,
    )


def _causal(model: Transformer) -> float:
    """Share of attentions that look back alone: of an encoder-decoder the decoder's own, not those across."""
    if model.arrangement == "encoder-decoder":
        return model.cross_layers / (model.layers + model.cross_layers)
    return float(model.arrangement == "decoder")


def parameters(model: Transformer) -> float:
    """All parameters, by formula: matrices, embeddings, norms and biases."""
    row = model_row(model)
    layer = attention_parameters(row) + 2 * row.hidden
    moe_layers = row.layers - row.dense_layers if row.experts else 0.0
    experts = row.experts * _mlp(row, row.expert_hidden) + _mlp(row, row.shared_hidden) + row.hidden * row.experts
    dense = (row.layers - moe_layers) * _mlp(row, row.ffn_hidden)
    cross = row.cross_layers * (attention_parameters(row) + row.hidden)
    return row.layers * layer + moe_layers * experts + dense + cross + _outside_layers(row) + _biases(model, row)


def active_parameters(model: Transformer) -> float:
    """Parameters that work for one token: as `parameters`, with the top-k experts of each layer alone."""
    idle = model.experts - model.top_k
    moe_layers = model.layers - model.dense_layers if model.experts else 0
    return parameters(model) - moe_layers * idle * _mlp(model_row(model), model.expert_hidden)


def law_parameters(model: Transformer, law: ScalingLaw) -> float:
    """Parameters as a scaling law counts them: those active for a token, with or without embeddings and head."""
    if law.embeddings:
        return active_parameters(model)
    row = model_row(model)
    return active_parameters(model) - row.hidden * (row.vocab * (2 - row.tied) + row.positions)


def attention_parameters(row: facts.Model) -> float:
    """Projections of one attention, grouped-query or latent (DeepSeek-V2, arXiv 2405.04434, section 2.1)."""
    h, a, e = row.hidden, row.heads, row.head_dim
    if not row.kv_rank:
        return h * e * (2 * a + 2 * row.kv_heads)
    value = row.v_head_dim or e
    queries = row.q_rank * (h + 1 + a * (e + row.rope_dim)) if row.q_rank else h * a * (e + row.rope_dim)
    latent = h * (row.kv_rank + row.rope_dim) + row.kv_rank * (1 + a * (e + value))  # 1: the norm of a latent
    return queries + latent + a * value * h


def forward_flop_per_token(row: facts.Model, seq_len: float, causal_half: bool = False) -> float:
    """FLOPs of one token forward in sequences of `seq_len` tokens.

    Matrix products of all layers and of the head, router included; attention counts every pair of positions (all of
    the window, where one slides), or about half of them with `causal_half`. In an encoder-decoder, a sample holds
    `seq_len` tokens in each of its two stacks, and a token passes both.
    """
    h = row.hidden
    moe_layers = row.layers - row.dense_layers if row.experts else 0.0
    expert = row.top_k * _mlp(row, row.expert_hidden) + _mlp(row, row.shared_hidden) + h * row.experts
    dense = (row.layers - moe_layers) * _mlp(row, row.ffn_hidden)
    attentions = row.layers + row.cross_layers
    weights = attentions * attention_parameters(row) + moe_layers * expert + dense + row.vocab * h
    seen = min(seq_len, row.window) if row.window else seq_len
    pairs = seen * (1.0 - 0.5 * row.causal) if causal_half and seen == seq_len else seen
    core = 2 * row.heads * (row.head_dim + row.rope_dim + (row.v_head_dim or row.head_dim))
    return 2 * weights + attentions * core * pairs


def flop_per_token(row: facts.Model, seq_len: float, causal_half: bool = False) -> float:
    """FLOPs of one token forward and backward: three times those forward, without recomputation."""
    return 3 * forward_flop_per_token(row, seq_len, causal_half)


def _mlp(row: facts.Model, width: float) -> float:
    return (2 + row.gated) * row.hidden * width


def _outside_layers(row: facts.Model) -> float:
    """Embedding, head, learned positions and the last norm."""
    return row.hidden * (row.vocab * (2 - row.tied) + row.positions + 1)


def _biases(model: Transformer, row: facts.Model) -> float:
    """Biases of the projections, and with all of them those of the norms; models with experts have none but QKV."""
    qkv = row.head_dim * (row.heads + 2 * row.kv_heads)
    if model.biases == "none":
        return 0.0
    if model.biases == "qkv":
        return row.layers * qkv
    mlp = (1 + row.gated) * row.ffn_hidden + row.hidden
    return row.layers * (qkv + row.hidden + mlp + 2 * row.hidden) + row.hidden
