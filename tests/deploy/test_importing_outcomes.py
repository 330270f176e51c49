"""The outcome list: written line by line, resumed from, never taken for something it is not."""

import io

import pytest

from deploy.importing.outcomes import (
    FileOutcome,
    Outcome,
    UnreadableOutcomes,
    open_outcomes,
    read_outcomes,
    write_headings,
)

ENTRIES = (
    FileOutcome("/a/stored", Outcome.STORED),
    FileOutcome('/a/twice, "quoted"\nname', Outcome.DUPLICATE, "already stored"),
    FileOutcome("/a/bad", Outcome.REFUSED, "broken, badly"),
    FileOutcome("/a/DICOMDIR", Outcome.SKIPPED, "a directory"),
)


def test_a_list_is_read_back_as_it_was_written(tmp_path):
    path = tmp_path / "deep" / "list.csv"
    with open_outcomes(path) as outcomes:
        for entry in ENTRIES:
            outcomes.record(entry)
            assert read_outcomes(path)[-1] == entry, "a line is in the file as soon as it is recorded"
    assert read_outcomes(path) == ENTRIES
    assert outcomes.counts[Outcome.REFUSED] == 1


def test_a_second_run_keeps_what_went_in_and_forgets_the_rest(tmp_path):
    path = tmp_path / "list.csv"
    with open_outcomes(path) as outcomes:
        for entry in ENTRIES:
            outcomes.record(entry)
    with open_outcomes(path) as outcomes:
        assert outcomes.done == {ENTRIES[0].path, ENTRIES[1].path}
        outcomes.record(FileOutcome("/a/bad", Outcome.STORED))
    assert read_outcomes(path) == (*ENTRIES[:2], FileOutcome("/a/bad", Outcome.STORED))


def test_a_line_cut_by_a_crash_is_left_out(tmp_path):
    path = tmp_path / "list.csv"
    with open_outcomes(path) as outcomes:
        outcomes.record(ENTRIES[0])
    with path.open("a") as file:
        file.write("/a/half,sto")
    with open_outcomes(path) as outcomes:
        assert outcomes.done == {ENTRIES[0].path}


def test_another_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "thesis.txt"
    path.write_text("my only copy\n")
    with pytest.raises(UnreadableOutcomes, match="first line"), open_outcomes(path):
        pass
    assert path.read_text() == "my only copy\n"


def test_an_empty_file_is_an_empty_list(tmp_path):
    path = tmp_path / "list.csv"
    path.touch()
    assert read_outcomes(path) == ()


def test_a_list_may_go_to_a_stream():
    stream = io.StringIO()
    write_headings(stream).record(ENTRIES[2])
    assert stream.getvalue() == 'path,outcome,reason\r\n/a/bad,refused,"broken, badly"\r\n'
