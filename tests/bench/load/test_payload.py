"""A payload proves itself: what was composed is read back, anything else is not."""

from hypothesis import given
from hypothesis import strategies as st

from commonroom.bench.load.payload import MIN_BYTES, Mark, compose, parse

marks = st.builds(Mark, st.integers(0, 2**20), st.integers(1, 2**30), st.integers(0, 2**44))
sizes = st.integers(MIN_BYTES, 400)


@given(marks, sizes)
def test_a_payload_tells_what_it_was_made_of(mark: Mark, size: int) -> None:
    text = compose(*mark, size)
    assert (parse(text), len(text), text.isascii()) == (mark, size, True)


@given(marks, sizes, st.data())
def test_a_payload_with_one_other_character_is_refused(mark: Mark, size: int, data: st.DataObject) -> None:
    text = compose(*mark, size)
    place = data.draw(st.integers(0, size - 1))
    other = data.draw(
        st.characters(codec="utf-8", exclude_characters=text[place]) | st.sampled_from(sorted(set("0af.xX +-_") - {text[place]}))
    )
    assert parse(text[:place] + other + text[place + 1 :]) is None


@given(marks, sizes, st.data())
def test_a_payload_that_is_cut_or_grown_is_refused(mark: Mark, size: int, data: st.DataObject) -> None:
    text = compose(*mark, size)
    assert parse(text[: data.draw(st.integers(0, size - 1))]) is None
    assert parse(text + "x") is None


@given(st.text(max_size=100))
def test_any_other_text_is_refused_without_an_error(text: str) -> None:
    assert parse(text) is None
