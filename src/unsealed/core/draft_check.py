"""What would become of a draft: what is wrong, what will be tracked, and why the rest will not.

Promises that what a check says is what sending does: the numbers come from the instrumenter itself. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unsealed.core import html, policy
from unsealed.core.drafting import Desk, Material, Page, Prepared, prepare
from unsealed.core.instrument import UNCHANGED_REASONS, survey_outgoing
from unsealed.core.links import LEFT_REASONS, plain
from unsealed.model.draft import Caution, Check, CheckedLink, Control, Controls, Draft
from unsealed.model.errors import Untouchable, sentence
from unsealed.model.message import Link, LinkPart, Survey
from unsealed.model.policy import Level, Rule, Switches
from unsealed.model.texts import Texts, later

NAMED = 5  # recipients in a warning
GMAIL_BYTES = 102_000


def check(material: Material, desk: Desk) -> Check:
    """What would become of a draft. No I/O; costs what accepting it would cost."""
    prepared = prepare(material, desk, "check")
    standing = policy.standing((*material.said.places, policy.installation(desk.switches)))
    limit = standing.ceiling
    controls = Controls(
        opens=_control("opens", limit.opens, limit.opens_by, desk.texts),
        clicks=_control("clicks", limit.clicks, limit.clicks_by, desk.texts),
    )
    if prepared.intake is None:
        return Check(
            errors=prepared.errors,
            warnings=(),
            opens="off",
            clicks="off",
            tracked=0,
            left=0,
            html_bytes=0,
            controls=controls,
            links=(),
        )
    outgoing = prepared.intake.outgoing
    survey = survey_outgoing(outgoing, tracking=desk.tracking)
    links = tuple(_links(material.draft, prepared.page, survey, outgoing.switches, desk.texts))
    size = survey.html_bytes or len((prepared.page.html or "").encode())
    clicks = outgoing.switches.clicks if outgoing.switches.tracks_links else Level.OFF
    return Check(
        errors=prepared.errors,
        warnings=tuple(_cautions(prepared, survey, material, size, desk.texts)),
        opens=outgoing.switches.opens.name.lower() if not survey.unchanged else "off",
        clicks=clicks.name.lower() if not survey.unchanged else "off",
        tracked=survey.tracked_links,
        left=sum(not link.tracked for link in links),
        html_bytes=size,
        controls=controls,
        links=links,
    )


def _control(axis: str, most: Level, by: Rule | None, texts: Texts) -> Control:
    if most > Level.OFF or by is None:
        return Control(may=True)
    return Control(may=False, why=sentence(policy.limited(axis, most, by, texts)))


def _cautions(prepared: Prepared, survey: Survey, material: Material, size: int, texts: Texts) -> Iterator[Caution]:
    if not material.draft.subject.strip():
        yield Caution(code="no-subject", words=texts.say("There is no subject."))
    if survey.unchanged == "no-html":
        words = texts.say("Nothing can be tracked in plain text: it holds no picture and no hidden links.")
        yield Caution(code="plain", words=words)
    elif survey.unchanged and survey.unchanged != "off":
        reason = texts.one(UNCHANGED_REASONS[survey.unchanged])
        yield Caution(code=survey.unchanged, words=texts.say("Not tracked: %(reason)s.", reason=reason))
    if "clipped" in survey.warnings or size > GMAIL_BYTES:
        words = texts.say(
            "Gmail will cut this letter: its text has %(size)s KB, and Gmail shows about %(shown)s. "
            "What is below can be seen with one more click.",
            size=texts.number(size // 1000),
            shown=GMAIL_BYTES // 1000,
        )
        yield Caution(code="clipped", words=words)
    if prepared.intake is None:
        return
    outgoing = prepared.intake.outgoing
    rules = {rule.name: rule for rule in material.said.recipients}
    lowered = []
    for each in outgoing.recipients:
        limit = policy.for_recipient(rules, each.address)
        if refused := policy.refusals(limit, opens=outgoing.switches.opens, clicks=outgoing.switches.clicks):
            limits = "; ".join(policy.limited(it.axis, it.allowed, it.by, texts) for it in refused)
            lowered.append(f"{each.name or each.address}: {limits}")
    for words in lowered[:NAMED]:
        yield Caution(code="recipient", words=sentence(words))
    if more := len(lowered[NAMED:]):
        words = texts.plural(
            "The same for %(number)s more recipient.", "The same for %(number)s more recipients.", more
        )
        yield Caution(code="recipient", words=words)


def _links(draft: Draft, page: Page, survey: Survey, switches: Switches, texts: Texts) -> Iterator[CheckedLink]:
    found = [link for link in survey.links if link.part is LinkPart.HTML and not link.trap]
    body = [link for link in found if link.offset < page.signature_at]
    numbers = {"signature": 0, "quote": 0}
    if not draft.plain:
        yield from _body_links(draft.html, body, _nothing(survey, switches), texts)
    for link in found[len(body) :]:
        where = "signature" if link.offset < page.quote_at else "quote"
        yield _checked(link, numbers[where], where, texts)
        numbers[where] += 1


def _nothing(survey: Survey, switches: Switches) -> str:
    """Why no link at all is looked at; "" when they are."""
    if survey.unchanged == "off" or not (survey.unchanged or switches.tracks_links):
        return LEFT_REASONS["clicks-off"] if survey.unchanged else ""
    return UNCHANGED_REASONS[survey.unchanged] if survey.unchanged else ""


def _body_links(written: str, surveyed: Sequence[Link], nothing: str, texts: Texts) -> Iterator[CheckedLink]:
    """The links of the editor in their order, each with what was decided about it; cleaning may have taken some out."""
    try:
        found = [each for each in html.scan(written).anchors if each.name == "a"]
    except Untouchable:
        return
    anchors = [(each, each.href) for each in found if each.href is not None]
    at = 0
    for number, (anchor, href) in enumerate(anchors):
        address = html.strip_url(html.unescape_attribute(written[href.start : href.end]))
        shown = plain(html.link_text(written, anchor, written))
        same = (place for place in range(at, len(surveyed)) if _leads(surveyed[place], address))
        place = next(same, None)
        if place is not None:
            at = place + 1
            yield _checked(surveyed[place], number, "body", texts)
        else:
            unsafe = later("this is no address that can be sent")
            reason, words = ("clicks-off", nothing) if nothing else ("unsafe", unsafe)
            yield CheckedLink(
                n=number,
                url=address,
                text=shown,
                tracked=False,
                reason=reason,
                words=sentence(texts.one(words)),
                where="body",
                may=False,
            )


def _leads(link: Link, address: str) -> bool:
    written = html.strip_url(html.unescape_attribute(link.destination))
    return address in (link.destination, written)


def _checked(link: Link, number: int, where: str, texts: Texts) -> CheckedLink:
    return CheckedLink(
        n=number,
        url=link.destination,
        text=link.text,
        tracked=link.tracked,
        reason=link.reason,
        words=texts.say("Will be tracked.") if link.tracked else sentence(texts.one(LEFT_REASONS[link.reason])),
        where=where,
        may=where == "body" and link.reason in ("", "opt-out"),
    )
