"""Does a raw value show in what a client received?"""

import base64
import re

WORD = b"KANARIENVOGEL"
PIECE = 6


def _pieces(text):
    return [text[at:at + PIECE] for at in range(len(text) - PIECE + 1)]


def _base64():
    for shift in range(3):
        coded = base64.b64encode(b"x" * shift + WORD + b"yy")
        # What hangs on the letters in front and behind is left out; two groups of four are 6 letters.
        first = 4 if shift else 0
        yield from (coded[at:at + 8] for at in range(first, len(coded) - 8, 4)
                    if base64.b64decode(coded[at:at + 8]) in WORD)


def marks():
    found = set()
    for piece in _pieces(WORD):
        found |= {piece.lower(), piece[::-1].lower()}
        for dress in (piece, piece.lower(), piece[:1] + piece[1:].lower()):
            found.add(dress.hex().encode())
            # As a constant in a node tree of the catalog's is printed.
            found.add(" ".join(map(str, dress)).encode())
    found |= {b"7733773", b"3773377", b"7733773".hex().encode(), b"77.33.77.3", b"77337733-7733",
              bytes.fromhex("77337733773377337733"), b"773377337733"}
    return found | {b.lower() for b in _base64()}


MARKS = sorted(marks())
DATE = re.compile(rb"7733-\d\d-\d\d")


class Canaries:
    def __init__(self, key):
        self.key = key.encode().lower()
        self.binary = set()

    def learn(self, values):
        """Binary values of masked columns, which are no text."""
        self.binary |= {v for v in values if v is not None and len(v) >= 4}

    def seen_in(self, received, messages=()):
        """What shows, with a little around it; None where nothing does."""
        low = bytes(received).lower()
        for mark in (*MARKS, self.key):
            at = low.find(mark)
            if at >= 0:
                return bytes(received[max(0, at - 30):at + 50])
        date = DATE.search(low)
        if date:
            return date[0]
        for m in messages:
            if m.name == "DataRow":
                for value in m.values:
                    if value in self.binary:
                        return value
        return None
