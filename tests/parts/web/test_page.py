from __future__ import annotations

import re
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route

from unsealed.model.message import public_id

LINKED = re.compile(r"/static/[0-9a-f]{12}/[\w.-]+\.(?:js|css|svg)")


async def test_script_and_style_of_every_page_stay_under_sixty_kilobytes(
    mara: Any, app: Starlette, mail: dict[str, Any]
) -> None:
    """As they come packed, for the first load of each. Without the editor, which comes when a letter can be written
    already: no page asks for it by itself."""
    paths = [route.path for route in app.routes if isinstance(route, Route) and "GET" in (route.methods or ())]
    paths = [path.replace("{id}", public_id(mail["proposal"])) for path in paths if path != "/live"]
    loads = {}
    for path in paths:
        if "{" in path:
            continue
        page = await mara.get(path)
        if page.status == 200 and "/static/" in page.text and "<body" in page.text:
            files = set(LINKED.findall(re.sub(r'data-editor="[^"]*"', "", page.text)))
            loads[path] = sum([len((await mara.get(name, accept_encoding="gzip")).body) for name in files])

    assert len(loads) > 20
    assert {path: load for path, load in loads.items() if not 10_000 < load < 60_000} == {}
