"""A text as it reads, and where each of its letters comes from."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from typing import Final

from commonroom.moderation.fold import AMBIGUOUS, ASCII, READS, SYMBOLS, UNDRESSED

__all__ = ["DRESSED", "RUN", "Reading", "Span", "is_word", "shown", "undressed"]

Span = tuple[int, int]
"""From, up to but without, in characters."""

RUNS: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, Kana, Han: written without spaces, so that a word may stand anywhere."""

SIGNS: Final = "\u0900-\u0963\u0966-\u0dff"
"""Of Indic scripts, whose vowel signs are no letters to Unicode, but parts of words."""

RUN: Final = re.compile(f"[{RUNS}]+")

PIECE: Final = re.compile(rf"(?:[^\W_{RUNS}]++|[{SIGNS}{SYMBOLS}]++)++")
"""What stands between spaces and the like, in scripts that have them."""

ASCII_PIECE: Final = re.compile(f"[a-z0-9{SYMBOLS}]+")

DRESSED: Final = re.compile(f"[{SYMBOLS}{AMBIGUOUS}]")
"""What may be a letter, another letter or none."""


class Reading:
    """A text as it reads, but for `SYMBOLS` and `AMBIGUOUS`, which stand as they are written.

    Linear; 0.1 µs for each character, 0.3 µs where each is several letters, 0.01 µs where all are ASCII.

    Attributes:
        text: the original.
        letters: as it reads.
        pieces: the letters between spaces and the like, of scripts that have them.
        is_dressed: whether one of `DRESSED` is among the letters.
        is_aligned: whether each letter is that of the character at the same place.
    """

    __slots__ = ("_pattern", "_starts", "is_aligned", "is_dressed", "letters", "pieces", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.is_aligned = True
        self._starts: list[int] = []
        if text.isascii():
            self.letters = text.translate(ASCII)
        else:
            parts = list(map(READS.get, text, text))
            self.letters = "".join(parts)
            self.is_aligned = len(self.letters) == len(text) and "" not in parts
            if not self.is_aligned:
                self._starts = list(accumulate(map(len, parts), initial=0))
        self._pattern = ASCII_PIECE if self.letters.isascii() else PIECE
        self.pieces: list[str] = self._pattern.findall(self.letters)
        self.is_dressed = DRESSED.search(self.letters) is not None

    def standing(self, words: Mapping[str, Span]) -> list[Span]:
        """Where these pieces are, or rather these parts of them, among the letters."""
        found = ((piece.start(), words[piece[0]]) for piece in self._pattern.finditer(self.letters) if piece[0] in words)
        return [(start + first, start + last) for start, (first, last) in found]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where these letters come from in the text, with what shows nothing behind the last."""
        if self.is_aligned:
            return start, end
        starts = self._starts
        behind = starts[bisect_right(starts, end - 1)]
        return bisect_right(starts, start) - 1, bisect_right(starts, behind) - 1


def undressed(letters: str) -> str:
    """Symbols and all read as letters."""
    return letters.translate(UNDRESSED)


def is_word(letters: str) -> bool:
    """Whether it is all one word, of scripts with spaces or of those without."""
    return (PIECE.fullmatch(letters) or RUN.fullmatch(letters)) is not None


def shown(text: str) -> int:
    """How many characters show something: marks and what is invisible belong to the one before."""
    return len(text) - list(map(READS.get, text, text)).count("")
