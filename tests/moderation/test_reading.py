"""What texts read as, letter by letter, and where the letters come from."""

import sys
import unicodedata
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from commonroom.moderation.fold import BLOCK, LETTERED, LONGEST, NEVER_READ, READS
from commonroom.moderation.reading import Reading, shown, undressed
from tests.moderation.reference import fold, shows_nothing

LETTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(st.one_of(LETTERS, st.sampled_from("da1!@$ .\u200b\u0301馬鹿ԁа🅓𝕕ﬀß㋀가")), max_size=100)
CODES = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]


def read(text: str) -> str:
    return undressed(Reading(text).letters)


def lettered() -> Iterator[str]:
    for first, last in LETTERED:
        yield from map(chr, range(first, last))


def test_every_character_of_the_table_reads_as_it_does_alone() -> None:
    assert {char: read(char) for char in lettered()} == {char: fold(char).text for char in lettered()}
    assert {char: read(char) for char in READS} == {char: fold(char).text for char in READS}


def test_what_is_not_in_the_tables_blocks_decomposes_into_nothing_and_has_no_case() -> None:
    """By whatever version of Unicode this Python knows."""
    known = {first for blocks in LETTERED for first in range(*blocks, BLOCK)}
    for first in range(0, sys.maxunicode + 1, BLOCK):
        if first not in known and not 0xD800 <= first < 0xE000:
            block = "".join(map(chr, range(first, first + BLOCK)))
            assert block.casefold() == unicodedata.normalize("NFKD", block) == block, hex(first)


def test_every_character_reads_the_same_whether_composed_or_not() -> None:
    for char in map(chr, CODES):
        if not unicodedata.is_normalized("NFD", char):
            assert read(unicodedata.normalize("NFD", char)) in {read(char), read(read(char))}, ascii(char)


def test_the_table_is_made_once_and_no_text_makes_it_grow() -> None:
    size = len(READS)
    assert size < 25_000
    assert max(map(len, READS.values())) <= LONGEST
    for start in range(0, len(CODES), 40_000):
        Reading("".join(map(chr, CODES[start : start + 4000])))
    assert len(READS) == size


@given(TEXTS)
def test_a_text_reads_as_its_characters_do(text: str) -> None:
    assert read(text) == fold(text).text == "".join(map(read, text))
    assert NEVER_READ not in Reading(text).letters
    assert shown(text) == sum(not shows_nothing(char) for char in text)


@given(TEXTS)
def test_each_letter_comes_from_where_it_says(text: str) -> None:
    reading, origin = Reading(text), fold(text).origin
    for place, start in enumerate(origin):
        assert reading.place(place, place + 1)[0] == start
        assert reading.place(0, place + 1)[0] == origin[0]
        end = reading.place(place, place + 1)[1]
        assert shown(text[start:end]) == 1
        assert end == len(text) or shown(text[end])
