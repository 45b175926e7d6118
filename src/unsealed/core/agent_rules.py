"""The ordered table of user agents that matter to mail: data only, read by core.agent.

The first row that matches names the agent; what matches no row stays without a name.
Rows name products, never single strings: other versions and platforms of a product match as well. Tokens that circulate
in hand-written lists but occur in no corpus of observed traffic (ProofpointURLDefense, OutlookImageProxy,
BarracudaURLDefense, MimecastUrlProtectBot, applemailproxy) are left out on purpose.

Patterns are written in lower case, for an agent in lower case, in the dialect of ua-parser's engine: no look-around, no
back references. The engine first looks for the letters that a pattern cannot do without, so a pattern costs next to
nothing when it has some, whatever the length of the table.

Sources are the public corpora in which the strings were seen; only the facts were taken, no rules or code.
"""

from __future__ import annotations

from dataclasses import dataclass

from unsealed.model.event import ClientKind, Device

DD = "matomo-org/device-detector Tests/fixtures"
UAP = "ua-parser/uap-core tests"
CUA = "monperrus/crawler-user-agents"
YAUAA = "nielsbasjes/yauaa UserAgents"
UPJS = "faisalman/ua-parser-js test/data"
ISBOT = "omrilotan/isbot fixtures"
BROWSCAP = "browscap/browscap tests/issues"
WHICH = "WhichBrowser/Parser-PHP tests/data"
ARC = "arcjet/well-known-bots"
LISTS = "User-Agent headers of mail in public mailing lists"
EAS = "public ActiveSync clients and filters"  # what a program calls itself to a mail server, it mostly does elsewhere
NAME = "the product's name for itself; in no corpus yet"
BIRD = "Bird, Gmail is Prefetching Images; mautic/mautic PR 10245"


@dataclass(frozen=True, slots=True)
class AgentRule:
    """One row."""

    name: str  # stays the same for ever: it is stored with events
    client: str
    source: str
    pattern: str
    kind: ClientKind
    device: Device | None  # None: told by the platform words in the agent
    own_name: bool  # shown by the name in the agent itself; `client` only where it has none
    since: str  # when the row was last looked at


def _rows(
    kind: ClientKind,
    device: Device | None,
    *rows: tuple[str, str, str, str],
    own_name: bool = False,
    since: str = "2026-11",
) -> tuple[AgentRule, ...]:
    """Rows that differ in name, client, source and pattern only."""
    return tuple(AgentRule(*row, kind=kind, device=device, own_name=own_name, since=since) for row in rows)


_IMAGE_PROXIES = (
    *_rows(
        ClientKind.IMAGE_PROXY,
        Device.HIDDEN,
        ("proxy.gmail", "Gmail Image Proxy", DD, r"googleimageproxy"),
        ("proxy.gmail.ggpht", "Gmail Image Proxy", BROWSCAP, r"via ggpht\.com"),
        ("proxy.yahoo", "Yahoo Mail Proxy", DD, r"yahoomailproxy"),
        ("proxy.seznam", "Seznam Email Proxy", DD, r"seznamemailproxy"),
        ("proxy.rambler", "RamblerMail Image Proxy", DD, r"ramblermail/.*imageproxy"),
        ("proxy.ukrnet", "UkrNet Mail Proxy", DD, r"mail\.ukr\.net proxy|via secureurl\.fwdcdn\.com"),
        ("proxy.fastmail", "Fastmail", CUA, r"^fastmailua/"),
        ("proxy.shortwave", "Shortwave", CUA, r"^shortwave image fetcher"),
    ),
    # Superhuman's proxy appends itself to the reader's own agent: the device stays known.
    *_rows(ClientKind.IMAGE_PROXY, None, ("proxy.superhuman", "Superhuman", YAUAA, r"superhumanproxy")),
)

_PREFETCHES = (
    *_rows(
        ClientKind.PREFETCH,
        Device.UNKNOWN,
        ("prefetch.apple", "Apple Mail Privacy Protection", UAP, r"^mozilla/5\.0$"),
        (
            "prefetch.gmail",
            "Gmail prefetch",
            BIRD,
            r"chrome/42\.0\.2311\.135 safari/537\.36 edge/12\.246 mozilla/5\.0$",
        ),
        ("prefetch.chrome", "Chrome private prefetch", CUA, r"^chrome privacy preserving prefetch"),
    ),
    *_rows(
        ClientKind.PREFETCH,
        Device.DESKTOP,
        ("prefetch.office", "Microsoft Office", DD, r"^microsoft .*(?:existence|protocol) discovery"),
    ),
)

_SCANNERS = _rows(
    ClientKind.SCANNER,
    Device.UNKNOWN,
    ("scanner.barracuda", "Barracuda Sentinel", DD, r"barracuda sentinel"),
    ("scanner.google", "Google Safety", DD, r"google-safety"),
    ("scanner.virustotal", "VirusTotal", CUA, r"virustotal"),
    ("scanner.twinwave", "TwinWave", CUA, r"twinwave"),
    ("scanner.safedns", "SafeDNSBot", DD, r"safedns"),
    ("scanner.k7", "K7MLWCBot", CUA, r"k7mlwcbot|k7computing"),
    ("scanner.cloudflare", "Cloudflare Security Center", CUA, r"cloudflare\.com/security"),
    ("scanner.cloudflare.radar", "Cloudflare Radar", CUA, r"radar\.cloudflare\.com|cloudflare-radar|cloudflare-ssl"),
    ("scanner.kaspersky", "Kaspersky", DD, r"kaspersky.*(?:resolver|scan|bot|crawl|@)"),
    ("scanner.unshorten", "Unshorten.It", CUA, r"unshorten"),
    ("scanner.netcraft", "Netcraft", DD, r"netcraft"),
    ("scanner.sucuri", "Sucuri", DD, r"sucuri"),
    ("scanner.trendmicro", "Trend Micro", BROWSCAP, r"trend ?micro tmdr"),
    ("scanner.comodo", "Comodo", CUA, r"comodo.*(?:crawler|inspector|ssl checker|spider)"),
    ("scanner.paloalto", "Palo Alto Networks", CUA, r"paloaltonetworks|palo alto networks"),
    ("scanner.expanse", "Expanse", CUA, r"expanseinc|expanse, a palo"),
    ("scanner.censys", "Censys", CUA, r"censysinspect|censys\.io"),
    ("scanner.shodan", "Shodan", CUA, r"\bshodan"),
    ("scanner.leakix", "LeakIX", CUA, r"\bl9(?:explore|scan|tcpid)|leakix"),
    ("scanner.zgrab", "zgrab", CUA, r"zgrab"),
    ("scanner.nmap", "Nmap", CUA, r"nmap scripting engine|nmap\.org"),
    ("scanner.nuclei", "Nuclei", CUA, r"projectdiscovery|^nuclei\b|\boast\.(?:live|pro|online|site|fun|me)\b"),
    ("scanner.internetmeasurement", "InternetMeasurement", CUA, r"internet-?measurement"),
    ("scanner.sitelock", "SiteLock", CUA, r"sitelock"),
    ("scanner.detectify", "Detectify", DD, r"detectify"),
    ("scanner.probely", "Probely", DD, r"probely"),
    ("scanner.bitsight", "BitSight", DD, r"bitsight"),
    ("scanner.assetnote", "Assetnote", DD, r"assetnote|bitdiscovery"),
    ("scanner.hardenize", "Hardenize", CUA, r"hardenize"),
    ("scanner.securityheaders", "Security Headers", DD, r"securityheaders"),
    ("scanner.ssllabs", "SSL Labs", CUA, r"ssl ?labs"),
    ("scanner.watchtowr", "watchTowr", CUA, r"watchtowr"),
    ("scanner.foregenix", "Foregenix", CUA, r"foregenix"),
    ("scanner.recordedfuture", "Recorded Future", DD, r"recordedfuture|riddler\.io"),
    ("scanner.lightspeed", "Lightspeed Systems", CUA, r"lightspeedsystems"),
    ("scanner.onyphe", "ONYPHE", CUA, r"onyphe"),
    ("scanner.odin", "Odin", CUA, r"getodin\.com"),
    ("scanner.norton", "Norton Safe Web", NAME, r"norton[ -]?safe ?web|safeweb\.norton"),
    ("scanner.microsoft", "Microsoft Defender", NAME, r"microsoft defender|\bsmartscreen\b"),
    ("scanner.anyrun", "ANY.RUN", NAME, r"^any\.run\b|\bapp\.any\.run"),
    ("scanner.valimail", "Valimail", CUA, r"^valimail"),
    ("scanner.tool", "attack tool", DD, r"jndi:|burpcollaborator|arachni|dirbuster|whatweb|zmeu|fuzz faster|acunetix"),
)

# Previews are matched by prefix or full product token: the desktop and in-app browsers of the same services are people.
# Services that send Facebook's token before their own come first.
_PREVIEWS = _rows(
    ClientKind.LINK_PREVIEW,
    Device.UNKNOWN,
    ("preview.apple", "Apple Messages", ARC, r"facebookexternalhit.*facebot twitterbot"),
    ("preview.kakao", "KakaoTalk", CUA, r"kakaotalk-scrap"),
    ("preview.line", "LINE", ISBOT, r"line-poker"),
    ("preview.naver", "Naver", UPJS, r"naver\.me/scrap"),
    ("preview.slack", "Slackbot", DD, r"slackbot"),
    ("preview.slack.image", "Slack Image Proxy", CUA, r"slack-imgproxy"),
    ("preview.facebook", "facebookexternalhit", DD, r"facebookexternalhit|facebookexternalua"),
    ("preview.facebook.catalog", "facebookcatalog", CUA, r"facebookcatalog|facebookscraper|^facebookplatform"),
    ("preview.meta", "Meta", CUA, r"meta-external(?:fetcher|hit)"),
    ("preview.telegram", "TelegramBot", DD, r"\btelegrambot\b"),
    ("preview.twitter", "Twitterbot", DD, r"twitterbot"),
    ("preview.linkedin", "LinkedInBot", DD, r"linkedinbot"),
    ("preview.whatsapp", "WhatsApp", CUA, r"^whatsapp(?:/|$)"),
    ("preview.discord", "Discordbot", DD, r"discordbot"),
    ("preview.skype", "Skype URI Preview", DD, r"skypeuripreview|skype-url-preview"),
    ("preview.microsoft", "Microsoft Preview", CUA, r"microsoftpreview"),
    ("preview.yahoo", "Yahoo Link Preview", DD, r"yahoo link preview|yahoo:linkexpander"),
    ("preview.bing", "BingPreview", DD, r"bingpreview"),
    ("preview.vk", "vkShare", DD, r"vkshare|\bvkrobot"),
    ("preview.ok", "OdklBot", CUA, r"odklbot"),
    ("preview.viber", "Viber", DD, r"^viber(?:urldownloader|/[\d.]+$|$)"),
    ("preview.snapchat", "Snap URL Preview Service", DD, r"snap url preview"),
    ("preview.iframely", "Iframely", CUA, r"iframely"),
    ("preview.embedly", "Embedly", DD, r"embedly"),
    ("preview.mattermost", "Mattermost", CUA, r"mattermost-bot"),
    ("preview.zulip", "Zulip", "zulip/zulip", r"zulipurlpreview"),
    ("preview.notion", "Notion", CUA, r"^notion(?:bot|/\d[\d.]* \(https?:)"),
    ("preview.pinterest", "Pinterest", DD, r"pinterestbot|pinterest/\d[\d.]* ?\(\+?http"),
    ("preview.reddit", "redditbot", DD, r"redditbot"),
    ("preview.bluesky", "Bluesky Cardyb", DD, r"bluesky cardyb|blueskypreviewbot"),
    ("preview.tumblr", "Tumblr", DD, r"^tumblr/[\d.]+$"),
    ("preview.flipboard", "FlipboardProxy", CUA, r"flipboard(?:browser)?proxy"),
    ("preview.bitly", "Bitly", CUA, r"^bit\.?lybot"),
    ("preview.google", "Google Snippet", CUA, r"developers\.google\.com/\+/web/snippet"),
    ("preview.google.pagerenderer", "Google PageRenderer", CUA, r"google-pagerenderer|google web preview"),
    ("preview.google.favicon", "Google Favicon", CUA, r"google favicon"),
    ("preview.google.messages", "Google Messages", ISBOT, r"googlemessages/"),
    ("preview.facebot", "Facebot", CUA, r"facebot"),
    ("preview.zoom", "Zoom", CUA, r"zoombot"),
    ("preview.keybase", "Keybase", CUA, r"keybasebot"),
    ("preview.groupme", "GroupMe", CUA, r"groupmebot"),
    ("preview.steam", "Steam", CUA, r"steamchaturllookup"),
    ("preview.dingtalk", "DingTalk", CUA, r"dingtalkbot"),
    ("preview.evernote", "Evernote", CUA, r"evernoterichlinkbot"),
    ("preview.clickup", "ClickUp", CUA, r"clickuplinkunfurler"),
    ("preview.asana", "Asana", UPJS, r"^asana/"),
    ("preview.coda", "Coda", CUA, r"^codabot"),
    ("preview.discourse", "Discourse", CUA, r"discourse forum onebox"),
    ("preview.medium", "Medium", CUA, r"mediumbot-metatag"),
    ("preview.quora", "Quora", CUA, r"quora[ -](?:link preview|bot)"),
    ("preview.xing", "XING", CUA, r"xing bot|xing-content"),
    ("preview.rocketchat", "Rocket.Chat", NAME, r"^rocket\.?chat|rocket\.chat[^)]*https?:"),
    ("preview.fediverse", "Mastodon", CUA, r"mastodon/.*\+?http|^mastodon"),
    (
        "preview.fediverse.other",
        "fediverse server",
        CUA,
        r"^(?:pleroma|akkoma|misskey|lemmy|friendica|pixelfed|summaly)",
    ),
    ("preview.synapse", "Matrix", CUA, r"^synapse (?:\(bot|/)|^synapse/"),
    ("preview.nextcloud", "Nextcloud", CUA, r"^nextcloud"),
    ("preview.hubspot", "HubSpot Link Preview", CUA, r"hubspot page fetcher"),
    ("preview.outbrain", "Outbrain", CUA, r"^mozilla/5\.0 \(java\) outbrain"),
)

_CRAWLERS = _rows(
    ClientKind.CRAWLER,
    Device.UNKNOWN,
    ("crawler.google", "Googlebot", CUA, r"googlebot|googleother|mediapartners-google|adsbot-google|storebot-google"),
    ("crawler.bing", "bingbot", CUA, r"bingbot|adidxbot|msnbot"),
    ("crawler.yandex", "YandexBot", CUA, r"yandex[a-z]*bot|yandex\.com/bots"),
    ("crawler.mailru", "Mail.RU_Bot", DD, r"mail\.ru_bot"),
    ("crawler.baidu", "Baiduspider", CUA, r"baiduspider"),
    ("crawler.duckduckgo", "DuckDuckBot", CUA, r"duckduckbot|duckassistbot|duckduckgo-favicons"),
    ("crawler.apple", "Applebot", CUA, r"applebot"),
    ("crawler.yahoo", "Yahoo! Slurp", CUA, r"yahoo! slurp"),
    ("crawler.openai", "GPTBot", CUA, r"gptbot"),
    ("crawler.openai.user", "ChatGPT-User", CUA, r"chatgpt-user"),
    ("crawler.openai.search", "OAI-SearchBot", CUA, r"oai-searchbot"),
    ("crawler.anthropic", "ClaudeBot", CUA, r"claudebot|anthropic-ai|claude-(?:user|web|searchbot)"),
    ("crawler.perplexity", "PerplexityBot", CUA, r"perplexity(?:bot|-user)"),
    ("crawler.meta", "Meta", CUA, r"\bmeta-(?:external|webindexer)"),
    ("crawler.commoncrawl", "CCBot", CUA, r"ccbot/"),
    ("crawler.bytedance", "Bytespider", CUA, r"bytespider|tiktokspider"),
    ("crawler.amazon", "Amazonbot", CUA, r"amazonbot|amzn-user"),
    ("crawler.ahrefs", "AhrefsBot", CUA, r"ahrefs"),
    ("crawler.semrush", "SemrushBot", CUA, r"semrush"),
    ("crawler.archive", "archive.org_bot", CUA, r"archive\.org"),
    ("crawler.lighthouse", "Lighthouse", CUA, r"chrome-lighthouse|page ?speed"),
    ("crawler.pingdom", "Pingdom", CUA, r"pingdom"),
    ("crawler.uptimerobot", "UptimeRobot", CUA, r"uptimerobot"),
    ("crawler.catchpoint", "Catchpoint", DD, r"catchpoint"),
    ("crawler.webpagetest", "WebPageTest", YAUAA, r"\bptst[/ ]"),
    ("crawler.w3c", "W3C Validator", CUA, r"^w3c[_-]"),
    ("crawler.xenu", "Xenu Link Sleuth", CUA, r"xenu link sleuth"),
    # Google's other services: Google-AMPHTML, Google-Read-Aloud, Google-Site-Verification, AppEngine-Google.
    (
        "crawler.google.service",
        "Google",
        DD,
        r"\bgoogle-(?:[b-gi-z]|ad|am|ap|as)|[a-z]-google\b|^google[a-z]+(?:;|/?$)",
    ),
    ("crawler.cloudflare", "Cloudflare", DD, r"\bcloudflare"),
    ("crawler.camo", "Camo", CUA, r"github-camo|^camo asset proxy"),
)

_LIBRARIES = (
    *_rows(
        ClientKind.CRAWLER,
        Device.UNKNOWN,
        ("library.apache", "Apache HttpClient", CUA, r"apache-httpclient|apache-httpasyncclient"),
        ("library.commons", "Jakarta HttpClient", CUA, r"commons-httpclient"),
        ("library.asynchttp", "AsyncHttpClient", CUA, r"asynchttpclient|^ahc/"),
        ("library.curl", "curl", CUA, r"^(?:lib)?curl/|^pycurl/|\blibcurl\b"),
        ("library.wget", "Wget", CUA, r"^wget"),
        ("library.requests", "python-requests", CUA, r"python-requests"),
        ("library.httpx", "python-httpx", CUA, r"python-httpx"),
        ("library.aiohttp", "aiohttp", CUA, r"aiohttp/"),
        ("library.urllib3", "urllib3", CUA, r"^(?:python-)?urllib3[/-]"),
        ("library.urllib", "Python-urllib", CUA, r"python-urllib"),
        ("library.scrapy", "Scrapy", CUA, r"scrapy/"),
        ("library.python", "Python", CUA, r"^python|\bpython[/ ]\d|botocore/"),
        ("library.go", "Go-http-client", CUA, r"go-http-client|^go [\d.]+ package http|\bgo/?go?\d\.\d"),
        ("library.go.resty", "go-resty", CUA, r"^go-resty"),
        ("library.java", "Java", CUA, r"^java/?[ \d]|^java-http-client/|[^a-z]java/\d|^google-http-java"),
        ("library.okhttp", "okhttp", CUA, r"^okhttp"),
        ("library.axios", "axios", CUA, r"^axios/"),
        ("library.undici", "undici", CUA, r"^undici"),
        ("library.superagent", "node-superagent", CUA, r"^node-superagent"),
        ("library.node", "node-fetch", CUA, r"^node(?:-fetch|\.js|/|$)|^request\.js|node\.js/"),
        ("library.got", "got", CUA, r"^got[ /(]"),
        ("library.perl", "libwww-perl", CUA, r"libwww-perl|^lwp[:-]|^http::tiny"),
        ("library.guzzle", "Guzzle", CUA, r"guzzlehttp"),
        ("library.symfony", "Symfony HttpClient", CUA, r"^symfony httpclient"),
        ("library.php", "PHP", CUA, r"^php[/ \d]|\bphp/\d|^cakephp"),
        ("library.faraday", "Faraday", CUA, r"^faraday"),
        ("library.restclient", "rest-client", CUA, r"^rest-client"),
        ("library.ruby", "Ruby", CUA, r"^ruby|^http\.rb|/ruby/"),
        ("library.dart", "Dart", DD, r"^dart/"),
        ("library.elixir", "hackney", YAUAA, r"hackney/"),
        ("library.dotnet", "RestSharp", CUA, r"^restsharp|^dotnet"),
        ("library.rust", "reqwest", CUA, r"^reqwest/|^hyper/|^rust"),
        ("library.powershell", "PowerShell", CUA, r"powershell/"),
        ("library.winhttp", "WinHTTP", CUA, r"winhttp(?:request)?\b"),
        ("library.indy", "Indy Library", WHICH, r"indy library|^mozilla/4\.0 \(compatible; synapse\)"),
        ("library.httpie", "HTTPie", CUA, r"^httpie"),
        ("library.postman", "Postman", CUA, r"^postman"),
        ("library.insomnia", "Insomnia", CUA, r"^insomnia/"),
        ("library.lua", "lua-resty-http", CUA, r"^lua-resty|resty-requests"),
        ("library.headless", "Headless Chrome", DD, r"headless(?:chrome|edg|firefox)"),
        ("library.phantom", "PhantomJS", DD, r"phantomjs"),
        ("library.slimer", "SlimerJS", DD, r"slimerjs"),
        ("library.jsdom", "jsdom", DD, r"\bjsdom/"),
        ("library.cypress", "Cypress", DD, r"\bcypress/"),
        ("library.puppeteer", "Puppeteer", CUA, r"puppeteer"),
        ("library.playwright", "Playwright", CUA, r"playwright"),
        ("library.selenium", "Selenium", CUA, r"selenium"),
    ),
    *_rows(
        ClientKind.CRAWLER,
        Device.UNKNOWN,
        ("library.container", "container tool", DD, r"^containers/|^cri-o/|^containerd/|^docker/"),
        ("library.torrent", "torrent program", DD, r"^btwebclient|torrent/"),
        ("library.tool", "HTTP tool", CUA, r"^ab/|^apachebench|^siege|^wrk/|^hey/0|^aria2|^axel[/ ]|^lftp"),
        # A robot's contact may have a mailbox with a mail program's maker.
        ("crawler.contact", "robot", ARC, r"@(?:proton|tuta|foxmail|zoho|airmail|hey\.|gmx|mail|fastmail|aol|yandex)"),
        own_name=True,
    ),
)

# Mail programs name the engine too (Firefox, Chrome, Safari): the mail product is looked for before the browser.
# A row without a device is a program for computers that may exist for phones: the platform words tell.
_MAIL_PROGRAMS = (
    # Outlook, new and old, computer and phone
    *_rows(
        ClientKind.MOBILE_APP,
        None,
        ("mail.outlook.app", "Outlook", NAME, r"com\.microsoft\.office\.outlook"),
        ("mail.outlook.phone", "Outlook", YAUAA, r"outlook-ios-android"),
        ("mail.outlook.ios", "Outlook for iOS", DD, r"outlook-ios|\boutlook/.*(?:iphone|ipad)"),
        ("mail.outlook.android", "Outlook for Android", EAS, r"outlook-android|\boutlook/.*android"),
    ),
    *_rows(
        ClientKind.DESKTOP_CLIENT,
        Device.DESKTOP,
        ("mail.outlook.new", "New Outlook for Windows", YAUAA, r"oneoutlook/"),
        ("mail.outlook.express", "Outlook Express", DD, r"outlook[- ]express"),
        ("mail.outlook.mac", "Outlook for Mac", DD, r"macoutlook/|^outlook/.*(?:darwin|mac os)"),
        ("mail.outlook.office", "Microsoft Outlook", UAP, r"microsoft[ -](?:office )?outlook|^outlook/\d+\.\d+ \("),
        ("mail.outlook.msoffice", "Microsoft Outlook", UAP, r"\bms-?office[ ;)\d]|; msoffice"),
        ("mail.windows.live", "Windows Live Mail", DD, r"windows[- ]live[- ]mail"),
        ("mail.windows", "Windows Mail", DD, r"windows ?mail/"),
        ("mail.entourage", "Microsoft Entourage", LISTS, r"\bentourage/"),
    ),
    *_rows(
        ClientKind.DESKTOP_CLIENT,
        None,
        # What else Office sends while it shows a mail: Word draws for Outlook.
        (
            "mail.office",
            "Microsoft Office",
            YAUAA,
            r"^microsoft office|^microsoft-?(?:word|excel|powerpoint)/|^onenote/",
        ),
        # Gecko
        ("mail.betterbird", "Betterbird", LISTS, r"betterbird/"),
        ("mail.thunderbird", "Thunderbird", DD, r"thunderbird\b|\b(?:shredder|lanikai|miramar|earlybird)/"),
        ("mail.icedove", "Icedove", DD, r"icedove"),
        ("mail.postbox", "Postbox", DD, r"postbox"),
        ("mail.fossamail", "FossaMail", BROWSCAP, r"fossamail"),
        ("mail.framabird", "Framabird", BROWSCAP, r"framabird"),
        ("mail.spicebird", "Spicebird", DD, r"spicebird/"),
        ("mail.interlink", "Interlink", LISTS, r"\binterlink/"),
        ("mail.epyrus", "Epyrus", NAME, r"epyrus/"),
        ("mail.seamonkey", "SeaMonkey", DD, r"seamonkey|\biceape/"),
        ("mail.eudora", "Eudora", UAP, r"\beudora(?:/| ose|$)"),
        # Electron and web views
        ("mail.superhuman", "Superhuman", UAP, r"superhuman"),
        ("mail.mailspring", "Mailspring", DD, r"mailspring/"),
        ("mail.nylas", "Nylas Mail", UPJS, r"nylas ?mail|\bnylas/"),
        ("mail.mailbird", "Mailbird", DD, r"mailbird/"),
        ("mail.emclient", "eM Client", DD, r"\bem[ _]?client\b"),
        ("mail.bluemail", "BlueMail", DD, r"\bblue ?mail\b"),
        ("mail.foxmail", "Foxmail", DD, r"\bfoxmail\b"),
        ("mail.mailmaster", "MailMaster", DD, r"mailmaster"),
        ("mail.spark", "Spark", YAUAA, r"spark(?:mail| ?desktop)/|^spark/\d|\bspark/\d.*electron|readdle.*spark"),
        ("mail.missive", "Missive", NAME, r"\bmissive/"),
        ("mail.shift", "Shift", NAME, r"shiftdesktop|\bshift/\d[\d.]* .*electron"),
        ("mail.kiwi", "Kiwi for Gmail", NAME, r"kiwi for gmail|kiwiforgmail"),
        ("mail.canary", "Canary Mail", DD, r"canary ?mail|^canary/\d"),
        ("mail.polymail", "Polymail", DD, r"polymail"),
        ("mail.newton", "Newton", UPJS, r"^newton(?: mail)?/|cloudmagic"),
        ("mail.proton", "Proton Mail", YAUAA, r"proton[ -]?mail"),
        ("mail.tutanota", "Tuta", YAUAA, r"tutanota|\btuta(?:-desktop|mail)?/|de\.tutao"),
        ("mail.zoho", "Zoho Mail", UPJS, r"zoho[ -]?mail"),
        ("mail.front", "Front", NAME, r"\bfront/\d[\d.]* .*electron|frontapp"),
        ("mail.hey", "HEY", NAME, r"\bhey/\d[\d.]* .*electron|^hey/\d.*(?:ios|android)|\bhaystack/.*(?:ios|android)"),
        ("mail.fastmail", "Fastmail", NAME, r"\bfastmail/\d"),
        ("mail.shortwave", "Shortwave", NAME, r"\bshortwave/\d"),
        ("mail.yandex", "Yandex Mail", NAME, r"yandex\.?mail|ru\.yandex\.mail"),
        # others
        ("mail.airmail", "Airmail", DD, r"\bairmail\b"),
        ("mail.notes", "HCL Notes", DD, r"(?:lotus|ibm|hcl)[ -](?:notes|verse|traveler)"),
        ("mail.groupwise", "GroupWise", NAME, r"groupwise"),
        ("mail.thebat", "The Bat!", DD, r"the ?bat!"),
        ("mail.kmail", "KMail", UAP, r"\bkmail2?\b"),
        ("mail.kontact", "Kontact", UPJS, r"\bkontact\b"),
        ("mail.evolution", "Evolution", DD, r"^evolution[/ ]\d|\bevolution/\d"),
        ("mail.geary", "Geary", UPJS, r"\bgeary/"),
        ("mail.sylpheed", "Sylpheed", UPJS, r"sylpheed"),
        ("mail.claws", "Claws Mail", UPJS, r"claws[ -]?mail"),
        ("mail.balsa", "Balsa", UPJS, r"^balsa"),
        ("mail.trojita", "Trojita", UPJS, r"^troj(?:i|í)t(?:a|á)\b"),
        ("mail.mutt", "Mutt", UPJS, r"^(?:neo)?mutt\b"),
        ("mail.alpine", "Alpine", UPJS, r"^(?:al)?pine[/ ]\d"),
        ("mail.gnus", "Gnus", UPJS, r"\bgnus/"),
        ("mail.wanderlust", "Wanderlust", UPJS, r"^wanderlust/"),
        ("mail.emacs", "Emacs", DD, r"\burl/emacs\b|\bemacs-w3m"),
        ("mail.pegasus", "Pegasus Mail", UPJS, r"pegasus mail"),
        ("mail.incredimail", "IncrediMail", UPJS, r"incredimail"),
        ("mail.becky", "Becky!", NAME, r"becky!"),
        ("mail.pocomail", "PocoMail", UPJS, r"pocomail"),
        ("mail.turnpike", "Turnpike", UPJS, r"^turnpike"),
        ("mail.barca", "Barca", UAP, r"\bbarca(?:pro)?/"),
        ("mail.opera", "Opera Mail", NAME, r"opera ?mail"),
        ("mail.sparrow", "Sparrow", UPJS, r"^sparrow|\) sparrow/\d"),
        ("mail.mailbar", "MailBar", DD, r"^mailbar/"),
        ("mail.zimbra", "Zimbra Desktop", UPJS, r"zimbra ?desktop|zdesktop"),
    ),
    # Apple
    *_rows(
        ClientKind.MOBILE_APP,
        None,
        (
            "mail.apple.phone",
            "Apple Mail",
            EAS,
            r"^mobilemail|^(?:iphone|ipad|ipod) mail\b|^ios/.*\b(?:mail|dataaccessd)/|com\.apple\.mobilemail"
            r"|^apple-(?:iphone|ipad|ipod)\d+c\d+/",
        ),
    ),
    *_rows(
        ClientKind.DESKTOP_CLIENT,
        Device.DESKTOP,
        (
            "mail.apple.ews",
            "Apple Mail",
            UAP,
            r"^mac ?os(?: ?x)?/.*\bmail/|exchangewebservices/.*\bmail/|macintosh.*like gecko\) mail/",
        ),
        ("mail.apple.cf", "Apple Mail", UAP, r"^mail/\d[\d.]*(?: \([\d.]+\))? cfnetwork/"),
        ("mail.apple.daemon", "Apple Mail", NAME, r"^com\.apple\.mail"),
        # Made for the Mac alone; on Apple's own processors nothing else in the agent says so.
        ("mail.mimestream", "Mimestream", NAME, r"mimestream"),
        ("mail.mailmate", "MailMate", UPJS, r"mailmate"),
    ),
    *_rows(
        ClientKind.MOBILE_APP,
        None,
        ("mail.yahoo.japan", "Yahoo! Mail", DD, r"jp\.co\.yahoo\.(?:android\.)?y?mail"),
        (
            "mail.yahoo.mobile",
            "Yahoo Mail",
            UAP,
            r"yahoomobile(?:mail|messenger)|yahooandroidmail|yahoomobile/[^(]*\(mail",
        ),
        ("mail.yahoo.app", "Yahoo Mail", DD, r"\byahoo!?[ +_]?mail(?:app)?/|com\.yahoo\.mobile\.client\.android\.mail"),
        ("mail.aol", "AOL Mail", NAME, r"\baol[ +_]?mail/|com\.aol\.mobile"),
        ("mail.naver", "Naver Mail", DD, r"navermail"),
        ("mail.daum", "Daum Mail", UAP, r"daummail"),
        ("mail.gmail.android", "Gmail for Android", DD, r"^android-gmail/|com\.google\.android\.gm(?:[^a-z]|$)"),
        ("mail.gmail.ios", "Gmail for iOS", NAME, r"^gmail/.*(?:darwin|cfnetwork|iphone|ipad)|com\.google\.gmail"),
        ("mail.inbox.android", "Inbox", NAME, r"android\.apps\.inbox"),
        (
            "mail.samsung",
            "Samsung Email",
            UPJS,
            r"samsung ?e?mail|com\.samsung\.android\.email|^(?:android-)?samsung-[gs][tm]-\w+/\d+\.\d+$",
        ),
        ("mail.k9", "K-9 Mail", UPJS, r"\bk-?9[ _-]?mail|\bk-?9/|com\.fsck\.k9"),
        ("mail.fairemail", "FairEmail", UPJS, r"fairemail|eu\.faircode\.email"),
        ("mail.aquamail", "Aqua Mail", UPJS, r"aqua ?mail"),
        ("mail.nine", "Nine", UPJS, r"^nine(?:/|-\d)|com\.ninefolders"),
        ("mail.r2mail2", "R2Mail2", UPJS, r"r2mail2"),
        ("mail.edison", "Edison Mail", NAME, r"edison ?mail|^email/\d.*cfnetwork|com\.easilydo"),
        ("mail.mytmail", "myMail", BROWSCAP, r"\bmymail/|com\.my\.mail|^mobmail"),
        ("mail.mailru", "Mail.ru", NAME, r"ru\.mail\.mailapp"),
        ("mail.qqmail", "QQ Mail", NAME, r"\bqqmail/|androidqqmail"),
        ("mail.alimail", "Alibaba Mail", YAUAA, r"\bcloudmail/|\balimail/"),
        ("mail.boxer", "Boxer", EAS, r"\bboxer/|com\.boxer\.email|airwatch ?inbox"),
        ("mail.touchdown", "TouchDown", EAS, r"^touchdown|nitrodesk"),
        ("mail.blackberry", "BlackBerry Hub", NAME, r"com\.blackberry\.(?:hub|email)"),
        (
            "mail.gmx",
            "GMX Mail",
            NAME,
            r"^(?:gmx|web\.?de|mail\.com|1und1)(?:[ _-]?mail)?/\d|com\.gmx\.mobile|de\.(?:gmx|web)\.mobile",
        ),
        ("mail.orange", "Orange Mail", NAME, r"^orange ?mail|com\.orange\.mail"),
        (
            "mail.generic.android",
            "Android Mail",
            UPJS,
            r"^android-(?:e?mail)/|com\.android\.email|^android/[\d.]+-(?:e?mail|eas)",
        ),
        ("mail.generic.ios", "MailApp", DD, r"\bmailapp/\d"),
    ),
    # webmail that fetches on the server and says so
    *_rows(
        ClientKind.WEBMAIL,
        Device.HIDDEN,
        ("webmail.roundcube", "Roundcube Webmail", UPJS, r"roundcube"),
        ("webmail.rainloop", "RainLoop", UPJS, r"rainloop"),
        ("webmail.snappymail", "SnappyMail", NAME, r"snappymail"),
        ("webmail.squirrelmail", "SquirrelMail", UPJS, r"squirrelmail"),
        ("webmail.horde", "Horde", UPJS, r"horde (?:application|imp)|^horde[/ :]"),
        ("webmail.sogo", "SOGo", NAME, r"^sogo(?:mail)?[/ ]"),
        ("webmail.zimbra", "Zimbra", UPJS, r"zimbra"),
        ("webmail.afterlogic", "AfterLogic", NAME, r"afterlogic"),
        ("webmail.openxchange", "Open-Xchange", NAME, r"open-?xchange"),
    ),
)

# The browser inside another program: a person, but named after the program.
_IN_APP = (
    *_rows(ClientKind.BROWSER, Device.MOBILE, ("app.telegram", "Telegram", UAP, r"telegram-android/")),
    *_rows(
        ClientKind.BROWSER,
        None,
        ("app.teams", "Microsoft Teams", UAP, r" teams(?:mobile)?[/-]"),
        ("app.slack", "Slack Desktop Client", UAP, r"slack_ssb/|\bslack/\d.*electron"),
        ("app.telegram.ios", "Telegram", UAP, r"\btelegram(?:-ios|/)"),
        ("app.whatsapp", "WhatsApp", NAME, r"applewebkit.*\bwhatsapp/"),
        ("app.facebook", "Facebook", DD, r"\bfban/|\bfbav/|fb_iab|\[fb|metaiab"),
        ("app.instagram", "Instagram", DD, r"\binstagram [\d.]+"),
        ("app.linkedin", "LinkedIn", DD, r"linkedinapp"),
        ("app.google", "Google App", DD, r"\bgsa/\d"),
        ("app.wechat", "WeChat", DD, r"micromessenger/"),
        ("app.line", "LINE", DD, r"applewebkit.*\bline/\d"),
        ("app.snapchat", "Snapchat", DD, r"\bsnapchat[/ ]"),
        ("app.pinterest", "Pinterest", DD, r"\[pinterest/|^pinterest(?:/| for )"),
        ("app.yahoojapan", "Yahoo! Japan", DD, r"yjapp-|yahoo! ?japan"),
        ("app.duckduckgo", "DuckDuckGo", UAP, r"\bduckduckgo/\d|\bddg/\d"),
        ("app.kakao", "KakaoTalk", ISBOT, r"\bkakaotalk[ /]\d"),
        ("app.discord", "Discord", UPJS, r"\bdiscord/\d"),
        ("app.viber", "Viber", ISBOT, r"^viber/"),
    ),
    *_rows(
        ClientKind.BROWSER,
        None,
        # Google's old transcoding proxy for slow networks: a person behind it.
        ("app.weblight", "", BROWSCAP, r"googleweblight|google wireless transcoder"),
        # A component of old browsers, which names its home page.
        ("app.embedded", "", DD, r"bsalsa\.com"),
        # Phones whose makers took the word.
        ("app.botphone", "", DD, r"android [\d.]+; .*\b(?:id ?|kid|x|cu|[cm][ _]|vr )bot"),
        ("app.mail.ru", "", UAP, r"mrchrome|\bmailru"),
        own_name=True,
    ),
)

# The Mail app of Apple is bare WebKit. Other programs send the same, so the judge weighs network and time as well.
_BARE_WEBKIT = (
    *_rows(
        ClientKind.DESKTOP_CLIENT,
        Device.DESKTOP,
        (
            "mail.apple.mac",
            "Apple Mail",
            UAP,
            r"^mozilla/5\.0 \(macintosh; [^)]*\) applewebkit(?:/[\d.+]+)? \(khtml, like gecko\)$",
        ),
    ),
    *_rows(
        ClientKind.MOBILE_APP,
        None,
        (
            "mail.apple.ios",
            "Apple Mail",
            UAP,
            r"^mozilla/5\.0 \((?:iphone|ipad|ipod)[^)]*\) applewebkit/[\d.+]+ \(khtml, like gecko\)(?: mobile/\w+)?$",
        ),
    ),
)

# Whatever calls itself a machine. Late, because real products carry such letters too (Cubot phones, XBot phones).
_ROBOTS = (
    *_rows(
        ClientKind.SCANNER,
        Device.UNKNOWN,
        (
            "scanner.generic",
            "security scanner",
            CUA,
            r"phish|malware|antivirus|safebrowsing|\bnikto\b|nessus|openvas|wpscan|sqlmap|masscan|qualys|scaninfo@"
            r"|(?:[^m]|[^a]m)scanner(?:[^a-z]|$)|vulnerab|pentest|/scanning\b"
            r"|security[ ._-]?(?:scan|audit|research|monitor|check|txt)"
            r"|(?:domain|research|site|port|http|web|server|internet)[ -]?scan(?:ner|ning)?\b",
        ),
        # Their makers' names at the start only: toolbars write the same into the agents of people's browsers.
        (
            "scanner.vendor",
            "security scanner",
            NAME,
            r"^(?:mozilla/5\.0 \(compatible[;,] )?(?:sophos|forti(?:guard|net|mail|sandbox)|trend ?micro|urlscan"
            r"|symantec|messagelabs|mcafee|trellix|fireeye|bitdefender|eset[ _/-]|f-secure|withsecure|dr\.? ?web"
            r"|webroot|avira|zscaler sandbox|cisco ?umbrella|vade ?secure|hornetsecurity|checkpoint|check point)",
        ),
        own_name=True,
    ),
    *_rows(
        ClientKind.LINK_PREVIEW,
        Device.UNKNOWN,
        (
            "preview.generic",
            "link preview",
            CUA,
            r"link-?preview|link preview|url-?preview|url preview|web preview|preview service|page-preview|peekbot"
            r"|link-?expand|unfurl|opengraph|richlink|metatag",
        ),
        own_name=True,
    ),
    *_rows(
        ClientKind.CRAWLER,
        Device.UNKNOWN,
        ("crawler.bot", "robot", CUA, r"bot(?:[^a-z]|$)|robot|\bbot[^ht]"),
        (
            "crawler.named",
            "robot",
            CUA,
            r"crawl|spider|scraper|fetcher|archiver|validat|monitor\b|monitoring|checker|synthetic|uptime|linkcheck"
            r"|indexer|analyzer|analy[sz]is|httrack|nutch|screenshot|lookup|classifier|aggregator|extractor|siphon"
            r"|emailwolf|mailcheck|downloader/|ghost inspector|gomezagent|\brigor\b|ips-agent|site24x7|siteimprove"
            r"|marketgoo|adbeat|cookiehub|linktest|linktiger|zabbix|nagios|dmbrowser|taginspector|newrelicpinger|probe/"
            r"|\bdcv\b|-audit\b|\bjeeves\b|mshots|khtml2png|iplabel|appinsights|dareboost|datanyze"
            r"|[a-z-]agent(?:/[\d.]+)?$|\bagent-"
            r"|safari/.*[a-z0-9]\.(?:com|net|org|io)[/)]",
        ),
        # A browser has nothing to add there: (KHTML, like Gecko; compatible; X), Safari/537.36 (compatible; X).
        (
            "crawler.appended",
            "robot",
            DD,
            r"\(khtml, like gecko[;,] [a-rt-z]|(?:safari|firefox)/[\d.]+(?:; (?:\+|devin|manus)| \(compatible;)",
        ),
        # People's programs do not carry an address of a page or a mailbox.
        ("crawler.address", "robot", CUA, r"https?://|\bwww\.|\+http|mailto:|[a-z0-9]@[a-z0-9-]+\.[a-z]|\(at\)"),
        own_name=True,
    ),
    *_rows(
        ClientKind.DESKTOP_CLIENT,
        None,
        (
            "mail.generic",
            "mail program",
            NAME,
            r"^[a-z0-9 ._-]*mail[a-z]*[/ ](?:version )?v?\d|[) ][a-z-]*mail(?:-desktop)?/\d|^[a-z]+ ?mail\b.*\(",
        ),
        own_name=True,
    ),
)

_OLD_PHONES = (
    r"\bmidp\b|up\.browser|up\.link|docomo|kddi-|netfront|obigo|ucweb|opera mini|\bj2me\b|\bmaui/|jig browser"
    r"|^(?:nokia|mot-|motorola|lge?-|samsung|sonyericsson|sie-|philips|sharp|sanyo|softbank|vodafone|sec-|htc|zte"
    r"|alcatel)"
)

# People's browsers and the programs around them. ua-parser knows their names.
_BROWSERS = (
    *_rows(
        ClientKind.BROWSER,
        None,
        (
            "browser",
            "",
            UAP,
            r"(?:mozilla ?/?|opera[/ ]|applewebkit/|safari/|firefox/).*"
            r"(?:windows|win9|win32|winnt|mac_|macintosh|mac os|linux|x11|android|iphone|ipad|ipod|\bcros\b|bsd|sunos"
            r"|solaris|symb|series|blackberry|bb10|rim tablet|playbook|nokia|midp|j2me|brew|palm|webos|hpwos|tizen"
            r"|bada|playstation|nintendo|xbox|kaios|amiga|beos|haiku|os/2|irix|hp-ux|aix|risc|morphos|aros|kindle|nook"
            r"|mobile|tablet|meego|maemo|smart-?tv|danger|openharmony|harmonyos|fuchsia|syllable|unix|openvms|sailfish"
            r"|web0s)",
        ),
        ("browser.phone", "", WHICH, _OLD_PHONES),
        (
            "browser.text",
            "",
            UPJS,
            r"^(?:e?links|lynx|w3m|dillo|midori|icab|ibrowse|netsurf|uzbl|amaya|opera|firefox|\w*mosaic)\b",
        ),
        ("browser.named", "", UAP, r"browser"),
        own_name=True,
    ),
    # The plain HTTP stack of Android: some app, and in a mail most likely the mail app.
    *_rows(ClientKind.MOBILE_APP, None, ("app.android", "Android app", DD, r"^dalvik/")),
    *_rows(
        ClientKind.BROWSER,
        None,
        ("app.apple", "", UAP, r"cfnetwork/"),
        ("app.phone", "", DD, r"[( ;/:-](?:android|iphone|ipad|ipod|ios|ipados)\b|^(?:iphone|ipad)"),
        ("app.computer", "", DD, r"\((?:[^)]*[ ;])?(?:windows|macintosh|mac os|x11)\b|windows nt|macos/"),
        own_name=True,
    ),
)

# Last guesses, from the form alone: one product, no platform. Mail programs that do so are named above.
_PROGRAMS = _rows(
    ClientKind.CRAWLER,
    Device.UNKNOWN,
    ("crawler.compatible", "robot", CUA, r"^mozilla/\d"),
    (
        "library.generic",
        "HTTP library",
        CUA,
        r"http|feed|fetch|url|check|sdk|search|client/|agent/|server/|\bapi/",
    ),
    (
        "library.bare",
        "HTTP library",
        CUA,
        r"^[^/]{1,40}/v?\d|^[^/()]{1,40}[ _]v?\d[\d.]*\b|^[a-z0-9-]+\.(?:com|net|org|io|ru|de)\b",
    ),
    own_name=True,
)

RULES: tuple[AgentRule, ...] = (
    *_IMAGE_PROXIES,
    *_PREFETCHES,
    *_SCANNERS,
    *_PREVIEWS,
    *_CRAWLERS,
    *_LIBRARIES,
    *_MAIL_PROGRAMS,
    *_IN_APP,
    *_BARE_WEBKIT,
    *_ROBOTS,
    *_BROWSERS,
    *_PROGRAMS,
)


@dataclass(frozen=True, slots=True)
class Platform:
    """What the words about the machine say. The first row that matches holds."""

    system: str
    device: Device
    pattern: str


# iPads say "like Mac OS X", Android says Linux, Windows Phone says Android and iPhone: the order matters.
PLATFORMS: tuple[Platform, ...] = (
    Platform("Windows Phone", Device.MOBILE, r"windows phone|windows ce|iemobile|windows mobile|wpdesktop"),
    Platform("Windows", Device.DESKTOP, r"windows|\bwin(?:32|64|9\d|nt)\b"),
    Platform("iPadOS", Device.TABLET, r"ipad"),
    Platform("iOS", Device.MOBILE, r"iphone|ipod|outlook-ios"),
    Platform("Android", Device.MOBILE, r"android.*coolpad"),
    # Many tablets say "Mobile" like phones: their makers' words and numbers tell.
    Platform(
        "Android",
        Device.TABLET,
        r"android.*(?:tablet|[a-z_ -]tab[ _\d;)-]|\btab[a-z]?\d|[a-z-]pad[ _\d;)-]|\bpad[ _-]?\d|kindle"
        r"|\bkf[a-z]{2,5}\b|nexus (?:7|9|10)\b|\bsm-[tpx]\d|\bgt-(?:p|n[58])\d|\bsch-i[89]00|lenovo (?:tb|yt)"
        r"|\b(?:tb|yt)-|pixel c\b|xoom|touchpad|\bkob\d?-|\bags\d?-|\bbah\d?-|\bagr-|\bscm-|\bmr[xro]-|\bdby"
        r"|\bvrd-|/apad)",
    ),
    # And some phones do not say "Mobile", or are asked to look like a computer.
    Platform(
        "Android",
        Device.MOBILE,
        r"android.*(?:mobile|\bsm-[acefgjmnsw]\d|\bgt-[is]\d|pixel \d|nexus (?:one|s|4|5|6)|galaxy nexus|\blg-[a-z]"
        r"|\bhtc|fennec)|mobile.*android",
    ),
    Platform("Android", Device.TABLET, r"mozilla.*android"),  # browsers on phones say "Mobile"
    Platform("Android", Device.MOBILE, r"android"),  # apps say nothing of the kind
    Platform("ChromeOS", Device.DESKTOP, r"\bcros "),
    Platform("macOS", Device.DESKTOP, r"mac os|macos|os x|macintosh|mac_powerpc|darwin/.*(?:x86_64|i386|\(mac)"),
    Platform("iOS", Device.MOBILE, r"[ (/-]ios\b"),
    Platform("", Device.MOBILE, r"cfnetwork/"),  # on the Mac and on the phone, mostly the phone
    Platform("KaiOS", Device.MOBILE, r"kaios"),
    Platform("Symbian", Device.MOBILE, r"symb|series ?[346]0"),
    Platform("BlackBerry", Device.TABLET, r"playbook"),
    Platform("BlackBerry", Device.MOBILE, r"blackberry|\bbb10"),
    Platform(
        "",
        Device.MOBILE,
        rf"\bmobi(?:le)?\b|\bbrew\b|palmos|webos/\d|fennec|{_OLD_PHONES}",
    ),
    Platform("Linux", Device.DESKTOP, r"linux|\bx11\b"),
    Platform(
        "", Device.DESKTOP, r"bsd|sunos|solaris|x86_64|i386|\bdesktop\b|os/2|amiga|beos|haiku|irix|hp-ux|risc ?os"
    ),
)

# Browsers below these versions count as stale: scanners run old ones (Chrome 57, 64, 72, 79, 80, 96, 97 were seen from
# Microsoft's; gophish issues 973, 2115, 2446, 2357). People's bring themselves up to date, or stay at the last one for
# their system: Chrome 106 on Android 6, 109 on Windows 7 and 8, Firefox 115 there and on old Macs. Looked at: 2026-11.
STALE_CHROME = 106
STALE_FIREFOX = 115
