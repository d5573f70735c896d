"""Activations that plain PyTorch code keeps, over those of fused kernels: `python -m benchmarks.kept_activations`.

Needs `pip install torch transformers`, no GPU and no weights. Autograd is asked what it saves of one more decoder layer
of Hugging Face's models in bf16, each storage once, parameters left out; dcsim counts the same layer by
`kernels/memory.py`. Then what head and loss hold at the peak of a forward and backward pass, an element of the logits.
The last line is one JSON object. What an allocator loses beside is not in it.
"""

from __future__ import annotations

import importlib
import json
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dcsim.kernels.facts import Model, Plan
from dcsim.kernels.memory import Memory, stage_memory

HIDDEN, HEADS, TOKENS = 1024, 16, 256
WIDTHS: dict[str, Any] = {"hidden_size": HIDDEN, "num_attention_heads": HEADS, "vocab_size": 512, "use_cache": False}
LLAMA = {"intermediate_size": 3584, "num_key_value_heads": 4}
VOCABULARIES = 32768, 65536
MODELS: dict[str, tuple[dict[str, Any], int, bool]] = {
    "llama": (LLAMA, 3584, True),
    "mistral": (LLAMA, 3584, True),
    "qwen2": (LLAMA, 3584, True),
    "gpt_neox": ({"intermediate_size": 4096}, 4096, False),
    "gpt2": ({"n_inner": 4096, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}, 4096, False),
}
"""By type of model: keys of its configuration, inner width, whether the MLP is gated."""


def model_of(kind: str, auto: str, layers: int, **changes: int) -> Any:
    """A model of Hugging Face's in bf16, by the name of its automatic class."""
    torch, transformers = (importlib.import_module(name) for name in ("torch", "transformers"))
    given = WIDTHS | MODELS[kind][0] | {"num_hidden_layers": layers, "bos_token_id": 0, "eos_token_id": 0} | changes
    config = transformers.AutoConfig.for_model(kind, **given)
    model = getattr(transformers, auto).from_config(config, attn_implementation="sdpa")
    return model.to(torch.bfloat16).train()


def saved_b(kind: str, layers: int) -> int:
    """Bytes that autograd saves in a forward pass, each storage once, without parameters and buffers."""
    torch, model = importlib.import_module("torch"), model_of(kind, "AutoModel", layers)
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(input_ids=torch.zeros((1, TOKENS), dtype=torch.long))
    return sum(int(tensor.untyped_storage().nbytes()) for tensor in kept.values())


def peak_b(call: Callable[[], object], model: Any) -> int:
    """Most bytes that tensors made by a call hold at once, each storage once, without parameters and buffers."""
    torch = importlib.import_module("torch")
    dispatch = importlib.import_module("torch.utils._python_dispatch").TorchDispatchMode
    leaves = importlib.import_module("torch.utils._pytree").tree_leaves
    alive = {tensor.untyped_storage()._cdata: 0 for tensor in (*model.parameters(), *model.buffers())}
    most = 0

    class Watch(dispatch):  # type: ignore[misc, valid-type]
        def __torch_dispatch__(self, run: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            nonlocal most
            made = run(*args, **(kwargs or {}))
            for tensor in leaves(made):
                if isinstance(tensor, torch.Tensor) and tensor.untyped_storage()._cdata not in alive:
                    storage = tensor.untyped_storage()
                    alive[storage._cdata] = storage.nbytes()
                    weakref.finalize(storage, alive.pop, storage._cdata, None)
            most = max(most, sum(alive.values()))
            return made

    with Watch():
        call()
    return most


def step(model: Any, tokens: Any) -> None:
    """Forward and backward, the output held meanwhile, as trainers do."""
    output = model(input_ids=tokens, labels=tokens)
    output.loss.backward()


def loss_b(kind: str) -> float:
    """Bytes an element of the logits that a step holds at its peak, logits and all, by two vocabularies."""
    torch, peaks = importlib.import_module("torch"), []
    tokens = torch.zeros((1, TOKENS), dtype=torch.long)
    for vocab in VOCABULARIES:
        model = model_of(kind, "AutoModelForCausalLM", 1, vocab_size=vocab)
        for table in (model.get_input_embeddings(), model.get_output_embeddings()):
            table.requires_grad_(False)  # its gradient grows with the vocabulary too
        peaks.append(peak_b(partial(step, model, tokens), model))
    return (peaks[1] - peaks[0]) / (TOKENS * (VOCABULARIES[1] - VOCABULARIES[0]))


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
    print(f"{'a token and layer, bytes':26}{'autograd':>10}{'dcsim':>10}{'ratio':>8}{'an element of logits':>24}")
    for kind in MODELS:
        saved, counted = (each(kind, 2) - each(kind, 1) for each in (saved_b, counted_b))
        found[kind] = {"kept_factor": round(saved / counted, 3), "logits_and_loss_b": round(loss_b(kind), 2)}
        print(
            f"  {kind:24}{saved / TOKENS:10,.0f}{counted / TOKENS:10,.0f}{saved / counted:8.2f}"
            f"{found[kind]['logits_and_loss_b']:24.1f}"
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
