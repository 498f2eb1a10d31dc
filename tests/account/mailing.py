"""What tests of mail share: a mailer, and the secrets that nothing else may tell."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from commonroom.account.letter import Letter, link_to
from commonroom.account.mail import Mailer
from commonroom.clock import Millis
from commonroom.config.settings import MailSettings
from commonroom.errors import Unavailable

__all__ = ["ADA", "CODE", "LINK", "SECRETS", "SENDER", "Lines", "mailer_of", "refusal"]

Lines = Callable[[], list[dict[str, Any]]]

TOKEN = "t0k3n-" * 7
CODE = "493817"
LINK = link_to("https://rooms.example", "reset", TOKEN)
ADA = "ada.secret@example.org"
SENDER = "Common Rööm <rooms@example.org>"
SECRETS = (TOKEN, CODE, ADA, "hunter2")


class Clock:
    def now(self) -> Millis:
        return Millis(1_800_000_000_000)


@asynccontextmanager
async def mailer_of(url: str, starttls: str = "auto", timeout_s: float = 20.0, **options: Any) -> AsyncIterator[Mailer]:
    settings = MailSettings(smtp_url=url, sender=SENDER if url else "", starttls=starttls, timeout_s=timeout_s)  # type: ignore[arg-type]
    mailer = Mailer(settings, options.pop("production", True), Clock(), retry_after_s=0.0, **options)
    yield mailer
    await mailer.close()
    assert mailer.stats.queued == 0


async def refusal(mailer: Mailer, letter: Letter) -> str:
    with pytest.raises(Unavailable) as caught:
        await mailer.send(letter)
    error: BaseException | None = caught.value
    while error is not None:  # whoever logs it logs its causes too
        assert not [secret for secret in SECRETS if secret in f"{error} {error.args} {error!r}"]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return str(caught.value)
