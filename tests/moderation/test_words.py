"""What texts read as, and where unwanted words are in them: however they are dressed up, and only as whole words."""

import sys
from typing import SupportsIndex

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from commonroom.errors import InternalError, Invalid
from commonroom.moderation import MAX_LETTERS, NO_WORDS, UNFILTERED, Filter, Words
from commonroom.moderation.reading import Reading, shown
from tests.moderation.reference import SlowWords, masked

LIST = Words(["damn", "shit", "hell", "asshole", "хуй", "馬鹿", "कमीना", "straße"])
MASK = Filter("mask", LIST)
LETTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(st.one_of(LETTERS, st.sampled_from("damnshitel1!@$ .\u200b\u0301馬鹿ԁаɑ🅓𝕕ﬀß")), max_size=200)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("damn it", "**** it"),
        ("DaMn, DAMN!", "****, ****!"),
        ("ｄａｍｎ 𝕕𝕒𝕞𝕟 ⓓⓐⓜⓝ 🅓🅐🅜🅝 🇩🇦🇲🇳", "**** **** **** **** ****"),
        ("d\u200ba\u00adm\ufeffn\u2060!", "****!"),
        ("d\u0301a\u0489m\u20ddn\u0334\u0335 ok", "**** ok"),
        ("dåmñ", "****"),
        ("ԁаmn dαmn", "**** ****"),
        ("sh1t $hit sh!t $h!t $hit! he11 he|l", "**** **** **** **** ****! **** ****"),
        ("@$$hole", "*******"),
        ("ХУЙ", "***"),
        ("この馬鹿です", "この**です"),
        ("कमीना है", "***** है"),
        ("STRASSE straße", "******* ******"),
        ("(damn) damn_it _damn_ damn's damn", "(****) ****_it _****_ ****'s ****"),
        ("damn\u0000damn", "****\u0000****"),
        ("ß damn\u200b ok", "ß **** ok"),
    ],
    ids=ascii,
)
def test_C9_a_word_is_found_whatever_it_is_dressed_up_as(text: str, shown: str) -> None:
    assert MASK.clean(text, "text") == shown


@pytest.mark.parametrize(
    "text",
    [
        "damnation",
        "goddamn",
        "shitake",
        "shell hello",
        "heil",
        "$heil",
        "d a m n",
        "damn1",
        "1damn",
        "hi! @you $5 a|b",
        "Scunthorpe",
        "",
        "कमीनापन",
    ],
    ids=ascii,
)
def test_C9_a_word_within_a_word_is_none(text: str) -> None:
    assert MASK.clean(text, "text") == text


def test_a_text_is_refused_without_naming_its_word() -> None:
    with pytest.raises(Invalid) as refused:
        Filter("refuse", LIST).clean("what the h e11 hell", "topic")
    assert refused.value.field == "$.topic"
    assert "hell" not in str(refused.value)


def test_off_is_off_and_a_rooms_words_count_as_the_servers_do() -> None:
    own = Words(["exam"])
    assert Filter("off", LIST).clean("damn exam", "text", own) == "damn exam"
    assert MASK.clean("damn exam", "text", own) == "**** ****"
    assert MASK.clean("damn exam", "text") == "**** exam"
    assert UNFILTERED.clean("damn", "text", own) == "damn"
    with pytest.raises(Invalid):
        Filter("refuse", LIST).clean("exam", "text", own)


@pytest.mark.parametrize("word", ["", " ", "two words", "a-b", "\u200b", "x" * (MAX_LETTERS + 1), "馬x", "!?", "\u0301"], ids=ascii)
def test_what_is_no_word_cannot_be_in_a_list(word: str) -> None:
    with pytest.raises(ValueError, match="a word has 1 to 40 letters"):
        Words([word])


def test_a_hook_says_what_is_shown_before_the_lists_do() -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def hook(text: str, words: tuple[str, ...]) -> str | None:
        asked.append((text, words))
        return None if "spam" in text else text.replace("!", "")

    hooked = Filter("mask", LIST, hook)
    assert hooked.clean("damn!!", "text", Words(["exam"])) == "****"
    assert asked == [("damn!!", ("exam",))]
    with pytest.raises(Invalid):
        hooked.clean("spam", "text")
    for wrong in ("longer than it was", "", 7, b"x"):
        with pytest.raises(InternalError):
            Filter("off", hook=lambda *_, wrong=wrong: wrong).clean("text", "text")


@given(TEXTS)
def test_masking_changes_only_what_it_finds_and_leaves_nothing_to_find(text: str) -> None:
    clean = MASK.clean(text, "text")
    assert len(clean) <= len(text)
    assert LIST.find(Reading(clean)) == []
    assert MASK.clean(clean, "text") == clean
    if not LIST.find(Reading(text)):
        assert clean == text


@given(TEXTS)
def test_places_are_in_order_within_the_text_and_read_as_a_word(text: str) -> None:
    end = 0
    for start, stop in LIST.find(Reading(text)):
        assert end <= start < stop <= len(text)
        assert shown(text[start])
        end = stop


@given(TEXTS, st.sampled_from(["damn", "馬鹿", "хуй"]), TEXTS)
def test_a_word_that_stands_alone_is_found_wherever_it_stands(before: str, word: str, after: str) -> None:
    spans = LIST.find(Reading(f"{before} {word} {after}"))
    assert any(start <= len(before) + 1 and stop >= len(before) + 1 + len(word) for start, stop in spans)


ODD = "ab1il!|@$€£2 ._-*\u200b\u0301\u0345\u0093\ufe0fаɑ🅐𝕒ﬀßœſİıΣς馬鹿马㋀㈱㍿㌃㌖ﷺﷲ가각가ガｶﾞกำကក्कमीऀ़𠀀龜"
"""Of every sort: Latin, symbols, what shows nothing, look-alikes, what is several, Han, Hangul, Kana, Thai, Indic, astral."""
PIECES = st.lists(st.one_of(st.text(ODD, max_size=3), st.sampled_from(["ab", "馬鹿", "$hit", "a1l", "ガ", "가"]), LETTERS), max_size=30)


@st.composite
def lists_and_texts(draw: st.DrawFn) -> tuple[list[str], str]:
    """Words of few characters, and a text of the same ones: with many hits that touch, overlap and nearly are."""
    few = draw(st.text(st.one_of(st.sampled_from(ODD), LETTERS), min_size=1, max_size=5)) + draw(st.sampled_from([" ", "!", "1", "\u0301"]))
    words = draw(st.lists(st.text(few, min_size=1, max_size=6).filter(_is_word), max_size=12))
    return words, draw(st.one_of(st.text(few, max_size=60), PIECES.map("".join)))


def _is_word(word: str) -> bool:
    try:
        SlowWords([word])
    except ValueError:
        with pytest.raises(ValueError, match="a word has"):
            Words([word])
        return False
    return True


@settings(max_examples=150)
@given(lists_and_texts())
def test_the_quick_way_finds_what_the_plain_one_does(drawn: tuple[list[str], str]) -> None:
    words, text = drawn
    assert Filter("mask", Words(words)).clean(text, "text") == masked(text, SlowWords(words).find(text))


@given(st.lists(st.text("馬鹿", min_size=1, max_size=5), min_size=1, max_size=6), st.text("馬鹿子 a", max_size=40))
@example(["馬鹿馬", "鹿"], "馬鹿子")
@example(["馬馬鹿鹿", "馬", "鹿鹿"], "馬馬馬鹿鹿")
@example(["馬鹿馬鹿", "鹿馬鹿子", "馬子鹿馬鹿"], "馬子鹿馬鹿子")
@example(["子", "馬", "子鹿馬鹿"], "子鹿馬鹿")
def test_words_that_overlap_and_hold_each_other_are_all_found(words: list[str], text: str) -> None:
    assert Filter("mask", Words(words)).clean(text, "text") == masked(text, SlowWords(words).find(text))


def test_an_i_may_be_an_l_only_where_it_is_written_as_either() -> None:
    assert Filter("mask", Words(["hello"])).clean("he1lo he!!o he|io heiio !hello!", "text") == "***** ***** ***** heiio !*****!"


def test_a_list_of_thousands_is_looked_through_as_a_short_one_is() -> None:
    words = [f"w{number:b}".replace("0", "x").replace("1", "y") for number in range(3000)]
    words += [chr(0x4E00 + number % 50) * (number % 7 + 1) + chr(0x5000 + number) for number in range(3000)]
    text = " ".join([*words[7:3000:600], "".join(words[3005:6000:500]), "fine", "wz"])
    assert Filter("mask", Words(words)).clean(text, "text") == masked(text, SlowWords(words).find(text))


class Counting(str):
    """Counts how often one looks at a letter of it."""

    __slots__ = ("looks",)

    looks: int

    def __getitem__(self, place: SupportsIndex | slice) -> str:
        self.looks += 1
        return super().__getitem__(place)


@pytest.mark.parametrize(
    ("words", "pattern"),
    [
        (["馬" * length for length in range(1, MAX_LETTERS + 1)], "馬"),
        (["馬" * length + "鹿" for length in range(1, MAX_LETTERS)], "馬"),
        (["馬" * (MAX_LETTERS - 1) + chr(0x5000 + number) for number in range(100)], "馬" * (MAX_LETTERS - 1) + "\u4fff"),
        (["馬鹿" * (MAX_LETTERS // 2)], "馬鹿" * (MAX_LETTERS // 2 - 1) + "馬馬"),
    ],
    ids=["all lengths", "all but the last letter", "many ends", "nearly periodic"],
)
def test_a_letter_costs_two_looks_whatever_the_words_are(words: list[str], pattern: str) -> None:
    """Steps, not time: whatever is gone back was gone forward before."""
    runs = Words(words)._runs
    runs.compile()
    runs._following = following = Counting(runs._following)
    for size in (2000, 4000):
        following.looks = 0
        runs.find((pattern * size)[:size])
        assert size <= following.looks <= 2 * size


def test_a_piece_is_looked_at_once_and_four_times_if_it_is_dressed_up() -> None:
    looked: list[object] = []

    class Counted(frozenset[str]):
        def __contains__(self, word: object) -> bool:
            looked.append(word)
            return super().__contains__(word)

    words = Words(["x" * length for length in range(1, MAX_LETTERS + 1)])
    words._loose = Counted(words._loose)
    assert words.find(Reading("!a! $b$ c! d ef !a!" * 100 + "!" * 2000)) == []
    assert len(looked) <= 4 * 5
    assert max(len(str(word)) for word in looked) <= MAX_LETTERS


def test_a_rooms_words_are_small_and_compiled_when_a_text_needs_them() -> None:
    words = Words([chr(0x5000 + number) + "馬" * (MAX_LETTERS - 1) for number in range(100)])
    words.find(Reading("nothing of the kind"))
    assert not words._runs._following
    words.find(Reading("\u5000"))
    parts = (words._runs._following, words._runs._fallback, words._runs._longest, words._runs._forks)
    assert sum(map(sys.getsizeof, (*parts, *words._runs._forks.values()))) < 64_000


def test_no_words_are_no_list() -> None:
    assert not NO_WORDS
    assert NO_WORDS.find(Reading("damn")) == []
