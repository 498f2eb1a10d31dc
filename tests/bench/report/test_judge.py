"""What is a failure and what a warning, and what is said of it."""

from xml.etree import ElementTree as ET

from commonroom.bench.load.pacing import LAG
from commonroom.bench.load.stream import Flaws
from commonroom.bench.load.tally import Tally
from commonroom.bench.report.plot import as_svg
from commonroom.bench.report.result import Banner, Point, Result, Row, ServerSide, judge
from commonroom.bench.report.table import as_csv, as_text


def result(tally: Tally, fault: str = "", busy: float = 0.1) -> Result:
    banner = Banner("chat <b>", "commonroom bench chat", {"rooms": 1}, "http://x", {}, fault, "0", "abc", "a & b", "0", 1, 1)
    points = [Point(0.0, 0, 0), Point(0.5, 10, 5), Point(1.0, 30, 9)]
    return Result(banner, 1.0, tally, ServerSide(cpu_s=0.5), busy, points, rows=[Row("acks", 12345.6)])


def judged(tally: Tally, fault: str = "", *, keeps: bool = True, busy: float = 0.1) -> Result:
    found = result(tally, fault, busy)
    judge(found, keeps=keeps)
    return found


def test_a_run_whose_clients_name_no_room_says_so() -> None:
    found = result(Tally())
    assert "name no room" not in as_text(found)
    found.banner.steered = False
    assert "clients   name no room when they connect" in as_text(found)


def test_each_flaw_is_a_failure() -> None:
    found = judged(Tally(flaws=Flaws(1, 2, 3, 4)))
    assert found.failures == ["1 messages lost", "2 messages duplicated", "3 messages reordered", "4 messages corrupted"]
    assert "FAILED: 1 messages lost" in as_text(found)


def test_a_fault_may_lose_what_is_volatile_and_nothing_else() -> None:
    flaws = Flaws(lost=5, duplicated=1)
    assert judged(Tally(flaws=flaws), "kill-node", keeps=False).failures == ["1 messages duplicated"]
    assert judged(Tally(flaws=flaws), "kill-node", keeps=True).failures == ["5 messages lost", "1 messages duplicated"]
    assert judged(Tally(flaws=flaws), keeps=False).failures == ["5 messages lost", "1 messages duplicated"]


def test_a_slow_generator_dropped_clients_and_refusals_are_said() -> None:
    tally = Tally(dropped=2, reconnects=1, refused={"RETRY": 3}, numbers={"not sent in time": 4})
    tally.time(LAG).record(10**6)
    warnings = " ".join(judged(tally, busy=0.97).warnings)
    for words in ("2 clients were dropped", "3 RETRY", "4 messages could not be sent", "generator was late", "0.97 of a core"):
        assert words in warnings


def test_a_good_run_says_so() -> None:
    assert as_text(judged(Tally(sent=3, answered=3))).endswith("delivery check passed: nothing lost, duplicated, reordered or corrupted")


def test_what_is_drawn_is_well_formed_whatever_the_names() -> None:
    found = judged(Tally())
    found.tally.time("answer <i>").record(100)
    assert ET.fromstring(as_svg(found)).tag.endswith("svg")
    assert as_csv(found).splitlines()[1] == "chat <b>,abc,acks,12345.6,"
