"""What is known of a recipient beside the counts, in words: whether signals can be believed, what silence may mean,
to whom a letter was perhaps passed on. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unsealed.core.reading import Silence
from unsealed.core.reliability import Trait
from unsealed.inlets.copies import Known
from unsealed.inlets.web.evidence import chat, seen_as, there
from unsealed.inlets.web.moments import Times
from unsealed.inlets.web.words import sentence
from unsealed.model.event import PlaceState
from unsealed.model.texts import Texts, later
from unsealed.model.view import Sighting


@dataclass(frozen=True, slots=True)
class Note:
    """One calm line under a recipient."""

    symbol: str
    words: str


SILENCES = {
    Silence.OPENS_OFF: later("opens were not to be tracked"),
    Silence.PLAIN_TEXT: later("a plain-text letter carries no picture"),
    Silence.NO_PIXEL: later("the letter has no place for a picture"),
    Silence.LINKS_ONLY: later("only a followed link can tell"),
    Silence.PICTURES_BLOCKED_LIKELY: later("this reader answered or followed links before without loading pictures"),
    Silence.COMPANY_BLOCKS: later("nobody at this company loads pictures"),
    Silence.NOT_LOADED_BEFORE: later("earlier letters to this address showed nothing either"),
    Silence.CLIPPED: later("Gmail cuts so long a letter before its picture"),
    Silence.PICTURES_MAY_BE_BLOCKED: later("many mail programs load no pictures unless asked"),
}
TRAITS = {
    Trait.BLOCKS_PICTURES: later("answers or follows links without loading pictures, so opens stay unseen"),
    Trait.NEVER_SEEN: later("nothing was ever seen of this address"),
    Trait.ALWAYS_PREFETCHED: later("pictures are loaded ahead for this address, read or not: only clicks tell"),
    Trait.GATEWAY_FOLLOWS_LINKS: later("a scanner opens every link for this address"),
    Trait.GATEWAY_LOADS_PICTURES: later("a scanner loads every picture for this address"),
    Trait.RELIABLE: later("opens show reliably for this address"),
}
COMPANY_TRAITS = {
    Trait.BLOCKS_PICTURES: later("this company’s mail programs load no pictures"),
    Trait.NEVER_SEEN: later("nothing was ever seen of this company"),
    Trait.ALWAYS_PREFETCHED: later("this company’s pictures are loaded ahead, read or not"),
    Trait.GATEWAY_FOLLOWS_LINKS: later("this company’s gateway opens every link"),
    Trait.GATEWAY_LOADS_PICTURES: later("this company’s gateway loads every picture"),
    Trait.RELIABLE: later("opens show reliably at this company"),
}


def unseen(traits: Iterable[Trait], texts: Texts) -> str:
    """Why nothing can be expected to be seen of somebody."""
    return "; ".join(texts.say(TRAITS[each]) for each in traits)


_SILENT = frozenset({Trait.BLOCKS_PICTURES, Trait.NEVER_SEEN})


def notes(known: Known, times: Times) -> list[Note]:
    """What is worth a line under a recipient, the newest knowledge first; often nothing."""
    texts = times.texts
    found = [Note("forward", _forwarded(each.sighting, times)) for each in known.readers if each.forwarded]
    for each in known.pasted:
        said = texts.say("Pasted into %(chat)s, %(when)s", chat=chat(each.client, texts), when=times.when(each.at))
        found.append(Note("link", said))
    if known.silence:
        why = "; ".join(texts.say(SILENCES[each]) for each in known.silence)
        found.append(Note("eye-dashed", texts.say("Not the same as unread: %(why)s", why=why)))
    # What the silence says already is not said twice, nor of a person what holds for the whole company.
    skipped = _SILENT if known.silence else frozenset()
    company = [each for each in known.company if each not in skipped]
    own = [each for each in known.traits if each not in skipped and each not in company]
    if Trait.RELIABLE in known.traits:
        own, company = [Trait.RELIABLE], []
    for traits, told in ((own, TRAITS), (company, COMPANY_TRAITS)):
        if traits:
            symbol = "eye" if Trait.RELIABLE in traits else "scanner"
            found.append(Note(symbol, sentence("; ".join(texts.say(told[trait]) for trait in traits))))
    return found


def _forwarded(sighting: Sighting, times: Times) -> str:
    """To whom it was perhaps passed on."""
    texts = times.texts
    device = seen_as(sighting.client, sighting.system, sighting.device, texts)
    when = times.when(sighting.first_at)
    if sighting.place.state != PlaceState.KNOWN:
        return texts.say("Perhaps forwarded: %(device)s, %(when)s", device=device, when=when)
    place = there(sighting.place, texts)
    return texts.say("Perhaps forwarded: %(device)s in %(place)s, %(when)s", device=device, place=place, when=when)
