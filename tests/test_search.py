"""Text as it is searched."""

import pytest
from hypothesis import given
from hypothesis.strategies import text

from commonroom.search import MAX_WORD, MAX_WORDS, words_of

LONGEST_LEXEME = 2046
"""Bytes, of PostgreSQL; its `array_to_tsvector` takes longer ones and stores what cannot be read."""


@given(text(max_size=300))
def test_every_word_is_a_lexeme(written: str) -> None:
    words = words_of(written)
    assert len(words) <= MAX_WORDS
    assert all(0 < len(word.encode()) <= LONGEST_LEXEME for word in words)


@pytest.mark.parametrize("char", ["\u3316", "\ufdfa", "\U0001d15e", "x", "\u0390"])
def test_characters_that_stand_for_phrases_make_no_endless_words(char: str) -> None:
    assert [len(word) for word in words_of(char * 240) if len(word) > MAX_WORD] == []
    assert all(len(word.encode()) <= LONGEST_LEXEME for word in words_of(char * 240))
