"""A list of words, and where a text has one of them as a whole word."""

from collections.abc import Iterable
from typing import Final

from commonroom.moderation.fold import AMBIGUOUS, SYMBOLS
from commonroom.moderation.reading import DRESSED, RUN, Reading, Span, is_word, undressed
from commonroom.moderation.run import Runs

__all__ = ["MAX_LETTERS", "NO_WORDS", "Words"]

MAX_LETTERS: Final = 40

AMBIGUITIES: Final = frozenset(AMBIGUOUS)


class Words:
    """Words as they read: of how they are written nothing is left.

    A word of Latin, Cyrillic and the like counts where it stands alone; one of a script without spaces, anywhere.

    Args:
        words: at most `MAX_LETTERS` characters each, without spaces.

    Raises:
        ValueError: one is longer, holds something else than letters, or nothing that can be seen.
    """

    __slots__ = ("_longest", "_loose", "_runs", "_words", "given")

    def __init__(self, words: Iterable[str]) -> None:
        self.given = tuple(words)
        read = {_reading(word) for word in self.given}
        runs = {word for word in read if RUN.match(word)}
        self._runs = Runs(runs)
        self._words = frozenset(read - runs)
        self._loose = frozenset(map(_loosened, self._words))
        self._longest = max(map(len, self._words), default=0)

    def __bool__(self) -> bool:
        return bool(self.given)

    def compile(self) -> None:
        """Prepares what is prepared otherwise when a text needs it: 1.5 µs for each letter of scripts without spaces."""
        self._runs.compile()

    def find(self, text: Reading) -> list[Span]:
        """Where the words are in the original, in order, none overlapping. Linear in the text, whatever the words."""
        spans = self._standing(text) if self._words else []
        if runs := self._runs.find(text.letters):
            spans = sorted(spans + runs)
        return spans if text.is_aligned else _merged(text.place(start, end) for start, end in spans)

    def _standing(self, text: Reading) -> list[Span]:
        """Words that stand alone. What is looked up are different pieces; where they are matters only if one is a word."""
        words = {piece: (0, len(piece)) for piece in self._words.intersection(text.pieces)}
        if text.is_dressed:
            words |= {piece: span for piece in set(filter(DRESSED.search, text.pieces)) if (span := self._undressed(piece))}
        return text.standing(words) if words else []

    def _undressed(self, piece: str) -> Span | None:
        """The word with or without the symbols at its ends, as `$hit!` has one of each; with an l for an i."""
        read = undressed(piece)
        loose = _loosened(read)
        first, last = len(piece) - len(piece.lstrip(SYMBOLS)), len(piece.rstrip(SYMBOLS))
        for start, end in ((0, len(piece)), (0, last), (first, len(piece)), (first, last)):
            if not 0 < end - start <= self._longest or loose[start:end] not in self._loose:
                continue
            if read[start:end] in self._words or not AMBIGUITIES.isdisjoint(piece[start:end]):
                return start, end
        return None


def _reading(word: str) -> str:
    read = undressed(Reading(word).letters)
    if len(word) > MAX_LETTERS or not is_word(read):
        raise ValueError(f"a word has 1 to {MAX_LETTERS} letters and nothing else")
    return read


def _loosened(word: str) -> str:
    return word.replace("l", "i")


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in spans:
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


NO_WORDS: Final = Words(())
