"""What stands behind the numbers of a comparison: seeds that failed, jobs that did not end, points left out."""

from __future__ import annotations

from tests.sweep.given import compared_table

SIX = [("fifo", seed, 10.0 + seed, 8) for seed in range(6)]
FLAKY = [("flaky", seed, None if seed % 2 else 1.0, None if seed % 2 else 8) for seed in range(6)]
OUTPUTS = ("wait_s_mean", "accelerators")
JOBS = ("wait_s_mean", "jobs", "jobs_completed", "jobs_unfinished", "jobs_rejected")


def test_every_table_says_how_many_seeds_stand_behind_a_row_that_has_fewer():
    found = compared_table([*SIX, *FLAKY], outputs=OUTPUTS).compare("fifo", "wait_s_mean")
    fifo, flaky = found.cells()[1:]
    assert fifo[1].endswith("± 2")
    # FIFO on the seeds of both: 10, 12, 14, so 12 ± 4.3027 x 2 / sqrt 3 = 7.032 to 16.968: 1 over these, minus 1.
    assert flaky[1:] == ["1 ± 0 (3 of 6)", "-91.7 [-94.1, -85.8] % * (3 of 6)"]
    for text in (found.markdown(), found.latex(), " ".join(found.notes())):
        assert "(3 of 6): over so many seeds, where others have more" in text
        assert "flaky: 3 of 6 seeds" in text
    assert ",3,1.0,0.0," in found.csv()
    assert found.as_json()["notes"] == found.notes()


def test_nothing_is_said_where_all_have_the_same_seeds():
    assert compared_table(SIX, outputs=OUTPUTS).compare().remarks == ()
    assert "of 6" not in compared_table(SIX, outputs=OUTPUTS).compare().markdown()


def test_a_point_that_fails_on_hard_seeds_is_left_out_of_the_front_and_named():
    front = compared_table([*SIX, *FLAKY], outputs=OUTPUTS).pareto("wait_s_mean", "accelerators")
    assert [point["policy"] for point in front] == ["fifo"]
    assert front.left_out == [{"policy": "flaky"}]


def test_a_seed_on_which_nobody_has_a_value_leaves_nobody_out():
    rows = [(p, seed, wait if seed else None, 8) for p, wait in (("a", 2.0), ("b", 1.0)) for seed in range(3)]
    front = compared_table(rows, outputs=OUTPUTS).pareto("wait_s_mean", "accelerators")
    assert ([point["policy"] for point in front], front.left_out) == (["b"], [])


def test_points_that_were_given_fewer_seeds_and_lack_none_of_them_are_on_the_front():
    rows = [*SIX, ("once", 0, 5.0, 8)]  # as --until-ci leaves them
    front = compared_table(rows, outputs=OUTPUTS).pareto("wait_s_mean", "accelerators")
    assert ([point["policy"] for point in front], front.left_out) == (["once"], [])


def test_an_output_that_is_empty_on_some_seeds_is_named_alone():
    rows = [("a", 0, 1.0, None), ("a", 1, 2.0, 8), ("b", 0, 1.0, 8), ("b", 1, 3.0, 8)]
    (said,) = compared_table(rows, outputs=OUTPUTS).compare().remarks
    assert said.startswith("no accelerators on some seeds, which may be the hard ones (a: 1 of 2 seeds)")


def test_runs_that_ended_different_jobs_are_not_compared_in_silence():
    rows = [("fifo", 1, 9.0, 100, 65, 35, 0), ("srtf", 1, 2.0, 100, 99, 1, 0)]
    for baseline in (None, "fifo"):
        (said,) = compared_table(rows, outputs=JOBS).compare(baseline, "wait_s_mean").remarks
        assert "(jobs_completed 65 to 99, jobs_unfinished 1 to 35 a run)" in said
        assert "means over jobs are of those that did" in said


def test_the_same_jobs_and_other_numbers_of_jobs_that_all_ended_are_no_cause_for_a_note():
    rows = [("a", 1, 9.0, 100, 100, 0, 0), ("b", 1, 2.0, 100, 100, 0, 0), ("c", 1, 2.0, 200, 200, 0, 0)]
    assert compared_table(rows, outputs=JOBS).compare(None, "wait_s_mean").remarks == ()


def test_what_is_not_compared_with_each_other_may_end_different_jobs():
    rows = [(p, n, 1, 1.0, 100, 50 * n, 0, 100 - 50 * n) for p in ("a", "b") for n in (1, 2)]
    table = compared_table(rows, ("policy", "nodes"), JOBS)
    assert table.compare("policy=a", "wait_s_mean").remarks == ()
    assert "jobs_rejected 0 to 50" in table.compare("nodes=1", "wait_s_mean").remarks[0]
