"""Behaviour of msgspec that the protocol relies on or must avoid. A new version that differs fails here."""

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType


class Plain(Struct, array_like=True, tag=1):
    name: str
    count: int = 0
    note: str | None = None


class WithUnset(Struct, array_like=True):
    name: str
    note: str | UnsetType = UNSET


class Trimmed(Struct, array_like=True, omit_defaults=True):
    name: str
    note: str | None = None


@pytest.mark.parametrize("module", [msgspec.msgpack, msgspec.json], ids=["msgpack", "json"])
class TestTraps:
    def test_unset_cannot_be_sent_in_an_array(self, module: object) -> None:
        with pytest.raises(TypeError):
            module.encode(WithUnset("x"))  # type: ignore[attr-defined]

    def test_omit_defaults_trims_nothing_in_an_array(self, module: object) -> None:
        encoded = module.encode(Trimmed("x"))  # type: ignore[attr-defined]
        assert module.decode(encoded) == ["x", None]  # type: ignore[attr-defined]

    def test_a_float_is_refused_where_an_integer_stands(self, module: object) -> None:
        encoded = module.encode([1, "x", 1.5])  # type: ignore[attr-defined]
        with pytest.raises(msgspec.ValidationError):
            module.decode(encoded, type=Plain)  # type: ignore[attr-defined]

    def test_missing_fields_take_defaults_and_further_ones_are_ignored(self, module: object) -> None:
        decode = module.decode  # type: ignore[attr-defined]
        encode = module.encode  # type: ignore[attr-defined]
        assert decode(encode([1, "x"]), type=Plain) == Plain("x")
        assert decode(encode([1, "x", 2, None, {"new": [1]}]), type=Plain) == Plain("x", 2)


def test_a_float64_without_a_fraction_is_refused_too() -> None:
    """msgpackr sends integers from 2^32 on as floats: the client has its own codec for this reason."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode([1, "x", float(2**32)]), type=Plain)


@pytest.mark.parametrize(
    ("data", "error"),
    [(b"\x91" * 100_000, RecursionError), (b"\xa2\xc3\x28", UnicodeDecodeError)],
    ids=["nesting", "bad UTF-8"],
)
def test_two_failures_of_msgpack_are_no_decode_errors(data: bytes, error: type[Exception]) -> None:
    """RELIABILITY R9: whoever catches only DecodeError dies of one frame."""
    assert not issubclass(error, msgspec.DecodeError)
    with pytest.raises(error):
        msgspec.msgpack.decode(data)
