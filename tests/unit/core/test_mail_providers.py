from __future__ import annotations

import re

from unsealed.core.mail_providers import AS_OF, MAIL_PROVIDERS


def test_the_list_holds_domains_as_they_are_compared() -> None:
    assert [] == [domain for domain in MAIL_PROVIDERS if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain)]
    assert {"gmail.com", "outlook.com", "icloud.com", "yahoo.com", "web.de"} <= MAIL_PROVIDERS
    assert re.fullmatch(r"20\d\d-\d\d", AS_OF)
