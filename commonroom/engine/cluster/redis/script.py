"""The Lua scripts of this package: one file an atomic operation, those of membership behind a shared opening."""

from hashlib import sha1
from importlib import resources
from typing import NamedTuple

__all__ = ["Script", "load_script"]


class Script(NamedTuple):
    """A script as Redis takes it. `sha` is what EVALSHA wants: SHA-1 of the text, in hex."""

    text: str
    sha: str


def load_script(name: str, opening: str | None = "opening") -> Script:
    """The script `lua/<name>.lua`, preceded by the one named `opening`."""
    folder = resources.files(__package__) / "lua"
    text = "\n".join((folder / f"{part}.lua").read_text() for part in (opening, name) if part is not None)
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())
