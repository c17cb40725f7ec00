"""What the demo prints: aligned, and in colour only where somebody looks at it."""

import os
import sys


class Screen:
    WIDTH = 100

    def __init__(self, out):
        self._out = out
        self._colour = out.isatty() and "NO_COLOR" not in os.environ

    def _paint(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour else text

    def line(self, text=""):
        print(text, file=self._out, flush=True)

    def title(self, text):
        self.line()
        self.line(self._paint("1", text))
        self.line(self._paint("2", "─" * len(text)))

    def table(self, rows):
        width = max(len(left) for left, _ in rows)
        for left, right in rows:
            self.line(f"  {self._paint('2', left.ljust(width))}  {right}")

    def step(self, number, text):
        self.line()
        self.line(f"{self._paint('1', f'{number:>2}  {text}')}")

    def command(self, text):
        for i, part in enumerate(text.strip().splitlines()):
            self.line("    " + self._paint("36", ("$ " if i == 0 else "  ") + part))

    def output(self, text, lines=12):
        """Some program's output, indented, long lines cut, and not more than `lines` of them."""
        rows = [row.rstrip() for row in text.strip("\n").splitlines()]
        for row in rows[:lines]:
            self.line("    " + self._paint("2", self._cut(row)))
        if len(rows) > lines:
            self.line("    " + self._paint("2", f"… {len(rows) - lines} more lines"))

    def _cut(self, row):
        room = self.WIDTH - 4
        return row if len(row) <= room else row[: room - 1] + "…"

    def verdict(self, well, text):
        mark = self._paint("32", "✓") if well else self._paint("31", "✗")
        self.line(f"    {mark} {text}")

    def error(self, text):
        print(f"demo: {text}", file=sys.stderr, flush=True)
