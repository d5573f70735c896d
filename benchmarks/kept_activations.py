"""Activations that plain PyTorch code keeps, over those of fused kernels: `python -m benchmarks.kept_activations`.

Needs `pip install torch transformers`, no GPU and no weights. Autograd is asked what it saves of one more decoder layer
of Hugging Face's models in bf16, each storage once, parameters left out; dcsim counts the same layer by
`kernels/memory.py`. The last line is one JSON object. What an allocator loses beside is not in it.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

import numpy as np

from dcsim.kernels.facts import Model, Plan
from dcsim.kernels.memory import Memory, stage_memory

HIDDEN, HEADS, TOKENS = 1024, 16, 256
WIDTHS: dict[str, Any] = {"hidden_size": HIDDEN, "num_attention_heads": HEADS, "vocab_size": 512, "use_cache": False}
LLAMA = {"intermediate_size": 3584, "num_key_value_heads": 4}
MODELS: dict[str, tuple[dict[str, Any], int, bool]] = {
    "llama": (LLAMA, 3584, True),
    "mistral": (LLAMA, 3584, True),
    "qwen2": (LLAMA, 3584, True),
    "gpt_neox": ({"intermediate_size": 4096}, 4096, False),
    "gpt2": ({"n_inner": 4096, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}, 4096, False),
}
"""By type of model: keys of its configuration, inner width, whether the MLP is gated."""


def saved_b(kind: str, layers: int) -> int:
    """Bytes that autograd saves in a forward pass, each storage once, without parameters and buffers."""
    torch, transformers = (importlib.import_module(name) for name in ("torch", "transformers"))
    given = WIDTHS | MODELS[kind][0] | {"num_hidden_layers": layers, "bos_token_id": 0, "eos_token_id": 0}
    config = transformers.AutoConfig.for_model(kind, **given)
    model = transformers.AutoModel.from_config(config, attn_implementation="sdpa").to(torch.bfloat16).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=torch.zeros((1, TOKENS), dtype=torch.long))
    return sum(int(tensor.untyped_storage().nbytes()) for tensor in kept.values())


def counted_b(kind: str, layers: int) -> float:
    """Bytes that dcsim counts for the same layers with fused kernels and flash attention."""
    keys, inner, gated = MODELS[kind]
    kv_heads = keys.get("num_key_value_heads", HEADS)
    model = Model(layers, HIDDEN, HEADS, kv_heads, HIDDEN // HEADS, inner, float(gated), vocab=512.0, tied=1.0)
    plan = Plan(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, TOKENS)
    parts = stage_memory(np.array([model], float), np.array([plan], float))[0]
    return float(parts[Memory._fields.index("activations_b")])


def main() -> None:
    """Print what each model keeps a token and layer, and the ratio."""
    found = {}
    print(f"{'a token and layer, bytes':26}{'autograd':>10}{'dcsim':>10}{'ratio':>8}")
    for kind in MODELS:
        saved, counted = (each(kind, 2) - each(kind, 1) for each in (saved_b, counted_b))
        found[kind] = round(saved / counted, 3)
        print(f"  {kind:24}{saved / TOKENS:10,.0f}{counted / TOKENS:10,.0f}{found[kind]:8.2f}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
