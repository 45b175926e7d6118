from __future__ import annotations

import gzip
from typing import Any

from unsealed.inlets.web.files import STATIC, static


async def test_static_files_may_be_kept_for_ever_under_their_digest(mara: Any) -> None:
    for name, file in STATIC.items():
        answer = await mara.get(static(name))

        assert answer.body == file.content
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"] == file.media_type


async def test_an_old_digest_gets_the_present_file_without_the_promise(mara: Any) -> None:
    answer = await mara.get("/static/0123456789ab/look.css")

    assert answer.body == STATIC["look.css"].content
    assert answer.headers["cache-control"] == "no-cache"


async def test_static_files_are_packed_for_those_who_take_it(mara: Any) -> None:
    answer = await mara.get(static("live.js"), accept_encoding="gzip, br")

    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(answer.body) == STATIC["live.js"].content
    assert answer.headers["vary"] == "Accept-Encoding"


async def test_what_is_no_static_file_is_not_there(mara: Any) -> None:
    for name in ("look.scss", "..%2fpage.py", "templates"):
        assert (await mara.get(f"/static/0123456789ab/{name}")).status == 404
