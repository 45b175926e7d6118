"""Forms that browsers submit: read no further than a limit, the first field of each name.

Does not ask whether the form may be submitted; that is the guard's part.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from unsealed.inlets import body
from unsealed.model.texts import later

BYTES_MAX = 256 * 1024
FIELDS_MAX = 500
LARGE_FORMS = ("/paste", "/templates")  # whole letters are pasted there
LARGE_BYTES_MAX = 8 * 1024 * 1024


def is_form(request: Request) -> bool:
    """Whether what a request carries calls itself a form."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/x-www-form-urlencoded"


async def read(request: Request) -> Mapping[str, str] | None:
    """The fields of a submitted form, the first of each name; None when it is too large or not a form.

    The body is read no further than what a form at this path may have.
    """
    try:
        said = await body.read(request, _bytes_max(request))
    except ClientDisconnect:
        return None
    if said is None or (said and not is_form(request)):
        return None
    fields: dict[str, str] = {}
    try:
        pairs = parse_qsl(said.decode("ascii"), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        return None
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields


def why_not_read(request: Request) -> str:
    """What to say to somebody whose form `read` did not take; in English, in a form that `stored` knows."""
    sent, limit = request.headers.get("content-length", ""), _bytes_max(request)
    if not sent.isdecimal() or int(sent) <= limit:
        return later("This is no form of ours, or it has too many fields. Nothing was done.")
    has, most = (f"{ceil(size / 1024):,} kB" for size in (int(sent), limit))
    return f"What you entered has {has}, and {most} is the most that this form takes. Nothing was done: enter less."


def _bytes_max(request: Request) -> int:
    return LARGE_BYTES_MAX if request.scope["path"].startswith(LARGE_FORMS) else BYTES_MAX
