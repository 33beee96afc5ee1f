"""Where the command line prints: as wide as the terminal, and wide enough for whole lines elsewhere."""

from __future__ import annotations

import os
from typing import Final

from rich.console import Console, ConsoleDimensions

_ELSEWHERE: Final = ConsoleDimensions(200, 25)


class LineConsole(Console):
    """A console that folds no line because a pipe or a file has no width; `COLUMNS` still counts."""

    @property
    def size(self) -> ConsoleDimensions:
        """Columns and rows."""
        return super().size if self.is_terminal or "COLUMNS" in os.environ else _ELSEWHERE

    @size.setter
    def size(self, value: tuple[int, int]) -> None:
        self._width, self._height = value
