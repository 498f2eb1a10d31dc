"""What the operator says about unwanted words, put together: the list's file, the mode, a function of their own."""

from importlib import import_module
from pathlib import Path
from typing import Final

from commonroom.config.settings import ModerationSettings
from commonroom.errors import ConfigError
from commonroom.moderation import NO_WORDS, Filter, Hook, Words

__all__ = ["filter_of"]

MAX_BYTES: Final = 1_000_000
"""About 100,000 words."""


def filter_of(settings: ModerationSettings) -> Filter:
    """Raises ConfigError: the file or the function is not there, or not what it should be."""
    words = _words(settings.words_file) if settings.words_file else NO_WORDS
    return Filter(settings.filter, words, _hook(settings.hook) if settings.hook else None)


def _words(path: str) -> Words:
    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"moderation.words_file = {path!r}: cannot be read as UTF-8: {type(error).__name__}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"moderation.words_file = {path!r}: is larger than {MAX_BYTES} bytes")
    lines = enumerate((line.partition("#")[0].strip() for line in text.splitlines()), 1)
    words: list[str] = []
    for number, word in lines:
        try:
            words += Words([word]).given if word else ()
        except ValueError as error:
            raise ConfigError(f"moderation.words_file = {path!r}, line {number}: {error}") from None
    return Words(words)


def _hook(path: str) -> Hook:
    module, _, name = path.partition(":")
    try:
        hook = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"moderation.hook = {path!r}: {error}") from None
    if not callable(hook):
        raise ConfigError(f"moderation.hook = {path!r}: is no function")
    return hook  # type: ignore[no-any-return]
