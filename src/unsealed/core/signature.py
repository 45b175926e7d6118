"""Domains that stand in a sender's signature: links to them are in every letter, and say nothing about this one.

Proposed, never decided: somebody whose every letter leads to the same shop may well want to see those clicks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from unsealed.core.links import host_of
from unsealed.core.policy import clean_domain
from unsealed.core.text import addresses
from unsealed.model.errors import BadInput

LETTERS_MIN = 5  # with links; fewer tell a habit from nothing
NEARLY_ALL = 0.8

# "tidewater.example" as people write it without its scheme; not behind the @ of a mail address, not inside an address.
_BARE = re.compile(r"(?<![\w@./:-])(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@-])")
_FILES = frozenset("pdf doc docx xls xlsx ppt pptx odt ods csv txt rtf png jpg jpeg gif svg htm html zip".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A domain that may be excluded, and why."""

    domain: str
    in_signature: bool  # it stands in what the sender wrote as a signature
    letters: int = 0  # of the latest ones with links that lead there
    of: int = 0  # how many those are


def proposals(
    signatures: Iterable[str], letters: Sequence[Collection[str]], known: Collection[str] = ()
) -> tuple[Proposal, ...]:
    """What may be excluded: domains of signatures, and those that nearly all letters lead to.

    signatures: as text. letters: where the links of each of the latest letters lead. known: domains that are not to be
    proposed, with all below them.
    """
    written = {domain for signature in signatures for domain in _of_text(signature)}
    linked = [found for found in ({_domain(address) for address in letter} - {""} for letter in letters) if found]
    counts = Counter(domain for found in linked for domain in found)
    enough = len(linked) >= LETTERS_MIN
    recurring = {domain for domain, count in counts.items() if enough and count >= NEARLY_ALL * len(linked)}
    return tuple(
        Proposal(domain=domain, in_signature=domain in written, letters=counts[domain], of=len(linked))
        for domain in sorted(written | recurring, key=lambda each: (each not in written, -counts[each], each))
        if not _covered(domain, known)
    )


def _of_text(text: str) -> set[str]:
    found = {_domain(text[each.start : each.end]) for each in addresses(text)}
    bare = (each[0] for each in _BARE.finditer(text))
    return (found | {_domain(f"https://{each}") for each in bare if each.rpartition(".")[2].lower() not in _FILES}) - {
        ""
    }


def _domain(address: str) -> str:
    """ "www." stands for the same site; "" for what is no web address."""
    if not address.lower().startswith(("http://", "https://")):
        return ""
    try:
        return clean_domain(host_of(address)).removeprefix("www.")
    except BadInput:
        return ""


def _covered(domain: str, known: Collection[str]) -> bool:
    labels = domain.split(".")
    return any(".".join(labels[start:]) in known for start in range(len(labels)))
