from __future__ import annotations

import gzip
import re
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from unsealed.inlets.web.page import STATIC, static
from unsealed.model.message import public_id


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


LINKED = re.compile(r"/static/[0-9a-f]{12}/[\w.-]+\.(?:js|css|svg)")


async def test_script_and_style_of_every_page_stay_under_sixty_kilobytes(
    mara: Any, app: Starlette, mail: dict[str, Any]
) -> None:
    """As they come packed, for the first load of each. The editor is apart: the page for writing is there before it."""
    paths = [route.path for route in app.routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    paths = [path.replace("{id}", public_id(mail["proposal"])) for path in paths if path != "/live"]
    loads = {}
    for path in paths:
        if "{" in path:
            continue
        page = await mara.get(path)
        if page.status == 200 and "/static/" in page.text and "<body" in page.text:
            files = {name for name in LINKED.findall(page.text) if not name.endswith("/editor.js")}
            loads[path] = sum([len((await mara.get(name, accept_encoding="gzip")).body) for name in files])

    assert len(loads) > 20
    assert {path: load for path, load in loads.items() if not 10_000 < load < 60_000} == {}
