r"""Repair of response bodies that are JSON except for the text inside some strings.

Services have sent names cut inside an emoji (`"Great \ud83d"`), which JSON's grammar allows (RFC 8259, section 8.2) and
parsers reject: one bad name would cost the whole page. What cannot be decoded becomes U+FFFD, the replacement
character. Only the inside of strings changes, so a body that is not JSON does not become JSON.
"""

import re

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

# An unclosed string extends to the end, so that the time is linear in the length of a truncated body, too.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)

# The group is a valid escape sequence: of two characters, of a surrogate pair, or of any other character.
_ESCAPE_OR_CONTROL = re.compile(
    r"""
      ( \\ ["\\/bfnrt]
      | \\ u [dD] [89abAB] [0-9a-fA-F]{2} \\ u [dD] [c-fC-F] [0-9a-fA-F]{2}
      | \\ u (?! [dD] [89a-fA-F] ) [0-9a-fA-F]{4}
      )
    | \\ u [0-9a-fA-F]{0,4}
    | \\ .
    | [\x00-\x1f]
    """,
    re.DOTALL | re.VERBOSE,
)


def repair_text(body: bytes) -> tuple[bytes, int]:
    """Return the body with valid text in all strings, and the number of strings that changed.

    Invalid UTF-8, surrogates without their other half and unknown escape sequences become U+FFFD. Control characters,
    which JSON allows only as escape sequences, are escaped. A byte order mark is removed.
    """
    repairs = 0

    def repair_string(match: re.Match[bytes]) -> bytes:
        nonlocal repairs
        text = match[0].decode(errors="replace")
        repaired = _ESCAPE_OR_CONTROL.sub(_repair_character, text).encode()
        repairs += repaired != match[0]
        return repaired

    return _STRING.sub(repair_string, body.removeprefix(_BYTE_ORDER_MARK)), repairs


def _repair_character(match: re.Match[str]) -> str:
    if match[1]:
        return match[1]
    return r"\ufffd" if match[0].startswith("\\") else rf"\u{ord(match[0]):04x}"
