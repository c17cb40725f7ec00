"""What the demo prints: aligned, and in colour only where somebody looks at it."""

import os
import re
import sys
import textwrap


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
        """Some program's output, indented; long lines wrapped (tables: cut), and not more than
        `lines` of them."""
        rows = []
        for row in text.strip("\n").splitlines():
            rows += self._fit(row.rstrip())
        for row in rows[:lines]:
            self.line("    " + self._paint("2", row))
        if len(rows) > lines:
            self.line("    " + self._paint("2", f"… {len(rows) - lines} more lines"))

    def _fit(self, row):
        room = self.WIDTH - 4
        if len(row) <= room:
            return [row]
        if " | " in row or "-+-" in row:
            return [row[: room - 1] + "…"]
        # Behind the label, where there is one: DETAIL:  …
        label = re.match(r"\s*[\w.]+:?\s+", row)
        return textwrap.wrap(row, room, subsequent_indent=" " * min(len(label[0]) if label else 2, 12),
                             break_on_hyphens=False)

    def verdict(self, well, text):
        mark = self._paint("32", "✓") if well else self._paint("31", "✗")
        self.line(f"    {mark} {text}")

    def error(self, text):
        print(f"demo: {text}", file=sys.stderr, flush=True)
