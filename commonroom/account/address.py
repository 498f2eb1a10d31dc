"""Mail addresses: which are taken, how they are compared, how they are written for SMTP.

Two addresses are the same if they differ in nothing but letter case and the way a character is composed.
Dots, `+tags` and everything else that some providers ignore is *not* folded: which of them
do is not for us to know, and elsewhere these are mailboxes of different people.

Characters that merely look alike to Unicode (full-width letters, ligatures: what NFKC would
change) are refused before the `@`, and case is folded by `lower`, not by `casefold` (which
makes `ss` of `ß`): else a stranger's mailbox could count as somebody's confirmed address.
"""

import re
import unicodedata

import idna

from commonroom.errors import Invalid

__all__ = ["MAX_BYTES", "email_key", "parse_address"]

MAX_BYTES = 254
"""RFC 5321 section 4.5.3.1.3: a path of 256 with its angle brackets."""

MAX_TEXT = 1000
"""Characters worth reading: a domain may be longer before its mapping to ASCII than after."""

MAX_LOCAL_BYTES = 64
"""RFC 5321 section 4.5.3.1.1."""

SPECIALS = r'\s()<>\[\]:;@\\,."'
LOCAL = re.compile(rf"(?!.*=\?)[^{SPECIALS}]+(\.[^{SPECIALS}]+)*")
"""The dot-atom of RFC 5322 and RFC 6531. Quoted ones are legal and nobody's. `=?` begins an encoded word (RFC 2047): the `email`
package of Python before 3.11.10 and 3.12.5 decodes it into a header line by line, line breaks included (CVE-2024-6923)."""


def parse_address(text: str) -> str:
    """The address as it is kept and as SMTP takes it: one form for each character, the domain in lower-case ASCII.

    Raises:
        Invalid: not an address, or over `MAX_BYTES`. The message does not repeat it.
    """
    local, at, domain = text.strip().partition("@")
    if not at or len(text) > MAX_TEXT or not local.isprintable() or not domain.isprintable():
        raise _refusal()
    local = unicodedata.normalize("NFC", local)
    if unicodedata.normalize("NFKC", local) != local or not LOCAL.fullmatch(local) or len(local.encode()) > MAX_LOCAL_BYTES:
        raise _refusal()
    address = f"{local}@{_ascii(domain)}"
    if len(address.encode()) > MAX_BYTES:
        raise _refusal()
    return address


def email_key(address: str) -> str:
    """How addresses are compared: equal keys, same mailbox.

    Send letters to the address on file, never to a typed one that has its key: before the `@` a
    server may tell upper from lower case, though none is known to.

    Raises:
        Invalid: as `parse_address`.
    """
    return unicodedata.normalize("NFC", parse_address(address).lower())


def _ascii(domain: str) -> str:
    """By IDNA 2008 with the mapping that browsers do (UTS 46): the standard library's codec would write to another domain for `ß`."""
    try:
        encoded = idna.encode(domain, uts46=True, std3_rules=True)
    except (idna.IDNAError, UnicodeError):
        raise _refusal() from None
    ascii_domain = encoded.decode("ascii").lower()
    if ascii_domain.endswith("."):  # the root, which would give each domain a second form
        raise _refusal()
    return ascii_domain


def _refusal() -> Invalid:
    return Invalid("not a mail address", field="$.email")
