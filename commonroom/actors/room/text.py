"""What people may write: visible, and storable by the database (RELIABILITY R11)."""

from unicodedata import category

from commonroom.errors import Invalid

__all__ = ["check_line", "check_text"]

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
