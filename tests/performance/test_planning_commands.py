"""`plan` and `estimate` as a planner runs them: answers on one screen, and bad input told line by line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from dcsim.__main__ import main
from dcsim.performance.reader import Reader

PLAN = ["plan", "gpt-3-175b", "--accelerator", "H100-SXM", "--count", "512", "--global-batch", "1536"]
ESTIMATE = ["estimate", "gpt-3-175b", "--accelerator", "H100-SXM", "--tokens", "300e9"]
LINE = re.compile(r"dcsim: error: \S.*?: \S+: \S.*")


def refused(capsys: pytest.CaptureFixture[str], words: list[str]) -> list[str]:
    """The error lines of a command that refuses its input."""
    assert main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines
    assert all(LINE.fullmatch(line) for line in lines), said.err
    return lines


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["gpt-3-175bb"], "MODEL: no model preset of that name (got 'gpt-3-175bb'); nearest: 'gpt-3-175b'"),
        (["--accelerator", "H100"], "--accelerator: no accelerator preset of that name (got 'H100'); nearest: 'H100"),
        (
            ["--tp", "7"],
            "--tp: does not divide the attention heads (got 7, expected a divisor of 96 heads); write --tp 4 or --tp 8",
        ),
        (["--pp", "64", "--vpp", "2"], "--pp: more stages than layers (got 64 x 2 = 128, expected pp x vpp <= 96)"),
        (["--tp", "8", "--pp", "8", "--cp", "1", "--dp", "4"], "--dp: tp x pp x cp x dp is not the number of accel"),
        (["--global-batch", "1000", "--dp", "64"], "--dp: the data-parallel degree does not divide the global batch"),
        (["--dp", "64", "--micro-batch", "5"], "--micro-batch: dp x micro_batch does not divide the global batch"),
        (["--precision", "fp4"], "--precision: H100-SXM lacks this precision (got 'fp4', expected one of bf16"),
        (["--seq-len", "4096"], "--seq-len: longer than the positions of gpt-3-175b allow (got '4096', expected at"),
        (["--ep", "8"], "--ep: the model has no experts to spread (got 8, expected 1); write --ep 1"),
        (["--experts", "cut"], "--experts: the model has no experts (got 'cut'); leave it out"),
        (["--count", "nan"], "--count: must be finite (got 'nan', expected a whole number from 1 to"),
        (["--count", "-8"], "--count: must be > 0 (got '-8'"),
        (["--global-batch", "-inf"], "--global-batch: must be finite (got '-inf'"),
        (["--micro-batch", "-1e3"], "--micro-batch: must be > 0 (got '-1e3'"),
        (["--tp", "2.5"], "--tp: is no whole number (got '2.5'"),
        (["--tp", "eight"], "--tp: is no number (got 'eight'"),
        (["--top", "0"], "--top: must be > 0 (got '0'"),
        (["--recompute", "half"], "--recompute: is unknown (got 'half', expected one of none, selective, full)"),
        (["--sharding", "zero9"], "--sharding: is unknown (got 'zero9'"),
        (
            ["--sharding", "hsdp", "--tp", "1", "--pp", "1", "--count", "12"],
            "--sharding: hsdp shards among the",
        ),
        (["--count", "509"], "--count: no legal plan for gpt-3-175b with a batch of 1536 (got 509); numbers that have"),
        (["--tp", "8", "--pp", "128", "--vpp", "1"], "--pp: more stages than layers (got 128 x 1 = 128, expected pp x"),
        (
            ["--tp", "8", "--pp", "96"],
            "--pp: does not divide the accelerators that tp leaves (got 96, expected a divisor of 512 / 8 = 64); "
            "write --pp 32 or --pp 64",
        ),
        (["--pp", "7"], "--pp: does not divide the number of accelerators (got 7, expected a divisor of 512); write"),
        (["--micro-batch", "7"], "--micro-batch: does not divide the global batch (got 7, expected a divisor of 1536)"),
        (["--jitter", "-0.1"], "--jitter: must be >= 0 (got '-0.1'"),
    ],
)
def test_a_bad_plan_is_one_line(capsys: pytest.CaptureFixture[str], words: list[str], told: str):
    base = ["plan", words[0], *PLAN[2:]] if not words[0].startswith("--") else [*PLAN, *words]
    lines = refused(capsys, base)
    assert len(lines) == 1, lines
    assert told in lines[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--tokens", "nan"], "--tokens: must be finite (got 'nan'"),
        (["--tokens", "-1e12"], "--tokens: must be > 0 (got '-1e12'"),
        (["--deadline", "60"], "--deadline: 60 has no unit"),
        (["--deadline", "-60 d"], "--deadline: must be >= 0 s (got '-60 d')"),
        (["--deadline", "0 d"], "--deadline: must be > 0"),
        (["--deadline", "1 s"], "--deadline: none of up to 4,194,304 accelerators is that fast with a batch of"),
        (["--law", "chinchila"], "--law: no scaling-law preset"),
        (["--target-loss", "2.0"], "--tokens: --tokens and --target-loss exclude each other"),
        (["--rows", "x.csv"], "has no effect beside --rows"),
    ],
)
def test_a_bad_estimate_is_told(capsys: pytest.CaptureFixture[str], words: list[str], told: str):
    assert told in refused(capsys, [*ESTIMATE, *words])[0]


def test_a_loss_below_the_law_is_out_of_reach(capsys: pytest.CaptureFixture[str]):
    lines = refused(capsys, [*ESTIMATE[:4], "--target-loss", "1.5"])
    assert "--target-loss: is out of reach (got 1.5, expected above 1.8172" in lines[0].replace("1.817,", "1.8172,")


def test_neither_tokens_nor_loss_is_an_error(capsys: pytest.CaptureFixture[str]):
    assert "write e.g. --tokens 15e12" in refused(capsys, ESTIMATE[:4])[0]


def test_all_mistakes_come_at_once(capsys: pytest.CaptureFixture[str]):
    words = ["--tp", "7", "--seq-len", "9999", "--precision", "fp4", "--micro-batch", "nan", "--sharding", "x"]
    lines = refused(capsys, ["plan", "gpt-3-175b", "--accelerator", "H100-SXM", "--count", "512", *words])
    keys = [line.split(": ")[3] for line in lines]
    assert sorted(set(keys)) == sorted(
        ["--global-batch", "--micro-batch", "--precision", "--seq-len", "--sharding", "--tp"]
    )


def test_every_degree_that_does_not_divide_is_told_beside_all_other_mistakes(capsys: pytest.CaptureFixture[str]):
    lines = refused(capsys, [*PLAN, "--tp", "5", "--pp", "7", "--cp", "3", "--dp", "5", "--micro-batch", "7"])
    assert [line.split(": ")[3] for line in lines] == ["--tp", "--cp", "--dp", "--micro-batch", "--pp"]
    assert all("; write " in line for line in lines)


def test_toml_that_is_none_is_told_at_its_place_in_its_file(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    model, chip, law = (tmp_path / f"{name}.toml" for name in ("model", "chip", "law"))
    model.write_text("[[[")
    chip.write_bytes(b'name = "x"\ntdp = "\xff W"\n')
    law.write_text('name = "x"\n\nloss = = 3\n')
    asked = ["--accelerator", str(chip), "--count", "8", "--global-batch", "8", "--tokens", "1e9", "--law", str(law)]
    assert main(["estimate", str(model), *asked]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.removeprefix("dcsim: error: ").partition(" ")[0] for line in lines] == [
        f"{model}:1:", f"{chip}:2:", f"{law}:3:",
    ]  # fmt: skip
    assert "not valid TOML" in lines[0]
    (line,) = refused(capsys, ["plan", str(tmp_path / "none.toml"), *PLAN[2:]])
    assert "command line: MODEL: no such file (got '" in line


def test_an_unknown_accelerator_does_not_hide_an_unknown_precision(capsys: pytest.CaptureFixture[str]):
    asked = ["--accelerator", "h100", "--precision", "banana", "--count", "8", "--global-batch", "8"]
    lines = refused(capsys, ["plan", "llama-3-8b", *asked])
    assert [line.split(": ")[3] for line in lines] == ["--accelerator", "--precision"]


def test_no_jitter_is_one_that_can_be_asked_for(capsys: pytest.CaptureFixture[str]):
    answers = []
    for words in ([], ["--jitter", "0"], ["--jitter", "0.1"]):
        assert main([*PLAN, "--json", *words]) == 0
        answers.append(json.loads(capsys.readouterr().out)["plans"][0]["step_time_s"])
    assert answers[0] == answers[1] < answers[2]


LLAMA = ["estimate", "llama-3-8b", "--tokens", "1e9", "--accelerator", "H100-SXM"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        # 64 samples, the usual batch for so little work, are no multiple of 3 or 7
        (
            ["--count", "64", "--micro-batch", "3"],
            "--micro-batch: no legal plan for llama-3-8b has it on 64 accelerato",
        ),
        (
            ["--micro-batch", "3"],
            "--micro-batch: no legal plan for llama-3-8b has it with a batch of 64, which is assume",
        ),
        (
            ["--dp", "7"],
            "--dp: no legal plan for llama-3-8b has it with a batch of 64, which is assumed as --global-bat",
        ),
        (
            ["--count", "37"],
            "--count: no legal plan for llama-3-8b with a batch of 64, which is assumed as --global-batch",
        ),
        # DualPipe wants an even number of stages: of 21 = 3 x 7 accelerators no more than one
        (
            ["--count", "21", "--pp", "3", "--schedule", "dualpipe", "--global-batch", "21"],
            "--pp: DualPipe needs an even number of stages, as each rank holds one of either direction (got 3, expecte",
        ),
    ],
)
def test_what_is_in_the_way_of_every_plan_is_blamed(capsys: pytest.CaptureFixture[str], words: list[str], told: str):
    lines = refused(capsys, [*LLAMA, *words])
    assert len(lines) == 1, lines
    assert told in lines[0]


@pytest.mark.parametrize(
    "words",
    [
        ["--count", "64", "--micro-batch", "3"],
        ["--count", "64", "--global-batch", "96", "--dp", "64"],
        ["--count", "64", "--global-batch", "96", "--tp", "3"],
        ["--count", "48", "--global-batch", "96", "--tp", "3", "--dp", "24"],
        ["--count", "64", "--global-batch", "100", "--micro-batch", "3", "--tp", "2"],
        ["--micro-batch", "3"],
        ["--tp", "5"],
        ["--count", "64", "--pp", "7"],
        ["--count", "64", "--tp", "4", "--pp", "7"],
        ["--count", "64", "--tp", "3", "--pp", "7", "--cp", "5", "--micro-batch", "3"],
        ["--count", "64", "--tp", "4", "--pp", "7", "--cp", "1", "--dp", "4"],
    ],
)
def test_advice_is_taken_by_the_next_question(capsys: pytest.CaptureFixture[str], words: list[str]):
    lines = refused(capsys, [*LLAMA, *words])
    advised = [found for line in lines for found in re.findall(r"(--[a-z-]+) (\d+)", line.partition("; write ")[2])]
    assert advised
    for name, value in advised:
        other = [*words]
        other[words.index(name) + 1] = value
        code, said = main([*LLAMA, *other]), capsys.readouterr().err
        # What it advises is legal; where another key is wrong too, that one alone is still told.
        assert code == 0 or all(name not in line.split(": ")[3] for line in said.splitlines()), (other, said)


def test_a_plan_that_does_not_fit_names_bytes_needed_and_available(capsys: pytest.CaptureFixture[str]):
    lines = refused(capsys, [*PLAN, "--tp", "8", "--pp", "1", "--sharding", "none"])
    found = re.search(r"got (\d+) B \(.*?\) a device, expected at most (\d+) B", lines[0])
    assert found
    needed, available = map(int, found.groups())
    assert needed > 16 * 175e9 / 8 > available  # 2 + 2 or more + 12 bytes a parameter, tp 8


def test_the_best_plans_fit_a_screen(capsys: pytest.CaptureFixture[str]):
    assert main(PLAN) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 140
    assert "legal plans" in lines[1]
    assert len([line for line in lines if re.match(r"\s*\d+\s+\d+\s+\d+", line)]) == 5


def test_plans_as_json_are_ranked_and_legal(capsys: pytest.CaptureFixture[str]):
    assert main([*PLAN, "--json", "--top", "3", "--tp", "8"]) == 0
    found = json.loads(capsys.readouterr().out)
    times = [plan["step_time_s"] for plan in found["plans"]]
    assert times == sorted(times)
    assert len(times) == 3
    for plan in found["plans"]:
        assert plan["tp"] == 8
        assert plan["tp"] * plan["pp"] * plan["cp"] * plan["dp"] == 512
        assert plan["memory_b"] <= found["memory_available_b"]
        assert sum(plan["shares"].values()) == pytest.approx(1.0)


def test_an_estimate_fits_a_screen(capsys: pytest.CaptureFixture[str]):
    assert main([*ESTIMATE, "--deadline", "60 d"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 32
    assert max(map(len, lines)) <= 120
    for word in ("fewest for 60 d", "MFU", "bound by", "checkpoint", "storage", "energy", "rent", "assumed"):
        assert any(word in line for line in lines), word


@pytest.mark.parametrize("words", [["--deadline", "60 d"], ["--count", "1024"], []])
@pytest.mark.parametrize("model", ["deepseek-v3", "llama-3.1-405b", "mixtral-8x7b"])
def test_an_estimate_fits_a_narrow_screen(model: str, words: list[str], capsys, monkeypatch):
    asked = ["estimate", model, "--tokens", "1e12", "--accelerator", "H100-SXM", *words]
    assert len(lines_at(80, asked, capsys, monkeypatch)) <= 55


def test_what_was_asked_of_a_plan_is_told_where_it_is_not_usual(capsys: pytest.CaptureFixture[str]):
    asked = ["mixtral-8x7b", "--accelerator", "H100-SXM", "--count", "64", "--global-batch", "256"]
    asked += ["--tp", "2", "--pp", "4", "--ep", "4"]
    other = ["--schedule", "zb-h1", "--optimizer", "sgd", "--experts", "cut"]
    said = []
    for words in ([], other, ["--optimizer-bytes", "8"]):
        assert main(["estimate", *asked, "--tokens", "1e12", *words]) == 0
        said.append(" ".join(capsys.readouterr().out.split()))
    usual, unusual, states = said
    assert re.search(r"plan tp 2, pp 4.* sharding \w+ memory", usual)
    assert re.search(r"sharding \w+, schedule zb-h1, experts cut, optimizer sgd memory", unusual)
    assert re.search(r"sharding \w+, optimizer states of 8 B memory", states)
    assert main(["plan", *asked, *other]) == 0
    assert "note: SGD with momentum, zb-h1 pipelines, experts cut\n" in capsys.readouterr().out
    assert main(["plan", *asked, *other, "--json"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)["plans"]
    assert (plan["schedule"], plan["experts"], plan["optimizer"]) == ("zb-h1", "cut", "sgd")


def test_an_estimate_as_json_has_units_in_its_keys(capsys: pytest.CaptureFixture[str]):
    assert main([*ESTIMATE, "--count", "1024", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accelerators"] == 1024
    assert {"time_s", "energy_j", "cost_usd", "dataset_b", "assumptions", "plan"} <= set(found)


def test_constants_of_ones_own_calibration_replace_those_that_ship(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = ["plan", "llama-3-8b", "--accelerator", "H100-SXM", "--count", "16", "--global-batch", "256", "--json"]
    (tmp_path / "hopper.toml").write_text("[product_efficiency]\nvalue = 0.1\n", encoding="utf-8")
    mfus = []
    for words in ([], ["--calibration", str(tmp_path)]):
        assert main([*asked, *words]) == 0
        mfus.append(json.loads(capsys.readouterr().out)["plans"][0]["mfu"])
    assert mfus[1] < 0.13 < mfus[0]


def test_a_calibration_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = ["estimate", "resnet-50", "--samples", "1e6", "--accelerator", "T4", "--calibration", str(tmp_path)]
    assert main(asked) == 2
    assert "no such folder, or no constants in it" in capsys.readouterr().err
    (tmp_path / "all.toml").write_text("[overlap]\nvalue = -1\n[overlapp]\nvalue = 1\n", encoding="utf-8")
    assert main(asked) == 2
    assert capsys.readouterr().err.count("is not a number above 0 that is a constant of the model") == 2


def lines_at(width: int, words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """What a command prints on a terminal of so many columns."""
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(words) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize(
    "words",
    [
        PLAN,
        [*ESTIMATE, "--deadline", "60 d"],
        ESTIMATE,
        ["plan", "resnet-50", "--accelerator", "T4", "--count", "64", "--global-batch", "64"],
        ["list", "models"],
        ["list", "accelerators"],
        ["list", "--grade", "weak"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_no_line_is_wider_than_the_terminal(width, words, capsys, monkeypatch):
    lines = lines_at(width, words, capsys, monkeypatch)
    assert max(map(len, lines)) <= width


def test_a_number_keeps_its_unit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    for width in range(60, 121, 5):
        for line in lines_at(width, [*ESTIMATE, "--deadline", "60 d"], capsys, monkeypatch):
            assert not re.match(r"\s+(%|[kMGTP]?i?B\b|TFLOP/s|d\b|h\b|W\b)", line), line


def test_an_estimate_names_what_storage_and_memory_are_about(capsys: pytest.CaptureFixture[str]):
    asked = ["--samples", "1.28e6*90", "--accelerator", "V100-SXM2-32GB", "--count", "8", "--global-batch", "2048"]
    assert main(["estimate", "resnet-50", *asked]) == 0
    said = " ".join(capsys.readouterr().out.split())
    read = re.search(r"read in all, at (\S+ \S+)", said)
    assert read is not None
    assert f"storage {read[1]}: the larger of reads and writes" in said
    assert re.search(
        r"bound by memory bandwidth; of a step: computing \S+ % \(\S+ % of the step waits for memory\)", said
    )
    assert "as much whatever bounds a step [assumed]" in said


@pytest.mark.parametrize(("tokens", "end"), [("1e12", "every 22.2 h, 1.4 % of the time"), ("1e10", "at the end")])
def test_storage_that_is_too_slow_for_checkpoints_is_told(tokens: str, end: str, capsys):
    asked = ["estimate", "llama-3-8b", "--accelerator", "H100-SXM", "--global-batch", "512", "--tokens", tokens]
    slow = [*asked, "--count", "64", "--storage-bandwidth", "100 MB/s"]
    assert main(slow) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"storage 197 MB/s: at the 100 MB/s given a write takes 18.7 min {end} cost" in said
    assert main([*slow, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checkpoint_at_given"]["share"] == pytest.approx(0.014, rel=0.01)


def test_nothing_is_said_of_a_checkpoint_of_nothing(capsys: pytest.CaptureFixture[str]):
    assert main(["estimate", "matmul-8192", "--samples", "1e6", "--accelerator", "T4"]) == 0
    said = capsys.readouterr().out
    assert "none: the model has no parameters" in said
    assert "0 B" not in said


@pytest.mark.parametrize(
    ("words", "second"),
    [(["bert-large", "--tp", "1", "--pp", "1", "--cp", "1"], "compute"), (["vit-l-16"], "optimizer")],
)
def test_what_binds_a_plan_is_not_named_twice(words: list[str], second: str, capsys: pytest.CaptureFixture[str]):
    # Gradients of 64 accelerators with a sample each, over slow links: traffic binds.
    assert main(["plan", *words, "--accelerator", "T4", "--count", "64", "--global-batch", "64"]) == 0
    assert re.search(rf"data-parallel traffic, {second} [\d.]+ %", capsys.readouterr().out)


@pytest.mark.parametrize("text", ["15T", "15 T", "15e12", "15000G", "15000B", "3*5T", "15e6 M", "15e9k"])
def test_tokens_may_be_written_as_the_field_does(text: str):
    assert scaled_tokens(text) == 15e12


def scaled_tokens(text: str) -> float | None:
    return Reader("estimate", {"tokens": text}).product("tokens")


@pytest.mark.parametrize("text", ["15t", "T", "x T", "15 TB", "--", "1e400T"])
def test_other_letters_are_refused(text: str, capsys: pytest.CaptureFixture[str]):
    (line,) = refused(capsys, ["estimate", "gpt-2", "--accelerator", "h100-sxm", f"--tokens={text}"])
    assert "--tokens: " in line


def test_names_may_be_written_in_any_case_and_near_ones_are_found(capsys: pytest.CaptureFixture[str]):
    assert main(["plan", "GPT-2", "--accelerator", "tpu-v4", "--count", "8", "--global-batch", "64", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accelerator"] == "TPU-v4"
    (line,) = refused(capsys, ["plan", "gpt3", *PLAN[2:]])
    assert "nearest: 'gpt-3-175b'" in line


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Trillium", "TPU-v6e"), ("TPU Ironwood", "TPU-v7x"), ("tpu7x", "TPU-v7x"), ("Gaudi 3", "Gaudi3")],
)
def test_accelerators_by_their_other_names_are_hinted_at(name: str, meant: str, capsys: pytest.CaptureFixture[str]):
    (line,) = refused(capsys, [*PLAN, "--accelerator", name])
    assert f"--accelerator: no accelerator preset of that name (got '{name}'); did you mean '{meant}'?" in line


def test_a_round_number_of_servers_stands_beside_the_fewest(capsys: pytest.CaptureFixture[str]):
    asked = ["estimate", "llama-3.1-70b", "--tokens", "15T", "--accelerator", "H100-SXM", "--deadline", "60 d"]
    assert main([*asked, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    even = found["fewest_round_for_deadline"]
    (size,) = [size for size in found["sizes"] if size["accelerators"] == even]
    assert size["time_s"] <= found["deadline_s"]
    assert found["fewest_for_deadline"] <= even < 2 * found["fewest_for_deadline"]
    servers = even // 8
    assert even % 8 == 0
    assert servers.bit_count() == 1 or (servers % 3 == 0 and (servers // 3).bit_count() == 1)
    below = max(n for n in (2048, 3072, 4096, 6144, 8192) if n < even)
    assert below < found["fewest_for_deadline"]  # so that none is skipped


@pytest.mark.parametrize("command", [["plan", "--count", "8", "--global-batch", "8"], ["estimate", "--tokens", "1e9"]])
def test_the_first_question_says_on_a_terminal_that_it_compiles(command, monkeypatch, capsys):
    asked = [command[0], "gpt-2", "--accelerator", "H100-SXM", *command[1:]]
    for before, terminal in ((False, True), (True, True), (False, False)):
        monkeypatch.setattr("dcsim.kernels.compiled", lambda before=before: before)
        monkeypatch.setattr("sys.stderr.isatty", lambda terminal=terminal: terminal)
        assert main(asked) == 0
        assert ("compiling kernels, once" in capsys.readouterr().err) == (terminal and not before)


def test_advice_for_several_degrees_holds_together(capsys):
    degrees = {"--pp": 5, "--dp": 16}
    asked = ["plan", "gpt-2", "--accelerator", "GB200", "--count", "72", "--global-batch", "96"]
    assert main([*asked, *(str(part) for pair in degrees.items() for part in pair)]) == 2
    wrong = r"(--\w+): does not divide the number of accelerators .*write --\w+ (\d+)"
    said = dict(re.findall(wrong, capsys.readouterr().err))
    assert said.keys() == degrees.keys()
    assert main([*asked, *(part for pair in said.items() for part in pair)]) == 0
