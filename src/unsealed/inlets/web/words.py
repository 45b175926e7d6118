"""What screens say: states, times, devices, reasons. Pure functions, used by the templates."""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """Text of strangers for a page: control and direction-changing characters become visible codes such as U+202E."""
    if text.isprintable():
        return text
    return "".join(
        letter
        if unicodedata.category(letter) not in ("Cc", "Cf")
        else f"\N{LEFT-POINTING ANGLE BRACKET}U+{ord(letter):04X}\N{RIGHT-POINTING ANGLE BRACKET}"
        for letter in text
    )
