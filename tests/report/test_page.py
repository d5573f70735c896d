"""The page: one file that opens offline, in which no text of the user is more than text."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dcsim.cli.answer import answer as said
from dcsim.report.figures import figures
from dcsim.report.interactive import plot
from dcsim.report.markup import in_label, in_script
from dcsim.report.next_steps import next_steps
from dcsim.report.page import columns_of, html
from dcsim.report.tables import Card, answer, cards, fragmentation, rejections, shares
from dcsim.run import Run
from dcsim.scenario.loaded import Source
from tests.conftest import ROOT
from tests.report.runs import EVIL, RUNS, made, random_jobs
from tests.simulate import table

OUR_TAGS = (
    " html head meta title style body header h1 h2 h3 p div dl dt dd section details summary pre code table thead "
    "tbody tr th td ul li script wbr "
)
LOADS = ("src", "href", "srcset", "data", "action", "poster", "background")


class Elements(HTMLParser):
    """Tags with their attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        {"script": self.scripts, "style": []}.get(self._inside, self.text).append(data)


def page_of(run: Run) -> str:
    return html(run, next_steps(run, "results/x y"))


@pytest.fixture(scope="module", params=list(RUNS))
def page(request: pytest.FixtureRequest) -> str:
    return page_of(RUNS[request.param]())


def test_the_script_of_plotly_stands_in_the_page_once(page: str):
    assert page.count("plotly.js v") == 1
    assert page.count("<script") == 2


def test_nothing_is_loaded_from_outside(page: str):
    elements = Elements(page)
    assert not [(tag, a) for tag, a in elements.tags for name in LOADS if name in a]
    assert not {"link", "iframe", "img", "object", "embed", "base", "form"} & {tag for tag, _ in elements.tags}
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_no_button_sends_data_away(page: str):
    calls = Elements(page).scripts[-1]
    assert '"showSendToCloud":false' in calls
    assert '"plotlyServerURL":""' in calls
    assert "http" not in calls


def test_no_text_of_the_user_is_markup(page: str):
    assert all(f" {tag} " in OUR_TAGS for tag, _ in Elements(page).tags)
    calls = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    assert "<" not in calls


def test_the_same_run_gives_the_same_bytes():
    assert page_of(RUNS["many jobs"]()) == page_of(RUNS["many jobs"]())


def texts(value: Any) -> list[str]:
    """All texts in a figure, but keys."""
    if isinstance(value, dict):
        return [text for key, inner in value.items() if key != "bdata" for text in texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in texts(inner)]
    return [value] if isinstance(value, str) else []


def test_no_label_of_a_figure_is_markup():
    run = made(random_jobs(30), 2, 8, name="x")
    labels = [text for figure in figures(run) for text in texts(list(plot(figure)))]
    assert any("onerror" in text for text in labels)
    assert all(set(re.findall(r"<[^>]*>?", text)) <= {"<br>", "<extra>", "</extra>"} for text in labels)


def test_a_script_cannot_be_ended_from_inside():
    assert in_script({"a": EVIL, "b": "<!--"}) == (
        '{"a":"\\u003cimg src=x onerror=alert(1)\\u003e\\u003c/script\\u003e","b":"\\u003c!--"}'
    )
    assert json.loads(in_script({"a": EVIL}))["a"] == EVIL


def test_a_label_shows_what_the_user_wrote():
    assert in_label("<b>a</b> & c\nd\x00\ud800") == "&lt;b&gt;a&lt;/b&gt; &amp; c<br>d\ufffd\ufffd"


def test_every_panel_has_an_axis_with_a_title():
    for name, make in RUNS.items():
        for figure in figures(make()):
            _, layout = plot(figure)
            axes = [axis for key, axis in layout.items() if key.startswith(("xaxis", "yaxis"))]
            assert len(axes) == len(figure.panels) + 1
            assert all(axis["title"]["text"] for axis in axes), name


def test_the_time_axis_is_the_calendar_where_there_is_one():
    calendar, plain = (plot(figures(RUNS[name]())[0])[1]["xaxis"] for name in ("a calendar", "many jobs"))
    # 2020-03-18T04:01:39 on the clock of its own time zone, ms since 1970: 18,339 d + 14,499 s.
    assert calendar["type"] == "date"
    assert calendar["range"][0] == (18339 * 24 * 60 * 60 + 14499) * 1000
    assert calendar["title"]["text"] == "Time (UTC+08:00)"
    assert (plain["type"], plain["title"]["text"]) == ("linear", "Time since start (h)")


def test_the_answer_says_who_waited_and_what_was_busy():
    # Two accelerators: a and b run 0-100 s, c waits 50 s and runs 100-200 s: 300 of 400 accelerator-seconds.
    run = made(table([0, 0, 50], [100, 100, 100]), 1, 2)
    assert answer(run) == (
        "1 of 3 jobs (33.3\u00a0%) waited: 16.7 s on average over all that started, 50 s at most. "
        "Jobs held 75.0\u00a0% of the time of 2 accelerators; up to 1 job waited at once."
    )
    assert [(card.label, card.value) for card in cards(run)] == [
        ("Jobs completed", "3"),
        ("Mean wait", "16.7 s"),
        ("p99 wait", "49 s"),
        ("Mean JCT", "117 s"),
        ("Utilisation", "75.0\u00a0%"),
        ("Accelerator-hours", "0.0833"),
    ]


def test_jobs_that_still_wait_at_the_end_are_told_as_waiting_on_the_page_and_in_the_terminal():
    # One accelerator, stopped at 50 s: a holds it from 0 s on, b waits from 10 s on, c would come at 90 s.
    run = made(table([0, 10, 90], [100, 5, 5]), 1, 1, horizon=50.0)
    s = run.summary
    assert (s["jobs_submitted"], s["jobs_waited"], s["jobs_waiting_at_end"], s["waiting_at_end_s_max"]) == (2, 1, 1, 40)
    assert s["wait_s_max"] == 0.0  # of jobs that started
    assert answer(run).startswith(
        "1 of 2 jobs (50.0\u00a0%) waited; 1 had not started when the run stopped, the longest had waited for 40 s. "
        "Jobs that started had waited 0 s on average, 0 s at most. "
    )
    assert Card("Still waiting", "1", "longest 40 s") in cards(run)
    lines = said(run, Path("place"), False).splitlines()
    assert [line[2:] for line in lines[2:5]] == [
        "waited          1 job (50.0%); at most 1 at once",
        "still waiting   1 job at the horizon, not started; the longest for 40 s",
        "wait if started mean 0 s, median 0 s, p90 0 s, p99 0 s, max 0 s",
    ]


def test_a_job_size_of_which_no_job_started_shows_that_all_waited():
    # Two accelerators: a single of 60 s, then one that waits for it and a pair that waits to the end.
    run = made(table([0, 0, 1, 2], [60, 60, 10, 10], [1, 1, 1, 2]), 1, 2, horizon=65.0)
    ticks = {figure.key: figure.panels[0].ticks for figure in figures(run)}["wait-by-size"]
    assert [text for _, text in ticks] == ["1\n33 % of 3 waited", "2\n100 % of 1 waited"]


def test_waits_after_preemptions_are_in_the_answer():
    run = made(table([0, 20], [100, 10]), 1, 1, "srtf")  # a waits 10 s in the middle
    assert "With the waits after 1 preemption, 1 job waited: 5 s on average over all, 10 s at most." in answer(run)


def test_one_of_a_thing_is_told_as_one():
    # One accelerator, stopped at 50 s: a runs on, b is too large, c has not come yet.
    said = answer(made(table([0, 10, 90], [100, 5, 5], [1, 2, 1]), 1, 1, horizon=50.0))
    assert said == (
        "No job had to wait. Jobs held 100.0\u00a0% of the time of 1 accelerator. 1 of 3 jobs was rejected. "
        "2 jobs had not ended when the run stopped, 1 of them was not submitted by then."
    )


def test_no_headline_figure_stands_alone_in_its_row():
    for count in range(2, 13):
        for most in (6, 4):
            columns = columns_of(count, most)
            assert columns <= most
            assert count <= most or count % columns != 1


def test_a_run_that_takes_no_time_has_an_axis_from_zero():
    run = made(table([0, 0], [5, 5], [64, 64]), 2, 8)
    assert run.end_s == 0.0
    assert plot(figures(run)[0])[1]["xaxis"]["range"] == [0.0, 1.0]


def test_a_run_without_jobs_that_ran_says_so():
    assert answer(RUNS["all rejected"]()) == "No job ran: all were rejected."
    assert answer(RUNS["nothing submitted"]()) == "No job was submitted before the run stopped."
    assert rejections(RUNS["all rejected"]()) == [("can never fit: it needs 64 accelerators, a has 2 x 8", "2")]


def test_free_accelerators_of_no_use_are_told_by_size_of_job():
    # A single and a pair hold 3 of 2 x 2 while the run lasts: a second pair cannot use the one that is free.
    run = made(table([0, 0, 2], [9, 9, 9], [1, 2, 2]), 2, 2, horizon=1.0)
    assert fragmentation(run) == [("2", "1.0", "1.0", "1.0", "1.0")]
    assert "Fragmentation" in html(run)
    assert "Fragmentation" not in html(RUNS["one job"]())


def test_the_table_of_tenants_is_a_sum_by_hand():
    # One accelerator: red's jobs run 0-3600 and 7200-7260, blue's 3600-7200 after waiting as long.
    run = made(table([0, 0, 0], [3600, 3600, 60], tenant=["red", "blue", "red"]), 1, 1)
    found = shares(run)
    assert found is not None
    assert found.rows == (
        ("red", ("2", "1.02", "60 min", "108 min", "90.5 min")),
        ("blue", ("1", "1", "60 min", "60 min", "2 h")),
    )


def test_tenants_beyond_the_twentieth_are_summed():
    jobs = table([0.0] * 25, [3600.0 * (25 - n) for n in range(25)], tenant=[f"t{n}" for n in range(25)])
    found = shares(made(jobs, 25, 1))
    assert found is not None
    assert [name for name, _ in found.rows] == [*(f"t{n}" for n in range(20)), "5 others"]
    assert found.rows[-1][1][:2] == ("5", "15")  # 5 + 4 + 3 + 2 + 1 h


def test_next_steps_are_commands_that_a_shell_takes_as_meant():
    run = made(table([0, 5], [60, 60], job_ids=("a", "-x; rm -rf ~")), 1, 1)
    here = Path.cwd()
    source = Source(f"{here}/my scenario.toml", "/traces", ("horizon=30 d", "scheduler.use=srtf"), (f"{here}/-mine",))
    commands = [step.command for step in next_steps(replace(run, source=source), "results/x y")]
    again = f"python -m dcsim run 'my scenario.toml' --data /traces --plugins {shlex.quote(f'{here}/-mine')} --set"
    assert commands == [
        "python -m dcsim explain 'results/x y' -- '-x; rm -rf ~'",
        f"{again} 'horizon=30 d' --set scheduler.use=easy",
        f"{again} 'horizon=30 d' --set scheduler.use=srtf --set pools.0.nodes=2",
        f"{again} 'horizon=30 d' --set scheduler.use=srtf",
        "python -m dcsim report 'results/x y' --figures",
    ]


def test_facts_made_in_python_run_again_from_their_own_folder():
    run = made(table([0, 5], [60, 60]), 1, 1)
    steps = next_steps(replace(run, source=Source(data="/traces")), "results/x y")
    assert steps[-2].command == "python -m dcsim run 'results/x y/scenario.toml' --data /traces"


def test_the_page_imports_nothing_heavy():
    probe = (
        "import sys; from tests.report.runs import RUNS; from dcsim.report.page import html; html(RUNS['many jobs']());"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'pandas', 'matplotlib', 'scipy', 'networkx', 'numba', 'narwhals', 'pyarrow'}))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
