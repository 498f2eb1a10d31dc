"""Words that are not wanted: found whatever they are dressed up as, masked or refused (FEATURES C9). Pure."""

from commonroom.moderation.filter import UNFILTERED, Filter, Hook, Mode
from commonroom.moderation.words import MAX_LETTERS, NO_WORDS, Words

__all__ = ["MAX_LETTERS", "NO_WORDS", "UNFILTERED", "Filter", "Hook", "Mode", "Words"]
