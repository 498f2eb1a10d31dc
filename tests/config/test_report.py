"""`config show`: every setting, its origin, no secret."""

from commonroom.config import load, show
from commonroom.config.field import fields
from commonroom.config.report import MASK


def test_every_setting_is_told_with_meaning_and_origin() -> None:
    rows = {row.path: row for row in show(load({}, {"COMMONROOM_PORT": "9000"}))}
    assert rows.keys() == fields().keys()
    assert all(row.description for row in rows.values())
    assert (rows["http.port"].value, rows["http.port"].origin) == ("9000", "environment COMMONROOM_PORT")
    assert rows["data"].value == '".commonroom"'
    assert rows["http.allowed_origins"].value == "[]"


def test_a_secret_is_masked_and_an_empty_one_is_told() -> None:
    environ = {"COMMONROOM_POSTGRES_URL": "postgresql://u:hunter2@db/x", "COMMONROOM_REDIS_URL": "redis://u:hunter2@cache"}
    masked = show(load({}, environ))
    assert "hunter2" not in repr(masked)
    values, empty = ({row.path: row.value for row in rows} for rows in (masked, show(load({}, {}))))
    for path in ("postgres.url", "redis.url"):
        assert (values[path], empty[path]) == (MASK, '""')
