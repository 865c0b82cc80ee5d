"""What is printed, wherever it goes: to a terminal of any encoding, to a pipe, onto a full disk."""

import codecs
import re
import sys
import unicodedata

LONGEST = 200  # characters of what an error quotes
READ_AS = {  # signs that an encoding may lack, and what is read in the same way
    **{"−": "-", "·": "*", "×": "x", "⊙": "*", "′": "'", "…": "...", "½": "1/2", "⁺": "+"},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "→": "->", "⋮": ":", "▬": "=", "ᵀ": "^T", "√": "sqrt"},
    **{"⎡": "[", "⎢": "[", "⎣": "[", "⎤": "]", "⎥": "]", "⎦": "]", "∂": "d", "∞": "inf"},
}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tabs and ends of lines


def in_ascii(character: str) -> str:
    """What is read in the same way: of `READ_AS`, a Greek letter's name, one without accent."""
    if character in READ_AS or unicodedata.combining(character):
        return READ_AS.get(character, "")
    name = unicodedata.name(character, "")
    if name.startswith("GREEK"):
        return name.split()[-1].lower() if "SMALL" in name else name.split()[-1].title()
    plain = unicodedata.normalize("NFKD", character)
    return "".join(c for c in plain if c.isascii()) or "?"


def readable(error: UnicodeError) -> tuple[str, int]:
    """The handler of what an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(in_ascii, error.object[error.start : error.end])), error.end


def print_anywhere() -> None:
    """From now on what is printed is written in every encoding, so far as it can be."""
    codecs.register_error("readable", readable)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="readable")


def escaped(text: str) -> str:
    """The text without what would move the cursor or clear the screen: that is spelled out."""
    return CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)


def quoted(text: object) -> str:
    """What someone wrote, in an error: escaped, and cut where it is long."""
    plain = escaped(str(text))
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]} … ({len(plain):,} characters)"
