"""Contacts: who the user wrote to, and what passed between them.

    /contacts              the last written to first; `?q=` part of an address or of a name
    /contacts/{address}    time line, how far signals can be believed, best hours, notes, records elsewhere

People become contacts by being written to. Notes and records are the user's own, and nobody else sees them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from urllib.parse import quote

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unsealed.core import hours, records
from unsealed.core.hours import BestHours, best_hours
from unsealed.core.reliability import LEAST, LEAST_SILENT, Trait, company_of, traits
from unsealed.inlets.web import evidence, moments, recipient, states, words
from unsealed.inlets.web.page import language, render, said
from unsealed.inlets.web.surroundings import asked, changed, person
from unsealed.inlets.web.where import Where
from unsealed.model.contact import Contact, ContactRow, Dealing, Dealt
from unsealed.model.event import BELIEVED
from unsealed.model.message import UserId
from unsealed.model.texts import Texts, later
from unsealed.model.view import Page, SignalFacts
from unsealed.store import contacts, dealings, habits, notices

ROWS = 50
SEARCH_LETTERS = 200
NOT_THERE = later("You never wrote to this address.")
DONE = {"notes": later("Notes saved."), "records": later("Saved.")}
PLACES = "name", "value"  # of a record in the form, with its number behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a time line."""

    dealt: Dealt
    verb: str
    mark: str  # a class of look.css
    symbol: str
    to: str  # where more of it stands


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """How far signals of a contact can be believed, in words, and what that rests on."""

    notes: Sequence[recipient.Note]
    rests_on: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page of one contact shows."""

    contact: Contact
    days: Sequence[tuple[str, Sequence[Line]]]
    next: str | None
    more_letters: bool  # older ones than the time line looks at
    belief: Belief
    hours: BestHours | None
    readings: int  # of which the hours are made
    silent: bool  # no notices of this contact


def address_of(mailbox: str) -> str:
    """Where the page of a contact is."""
    return f"/contacts/{quote(mailbox, safe='@')}"


async def listed(request: Request) -> Response:
    """`/contacts`."""
    where, times, user = Where.of(request), said(request), person(request).id
    search = where.q[:SEARCH_LETTERS]

    def look(connection: Connection) -> Page[ContactRow]:
        return contacts.listed(connection, user, search=search, after=where.after or None, limit=ROWS)

    found = await asked(request, look)
    standing = {each.mailbox: states.copy_standing(each.last.copy, times) for each in found.items if each.last}
    return render(request, "contacts.html", where=where, page=found, standing=standing, address_of=address_of)


async def show(request: Request) -> Response:
    """`/contacts/{address}`."""
    done = DONE.get(request.query_params.get("done", ""))
    return await _page(request, done=language(request).say(done) if done else "")


async def change(request: Request) -> Response:
    """POST: keep notes, or records. Form: what ("notes" or "records"), notes, name0, value0, name1, ..."""
    user, form, mailbox = person(request).id, request.state.form, request.path_params["address"]
    texts = language(request)
    if form.get("what") == "notes":
        notes = records.clean_notes(form.get("notes", ""))
        if len(notes) > records.NOTES_LETTERS:
            wrong = texts.say(
                "These are %(number)s letters; %(most)s are kept. Nothing was changed.",
                number=texts.number(len(notes)),
                most=texts.number(records.NOTES_LETTERS),
            )
            return await _page(request, status=422, notes=notes, wrong_notes=wrong)
        kept = await changed(request, lambda connection: contacts.note(connection, user, mailbox, notes))
    elif form.get("what") == "records":
        typed = _typed(form)
        made, wrong_by = records.read(typed, texts)
        if wrong_by:
            return await _page(request, status=422, typed=typed, wrong_records=wrong_by)
        kept = await changed(request, lambda connection: contacts.record(connection, user, mailbox, made))
    else:
        raise HTTPException(404, later("There is nothing like that to change."))
    if not kept:
        raise HTTPException(404, NOT_THERE)
    here = replace(Where.of(request), path=address_of(mailbox)).to()
    return RedirectResponse(f"{here}{'&' if '?' in here else '?'}done={form['what']}#{form['what']}", 303)


def _typed(form: Mapping[str, str]) -> list[tuple[str, str]]:
    pairs = [tuple(form.get(f"{place}{number}", "") for place in PLACES) for number in range(records.RECORDS + 1)]
    return [(name.strip(), value.strip()) for name, value in pairs if name.strip() or value.strip()]


async def _page(
    request: Request,
    *,
    status: int = 200,
    done: str = "",
    notes: str | None = None,
    wrong_notes: str = "",
    typed: Sequence[tuple[str, str]] | None = None,
    wrong_records: Mapping[int, str] | None = None,
) -> Response:
    where, times, user = Where.of(request), said(request), person(request).id
    shown = await asked(
        request, lambda connection: _shown(connection, user, request.path_params["address"], where, times)
    )
    if shown is None:
        raise HTTPException(404, NOT_THERE)
    return render(
        request,
        "contact.html",
        status=status,
        where=where,
        shown=shown,
        done=done,
        notes=shown.contact.notes if notes is None else notes,
        wrong_notes=wrong_notes,
        records=shown.contact.records if typed is None else typed,
        wrong_records=wrong_records or {},
        link=records.link,
        limits=records,
        least=hours,
    )


def _shown(connection: Connection, user: UserId, address: str, where: Where, times: moments.Times) -> Shown | None:
    """Read everything about one contact; None when the user never wrote to that address."""
    found = contacts.contact(connection, user, address)
    if found is None:
        return None
    mailbox = found.row.mailbox
    letters = dealings.letters(connection, user, mailbox)
    line = dealings.time_line(connection, user, letters, after=where.after or None, limit=ROWS)
    began = [times.local(at) for at in dealings.readings(connection, letters)]
    company = company_of(mailbox)
    return Shown(
        contact=found,
        days=_days(line, times, where),
        next=line.next,
        more_letters=letters.more,
        belief=belief(
            habits.facts_of_mailboxes(connection, user, [mailbox], times.now)[mailbox],
            traits(habits.facts_of_domains(connection, user, [company], times.now)[company]) if company else (),
            times.texts,
        ),
        hours=best_hours(began),
        readings=len(began),
        silent=mailbox in notices.silence(connection, user, contacts=[mailbox]).contacts,
    )


def _days(page: Page[Dealt], times: moments.Times, where: Where) -> list[tuple[str, list[Line]]]:
    days = groupby(page.items, key=lambda each: times.local(each.at).date())
    found = [(list(those)) for _, those in days]
    return [(times.day(those[0].at), [line(each, times.texts, where) for each in those]) for those in found]


def line(dealt: Dealt, texts: Texts, where: Where) -> Line:
    """What passed, in words and with its mark."""
    say = texts.say
    event = dealt.event.id if dealt.event is not None else ""
    to = where.beyond(f"/message/{dealt.message}", open=event) + (f"#e{event}" if event else "")
    guess = dealt.event is not None and dealt.event.confidence < BELIEVED
    match dealt.what:
        case Dealing.SENT:
            verb, mark, symbol = say("You wrote"), "sent", "tick"
        case Dealing.OPENED if guess:
            verb, mark, symbol = say("Maybe opened"), "maybe", "ticks"
        case Dealing.OPENED:
            verb, mark, symbol = say("Opened"), "opened", "ticks"
        case Dealing.CLICKED:
            link = evidence.link_name(dealt.event, texts) if dealt.event else say("a link")
            verb = say("Maybe clicked %(link)s", link=link) if guess else say("Clicked %(link)s", link=link)
            mark, symbol = "clicked", "link"
        case Dealing.REPLIED:
            verb, mark, symbol = say("Replied"), "replied", "reply"
        case Dealing.AUTOMATIC:
            verb, mark, symbol = say("Automatic answer"), "machine", "reply"
        case Dealing.BOUNCED:
            why = states.bounced(dealt.words, texts)
            verb, mark, symbol = say("Bounced: %(why)s", why=why), "bounced", "bounce"
    return Line(dealt=dealt, verb=verb, mark=mark, symbol=symbol, to=to)


_UNSEEN = frozenset({Trait.BLOCKS_PICTURES, Trait.NEVER_SEEN})


def belief(facts: SignalFacts, company: Sequence[Trait], texts: Texts) -> Belief:
    """What can be said of the signals of a contact. company: traits of all recipients there."""
    own, say = traits(facts), texts.say
    if own:
        symbol = "eye" if Trait.RELIABLE in own else "eye-dashed" if _UNSEEN & set(own) else "scanner"
        notes = [recipient.Note(symbol, words.sentence("; ".join(say(recipient.TRAITS[each]) for each in own)))]
    elif facts.copies < LEAST:
        notes = [recipient.Note("unknown", say("Too little is known yet to say how far signals can be believed"))]
    elif facts.silent == facts.copies:
        said_so = say("Nothing was seen so far; after %(number)s letters that says something", number=LEAST_SILENT)
        notes = [recipient.Note("eye-dashed", said_so)]
    else:
        said_so = say("Some letters show when they are opened, others do not: silence says nothing")
        notes = [recipient.Note("eye", said_so)]
    others = [each for each in company if each not in own]
    if others and Trait.RELIABLE not in own:
        of_company = "; ".join(say(recipient.COMPANY_TRAITS[each]) for each in others)
        notes.append(recipient.Note("contacts", words.sentence(of_company)))
    return Belief(notes=notes, rests_on=_rests_on(facts, texts))


def _rests_on(facts: SignalFacts, texts: Texts) -> list[str]:
    counted = (
        (facts.opened, later("%(number)s opened by a person")),
        (facts.clicked, later("%(number)s with a link followed by a person")),
        (
            facts.clicked_unloaded + facts.answered_unloaded,
            later("%(number)s acted on without loading the picture"),
        ),
        (facts.prefetched, later("%(number)s loaded ahead by a machine")),
        (facts.scanned_pixels, later("%(number)s whose picture a scanner loaded")),
        (facts.scanned_links, later("%(number)s whose links a scanner followed")),
        (facts.silent, later("%(number)s of which nothing was seen")),
    )
    return [texts.say(said_so, number=texts.number(number)) for number, said_so in counted if number]


routes = [
    Route("/contacts", listed),
    Route("/contacts/{address:path}", show),
    Route("/contacts/{address:path}", change, methods=["POST"]),
]
