"""Which autonomous systems are of which class, and which words in a name tell: data only, read by core.network.

A system that stands here under its number is what the row says. Of the others the registered name is all that is
known, and few names tell anything: a telecom's customers are households and offices alike, so no name says residential
or corporate. Words for hosting count only where no word speaks of a line to a home or an office.

Numbers and names are facts from the registries; the classes are our own. Looked at: 2026-11.
"""

from __future__ import annotations

import re

from unsealed.model.event import NetworkClass

DATE = "2026-11"

SYSTEMS: tuple[tuple[NetworkClass, str, str], ...] = (
    # operator, numbers
    (NetworkClass.GOOGLE_PROXY, "Google", "15169"),  # Gmail's image proxy; never hosting
    (NetworkClass.HOSTING, "Google Cloud", "396982 19527 36492 43515 214609 214611"),
    (NetworkClass.MICROSOFT, "Microsoft", "8075 8068 8069 8070 3598 12076"),  # Outlook and Defender; never hosting
    (NetworkClass.CORPORATE, "Apple", "714 6185"),  # Apple's own people and crawlers; the relay is elsewhere
    # Where Apple's relay is, beside much else. Only the relay list tells which addresses are Apple's.
    (NetworkClass.HOSTING, "Akamai", "36183 20940 16625 12222 32787"),
    (NetworkClass.HOSTING, "Cloudflare", "13335 209242"),
    (NetworkClass.HOSTING, "Fastly", "54113"),
    (NetworkClass.YAHOO_PROXY, "Yahoo", "36646 36647 26101 10310 34010 10229 36088 43428 56173 7280"),
    (NetworkClass.WEBMAIL_PROXY, "Fastmail", "151847"),
    (NetworkClass.WEBMAIL_PROXY, "Proton", "62371 208172 199218"),
    (NetworkClass.WEBMAIL_PROXY, "Seznam", "43037"),
    (NetworkClass.WEBMAIL_PROXY, "Yandex", "13238"),
    (NetworkClass.WEBMAIL_PROXY, "Mail.ru", "47764 47541"),
    (NetworkClass.WEBMAIL_PROXY, "Naver", "23576"),
    (NetworkClass.WEBMAIL_PROXY, "Ukr.net", "8856"),
    (NetworkClass.WEBMAIL_PROXY, "Rambler", "24638 44696"),
    (NetworkClass.WEBMAIL_PROXY, "Kakao", "38099 7625"),
    (NetworkClass.WEBMAIL_PROXY, "Zoho", "2639 205111 56201"),
    (NetworkClass.SECURITY_VENDOR, "Barracuda Networks", "15324"),
    (NetworkClass.SECURITY_VENDOR, "Proofpoint", "26211 22843 52129"),
    (NetworkClass.SECURITY_VENDOR, "Mimecast", "30031 42427 39588 37235 136792 397726"),
    (NetworkClass.SECURITY_VENDOR, "Cisco IronPort", "16417 30238 30215"),
    (NetworkClass.SECURITY_VENDOR, "Trend Micro", "16880"),
    (NetworkClass.SECURITY_VENDOR, "retarus", "48328"),
    (NetworkClass.SECURITY_VENDOR, "AppRiver", "53780"),
    (NetworkClass.SECURITY_VENDOR, "Zix", "13380"),
    (NetworkClass.SECURITY_VENDOR, "Hornetsecurity", "401943"),
    (NetworkClass.SECURITY_VENDOR, "Abnormal", "20317"),
    (NetworkClass.SECURITY_VENDOR, "Palo Alto Networks", "54538"),
    (NetworkClass.SECURITY_VENDOR, "Trellix", "46484 203724"),
    (NetworkClass.SECURITY_VENDOR, "Check Point", "31997 25046 30343 398391"),
    (NetworkClass.SSE_PROXY, "Zscaler", "22616 62044 53813"),
    (NetworkClass.SSE_PROXY, "Netskope", "55256"),
    (NetworkClass.SSE_PROXY, "Forcepoint", "44444 13448"),
    (NetworkClass.SSE_PROXY, "Cisco Umbrella", "36692"),
    (NetworkClass.SSE_PROXY, "Menlo Security", "62654"),
    (NetworkClass.SSE_PROXY, "Check Point SSE", "213176"),
    (NetworkClass.SSE_PROXY, "Fortinet", "40934"),
    (NetworkClass.SSE_PROXY, "McAfee", "7754"),
    # Fetch for link cards unless the agent says more
    (NetworkClass.HOSTING, "Facebook", "32934"),
    (NetworkClass.HOSTING, "Twitter", "13414 35995"),
    (NetworkClass.HOSTING, "Telegram", "62041 62014 59930 44907"),
    (NetworkClass.HOSTING, "LinkedIn", "14413 13443"),
    (NetworkClass.HOSTING, "Amazon", "16509 14618 8987"),
    (NetworkClass.HOSTING, "Oracle Cloud", "31898"),
    (NetworkClass.HOSTING, "OVH", "16276 35540"),
    (NetworkClass.HOSTING, "Hetzner", "24940 213230 212317"),
    (NetworkClass.HOSTING, "DigitalOcean", "14061"),
    (NetworkClass.HOSTING, "Linode", "63949"),
    (NetworkClass.HOSTING, "Vultr", "20473"),
    (NetworkClass.HOSTING, "Alibaba Cloud", "37963 45102 134963"),
    (NetworkClass.HOSTING, "Tencent Cloud", "45090 132203 133478"),
    (NetworkClass.HOSTING, "Huawei Cloud", "136907 55990"),
    (NetworkClass.HOSTING, "Volcano Engine", "137718"),
    (NetworkClass.HOSTING, "Yandex Cloud", "200350"),
    (NetworkClass.HOSTING, "IBM Cloud", "36351"),
    (NetworkClass.HOSTING, "Rackspace", "33070 19994 27357"),
    (NetworkClass.HOSTING, "Leaseweb", "60781 28753 30633 7203 396362 395954 59253 133752"),
    (NetworkClass.HOSTING, "Contabo", "51167 40021 141995"),
    (NetworkClass.HOSTING, "Scaleway", "12876"),
    (NetworkClass.HOSTING, "IONOS", "8560"),
    (NetworkClass.HOSTING, "GoDaddy", "26496 398101"),
    (NetworkClass.HOSTING, "M247", "9009"),
    (NetworkClass.HOSTING, "Datacamp", "60068 212238"),
    (NetworkClass.HOSTING, "G-Core", "199524 202422"),
    (NetworkClass.HOSTING, "Hostinger", "47583"),
    (NetworkClass.HOSTING, "Namecheap", "22612"),
    (NetworkClass.HOSTING, "netcup", "197540"),
    (NetworkClass.HOSTING, "UpCloud", "202053"),
    (NetworkClass.HOSTING, "Kamatera", "36007"),
    (NetworkClass.HOSTING, "HostRoyale", "203020 207990"),
    (NetworkClass.HOSTING, "HostPapa", "36352"),
    (NetworkClass.HOSTING, "Psychz Networks", "40676"),
    (NetworkClass.HOSTING, "QuadraNet", "8100"),
    (NetworkClass.HOSTING, "Hivelocity", "29802"),
    (NetworkClass.HOSTING, "FranTech", "53667"),
    (NetworkClass.HOSTING, "DreamHost", "26347"),
    (NetworkClass.HOSTING, "Unified Layer", "46606"),
    (NetworkClass.HOSTING, "Internap", "32475"),
    (NetworkClass.HOSTING, "Nocix", "33387"),
    (NetworkClass.HOSTING, "Sharktech", "46844"),
    (NetworkClass.HOSTING, "Clouvider", "62240"),
    (NetworkClass.HOSTING, "WorldStream", "49981"),
    (NetworkClass.HOSTING, "Aruba", "31034"),
    (NetworkClass.HOSTING, "Timeweb", "9123"),
    (NetworkClass.HOSTING, "Selectel", "49505"),
    (NetworkClass.HOSTING, "GTHost", "63023"),
    # Sold to people as a VPN. Most providers of VPNs rent their machines, and look like hosting.
    (NetworkClass.VPN, "Mullvad", "39351 216025"),
    (NetworkClass.VPN, "NordVPN", "136787 147049 207137 141039 272096"),
    (NetworkClass.VPN, "Proton VPN", "209103"),
    (NetworkClass.VPN, "Windscribe", "397540"),
    (NetworkClass.VPN, "IVPN", "203619"),
    (NetworkClass.VPN, "Castle VPN", "397282"),
    (NetworkClass.VPN, "Bullet Proof VPN", "208765"),
    # Telephones above all; systems that carry homes as well are left out, whatever they are called.
    (NetworkClass.MOBILE_CARRIER, "T-Mobile USA", "21928"),
    (NetworkClass.MOBILE_CARRIER, "Verizon Wireless", "6167 22394"),
    (NetworkClass.MOBILE_CARRIER, "AT&T Mobility", "20057"),
    (NetworkClass.MOBILE_CARRIER, "Airtel", "45609"),
    (NetworkClass.MOBILE_CARRIER, "Telkomsel", "23693"),
    (NetworkClass.MOBILE_CARRIER, "NTT Docomo", "9605"),
    (NetworkClass.MOBILE_CARRIER, "Free Mobile", "51207"),
    (NetworkClass.MOBILE_CARRIER, "Three UK", "60339 206067"),
    (NetworkClass.MOBILE_CARRIER, "O2 UK", "35228"),
    (NetworkClass.MOBILE_CARRIER, "Cell C", "37168"),
    (NetworkClass.MOBILE_CARRIER, "Vodacom", "29975"),
    (NetworkClass.MOBILE_CARRIER, "Colombia Movil", "27831"),
)

HOSTING_WORDS = re.compile(
    r"\b(?:(?:web ?|cloud ?)?hosting|v(?:ps|ds)|data ?-?cent(?:er|re)s?|colo(?:cation)?|servers?|dedicated|cloud)\b",
    re.IGNORECASE,
)
MOBILE_WORDS = re.compile(r"\b(?:mobile|mobility|cellular|celular|m[oó]vil|m[oó]vel|gsm)\b", re.IGNORECASE)
LINE_WORDS = re.compile(
    r"tele(?:com|kom|fon|phone|net)|broadband|fib(?:er|re)|cable|wireless|wi-?fi|dsl|\bisp\b|internet|"
    r"communica|comunica|network|universit|college|school|education|\bbank\b",
    re.IGNORECASE,
)
