"""The transformer of a measured row: of widths that it gives, or of a preset that it names."""

from __future__ import annotations

from collections.abc import Container, Iterator

from dcsim.kernels.facts import Model
from dcsim.performance.models import model_row
from dcsim.performance.row_cells import Row, Unusable, faults, number, whole, word, wrong
from dcsim.scenario import presets
from dcsim.scenario.model import Transformer

GATED = {"swiglu": 1.0, "geglu": 1.0, "gelu": 0.0, "relu": 0.0, "sqrelu": 0.0}
LORA_SHARE = 0.003  # of parameters that low-rank adapters of rank 16 train
USUAL_VOCAB = 50304.0  # GPT-2's, padded
WIDTHS = ("layers", "hidden", "heads")
"""Without these, a row must name a preset."""
COLUMNS = {
    **{name: name for name in (*WIDTHS, "kv_heads", "head_dim", "ffn_hidden", "vocab")},
    "experts": "moe_experts",
    "top_k": "moe_top_k",
    "expert_hidden": "moe_ffn_hidden",
    "dense_layers": "moe_first_dense",
}
"""Columns of a row by field of a model."""
CELLS = (*COLUMNS.values(), "moe_shared_experts")
"""All cells that a transformer is made of."""


def model_faults(row: Row, unread: Container[str]) -> Iterator[Unusable]:
    """What is wrong with the transformer of a row whose other cells than those `unread` can be read."""
    unknown = list(faults(preset_of, row))
    if unknown or preset_of(row) is not None:
        yield from unknown
        return
    name = (row.get("model") or "").strip()
    if name and not any((row.get(width) or "").strip() or width in unread for width in WIDTHS):
        what, expected = "no model preset of that name, and no widths", f"a preset, or {', '.join(WIDTHS)} beside it"
        rule = f"no widths, and no model preset of the name '{name}'"
        yield wrong(row, "model", what, expected, presets.nearest_names("models", name), rule)
        return
    for width in WIDTHS:
        yield from faults(_width, row, width)
    layers = number(row, "layers", 0.0)
    if layers and number(row, "moe_first_dense", 0.0) > layers:
        yield wrong(row, "moe_first_dense", "is more than layers", f"at most {layers:.0f}")


def _width(row: Row, name: str) -> float:
    """A width that a row must give."""
    value = number(row, name)
    if value == 0.0:
        raise wrong(row, name, "is zero", whole(name), rule="a width is zero")
    return value


def model_of(row: Row, assumed: list[str]) -> Model:
    """The transformer of a row: of the preset that it names, where it does not give its widths itself.

    Else, not given: kv_heads = heads, head_dim = hidden/heads; what else is filled is named in `assumed`:
    ffn_hidden = 4 hidden, an MLP without a gate, GPT-2's vocabulary.
    """
    named = preset_of(row)
    return _of_widths(row, assumed) if named is None else _of_preset(row, named, assumed)


def preset_of(row: Row) -> Transformer | None:
    """The model preset whose widths a row takes, upper or lower case: one that it names without all of `WIDTHS`."""
    name = (row.get("model") or "").strip().lower()
    if all(number(row, width, 0.0) for width in WIDTHS) or name not in presets.names("models"):
        return None
    model = presets.model(name)
    if not isinstance(model, Transformer):
        what, fix = "is no transformer", "ask for it with `dcsim plan`, or `dcsim estimate` without --rows"
        raise wrong(row, "model", what, fix=fix, rule=f"{model.name} is no transformer")
    return model


def _of_preset(row: Row, preset: Transformer, assumed: list[str]) -> Model:
    """A preset with what the row gives in its place."""
    model = model_row(preset)
    given = {field: value for field, column in COLUMNS.items() if (value := number(row, column, 0.0))}
    if shared := number(row, "moe_shared_experts", 0.0):
        given["shared_hidden"] = shared * given.get("expert_hidden", model.expert_hidden)
    assumed.append(f"widths of {preset.name}")
    gated = word(row, "mlp_type", GATED, model.gated, [])
    return model._replace(**given, gated=gated, trainable=_trainable(row))


def _trainable(row: Row) -> float:
    return LORA_SHARE if row.get("task") == "lora" else 1.0


def _of_widths(row: Row, assumed: list[str]) -> Model:
    """A transformer by what the row gives."""
    layers, hidden, heads = (_width(row, name) for name in WIDTHS)
    experts = number(row, "moe_experts", 0.0)
    expert_hidden = 0.0
    if experts:
        expert_hidden = number(row, "moe_ffn_hidden", 0.0) or number(row, "ffn_hidden", 0.0) or 4.0 * hidden
    asked = ("vocab", "moe_top_k" if experts else "ffn_hidden")
    assumed += [name for name in asked if not number(row, name, 0.0)]
    latent = latent_of(row.get("model") or "")
    head_dim = latent.pop("head_dim", None) or number(row, "head_dim", 0.0) or hidden / heads
    return Model(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=number(row, "kv_heads", 0.0) or heads,
        head_dim=head_dim,
        ffn_hidden=number(row, "ffn_hidden", 0.0) or expert_hidden or 4.0 * hidden,
        gated=word(row, "mlp_type", GATED, 0.0, assumed),
        vocab=number(row, "vocab", 0.0) or USUAL_VOCAB,
        tied=0.0,
        experts=experts,
        top_k=(number(row, "moe_top_k", 0.0) or 1.0) if experts else 0.0,
        expert_hidden=expert_hidden,
        shared_hidden=number(row, "moe_shared_experts", 0.0) * expert_hidden,
        dense_layers=number(row, "moe_first_dense", 0.0),
        trainable=_trainable(row),
        **latent,
    )


def latent_of(name: str) -> dict[str, float]:
    """Ranks and widths of latent attention, which rows do not give, of the preset that the model's name begins with."""
    known = next((known for known in presets.names("models") if name.lower().startswith(known)), None)
    model = presets.model(known) if known else None
    if not isinstance(model, Transformer) or not model.kv_rank:
        return {}
    widths = ("q_rank", "kv_rank", "rope_dim", "head_dim")
    return {width: float(getattr(model, width) or 0.0) for width in widths}
