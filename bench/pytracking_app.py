"""pytracking's own views in Django, as its documentation shows them. Runs in the peers' environment, without Unsealed.

`python bench/pytracking_app.py` prints the path of a pixel and of a link; gunicorn serves `application`. Nothing is
written anywhere when a path is asked for, which is less than any use of it would do.
"""

# What is imported here lives in the peers' environment only.
# mypy: disable-error-code="import-not-found"
from __future__ import annotations

from typing import Any

import django
import pytracking
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import path
from pytracking.django import ClickTrackingView, OpenTrackingView

_HOST = "http://t.tidewater.example"
_TRACKING: dict[str, Any] = {
    "base_open_tracking_url": f"{_HOST}/open/",
    "base_click_tracking_url": f"{_HOST}/click/",
    "encryption_bytestring_key": b"0" * 43 + b"=",
}

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of a measurement",
    PYTRACKING_CONFIGURATION=_TRACKING,
    LOGGING_CONFIG=None,
)
django.setup()
urlpatterns = [
    path("open/<path:path>", OpenTrackingView.as_view()),
    path("click/<path:path>", ClickTrackingView.as_view()),
]
application = get_wsgi_application()

if __name__ == "__main__":
    metadata = {"copy": 1234567890123456789}
    print(pytracking.get_open_tracking_url(metadata, **_TRACKING).removeprefix(_HOST))
    url = "https://www.tidewater.example/articles/2026/bread?utm_source=newsletter&utm_medium=email"
    print(pytracking.get_click_tracking_url(url, metadata, **_TRACKING).removeprefix(_HOST))
