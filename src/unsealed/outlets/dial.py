"""Connections to hosts that somebody named.

Promises that a name is looked up once, that every address behind it is judged before anything is sent, and that the
connection goes to an address that was judged: nothing is looked up again on the way.
"""

from __future__ import annotations

import asyncio
import socket

from unsealed.model.errors import Refused
from unsealed.model.reach import is_public

SHARE_S = 5.0  # each address gets at least so long before the next one is tried


async def dial(host: str, port: int, *, inside: bool, timeout_s: float) -> socket.socket:
    """A connected, non-blocking socket; the caller closes it.

    inside: whether the host may lie in a private network or on this machine.

    Raises:
        Refused: permanent; it may not, and one of its addresses does.
        socket.gaierror: the name is not known.
        OSError: no address answers; a TimeoutError when none did in time.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout_s):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "not a host name") from error
    if not inside and not all(is_public(str(each[4][0])) for each in found):
        raise Refused(f"{host} lies in a private network")
    share_s = max(timeout_s / max(len(found), 1), SHARE_S)
    trouble: OSError = socket.gaierror(socket.EAI_NONAME, "no address")
    for family, kind, protocol, _, address in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)
            async with asyncio.timeout(share_s):
                await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            trouble = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise trouble
