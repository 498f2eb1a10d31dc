"""Figures from a server's metrics."""

import pytest

from commonroom.bench.target.metrics import quantile_ms


def buckets(*counts: int) -> dict[str, float]:
    """Of a histogram with the bounds 1, 10 and 100 ms and one beyond."""
    return {f"lag_bucket<{bound}": float(count) for bound, count in zip(("0.001", "0.01", "0.1", "+Inf"), counts, strict=True)}


@pytest.mark.parametrize(("share", "bound_ms"), [(0.5, 1.0), (0.9, 10.0), (0.99, 100.0)])
def test_a_quantile_is_of_what_was_counted_in_between(share: float, bound_ms: float) -> None:
    assert quantile_ms(buckets(50, 50, 50, 50), buckets(100, 145, 150, 150), "lag", share) == bound_ms


def test_a_server_that_was_started_anew_counts_from_zero() -> None:
    assert quantile_ms(buckets(500, 500, 500, 500), buckets(0, 10, 10, 10), "lag", 0.99) == 10.0


def test_nothing_counted_is_no_quantile() -> None:
    assert quantile_ms(buckets(5, 5, 5, 5), buckets(5, 5, 5, 5), "lag", 0.99) is None
    assert quantile_ms({}, {}, "lag", 0.99) is None
