"""Original formats of which no real file is at hand: hand-made rows after the published schemas."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dcsim.errors import ScenarioError, TraceError
from dcsim.scenario.jobs import END_STATES

FIXTURES = Path(__file__).parent / "fixtures"


def states(jobs):
    return [END_STATES[code] for code in jobs.end_state]


def column(names, jobs):
    return [names.name(row) for row in range(len(jobs))]


def test_helios_log_keeps_gpu_jobs_that_ran(hand_made):
    jobs = hand_made("helios_log", "helios_cluster_log.csv")
    assert jobs.job_ids == ["1425511", "1425512", "1425513", "1425515"]
    assert jobs.submit_s.tolist() == [0, 26, 27, 600]  # from 18:41:01, the first GPU job
    assert jobs.service_s.tolist() == [36848, 249, 675233, 3600]
    assert jobs.requested_s is jobs.service_s
    assert jobs.accelerators.tolist() == [1, 4, 1, 16]
    assert states(jobs) == ["completed", "failed", "cancelled", "failed"]
    assert column(jobs.tenant, jobs) == ["vcJkd", "vchbv", "vcpDC", "vchbv"]
    assert column(jobs.user, jobs) == ["uXBbc", "uVMrF", "uzqls", "uVMrF"]
    assert jobs.origin["start"] == "2020-06-09T18:41:01"
    assert jobs.warnings == ("helios_cluster_log.csv: passed over 2 of 6 rows: no GPU, or never started",)


def test_one_virtual_cluster_can_be_taken_alone(hand_made):
    jobs = hand_made("helios_log", "helios_cluster_log.csv", tenant="vchbv")
    assert jobs.job_ids == ["1425512", "1425515"]
    assert jobs.submit_s.tolist() == [26, 600]  # the clock of the whole trace


def test_an_unknown_virtual_cluster_names_the_nearest(hand_made):
    with pytest.raises(ScenarioError, match="did you mean 'vchbv'") as caught:
        hand_made("helios_log", "helios_cluster_log.csv", tenant="vchbw")
    assert caught.value.problems[0].key == "workload.tenant"


def test_acme_seren_counts_from_its_first_gpu_job(hand_made):
    jobs = hand_made("acme", "acme_seren.csv")
    assert jobs.job_ids == ["5778432", "5778469", "5778471"]
    assert jobs.submit_s.tolist() == [0, 336, 3600]
    assert jobs.service_s.tolist() == [117, 2693, 3600]
    assert jobs.accelerators.tolist() == [8, 8, 16]
    assert states(jobs) == ["failed", "completed", "failed"]
    assert column(jobs.user, jobs) == ["u5907", "u5907", "u0001"]
    assert jobs.origin["start"] == "2023-02-28T16:18:22+00:00"  # 00:18:22 in Shanghai


def test_acme_kalos_service_is_without_its_queue(hand_made):
    jobs = hand_made("acme", "acme_kalos.csv")
    assert jobs.service_s.tolist() == [8, 70]  # its `duration` says 18 = 10 + 8 and 82 = 12 + 70
    assert jobs.submit_s.tolist() == [0, 1664]
    assert states(jobs) == ["failed", "cancelled"]
    assert "passed over 1 of 3 rows" in jobs.warnings[0]


def test_philly_log_sums_attempts_and_passes_over_jobs_that_never_ran(hand_made):
    jobs = hand_made("philly", "philly_cluster_job_log.json")
    # application_2 has no attempt, application_4 none that ended; _3 was submitted before 14199.
    assert jobs.job_ids == ["application_3", "application_1506638472019_14199", "application_5"]
    assert jobs.submit_s.tolist() == [0, 60, 3600]
    assert jobs.service_s.tolist() == [60, 74 + (2 * 86400 + 5 * 3600 + 39 * 60 + 42), 30]
    assert jobs.accelerators.tolist() == [2, 8, 1]
    assert states(jobs) == ["failed", "completed", "cancelled"]
    assert column(jobs.tenant, jobs) == ["6214e9", "ee9e8c", "6214e9"]
    assert column(jobs.user, jobs) == [None, "ce2f4c", "bbbbbb"]
    assert jobs.origin["start"] == "2017-10-07T01:10:39"
    assert "passed over 2 of 5 rows" in jobs.warnings[0]
    assert "sorted by submission" in jobs.warnings[1]


def test_a_philly_log_on_one_line_is_the_same(hand_made, load, tmp_path):
    jobs = hand_made("philly", "philly_cluster_job_log.json")
    entries = json.loads((FIXTURES / "philly_cluster_job_log.json").read_text())
    (tmp_path / "log").write_text("\ufeff" + json.dumps(entries), encoding="utf-8")
    again = load("philly", "log")
    assert (again.job_ids, again.service_s.tolist()) == (jobs.job_ids, jobs.service_s.tolist())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"jobid": "a"}]', "row 1 cannot be read: it has no key 'status'"),
        ('[{"jobid": "a"},', "the JSON list does not end|goes wrong|cannot be read"),
        ('[{"jobid": ]', "the JSON object cannot be read"),
        ("[1, 2]", "expected an object"),
        ("[" * 100_000, "expected an object"),
        ('[{"a":' + "[" * 100_000, "the JSON object cannot be read"),
        ("[]", "the file has no rows"),
        ('[{"jobid": "a"}] x', "expected nothing more"),
        ('[{"jobid": "a"} {"jobid": "b"}]', "expected ,"),
    ],
)
def test_a_philly_log_that_is_not_one_is_an_error(load, tmp_path, text, message):
    (tmp_path / "log").write_text(text)
    with pytest.raises(TraceError, match=message):
        load("philly", "log")


def test_a_bad_job_of_a_philly_log_is_named_by_its_line(load, tmp_path):
    entry = {"jobid": "a", "status": "Pass", "vc": "v", "user": "u", "submitted_time": "2017-10-07 01:11:39"}
    run = {
        "start_time": "2017-10-07 01:12:09",
        "end_time": "2017-10-07 01:12:10",
        "detail": [{"gpus": ["g"]}],
    }
    good, bad = entry | {"attempts": [run]}, entry | {"jobid": "b", "status": "Lost", "attempts": [run]}
    (tmp_path / "log").write_text("[" + json.dumps(good) + ",\n\n" + json.dumps(bad) + "]")
    with pytest.raises(TraceError) as caught:
        load("philly", "log")
    assert str(caught.value) == (
        "log:3: status: row 2 has a bad value (got 'Lost', expected one of Pass, Killed, Failed); "
        "bad rows in this file: 1"
    )


def test_swf_rules_decide_what_is_a_job(hand_made):
    jobs = hand_made("swf", "rules.swf")
    # 3 never ran, 4 was cancelled at 0 s, 7 has no processors, the second and third rows of 8 are partial.
    assert jobs.job_ids == ["1", "2", "5", "6", "8"]
    assert jobs.accelerators.tolist() == [8, 4, 1, 2, 2]  # requested; allocated where no request is known
    assert jobs.submit_s.tolist() == [0, 10, 40, 50, 70]
    assert jobs.service_s.tolist() == [100, 50, 0, 30, 30]
    assert jobs.requested_s.tolist() == [200, 50, 200, 200, 10]
    assert states(jobs) == ["completed", "failed", "completed", "cancelled", "completed"]
    assert column(jobs.user, jobs) == ["3", "4", "3", None, "3"]
    assert column(jobs.tenant, jobs) == ["1", "1", "2", None, "2"]
    assert "passed over 5 of 10 rows" in jobs.warnings[0]


def test_swf_header_directives_stand_in_the_origin(hand_made):
    origin = hand_made("swf", "rules.swf").origin
    assert origin["header"] == {
        "Version": "2.2",
        "Computer": "hand-made",
        "UnixStartTime": "1000000000",
        "MaxProcs": "64",
        "Note": "one row for each rule | and a second note",
    }
    assert origin["start"] == "2001-09-09T01:46:40+00:00"


def test_swf_fields_beyond_the_eighteenth_cost_one_warning(load, tmp_path):
    row = "{} 0 0 10 1 -1 -1 1 -1 -1 1 1 1 -1 -1 -1 -1 -1"
    (tmp_path / "x.swf").write_text(row.format(1) + " 7 7\n" + row.format(2) + "\n" + row.format(3) + " 8\n")
    jobs = load("swf", "x.swf")
    assert jobs.job_ids == ["1", "2", "3"]
    assert jobs.warnings == ("x.swf: rows with more than 18 fields: 2; what is beyond them was passed over",)


def test_swf_rows_with_too_few_fields_are_an_error(load, tmp_path):
    (tmp_path / "x.swf").write_text("; Version: 2.2\n1 0 0 10 1 -1 -1 1 -1 -1 1 1 1 -1 -1 -1 -1\n")
    with pytest.raises(TraceError, match=r"x.swf:2: row 1 is ragged \(got 17 cells, expected 18\)"):
        load("swf", "x.swf")
