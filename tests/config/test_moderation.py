"""What the operator says about unwanted words: read whole, or refused with the line that is wrong."""

from pathlib import Path

import pytest

from commonroom.app import moderation
from commonroom.app.moderation import filter_of
from commonroom.config.loader import load
from commonroom.config.settings import ModerationSettings
from commonroom.errors import ConfigError, Invalid


def shout(text: str, _words: tuple[str, ...]) -> str:
    return text.upper()


NOTHING = None


def listed(path: Path, text: str | bytes) -> str:
    file = path / "words.txt"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(file)


def test_a_list_has_a_word_a_line_and_comments(tmp_path: Path) -> None:
    words = listed(tmp_path, "# ours\n\n  Damn  # mild\r\nхуй\n")
    assert filter_of(ModerationSettings(words_file=words)).clean("damn хуй fine", "text") == "**** *** fine"
    with pytest.raises(Invalid):
        filter_of(ModerationSettings("refuse", words)).clean("DAMN", "text")
    assert filter_of(ModerationSettings("off", words)).clean("damn", "text") == "damn"
    assert filter_of(ModerationSettings()).clean("damn", "text") == "damn"


@pytest.mark.parametrize(
    ("text", "why"),
    [("fine\ntwo words\n", "line 2: a word has"), (b"\xff\xfe", "cannot be read as UTF-8"), ("x" * 41, "line 1"), ("a\n" * 20, "larger")],
)
def test_a_list_that_cannot_be_one_is_refused(tmp_path: Path, text: str | bytes, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moderation, "MAX_BYTES", 39 if why == "larger" else 100)
    with pytest.raises(ConfigError, match=why):
        filter_of(ModerationSettings(words_file=listed(tmp_path, text)))


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        filter_of(ModerationSettings(words_file=str(tmp_path / "none.txt")))


def test_a_hook_is_found_by_its_name() -> None:
    assert filter_of(ModerationSettings(hook=f"{__name__}:shout")).clean("quiet", "text") == "QUIET"


@pytest.mark.parametrize("hook", ["nowhere_at_all:x", f"{__name__}:none", f"{__name__}:NOTHING"])
def test_a_hook_that_is_none_is_refused(hook: str) -> None:
    with pytest.raises(ConfigError, match=r"moderation\.hook"):
        filter_of(ModerationSettings(hook=hook))


@pytest.mark.parametrize("value", ["no_colon", "a:b:c", "a b:c", "os:system('x')"])
def test_a_hook_has_a_form(value: str) -> None:
    with pytest.raises(ConfigError, match=r"moderation\.hook"):
        load(environ={"COMMONROOM_MODERATION__HOOK": value})
