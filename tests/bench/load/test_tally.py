"""Workers' tallies add up, and survive the way to the controller."""

from commonroom.bench.load.job import (
    Act,
    Failed,
    Go,
    Job,
    Order,
    Progress,
    Report,
    Said,
    Settle,
    Stop,
    Word,
    decode_order,
    decode_word,
    encode,
)
from commonroom.bench.load.stream import Flaws
from commonroom.bench.load.tally import Tally


def counted(times: int) -> Tally:
    tally = Tally(times, times, times, times, times, times, flaws=Flaws(times, times, times, times))
    for _ in range(times):
        tally.refuse("RETRY")
        tally.count("rooms", 2)
        tally.time("answer").record(100)
    return tally


def test_tallies_add_up_in_every_field() -> None:
    assert counted(2).add(counted(3)) == counted(5)


def test_what_only_one_of_them_knows_is_kept() -> None:
    tally = Tally().add(counted(2))
    assert tally == counted(2)
    assert tally.add(Tally()) == counted(2)


def test_every_order_and_word_is_one_line_and_comes_back_as_it_was() -> None:
    job = Job("chat", "http://x", "commonroom", {"rooms": 1}, {"rooms": ["a\nb"]}, 0, 2, 7, spins=True)
    orders: list[Order] = [job, Go(), Stop(), Settle({"room": {3: 9}}), Act("drop-sockets")]
    words: list[Word] = [Progress(1, 2, 3, 4), Said("driven", {"room": {3: 9}}), Report(counted(2)), Failed("it\nbroke")]
    assert [decode_order(encode(order)) for order in orders] == orders
    assert [decode_word(encode(word)) for word in words] == words
    messages: list[Order | Word] = [*orders, *words]
    assert all(encode(message).count(b"\n") == 1 for message in messages)
