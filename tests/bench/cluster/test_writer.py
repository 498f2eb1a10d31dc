"""When a writer was answered, and how long it was not."""

from commonroom.bench.cluster.writer import Ack, Writer


def writer(*acks: Ack) -> Writer:
    found = Writer.__new__(Writer)
    found.acks = list(acks)
    return found


ACKS = (Ack(0, 10, 1), Ack(20, 100, 1), Ack(110, 120, 1))


def test_silences_count_from_and_to_the_moments_asked_for() -> None:
    assert writer(*ACKS).longest_silence_us(0, 130) == 90
    assert writer(*ACKS).longest_silence_us(100, 400) == 280
    assert writer().longest_silence_us(0, 50) == 50


def test_the_first_answer_is_that_of_something_written_later() -> None:
    assert writer(*ACKS).first_after(15) == 85
    assert writer(*ACKS).first_after(20) == 100
    assert writer(*ACKS).first_after(115) is None
