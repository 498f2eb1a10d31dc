"""Who of a join storm is whose: everybody is one worker's."""

import pytest

from commonroom.bench.scenario.join_storm import portion


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("members", "sockets"), [(0, 25), (4, 7), (10, 10), (40, 31)])
def test_everybody_is_one_workers(members: int, sockets: int, apart: bool) -> None:
    for start, end in ((0, members), (members, members + sockets)):
        shares = [portion(start, end, share, 3, apart=apart) for share in range(3)]
        assert sorted(number for share in shares for number in share) == list(range(start, end))


def test_those_who_talk_are_apart() -> None:
    assert list(portion(0, 40, 0, 3, apart=True)) == list(range(10))
    assert list(portion(40, 60, 0, 3, apart=True)) == []
