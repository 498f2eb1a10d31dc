"""What people may write: visible, and storable by the database (RELIABILITY R11); and who may not."""

from typing import Final
from unicodedata import category, normalize

from commonroom.clock import until_text
from commonroom.engine.actor import Context
from commonroom.errors import Forbidden, Invalid

__all__ = ["MAX_TAG", "check_line", "check_tags", "check_text", "check_voice"]

MAX_TAG: Final = 24

INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
"""Unicode's controls, formats and separators: a text of nothing else shows nothing."""


def check_text(text: str, field: str) -> str:
    """A message: any text of which something can be seen.

    Raises:
        Invalid: nothing of it is visible, or it holds NUL or a lone surrogate.
    """
    if "\0" in text:
        raise Invalid(f"{field} holds a NUL character", field=f"$.{field}")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise Invalid(f"{field} holds a lone surrogate", field=f"$.{field}")
    if all(char.isspace() or category(char) in INVISIBLE for char in text):
        raise Invalid(f"{field} is empty", field=f"$.{field}")
    return text


def check_line(text: str, field: str) -> str:
    """A title: one line of text.

    Raises:
        Invalid: as `check_text`, or it holds a control character or a line break.
    """
    check_text(text, field)
    if any(category(char) in {"Cc", "Zl", "Zp"} for char in text):
        raise Invalid(f"{field} holds a control character", field=f"$.{field}")
    return text


def check_tags(tags: list[str]) -> list[str]:
    """Tags as they are kept: composed (NFC), in lower case, each once.

    Raises:
        Invalid: one holds something else than letters and digits of any script with hyphens between them, or is too long.
    """
    kept = dict.fromkeys(normalize("NFC", tag.strip().lower()) for tag in tags)
    for tag in kept:
        if len(tag) > MAX_TAG or not all(map(_is_tag_part, tag.split("-"))):
            raise Invalid(f"a tag has 1 to {MAX_TAG} letters and digits, and hyphens between them", field="$.tags")
    return list(kept)


def _is_tag_part(part: str) -> bool:
    return bool(part) and all(category(char)[0] in "LMN" for char in part)


def check_voice(ctx: Context) -> None:
    """For whatever others hear or read of them. Raises Forbidden: an admin has muted them."""
    if ctx.authority.stands(ctx.now) != "mute":
        return
    until = ctx.authority.sanction_until
    raise Forbidden(f"you are muted{until_text(until)}", retry_after_ms=until - ctx.now if until else None)
