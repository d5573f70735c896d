"""Model presets: every figure sourced, mistakes in a file told all at once."""

from __future__ import annotations

import tomllib
import typing
from pathlib import Path

import pytest

from dcsim.errors import ScenarioError
from dcsim.scenario import presets
from dcsim.scenario.facts import Grade
from dcsim.scenario.model import Network, Transformer
from dcsim.scenario.source import read

NAMES = presets.names("models")
UNGRADED = {"name", "kind", "by", "year", "notes", "provenance"}

GOOD = {
    "name": '"mine"',
    "kind": '"transformer"',
    "layers": "4",
    "hidden": "64",
    "heads": "4",
    "ffn_hidden": "256",
    "mlp": '"gelu"',
    "vocab": "100",
    "tied": "true",
}


def lines(tmp_path: Path, text: str) -> list[str]:
    """What is wrong with a model file."""
    file = tmp_path / "mine.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        presets.model_of(read(file, "mine.toml"))
    return caught.value.lines()


def transformer(**changed: str | None) -> str:
    rows = {k: v for k, v in (GOOD | changed).items() if v is not None}
    return "".join(f"{key} = {value}\n" for key, value in rows.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_a_model_has_a_source_and_a_grade(name: str) -> None:
    model = presets.model(name)
    written = set(tomllib.loads((presets.PRESETS / "models" / f"{name}.toml").read_text("utf-8")))
    assert model.name == name
    assert set(model.provenance) == written - UNGRADED
    for origin in model.provenance.values():
        assert len(origin.source) > 8
        assert origin.grade in typing.get_args(Grade)


@pytest.mark.parametrize("name", presets.names("scaling_laws"))
def test_every_coefficient_of_a_law_has_a_source_and_a_grade(name: str) -> None:
    law = presets.scaling_law(name)
    written = set(tomllib.loads((presets.PRESETS / "scaling_laws" / f"{name}.toml").read_text("utf-8")))
    assert law.name == name
    assert set(law.provenance) == written - UNGRADED


@pytest.mark.parametrize("kind", ["models", "accelerators", "scaling_laws"])
def test_what_nobody_looked_up_again_is_graded_weak(kind: str) -> None:
    for name in presets.names(kind):
        for key, origin in presets.table(kind, name)["provenance"].items():
            assert "as remembered" not in origin["source"] or origin["grade"] == "weak", (name, key)


def test_the_asked_for_models_have_presets() -> None:
    wanted = (
        "gpt-2 gpt-2-xl gpt-3-175b bert-base bert-large t5-base t5-11b ernie-3.0 llama-2-7b llama-2-13b llama-2-70b "
        "llama-3-8b llama-3-70b llama-3.1-405b mixtral-8x7b mixtral-8x22b deepseek-v3 qwen-2.5-7b qwen-2.5-72b "
        "qwen-3-32b qwen-3-235b-a22b grok-1 nemotron-4-15b nemotron-4-340b bloom-176b opt-175b mt-nlg-530b palm-540b "
        "gemma-7b gemma-2-27b gpt-neox-20b resnet-50 vit-b-16 vit-l-16 efficientnet-b0 efficientnet-b4 yolov8n "
        "yolov8m dlrm-criteo-1tb dlrm-dcnv2 whisper-large-v3 u-net stable-diffusion-1.5-unet cifar-resnet-20 text-cnn"
    )
    assert set(wanted.split()) <= set(NAMES)
    assert {type(presets.model(name)) for name in NAMES} == {Transformer, Network}


def test_names_of_models_may_be_written_in_capitals() -> None:
    assert presets.model("Llama-3-70B").name == "llama-3-70b"
    assert presets.scaling_law("Chinchilla").name == "chinchilla"


def test_an_unknown_model_has_three_nearest_names() -> None:
    with pytest.raises(ScenarioError) as caught:
        presets.model("lama-3-70b")
    (line,) = caught.value.lines()
    assert line.startswith("lama-3-70b: no model preset of that name; nearest: 'llama-3-70b', ")
    assert line.count("'") == 6


def test_mistakes_in_a_model_file_are_told_all_at_once(tmp_path: Path) -> None:
    said = lines(tmp_path, transformer(layers="0", hiden="64", mlp='"glu"', tied=None, vocab="1e5"))
    assert said == [
        "mine.toml: tied: required key is missing",
        "mine.toml:3: layers: out of range (got 0, expected >= 1)",
        "mine.toml:7: mlp: not one of the known values (got \"glu\", expected 'gelu', 'relu', 'squared-relu', "
        "'swiglu' or 'geglu'); did you mean 'gelu' or 'geglu' or 'swiglu'?",
        "mine.toml:8: vocab: wrong type (got float 100000.0, expected integer)",
        "mine.toml:9: hiden: unknown key; did you mean 'hidden' or 'ffn_hidden' or 'shared_hidden'?",
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"heads": "3"}, ":5: heads: 3 do not divide hidden (64); write head_dim too"),
        ({"kv_heads": "3"}, ":10: kv_heads: 3 do not divide heads (4)"),
        (
            {"experts": "8", "top_k": "2"},
            ": expert_hidden: is missing: experts, top_k and expert_hidden belong together; write all three or none",
        ),
        ({"experts": "4", "top_k": "8", "expert_hidden": "64"}, ":11: top_k: 8 is more than experts (4)"),
        ({"ffn_hidden": None}, ": ffn_hidden: is missing; only a model whose layers all have experts does without it"),
        (
            {"rope_dim": "8"},
            ":10: rope_dim: is of latent attention, which has a kv_rank; write that too, or leave this",
        ),
    ],
)
def test_widths_that_do_not_fit_together_are_refused(changed: dict[str, str], said: str, tmp_path: Path) -> None:
    (line,) = lines(tmp_path, transformer(**changed))
    assert line.startswith(f"mine.toml{said}")


def test_all_widths_that_do_not_fit_together_are_told_at_once(tmp_path: Path) -> None:
    said = lines(tmp_path, transformer(heads="3", kv_heads="2", cross_layers="9", experts="4", top_k="8", q_rank="8"))
    keys = {"top_k", "expert_hidden", "heads", "kv_heads", "cross_layers", "q_rank"}
    assert {line.split(": ")[1] for line in said} == keys


def test_an_operation_that_does_not_say_what_it_is(tmp_path: Path) -> None:
    text = 'name = "mine"\nkind = "network"\nsample = "image"\n\n[[operations]]\nrows = 1\n'
    (line,) = lines(tmp_path, text)
    assert line == 'mine.toml:5: operations.0: its op is missing, which says what it is; write op = "..."'


def test_mistakes_in_an_operation_name_its_place(tmp_path: Path) -> None:
    head = 'name = "mine"\nkind = "network"\nsample = "image"\noperations = [\n'
    text = head + '{ op = "dense", inputs = 3, outputs = -1 },\n{ op = "dens", inputs = 3 },\n]\n'
    said = lines(tmp_path, text)
    assert any("operations.0.outputs: out of range (got -1, expected >= 1)" in line for line in said)
    assert any("operations.1" in line and "dens" in line for line in said)
    conv = '{ op = "conv2d", size = [8, 8], inputs = 6, outputs = 8, kernel = [3, 3], groups = 4 },\n]\n'
    (line,) = lines(tmp_path, head + conv)
    assert "groups (4) do not divide inputs (6) and outputs (8)" in line
