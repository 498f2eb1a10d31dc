"""Stacks and errors in node logs are found, each sort once."""

from pathlib import Path

from tests.chaos.logs import ALLOWED, log_faults

GOOD = '{"level":"warning","event":"slots_wait"}\n'


def test_a_clean_log_or_none_has_no_fault(tmp_path: Path) -> None:
    log = tmp_path / "n1.log"
    assert list(log_faults(log)) == []
    log.write_text(GOOD + f'{{"level":"warning","event":"{next(iter(ALLOWED))}","exception":["Traceback (most recent call last):"]}}\n')
    assert list(log_faults(log)) == []


def test_an_error_is_told_once_and_counted(tmp_path: Path) -> None:
    log = tmp_path / "n1.log"
    log.write_text(GOOD + '{"level":"error","event":"task_failed"}\n' * 3)
    assert list(log_faults(log)) == ['log: 3 times, first n1.log:2: {"level":"error","event":"task_failed"}']


def test_a_stack_is_told_whether_it_is_logged_or_printed(tmp_path: Path) -> None:
    log = tmp_path / "n1.log"
    log.write_text('Traceback (most recent call last):\n  x\n{"level":"warning","event":"e","exception":["Traceback (most recent"]}\n')
    assert len(list(log_faults(log))) == 2


def test_a_warning_that_names_a_bug_is_told(tmp_path: Path) -> None:
    log = tmp_path / "n1.log"
    log.write_text('{"level":"warning","event":"cluster","what":"redis listener failed: AttributeError: x"}\n')
    (told,) = log_faults(log)
    assert told.startswith("log: 1 times, first n1.log:1: ")
