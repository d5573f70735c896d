"""The tutorial of docs/sweeps.md: its files and commands as they stand there print what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.sweep.given import command

PAGE = (ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8")
TUTORIAL = PAGE[: PAGE.index("## The experiment file")]
SHOWN = re.findall(r"^```\n\$ python -m dcsim ([^\n]+)\n(.+?)^```", TUTORIAL, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tutorial's files, beside the scenarios that they begin from."""
    made = tmp_path_factory.mktemp("tutorial")
    (made / "scenarios").symlink_to(ROOT / "scenarios")
    for name in ("schedulers.toml", "busy.toml", "sizes.toml"):
        text = re.search(r"```toml\n(.*?)```", TUTORIAL[TUTORIAL.index(f"`{name}`") :], re.DOTALL)
        assert text is not None
        (made / name).write_text(text[1], encoding="utf-8")
    return made


def test_the_tutorial_has_its_commands():
    assert [words.split()[0] for words, _ in SHOWN] == ["sweep", "sweep", "compare"]


def test_the_commands_print_what_the_page_shows_one_after_the_other(folder: Path):
    for words, printed in SHOWN:  # the last reads what another made
        made = command(*words.split(), cwd=folder)
        assert made.returncode == 0, made.stderr
        assert made.stdout == printed


def test_the_page_runs_from_python(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("pandas")
    code = re.search(r"## From Python\n\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    monkeypatch.chdir(folder)
    exec(compile(code[1], "docs/sweeps.md", "exec"), {})  # the page is ours
    printed = capsys.readouterr().out
    assert "('easy', 96) -4022 ± 1650 s" in printed  # 4,296 - 273.9, of the table above
    assert printed.count("'accelerators': ") == 4  # every size is on the front: more nodes, less wait
