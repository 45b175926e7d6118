"""The heads of the columns in the files that a report is downloaded as, in the language of who downloads it.

What stands below stays as the API writes it, so that files of two languages can be compared; the file of figures alone
names what it counts in the language of who reads (`figures`).
"""

from __future__ import annotations

from collections.abc import Sequence

from unsealed.model.texts import Texts


def heads(columns: Sequence[str], texts: Texts) -> tuple[str, ...]:
    """What stands above columns of `store.reports` and of `inlets.web.figures`."""
    within = texts.within
    known = {
        "address": within("column", "address"),
        "at": within("column", "at"),
        "client": within("column", "client"),
        "clicks": within("column", "clicks"),
        "confidence": within("column", "confidence"),
        "copy": within("column", "copy"),
        "count": within("column", "count"),
        "country": within("column", "country"),
        "delivery": within("column", "delivery"),
        "device": within("column", "device"),
        "event": within("column", "event"),
        "first": within("column", "first"),
        "high": within("column", "high"),
        "id": within("column", "id"),
        "kind": within("column", "kind"),
        "last": within("column", "last"),
        "link": within("column", "link"),
        "low": within("column", "low"),
        "machine": within("column", "machine"),
        "message": within("column", "message"),
        "name": within("column", "name"),
        "network": within("column", "network"),
        "note": within("column", "note"),
        "of": within("column", "of"),
        "opens": within("column", "opens"),
        "place": within("column", "place"),
        "rate": within("column", "rate"),
        "recipient": within("column", "recipient"),
        "recipients": within("column", "recipients"),
        "replied": within("column", "replied"),
        "replies": within("column", "replies"),
        "section": within("column", "section"),
        "sent": within("column", "sent"),
        "subject": within("column", "subject"),
        "system": within("column", "system"),
        "tag": within("column", "tag"),
        "template": within("column", "template"),
        "tracked": within("column", "tracked"),
        "verdict": within("column", "verdict"),
        "version": within("column", "version"),
    }
    return tuple(known[column] for column in columns)
