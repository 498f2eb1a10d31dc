"""How text is compared where people look for something: without case and accents, in words."""

import unicodedata
from typing import Final

__all__ = ["MAX_WORD", "MAX_WORDS", "folded", "words_of"]

MAX_WORDS: Final = 256
"""Of one text: more than any title, topic and tags have."""

MAX_WORD: Final = 64
"""Characters of a word that count. One of more than 2,046 bytes would be no lexeme, and PostgreSQL's `array_to_tsvector` does not look:
a title's 240 characters fold to thousands where one of them stands for a phrase."""

WRITTEN: Final = frozenset("LMN")
"""The first letters of the categories that words consist of: letters, marks, numbers."""


def folded(text: str) -> str:
    """A text as it is searched: without case, accents and needless spaces."""
    while True:  # what one step uncovers another may fold: a few rounds at most, as each makes it plainer
        bare = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
        plainer = " ".join(unicodedata.normalize("NFKC", bare).split())
        if plainer == text:
            return text
        text = plainer


def words_of(text: str) -> list[str]:
    """Its words, folded, cut to `MAX_WORD`, each once. Scripts that set no spaces have long ones: those are found by how they begin."""
    apart = "".join(char if unicodedata.category(char)[0] in WRITTEN else " " for char in folded(text))
    return list(dict.fromkeys(word[:MAX_WORD] for word in apart.split()))[:MAX_WORDS]
