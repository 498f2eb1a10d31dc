"""What each character reads as.

Decomposed (NFKD, of which NFKC differs by composing again what is taken apart here on
purpose), without what shows nothing and without marks, in one case, look-alikes of Latin letters as those. Each
for itself, so that the place of each letter in the original is known.

What reads as something else than itself stands in one table of about 22,000 characters, half of them Hangul, made
from Python's own Unicode data at import (about 20 ms, 4 MB). So it never grows, whoever writes what: Han and most
other letters are not in it and read as themselves.
"""

import unicodedata
from collections.abc import Iterator
from itertools import chain
from typing import Final

__all__ = ["AMBIGUOUS", "ASCII", "NEVER_READ", "READS", "SYMBOLS", "UNDRESSED"]

SYMBOLS: Final = "@$!|€£"
"""What stands for a letter within a word, and for itself beside one."""

AMBIGUOUS: Final = "1!|"
"""An i or an l."""

NEVER_READ: Final = "\u200b"
"""In no reading, as it shows nothing."""

IGNORABLE: Final = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt)."""

MARKS: Final = (
    (0x0300, 0x036F), (0x0483, 0x0489), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5), (0x0610, 0x061A),
    (0x064B, 0x065F), (0x0670, 0x0670), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
)  # fmt: skip
"""Those that decorate letters. Vowel signs of Indic scripts are letters in all but name: without them words are others."""

CYRILLIC: Final = ("авеһіјкмнорстухѕԁԛԝԍьӏԧүѵӡєґ", "abehijkmhopctyxsdqwgblhyvzer")
GREEK: Final = ("αβγεζηικνορστυχωϲϳ", "abyeznikvopotuxwcj")
ARMENIAN: Final = ("օսոհզցյք", "ounhqgjp")
LATIN: Final = (
    "ıɑɡɩɪʏʟɴʀʙʜᴀᴄᴅᴇᴊᴋᴍᴏᴘᴛᴜᴠᴡᴢꜰꜱøđħłŧƒɓɖɗɛɣɨƙɫɱɲɵɾʂʈʉʋʌʐƀȼɇɉɍɏƶɐɔəɹʇʞĸ",
    "iagiiylnrbhacdejkmoptuvwzfsodhltfbddegiklmnorstuvvzbcejryzaoertkk",
)
DIGITS: Final = ("01345789@$!|€£", "oieastbgasiiel")


def _pairs(*tables: tuple[str, str]) -> Iterator[tuple[str, str]]:
    for odd, plain in tables:
        yield from zip(odd, plain, strict=True)


def _alphabets() -> Iterator[tuple[str, str]]:
    """Letters in black circles and squares, and those that flags are made of: Unicode does not decompose them."""
    for first in (0x1F150, 0x1F170, 0x1F1E6):
        for nth in range(26):
            yield chr(first + nth), chr(ord("a") + nth)


LOOK_ALIKES: Final = {**dict(_pairs(CYRILLIC, GREEK, ARMENIAN, LATIN, DIGITS)), **dict(_alphabets()), "æ": "ae", "œ": "oe"}

LONGEST: Final = 4
"""Letters of one character. 32 characters are phrases or units of up to 18, and 4,000 of those would be a long text."""

BLOCK: Final = 256
LETTERED: Final = ((0x0, 0x3400), (0xA600, 0xD800), (0xF900, 0x12000), (0x16E00, 0x16F00), (0x1D000, 0x20000), (0x2F800, 0x2FB00))
"""Where characters decompose or have a case: a test compares with all of Unicode. Most Han has neither."""

BETWEEN: Final = "\U00020000"


def _table() -> dict[str, str]:
    """What reads as something else than itself, as that; what shows nothing, as nothing."""
    unseen = [chr(code) for first, last in (*IGNORABLE, *MARKS) for code in range(first, last + 1)]
    plain = str.maketrans(LOOK_ALIKES | dict.fromkeys(unseen, ""))
    table = dict.fromkeys(unseen, "")
    for first in chain.from_iterable(range(*blocks, BLOCK) for blocks in LETTERED):
        block = [chr(code) for code in range(first, first + BLOCK)]
        read = zip(block, _simplified(block, plain), strict=True)
        table |= {char: letters for char, letters in read if char != letters and len(letters) <= LONGEST}
    return table | LOOK_ALIKES


def _simplified(block: list[str], plain: dict[int, str]) -> list[str]:
    """All at once, a character between them that stays as it is: nothing is composed or sorted across it."""
    written = BETWEEN.join(block)
    simple = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", written).casefold())
    return simple.translate(plain).split(BETWEEN) if simple != written else block


READS: Final = _table()
"""But for `SYMBOLS` and `AMBIGUOUS`, which stand as they are written until they are undressed."""

UNDRESSED: Final = str.maketrans({char: READS.pop(char) for char in {*SYMBOLS, *AMBIGUOUS}})
ASCII: Final = str.maketrans({chr(code): READS.get(chr(code), chr(code)) for code in range(128)})
"""One letter for one: most texts are ASCII, and `str.translate` is quickest with them."""
