"""What all routes of the API share: whose token it is, what was asked, and how it is answered.

Promises that nothing is answered without a token; that what is read comes from one transaction, and what is changed is
changed in one; and that a body is read no further than its limit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unsealed.core.drafting import Desk
from unsealed.inlets import body
from unsealed.inlets.presence import client_address, noted
from unsealed.model.errors import AboveCeiling, BadInput
from unsealed.model.message import MessageId, UserId, from_public_id
from unsealed.model.policy import Switches
from unsealed.model.ports import Clock
from unsealed.store import own, proofs
from unsealed.store.engine import reading
from unsealed.store.keyset import PAGE_LIMIT

LIMIT = 50
SEARCH_LETTERS = 200

Said = TypeVar("Said", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One authenticated request, and the transaction that answers it."""

    connection: Connection
    user: UserId
    now: datetime
    given: QueryParams
    path: Mapping[str, str]
    desk: Callable[[Connection, UserId], Desk]

    @property
    def switches(self) -> Switches:
        """What the settings file says about the user's mail."""
        return self.desk(self.connection, self.user).switches

    @property
    def message_id(self) -> MessageId:
        """The message that the path names.

        Raises:
            HTTPException: 404; no message can have this id.
        """
        number = from_public_id(self.path["id"])
        if number is None:
            raise HTTPException(404)
        return MessageId(number)

    @property
    def cursor(self) -> str | None:
        """Behind what the page begins; None for the first one."""
        return self.given.get("cursor") or self.given.get("after") or None

    @property
    def search(self) -> str:
        """Words to look for; "" when nothing is looked for."""
        return self.given.get("q", "")[:SEARCH_LETTERS]

    @property
    def limit(self) -> int:
        """How many things a page holds at most.

        Raises:
            BadInput: not a number that is allowed.
        """
        said = self.given.get("limit", str(LIMIT))
        number = int(said) if said.isascii() and said.isdigit() and len(said) <= 4 else 0
        if not 1 <= number <= PAGE_LIMIT:
            raise BadInput(f"limit is a number from 1 to {PAGE_LIMIT}, not {said[:40]!r}")
        return number

    def only(self, *known: str) -> None:
        """A misspelt parameter that is passed over in silence gives a wrong answer that looks right.

        Raises:
            BadInput: another parameter is given than those that are known here.
        """
        unknown = sorted(set(self.given) - set(known))
        if unknown:
            says = f"known here: {', '.join(known)}" if known else "none is known here"
            raise BadInput(f"unknown parameter {unknown[0][:40]!r}; {says}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Makes routes, whose answers are worked out in a thread. desk: where letters of a user are made."""

    engine: Engine
    clock: Clock
    desk: Callable[[Connection, UserId], Desk]

    def get(self, path: str, answer: Callable[[Question], msgspec.Struct]) -> Route:
        """A route that reads."""

        async def endpoint(request: Request) -> Response:
            user = await self.who(request)

            def work() -> msgspec.Struct:
                with reading(self.engine) as connection:
                    return answer(self._question(connection, user, request))

            return await answered(work)

        return Route(path, endpoint, methods=["GET"])

    def change(
        self,
        method: str,
        path: str,
        said: type[Said],
        answer: Callable[[Question, Said], msgspec.Struct],
        *,
        bytes_max: int,
        status: int = HTTPStatus.OK,
    ) -> Route:
        """A route that does what its body says. said: what a body is; bytes_max: of a body."""

        async def endpoint(request: Request) -> Response:
            user, written = await self.who(request), await body_of(request, bytes_max)

            def work() -> msgspec.Struct:
                found = decoded(written, said)
                with self.engine.begin() as connection:
                    return answer(self._question(connection, user, request), found)

            return await answered(work, status)

        return Route(path, endpoint, methods=[method])

    def delete(self, path: str, remove: Callable[[Question], None]) -> Route:
        """A route that takes something away, and answers nothing."""

        async def endpoint(request: Request) -> Response:
            user = await self.who(request)

            def work() -> None:
                with self.engine.begin() as connection:
                    remove(self._question(connection, user, request))

            await run_in_threadpool(work)
            return Response(status_code=HTTPStatus.NO_CONTENT)

        return Route(path, endpoint, methods=["DELETE"])

    async def who(self, request: Request) -> UserId:
        """Whose token came along.

        Raises:
            HTTPException: 401; none that is good.
        """
        user = await bearer(request, self.engine, self.clock)
        if user is None:
            raise HTTPException(
                401,
                "An API token is needed: the header `Authorization: Bearer unsealed_...`. Settings makes one, and "
                "so does `unsealed api-token EMAIL`.",
                headers={"WWW-Authenticate": 'Bearer realm="unsealed"'},
            )
        return user

    def _question(self, connection: Connection, user: UserId, request: Request) -> Question:
        return Question(
            connection=connection,
            user=user,
            now=self.clock(),
            given=request.query_params,
            path=request.path_params,
            desk=self.desk,
        )


async def answered(work: Callable[[], msgspec.Struct], status: int = HTTPStatus.OK) -> Response:
    """What `work`, done in a thread, comes to.

    Raises:
        HTTPException: 422; more was asked for than is allowed.
    """
    try:
        content = await run_in_threadpool(lambda: msgspec.json.encode(work()))
    except AboveCeiling as error:
        words = str(error)
        raise HTTPException(422, words[:1].upper() + words[1:] + ".") from None
    return Response(content, status, media_type="application/json")


async def body_of(request: Request, bytes_max: int) -> bytes:
    """The body.

    Raises:
        HTTPException: 413; longer than that.
    """
    said = await body.read(request, bytes_max)
    if said is None:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body has more than {bytes_max:,} bytes.")
    return said


def decoded(written: bytes, said: type[Said]) -> Said:
    """What a body says.

    Raises:
        BadInput: not JSON, or something that is not asked for here; says where.
    """
    try:
        return msgspec.json.decode(written, type=said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if not written.strip():
            raise BadInput("the body is empty; JSON is expected") from None
        words = str(error).replace("Input data was truncated", "the body ends in the middle of its JSON")
        raise BadInput(words[:200]) from None


async def bearer(request: Request, engine: Engine, clock: Clock) -> UserId | None:
    """The user whose API token stands in the Authorization header, or None. Cookies are not looked at: programs have
    none and browsers no tokens, so that the two cannot be mixed up."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    now = clock()

    def look() -> proofs.Credential | None:
        with reading(engine) as connection:
            return proofs.check_api_token(connection, token.strip())

    def note(credential: proofs.Credential) -> None:
        with engine.begin() as connection:
            proofs.note_use(connection, credential, now)
            own.touch_address(connection, credential.user, client_address(request), now)

    found = await run_in_threadpool(look)
    if found is None:
        return None
    if proofs.use_is_stale(found, now):
        await noted("token", lambda: note(found))
    return found.user
