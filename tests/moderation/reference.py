"""Words found letter by letter, as plainly as can be: what the quick way is compared with. The tables are the package's."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import product
from typing import Final, NamedTuple

from commonroom.moderation.fold import AMBIGUOUS as AMBIGUOUS_LETTERS
from commonroom.moderation.fold import IGNORABLE, LONGEST, LOOK_ALIKES, MARKS
from commonroom.moderation.fold import SYMBOLS as SYMBOL_LETTERS
from commonroom.moderation.words import MAX_LETTERS

Span = tuple[int, int]
SYMBOLS: Final = frozenset(SYMBOL_LETTERS)
AMBIGUOUS: Final = frozenset(AMBIGUOUS_LETTERS)

RUNS: Final = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, Kana, Han: written without spaces, so that a word may stand anywhere."""

SIGNS: Final = "\u0900-\u0963\u0966-\u0dff"
"""Of Indic scripts, whose vowel signs are no letters to Unicode, but parts of words."""

DRESS: Final = SYMBOLS | AMBIGUOUS

PIECES: Final = re.compile(rf"(?P<run>[{RUNS}]+)|(?:[^\W_{RUNS}]|[{SIGNS}])+")


class Folded(NamedTuple):
    """A text as it reads; `origin[i]` is where its i-th character comes from. The origins ascend."""

    text: str
    origin: Sequence[int]


def fold(text: str) -> Folded:
    letters: list[str] = []
    origin: list[int] = []
    for place, char in enumerate(text):
        for letter in _letters(char):
            letters.append(letter)
            origin.append(place)
    return Folded("".join(letters), origin)


def shows_nothing(char: str) -> bool:
    """Whether it is a mark or invisible: it belongs to the letter before it."""
    return not _letters(char)


@cache
def _letters(char: str) -> str:
    """What one character reads as; empty: nothing. One may be several, as a ligature is."""
    if char in LOOK_ALIKES:
        return LOOK_ALIKES[char]
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    shown = [letter for letter in plain if not _is_in(letter, IGNORABLE) and not _is_in(letter, MARKS)]
    return "".join(LOOK_ALIKES.get(letter, letter) for letter in shown) if len(shown) <= LONGEST else char


def _is_in(char: str, ranges: Sequence[tuple[int, int]]) -> bool:
    code = ord(char)
    return any(first <= code <= last for first, last in ranges)


class SlowWords:
    """Words as they read: of how they are written nothing is left.

    A word of Latin, Cyrillic and the like counts where it stands alone; one of a script without spaces, anywhere.
    """

    def __init__(self, words: Iterable[str]) -> None:
        self.given = tuple(words)
        read = {_reading(word) for word in self.given}
        runs = {word for word in read if re.match(f"[{RUNS}]", word)}
        self._runs = frozenset(runs)
        self._lengths = sorted({len(word) for word in runs})
        self._words = frozenset(read - runs)
        self._loose = frozenset(map(_loosened, self._words))
        self._longest = max(map(len, self._words), default=0)

    def find(self, text: str) -> list[Span]:
        """Where the words are, in order, none overlapping. Cost: `MAX_LETTERS` times the text's length at most."""
        if not self.given:
            return []
        read, origin = fold(text)
        return _merged((origin[start], _end(text, origin[end - 1])) for start, end in self._hits(text, read, origin))

    def _hits(self, text: str, read: str, origin: Sequence[int]) -> Iterator[Span]:
        """Places in what the text reads as."""
        is_dressed = not DRESS.isdisjoint(text)
        for piece in PIECES.finditer(read):
            if piece.lastgroup is not None:
                yield from self._within(read, *piece.span())
            elif piece[0] in self._words:
                yield piece.span()
            elif is_dressed:
                start, end = piece.span()
                written = text[start:end] if text.isascii() else [text[place] for place in origin[start:end]]
                if not DRESS.isdisjoint(written):
                    yield from self._undressed(read, written, start)

    def _undressed(self, read: str, written: Sequence[str], start: int) -> Iterator[Span]:
        """The word with or without the symbols at its ends, as `$hit!` has one of each; with an l for an i."""
        first, last = 0, len(written)
        while first < last and written[first] in SYMBOLS:
            first += 1
        while last > first and written[last - 1] in SYMBOLS:
            last -= 1
        for one, other in product((0, first), (len(written), last)):
            if 0 < other - one <= self._longest and self._has(read[start + one : start + other], written[one:other]):
                yield start + one, start + other
                return

    def _has(self, word: str, written: Sequence[str]) -> bool:
        return word in self._words or (not AMBIGUOUS.isdisjoint(written) and _loosened(word) in self._loose)

    def _within(self, read: str, start: int, end: int) -> Iterator[Span]:
        for place in range(start, end):
            for length in self._lengths:
                if place + length <= end and read[place : place + length] in self._runs:
                    yield place, place + length


def _reading(word: str) -> str:
    read = fold(word).text
    if len(word) > MAX_LETTERS or PIECES.fullmatch(read) is None:
        raise ValueError(f"a word has 1 to {MAX_LETTERS} letters and nothing else")
    return read


def _loosened(word: str) -> str:
    return word.replace("l", "i")


def _end(text: str, last: int) -> int:
    """Behind a letter and what belongs to it."""
    end = last + 1
    while end < len(text) and shows_nothing(text[end]):
        end += 1
    return end


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def masked(text: str, spans: list[Span]) -> str:
    parts: list[str] = []
    done = 0
    for start, end in spans:
        parts += [text[done:start], "*" * sum(1 for char in text[start:end] if not shows_nothing(char))]
        done = end
    return "".join([*parts, text[done:]])
