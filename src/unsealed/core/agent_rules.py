"""The ordered table of user agents that matter to mail: data only, read by core.agent.

The first row that matches names the agent; what matches no row is a browser, or unknown, as ua-parser says.
Rows name products, never single strings: other versions and platforms of a product match as well. Tokens that circulate
in hand-written lists but occur in no corpus of observed traffic (ProofpointURLDefense, OutlookImageProxy,
BarracudaURLDefense, MimecastUrlProtectBot, applemailproxy) are left out on purpose.

All texts to match are lower case. Sources are the public corpora in which the strings were seen; only the facts were
taken, no rules or code.
"""

from __future__ import annotations

from dataclasses import dataclass

from unsealed.model.event import ClientKind, Device

DD = "matomo-org/device-detector Tests/fixtures"
UAP = "ua-parser/uap-core tests"
CUA = "monperrus/crawler-user-agents"
YAUAA = "nielsbasjes/yauaa UserAgents"
UPJS = "faisalman/ua-parser-js test/data"
ARC = "arcjet/well-known-bots"
WEB = "vendor page"

PROXY, PREFETCH, SCANNER = ClientKind.IMAGE_PROXY, ClientKind.PREFETCH, ClientKind.SCANNER
PREVIEW, CRAWLER = ClientKind.LINK_PREVIEW, ClientKind.CRAWLER
DESKTOP, MOBILE, WEBMAIL, BROWSER = (
    ClientKind.DESKTOP_CLIENT,
    ClientKind.MOBILE_APP,
    ClientKind.WEBMAIL,
    ClientKind.BROWSER,
)


@dataclass(frozen=True, slots=True)
class AgentRule:
    """One row. It matches when everything that is set matches: `exact`, `starts`, all of `has`, one of `any_of`, none
    of `lacks`, and `pattern`. A regular expression costs most: it is tried last, and `any_of` spares it mostly."""

    name: str  # stays the same for ever: it is stored with events
    client: str
    kind: ClientKind
    device: Device | None  # None: told by the platform words in the agent
    source: str
    exact: str = ""
    starts: str | tuple[str, ...] = ""
    has: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    pattern: str = ""
    since: str = "2026-11"  # when the row was last looked at


HIDDEN, NONE, COMPUTER, PHONE, TABLET = Device.HIDDEN, Device.UNKNOWN, Device.DESKTOP, Device.MOBILE, Device.TABLET

_IMAGE_PROXIES = (
    AgentRule("proxy.gmail", "Gmail Image Proxy", PROXY, HIDDEN, DD, has=("googleimageproxy",)),
    AgentRule("proxy.gmail.ggpht", "Gmail Image Proxy", PROXY, HIDDEN, "browscap/browscap", has=("via ggpht.com",)),
    AgentRule("proxy.yahoo", "Yahoo Mail Proxy", PROXY, HIDDEN, DD, has=("yahoomailproxy",)),
    # Superhuman's proxy appends itself to the reader's own agent: the device stays known.
    AgentRule("proxy.superhuman", "Superhuman", PROXY, None, YAUAA, has=("superhumanproxy",)),
    AgentRule("proxy.seznam", "Seznam Email Proxy", PROXY, HIDDEN, DD, has=("seznamemailproxy",)),
    AgentRule("proxy.rambler", "RamblerMail Image Proxy", PROXY, HIDDEN, DD, has=("ramblermail/", "imageproxy")),
    AgentRule("proxy.ukrnet", "UkrNet Mail Proxy", PROXY, HIDDEN, DD, has=("mail.ukr.net proxy",)),
    AgentRule("proxy.ukrnet.cdn", "UkrNet Mail Proxy", PROXY, HIDDEN, DD, has=("via secureurl.fwdcdn.com",)),
    AgentRule("proxy.fastmail", "Fastmail", PROXY, HIDDEN, CUA, starts="fastmailua/"),
    AgentRule("proxy.shortwave", "Shortwave", PROXY, HIDDEN, CUA, starts="shortwave image fetcher"),
)

_PREFETCHES = (
    AgentRule("prefetch.apple", "Apple Mail Privacy Protection", PREFETCH, NONE, UAP, exact="mozilla/5.0"),
    AgentRule(
        "prefetch.gmail",
        "Gmail prefetch",
        PREFETCH,
        NONE,
        "Bird, Gmail is Prefetching Images; mautic/mautic PR 10245",
        exact="mozilla/5.0 (windows nt 10.0; win64; x64) applewebkit/537.36 (khtml, like gecko) "
        "chrome/42.0.2311.135 safari/537.36 edge/12.246 mozilla/5.0",
    ),
    AgentRule(
        "prefetch.office",
        "Microsoft Office",
        PREFETCH,
        COMPUTER,
        DD,
        pattern=r"^microsoft office (?:existence|protocol) discovery",
    ),
)

_SCANNERS = (
    AgentRule("scanner.barracuda", "Barracuda Sentinel", SCANNER, NONE, DD, has=("barracuda",)),
    AgentRule("scanner.google", "Google Safety", SCANNER, NONE, DD, has=("google-safety",)),
    AgentRule("scanner.virustotal", "VirusTotal", SCANNER, NONE, CUA, has=("virustotal",)),
    AgentRule("scanner.twinwave", "TwinWave", SCANNER, NONE, CUA, has=("twinwave",)),
    AgentRule("scanner.safedns", "SafeDNSBot", SCANNER, NONE, DD, has=("safednsbot",)),
    AgentRule("scanner.k7", "K7MLWCBot", SCANNER, NONE, CUA, has=("k7mlwcbot",)),
    AgentRule("scanner.cloudflare", "Cloudflare Security Center", SCANNER, NONE, CUA, has=("cloudflare.com/security",)),
    AgentRule("scanner.cloudflare.radar", "Cloudflare Radar", SCANNER, NONE, CUA, has=("radar.cloudflare.com",)),
    AgentRule("scanner.kaspersky", "Kaspersky", SCANNER, NONE, DD, pattern=r"kaspersky.*(?:resolver|scan|bot|crawl)"),
    AgentRule("scanner.unshorten", "Unshorten.It", SCANNER, NONE, CUA, has=("unshorten",)),
    AgentRule("scanner.urlscan", "urlscan.io", SCANNER, NONE, CUA, has=("urlscan",)),
    AgentRule("scanner.checkphish", "CheckPhish", SCANNER, NONE, CUA, has=("checkphish",)),
    AgentRule("scanner.phishtank", "PhishTank", SCANNER, NONE, CUA, has=("phishtank",)),
    AgentRule("scanner.netcraft", "Netcraft", SCANNER, NONE, DD, has=("netcraft",)),
    AgentRule("scanner.sucuri", "Sucuri", SCANNER, NONE, DD, has=("sucuri",)),
    AgentRule("scanner.drweb", "Dr.Web", SCANNER, NONE, DD, pattern=r"dr\.?web\b.*(?:online|scanner|link)"),
    AgentRule("scanner.trendmicro", "Trend Micro", SCANNER, NONE, DD, has=("trendmicro",)),
    AgentRule("scanner.bitdefender", "Bitdefender", SCANNER, NONE, DD, has=("bitdefender",)),
    AgentRule("scanner.avira", "Avira", SCANNER, NONE, DD, pattern=r"avira.*(?:scan|bot|url)"),
    AgentRule("scanner.paloalto", "Palo Alto Networks", SCANNER, NONE, CUA, has=("paloaltonetworks",)),
    AgentRule("scanner.expanse", "Expanse", SCANNER, NONE, CUA, has=("expanse, a palo alto",)),
    AgentRule("scanner.censys", "Censys", SCANNER, NONE, CUA, has=("censysinspect",)),
    AgentRule("scanner.shodan", "Shodan", SCANNER, NONE, CUA, has=("shodan",)),
    AgentRule("scanner.leakix", "LeakIX", SCANNER, NONE, CUA, has=("l9explore",)),
    AgentRule("scanner.zgrab", "zgrab", SCANNER, NONE, CUA, has=("zgrab",)),
    AgentRule("scanner.nmap", "Nmap", SCANNER, NONE, CUA, has=("nmap scripting engine",)),
    AgentRule("scanner.nuclei", "Nuclei", SCANNER, NONE, CUA, has=("projectdiscovery",)),
    AgentRule("scanner.internetmeasurement", "InternetMeasurement", SCANNER, NONE, CUA, has=("internetmeasurement",)),
    AgentRule("scanner.mcafee", "McAfee", SCANNER, NONE, DD, pattern=r"mcafee.*(?:scan|siteadvisor|gateway)"),
    AgentRule("scanner.sitelock", "SiteLock", SCANNER, NONE, CUA, has=("sitelock",)),
    AgentRule("scanner.zscaler", "Zscaler", SCANNER, NONE, CUA, pattern=r"zscaler.*(?:scan|bot|analy)"),
)

# Previews are matched by prefix or full product token: the desktop and in-app browsers of the same services are people.
_PREVIEWS = (
    AgentRule("preview.slack", "Slackbot", PREVIEW, NONE, DD, has=("slackbot",)),
    AgentRule("preview.slack.image", "Slack Image Proxy", PREVIEW, NONE, CUA, has=("slack-imgproxy",)),
    AgentRule("preview.facebook", "facebookexternalhit", PREVIEW, NONE, DD, has=("facebookexternalhit",)),
    AgentRule("preview.facebook.catalog", "facebookcatalog", PREVIEW, NONE, CUA, has=("facebookcatalog",)),
    AgentRule("preview.meta", "Meta", PREVIEW, NONE, CUA, starts=("meta-externalfetcher", "meta-externalhit")),
    AgentRule("preview.telegram", "TelegramBot", PREVIEW, NONE, DD, starts="telegrambot"),
    AgentRule("preview.twitter", "Twitterbot", PREVIEW, NONE, DD, has=("twitterbot",)),
    AgentRule("preview.linkedin", "LinkedInBot", PREVIEW, NONE, DD, has=("linkedinbot",)),
    AgentRule("preview.whatsapp", "WhatsApp", PREVIEW, NONE, CUA, starts="whatsapp/"),
    AgentRule("preview.discord", "Discordbot", PREVIEW, NONE, DD, has=("discordbot",)),
    AgentRule("preview.skype", "Skype URI Preview", PREVIEW, NONE, DD, has=("skypeuripreview",)),
    AgentRule("preview.teams", "Microsoft Teams", PREVIEW, NONE, WEB, has=("teams-url-preview",)),
    AgentRule("preview.microsoft", "Microsoft Preview", PREVIEW, NONE, CUA, has=("microsoftpreview",)),
    AgentRule("preview.yahoo", "Yahoo Link Preview", PREVIEW, NONE, DD, has=("yahoo link preview",)),
    AgentRule("preview.bing", "BingPreview", PREVIEW, NONE, DD, has=("bingpreview",)),
    AgentRule("preview.vk", "vkShare", PREVIEW, NONE, DD, has=("vkshare",)),
    AgentRule("preview.viber", "Viber", PREVIEW, NONE, DD, pattern=r"^viber(?:urldownloader|/|$)"),
    AgentRule("preview.snapchat", "Snap URL Preview Service", PREVIEW, NONE, DD, has=("snap url preview",)),
    AgentRule("preview.iframely", "Iframely", PREVIEW, NONE, CUA, has=("iframely",)),
    AgentRule("preview.embedly", "Embedly", PREVIEW, NONE, DD, has=("embedly",)),
    AgentRule("preview.mattermost", "Mattermost", PREVIEW, NONE, CUA, has=("mattermost-bot",)),
    AgentRule("preview.notion", "Notion", PREVIEW, NONE, CUA, pattern=r"^notion(?:bot|/\d[\d.]* \(https?:)"),
    AgentRule("preview.pinterest", "Pinterest", PREVIEW, NONE, DD, pattern=r"pinterest(?:bot)?/\d[\d.]* ?\(\+?http"),
    AgentRule("preview.reddit", "redditbot", PREVIEW, NONE, DD, has=("redditbot",)),
    AgentRule("preview.tumblr", "Tumblr", PREVIEW, NONE, DD, starts="tumblr/"),
    AgentRule("preview.flipboard", "FlipboardProxy", PREVIEW, NONE, CUA, has=("flipboardproxy",)),
    AgentRule("preview.line", "LINE", PREVIEW, NONE, CUA, has=("line-poker",)),
    AgentRule("preview.kakao", "KakaoTalk", PREVIEW, NONE, CUA, has=("kakaotalk-scrap",)),
    AgentRule("preview.bitly", "Bitly", PREVIEW, NONE, CUA, pattern=r"^bit(?:ly|\.ly)bot"),
    AgentRule("preview.google", "Google Snippet", PREVIEW, NONE, CUA, has=("developers.google.com/+/web/snippet",)),
    AgentRule("preview.google.pagerenderer", "Google PageRenderer", PREVIEW, NONE, CUA, has=("google-pagerenderer",)),
    AgentRule("preview.google.favicon", "Google Favicon", PREVIEW, NONE, CUA, has=("google favicon",)),
    AgentRule("preview.apple", "Apple Messages", PREVIEW, NONE, CUA, has=("facebot twitterbot",)),
    AgentRule("preview.facebot", "Facebot", PREVIEW, NONE, CUA, has=("facebot",)),
    AgentRule("preview.zoom", "Zoom", PREVIEW, NONE, CUA, has=("zoombot",)),
    AgentRule("preview.rocketchat", "Rocket.Chat", PREVIEW, NONE, CUA, has=("rocket.chat",), lacks=("electron",)),
    AgentRule("preview.mastodon", "Mastodon", PREVIEW, NONE, CUA, has=("mastodon/", "+http")),
    AgentRule("preview.synapse", "Matrix", PREVIEW, NONE, CUA, pattern=r"^synapse (?:\(bot|/)"),
    AgentRule("preview.nextcloud", "Nextcloud", PREVIEW, NONE, CUA, starts="nextcloud-"),
    AgentRule("preview.hubspot", "HubSpot Link Preview", PREVIEW, NONE, CUA, has=("hubspot page fetcher",)),
    AgentRule("preview.outbrain", "Outbrain", PREVIEW, NONE, CUA, starts="mozilla/5.0 (java) outbrain"),
)

_CRAWLERS = (
    AgentRule(
        "crawler.google",
        "Googlebot",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "googlebot",
            "googleother",
            "mediapartners-google",
            "adsbot-google",
            "google-read-aloud",
            "google-inspectiontool",
            "apis-google",
            "storebot-google",
            "google-cloudvertexbot",
            "feedfetcher-google",
        ),
    ),
    AgentRule(
        "crawler.bing",
        "bingbot",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "bingbot",
            "adidxbot",
            "msnbot",
        ),
    ),
    AgentRule("crawler.yandex", "YandexBot", CRAWLER, NONE, CUA, pattern=r"yandex[a-z]*bot|yandex\.com/bots"),
    AgentRule("crawler.mailru", "Mail.RU_Bot", CRAWLER, NONE, DD, has=("mail.ru_bot",)),
    AgentRule("crawler.baidu", "Baiduspider", CRAWLER, NONE, CUA, has=("baiduspider",)),
    AgentRule(
        "crawler.duckduckgo",
        "DuckDuckBot",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "duckduckbot",
            "duckassistbot",
        ),
    ),
    AgentRule("crawler.apple", "Applebot", CRAWLER, NONE, CUA, has=("applebot",)),
    AgentRule("crawler.yahoo", "Yahoo! Slurp", CRAWLER, NONE, CUA, has=("yahoo! slurp",)),
    AgentRule(
        "crawler.openai",
        "GPTBot",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "gptbot",
            "chatgpt-user",
            "oai-searchbot",
        ),
    ),
    AgentRule(
        "crawler.anthropic",
        "ClaudeBot",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "claudebot",
            "anthropic-ai",
            "claude-user",
        ),
    ),
    AgentRule("crawler.perplexity", "PerplexityBot", CRAWLER, NONE, CUA, has=("perplexity",)),
    AgentRule("crawler.commoncrawl", "CCBot", CRAWLER, NONE, CUA, has=("ccbot/",)),
    AgentRule("crawler.bytedance", "Bytespider", CRAWLER, NONE, CUA, has=("bytespider",)),
    AgentRule("crawler.amazon", "Amazonbot", CRAWLER, NONE, CUA, has=("amazonbot",)),
    AgentRule("crawler.ahrefs", "AhrefsBot", CRAWLER, NONE, CUA, has=("ahrefs",)),
    AgentRule("crawler.semrush", "SemrushBot", CRAWLER, NONE, CUA, has=("semrush",)),
    AgentRule("crawler.archive", "archive.org_bot", CRAWLER, NONE, CUA, has=("archive.org",)),
    AgentRule("crawler.lighthouse", "Lighthouse", CRAWLER, NONE, CUA, has=("chrome-lighthouse",)),
    AgentRule("crawler.pingdom", "Pingdom", CRAWLER, NONE, CUA, has=("pingdom",)),
    AgentRule("crawler.uptimerobot", "UptimeRobot", CRAWLER, NONE, CUA, has=("uptimerobot",)),
    AgentRule("crawler.w3c", "W3C Validator", CRAWLER, NONE, CUA, starts=("w3c_validator", "w3c-checklink", "w3c-")),
    AgentRule("crawler.cloudconvert", "Xenu Link Sleuth", CRAWLER, NONE, CUA, has=("xenu link sleuth",)),
)

_LIBRARIES = (
    AgentRule(
        "library.curl", "curl", CRAWLER, NONE, CUA, any_of=("curl",), pattern=r"^(?:lib)?curl/|^pycurl/|\blibcurl\b"
    ),
    AgentRule("library.wget", "Wget", CRAWLER, NONE, CUA, starts=("wget", "wget2")),
    AgentRule("library.requests", "python-requests", CRAWLER, NONE, CUA, has=("python-requests",)),
    AgentRule("library.httpx", "python-httpx", CRAWLER, NONE, CUA, has=("python-httpx",)),
    AgentRule("library.aiohttp", "aiohttp", CRAWLER, NONE, CUA, has=("aiohttp/",)),
    AgentRule("library.urllib", "Python-urllib", CRAWLER, NONE, CUA, has=("python-urllib",)),
    AgentRule("library.urllib3", "urllib3", CRAWLER, NONE, CUA, starts="urllib3/"),
    AgentRule("library.python", "Python", CRAWLER, NONE, CUA, starts="python"),
    AgentRule("library.scrapy", "Scrapy", CRAWLER, NONE, CUA, has=("scrapy/",)),
    AgentRule(
        "library.go",
        "Go-http-client",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "go-http-client",
            "package http",
        ),
        pattern=r"go-http-client|^go [\d.]+ package http",
    ),
    AgentRule("library.go.resty", "go-resty", CRAWLER, NONE, CUA, starts="go-resty"),
    AgentRule("library.java", "Java", CRAWLER, NONE, CUA, any_of=("java",), pattern=r"^java[/ ]|^java-http-client/"),
    AgentRule("library.apache", "Apache HttpClient", CRAWLER, NONE, CUA, has=("apache-httpclient",)),
    AgentRule("library.commons", "Jakarta HttpClient", CRAWLER, NONE, CUA, has=("commons-httpclient",)),
    AgentRule(
        "library.asynchttp",
        "AsyncHttpClient",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "asynchttpclient",
            "ahc/",
        ),
        pattern=r"asynchttpclient|^ahc/",
    ),
    AgentRule("library.okhttp", "okhttp", CRAWLER, NONE, CUA, starts="okhttp"),
    AgentRule("library.axios", "axios", CRAWLER, NONE, CUA, starts="axios/"),
    AgentRule(
        "library.node", "node-fetch", CRAWLER, NONE, CUA, pattern=r"^node(?:-fetch|-superagent|\.js|/|$)|^undici"
    ),
    AgentRule("library.got", "got", CRAWLER, NONE, CUA, pattern=r"^got[ /(]"),
    AgentRule(
        "library.perl",
        "libwww-perl",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "lwp",
            "libwww-perl",
            "http::tiny",
        ),
        pattern=r"libwww-perl|^lwp[:-]|^http::tiny",
    ),
    AgentRule(
        "library.php",
        "PHP",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "php",
            "guzzle",
            "symfony",
        ),
        pattern=r"^php[/ ]|guzzlehttp|^symfony httpclient",
    ),
    AgentRule("library.ruby", "Ruby", CRAWLER, NONE, CUA, pattern=r"^ruby|^faraday|^rest-client|^http\.rb"),
    AgentRule("library.dotnet", "RestSharp", CRAWLER, NONE, CUA, starts=("restsharp", "dotnet")),
    AgentRule("library.rust", "reqwest", CRAWLER, NONE, CUA, starts=("reqwest/", "hyper/", "rust")),
    AgentRule("library.powershell", "PowerShell", CRAWLER, NONE, CUA, has=("powershell/",)),
    AgentRule(
        "library.winhttp",
        "WinHTTP",
        CRAWLER,
        NONE,
        CUA,
        any_of=("winhttp",),
        pattern=r"winhttp(?:request)?\b|^microsoft winhttp",
    ),
    AgentRule("library.httpie", "HTTPie", CRAWLER, NONE, CUA, starts="httpie"),
    AgentRule("library.postman", "Postman", CRAWLER, NONE, CUA, starts="postman"),
    AgentRule("library.insomnia", "Insomnia", CRAWLER, NONE, CUA, starts="insomnia/"),
    AgentRule("library.lua", "lua-resty-http", CRAWLER, NONE, CUA, starts="lua-resty"),
    AgentRule("library.headless", "Headless Chrome", CRAWLER, NONE, DD, has=("headlesschrome",)),
    AgentRule("library.phantom", "PhantomJS", CRAWLER, NONE, DD, has=("phantomjs",)),
    AgentRule(
        "library.puppeteer",
        "Puppeteer",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "puppeteer",
            "playwright",
            "selenium",
        ),
    ),
    AgentRule("library.tool", "HTTP tool", CRAWLER, NONE, CUA, starts=("ab/", "apachebench", "siege", "wrk/", "hey/")),
)

# Mail programs name the engine too (Firefox, Chrome, Safari): the mail product is looked for before the browser.
_MAIL_PROGRAMS = (
    # Outlook, new and old, computer and phone
    AgentRule("mail.outlook.new", "New Outlook for Windows", DESKTOP, COMPUTER, YAUAA, has=("oneoutlook/",)),
    AgentRule("mail.outlook.ios", "Outlook for iOS", MOBILE, None, DD, starts="outlook-ios"),
    AgentRule("mail.outlook.android", "Outlook for Android", MOBILE, PHONE, DD, starts="outlook-android"),
    AgentRule("mail.outlook.app", "Outlook", MOBILE, PHONE, DD, has=("com.microsoft.office.outlook",)),
    AgentRule("mail.outlook.express", "Outlook Express", DESKTOP, COMPUTER, DD, has=("outlook-express/",)),
    AgentRule("mail.outlook.mac", "Outlook for Mac", DESKTOP, COMPUTER, DD, has=("macoutlook/",)),
    AgentRule("mail.outlook.mac.cf", "Outlook for Mac", DESKTOP, COMPUTER, DD, starts="outlook/", has=("darwin",)),
    AgentRule("mail.outlook.office", "Microsoft Outlook", DESKTOP, COMPUTER, UAP, has=("microsoft outlook",)),
    AgentRule("mail.outlook.old", "Microsoft Outlook", DESKTOP, COMPUTER, UAP, has=("microsoft office outlook",)),
    AgentRule(
        "mail.outlook.msoffice", "Microsoft Outlook", DESKTOP, COMPUTER, UAP, pattern=r"ms-?office[ ;)]|msoffice"
    ),
    AgentRule("mail.windows.live", "Windows Live Mail", DESKTOP, COMPUTER, DD, has=("windows live mail",)),
    AgentRule("mail.windows.live.old", "Windows Live Mail", DESKTOP, COMPUTER, DD, has=("windows-live-mail",)),
    AgentRule(
        "mail.windows", "Windows Mail", DESKTOP, COMPUTER, DD, pattern=r"windows ?mail/|windowscommunicationsapps"
    ),
    AgentRule("mail.entourage", "Microsoft Entourage", DESKTOP, COMPUTER, UAP, has=("entourage/",)),
    # Gecko
    AgentRule("mail.betterbird", "Betterbird", DESKTOP, COMPUTER, DD, has=("betterbird/",)),
    AgentRule("mail.thunderbird.android", "Thunderbird", MOBILE, None, DD, has=("thunderbird", "android")),
    AgentRule(
        "mail.thunderbird",
        "Thunderbird",
        DESKTOP,
        COMPUTER,
        DD,
        any_of=(
            "thunderbird",
            "shredder/",
            "lanikai/",
        ),
        pattern=r"thunderbird\b|shredder/|lanikai/",
    ),
    AgentRule("mail.icedove", "Icedove", DESKTOP, COMPUTER, DD, has=("icedove",)),
    AgentRule("mail.seamonkey", "SeaMonkey", DESKTOP, COMPUTER, DD, has=("seamonkey/",)),
    AgentRule("mail.iceape", "SeaMonkey", DESKTOP, COMPUTER, DD, has=("iceape/",)),
    AgentRule("mail.postbox", "Postbox", DESKTOP, COMPUTER, DD, has=("postbox",)),
    AgentRule("mail.spicebird", "Spicebird", DESKTOP, COMPUTER, DD, has=("spicebird/",)),
    AgentRule("mail.interlink", "Interlink", DESKTOP, COMPUTER, DD, has=("interlink/",)),
    AgentRule("mail.epyrus", "Epyrus", DESKTOP, COMPUTER, DD, has=("epyrus/",)),
    # Electron and WebView
    AgentRule("mail.superhuman.ios", "Superhuman", MOBILE, None, YAUAA, has=("superhuman", "iphone")),
    AgentRule("mail.superhuman.android", "Superhuman", MOBILE, None, YAUAA, has=("superhuman", "android")),
    AgentRule("mail.superhuman", "Superhuman", DESKTOP, COMPUTER, UAP, has=("superhuman",)),
    AgentRule("mail.mailspring", "Mailspring", DESKTOP, COMPUTER, DD, has=("mailspring/",)),
    AgentRule(
        "mail.nylas",
        "Nylas Mail",
        DESKTOP,
        COMPUTER,
        DD,
        any_of=(
            "nylas",
            "n1/",
        ),
        pattern=r"nylas ?mail/|\bn1/\d",
    ),
    AgentRule("mail.mailbird", "Mailbird", DESKTOP, COMPUTER, DD, has=("mailbird/",)),
    AgentRule("mail.emclient.mobile", "eM Client", MOBILE, None, DD, pattern=r"em ?client/.*(?:android|iphone|ipad)"),
    AgentRule("mail.emclient", "eM Client", DESKTOP, COMPUTER, DD, any_of=("client",), pattern=r"\bem ?client\b"),
    AgentRule("mail.foxmail", "Foxmail", DESKTOP, COMPUTER, DD, has=("foxmail",)),
    AgentRule(
        "mail.bluemail.mobile", "BlueMail", MOBILE, None, DD, pattern=r"bluemail.*(?:android|iphone|ipad|mobile)"
    ),
    AgentRule("mail.bluemail", "BlueMail", DESKTOP, COMPUTER, DD, has=("bluemail",)),
    AgentRule("mail.mailmaster.pc", "MailMaster", DESKTOP, COMPUTER, DD, pattern=r"mailmaster(?:pc|mac)"),
    AgentRule("mail.mailmaster", "MailMaster", MOBILE, None, DD, has=("mailmaster",)),
    AgentRule("mail.spark.mobile", "Spark", MOBILE, None, DD, pattern=r"spark(?:mail)?/.*(?:android|iphone|ipad)"),
    AgentRule("mail.spark.desktop", "Spark Desktop", DESKTOP, COMPUTER, YAUAA, has=("sparkdesktop/",)),
    AgentRule("mail.spark", "Spark", DESKTOP, COMPUTER, YAUAA, any_of=("spark",), pattern=r"sparkmail/|^spark/[\d.]+"),
    AgentRule("mail.missive", "Missive", DESKTOP, COMPUTER, YAUAA, has=("missive/",)),
    AgentRule("mail.shift", "Shift", DESKTOP, COMPUTER, YAUAA, has=("shiftdesktop",)),
    AgentRule("mail.kiwi", "Kiwi for Gmail", DESKTOP, COMPUTER, YAUAA, has=("kiwi for gmail",)),
    AgentRule("mail.mimestream", "Mimestream", DESKTOP, COMPUTER, DD, has=("mimestream",)),
    AgentRule("mail.canary", "Canary Mail", DESKTOP, COMPUTER, DD, pattern=r"canary ?mail"),
    AgentRule("mail.polymail", "Polymail", DESKTOP, COMPUTER, DD, has=("polymail",)),
    AgentRule(
        "mail.proton",
        "Proton Mail",
        DESKTOP,
        COMPUTER,
        YAUAA,
        any_of=("proton",),
        pattern=r"proton ?mail.*electron|electron.*proton ?mail",
    ),
    AgentRule("mail.tutanota", "Tuta", DESKTOP, COMPUTER, YAUAA, pattern=r"tutanota-desktop|tuta-desktop"),
    # others on computers
    AgentRule("mail.airmail.mobile", "Airmail", MOBILE, None, DD, pattern=r"airmail.*(?:iphone|ipad|\bios\b)"),
    AgentRule("mail.airmail", "Airmail", DESKTOP, COMPUTER, DD, has=("airmail",)),
    AgentRule(
        "mail.notes",
        "HCL Notes",
        DESKTOP,
        COMPUTER,
        DD,
        any_of=(
            "lotus-notes/",
            "notes",
        ),
        pattern=r"lotus-notes/|(?:ibm|hcl)[ -]notes",
    ),
    AgentRule("mail.thebat", "The Bat!", DESKTOP, COMPUTER, DD, has=("the bat!",)),
    AgentRule("mail.voyager", "The Bat!", DESKTOP, COMPUTER, DD, has=("thebat",)),
    AgentRule(
        "mail.kmail",
        "KMail",
        DESKTOP,
        COMPUTER,
        UAP,
        any_of=(
            "kmail",
            "kontact",
        ),
        pattern=r"kmail2?/|\bkontact/",
    ),
    AgentRule(
        "mail.evolution", "Evolution", DESKTOP, COMPUTER, DD, any_of=("evolution",), pattern=r"\bevolution[/ ]\d"
    ),
    AgentRule("mail.geary", "Geary", DESKTOP, COMPUTER, DD, has=("geary/",)),
    AgentRule("mail.sylpheed", "Sylpheed", DESKTOP, COMPUTER, DD, has=("sylpheed",)),
    AgentRule("mail.claws", "Claws Mail", DESKTOP, COMPUTER, DD, pattern=r"claws ?mail"),
    AgentRule("mail.balsa", "Balsa", DESKTOP, COMPUTER, DD, starts="balsa"),
    AgentRule("mail.eudora", "Eudora", DESKTOP, COMPUTER, UAP, has=("eudora",)),
    AgentRule("mail.pegasus", "Pegasus Mail", DESKTOP, COMPUTER, DD, has=("pegasus mail",)),
    AgentRule("mail.incredimail", "IncrediMail", DESKTOP, COMPUTER, DD, has=("incredimail",)),
    AgentRule("mail.becky", "Becky!", DESKTOP, COMPUTER, DD, has=("becky!",)),
    AgentRule("mail.barca", "Barca", DESKTOP, COMPUTER, UAP, any_of=("barca",), pattern=r"\bbarca(?:pro)?/"),
    AgentRule("mail.opera", "Opera Mail", DESKTOP, COMPUTER, DD, pattern=r"opera ?mail"),
    AgentRule("mail.sparrow", "Sparrow", DESKTOP, COMPUTER, UAP, pattern=r"^sparrow"),
    AgentRule("mail.mailmate", "MailMate", DESKTOP, COMPUTER, UAP, has=("mailmate",)),
    AgentRule("mail.zimbra", "Zimbra Desktop", DESKTOP, COMPUTER, DD, pattern=r"zimbra ?desktop|zdesktop"),
    AgentRule("mail.apple.ews", "Apple Mail", DESKTOP, COMPUTER, UAP, pattern=r"^mac ?os ?x/.*\bmail/"),
    AgentRule("mail.apple.cf", "Apple Mail", DESKTOP, COMPUTER, UAP, pattern=r"^mail/\d[\d.]* cfnetwork/"),
    AgentRule("mail.apple.daemon", "Apple Mail", DESKTOP, COMPUTER, UAP, starts="com.apple.mail"),
    # phones
    AgentRule("mail.yahoo.ios", "Yahoo Mail", MOBILE, None, DD, pattern=r"^yahoo(?:%20|\+| )?mail/.*darwin"),
    AgentRule(
        "mail.yahoo.mobile", "Yahoo Mail", MOBILE, None, UAP, pattern=r"yahoomobile(?:mail|messenger)|yahooandroidmail"
    ),
    AgentRule(
        "mail.yahoo.app",
        "Yahoo Mail",
        MOBILE,
        None,
        DD,
        any_of=(
            "com.yahoo.mobile.client.android.mail",
            "jp.co.yahoo",
        ),
        pattern=r"com\.yahoo\.mobile\.client\.android\.mail|jp\.co\.yahoo\.(?:android\.)?y?mail",
    ),
    AgentRule(
        "mail.aol",
        "AOL Mail",
        MOBILE,
        None,
        DD,
        any_of=("aol",),
        pattern=r"aol(?:%20|\+| )?mail/|com\.aol\.mobile\.aolapp",
    ),
    AgentRule("mail.naver", "Naver Mail", MOBILE, None, DD, has=("navermailapp/",)),
    AgentRule("mail.daum", "Daum Mail", MOBILE, None, DD, has=("daummail",)),
    AgentRule("mail.gmail.android", "Gmail for Android", MOBILE, None, DD, starts="android-gmail/"),
    AgentRule(
        "mail.gmail.ios",
        "Gmail for iOS",
        MOBILE,
        None,
        DD,
        any_of=("gmail",),
        pattern=r"^gmail/.*(?:darwin|cfnetwork|iphone)|com\.google\.gmail",
    ),
    AgentRule("mail.gmail.app", "Gmail for Android", MOBILE, None, DD, has=("com.google.android.gm",), lacks=("gms",)),
    AgentRule("mail.inbox.android", "Inbox", MOBILE, None, DD, has=("google.android.apps.inbox",)),
    AgentRule(
        "mail.samsung",
        "Samsung Email",
        MOBILE,
        None,
        UPJS,
        any_of=("samsung",),
        pattern=r"samsung ?e?mail|com\.samsung\.android\.email",
    ),
    AgentRule(
        "mail.k9",
        "K-9 Mail",
        MOBILE,
        None,
        DD,
        any_of=(
            "k9",
            "k-9",
        ),
        pattern=r"\bk-?9(?: ?mail)?/|com\.fsck\.k9",
    ),
    AgentRule("mail.fairemail", "FairEmail", MOBILE, None, DD, has=("fairemail",)),
    AgentRule("mail.aquamail", "Aqua Mail", MOBILE, None, DD, pattern=r"aqua ?mail"),
    AgentRule("mail.nine", "Nine", MOBILE, None, DD, any_of=("nine",), pattern=r"^nine/|com\.ninefolders"),
    AgentRule(
        "mail.edison",
        "Edison Mail",
        MOBILE,
        None,
        DD,
        any_of=(
            "edison",
            "email/",
            "easilydo",
        ),
        pattern=r"edison ?mail|^email/\d.*cfnetwork|com\.easilydo",
    ),
    AgentRule(
        "mail.mytmail",
        "myMail",
        MOBILE,
        None,
        DD,
        any_of=(
            "mymail",
            "com.my.mail",
            "ru.mail.mailapp",
        ),
        pattern=r"\bmymail/|com\.my\.mail|ru\.mail\.mailapp",
    ),
    AgentRule(
        "mail.qqmail", "QQ Mail", MOBILE, None, DD, any_of=("qqmail",), pattern=r"\bqqmail/|com\.tencent\.androidqqmail"
    ),
    AgentRule(
        "mail.boxer",
        "Boxer",
        MOBILE,
        None,
        DD,
        any_of=(
            "boxer",
            "airwatch",
        ),
        pattern=r"\bboxer/|com\.boxer\.email|airwatch ?inbox",
    ),
    AgentRule("mail.touchdown", "TouchDown", MOBILE, None, DD, has=("touchdown",)),
    AgentRule("mail.blackberry", "BlackBerry Hub", MOBILE, None, DD, pattern=r"com\.blackberry\.(?:hub|email)"),
    AgentRule(
        "mail.tutanota.mobile",
        "Tuta",
        MOBILE,
        None,
        DD,
        any_of=(
            "tutanota",
            "de.tutao",
        ),
        pattern=r"\btutanota/|de\.tutao",
    ),
    AgentRule(
        "mail.protonmobile",
        "Proton Mail",
        MOBILE,
        None,
        DD,
        any_of=("protonmail",),
        pattern=r"ch\.protonmail|^protonmail/",
    ),
    AgentRule(
        "mail.generic.android",
        "Email",
        MOBILE,
        None,
        DD,
        any_of=(
            "android-mail/",
            "android-email/",
            "com.android.email",
        ),
        pattern=r"^android-(?:mail|email)/|com\.android\.email",
    ),
    AgentRule("mail.microsoft.eas", "Outlook", MOBILE, PHONE, DD, pattern=r"^outlook/.*(?:android|iphone)"),
    # webmail that fetches on the server and says so
    AgentRule("webmail.roundcube", "Roundcube Webmail", WEBMAIL, HIDDEN, UPJS, has=("roundcube",)),
    AgentRule(
        "webmail.rainloop",
        "RainLoop",
        WEBMAIL,
        HIDDEN,
        UPJS,
        any_of=(
            "rainloop",
            "snappymail",
        ),
    ),
    AgentRule("webmail.squirrelmail", "SquirrelMail", WEBMAIL, HIDDEN, UPJS, has=("squirrelmail",)),
    AgentRule(
        "webmail.horde",
        "Horde",
        WEBMAIL,
        HIDDEN,
        UPJS,
        any_of=("horde",),
        pattern=r"horde (?:application|imp)|^horde[/ ]",
    ),
    AgentRule("webmail.sogo", "SOGo", WEBMAIL, HIDDEN, UPJS, starts="sogo/"),
    AgentRule("webmail.zimbra", "Zimbra", WEBMAIL, HIDDEN, UPJS, has=("zimbra",)),
    AgentRule("webmail.afterlogic", "AfterLogic", WEBMAIL, HIDDEN, UPJS, has=("afterlogic",)),
)

# The browser inside another program: a person, but named after the program.
_IN_APP = (
    AgentRule("app.teams", "Microsoft Teams", BROWSER, None, UAP, any_of=("teams",), pattern=r" teams(?:mobile)?[/-]"),
    AgentRule(
        "app.slack",
        "Slack Desktop Client",
        BROWSER,
        None,
        UAP,
        any_of=("slack",),
        pattern=r"slack_ssb/|\bslack/\d.*electron",
    ),
    AgentRule("app.telegram", "Telegram", BROWSER, PHONE, UAP, has=("telegram-android/",)),
    AgentRule(
        "app.telegram.ios", "Telegram", BROWSER, None, UAP, any_of=("telegram",), pattern=r"\btelegram(?:-ios|/)"
    ),
    AgentRule(
        "app.whatsapp", "WhatsApp", BROWSER, None, DD, any_of=("whatsapp/",), pattern=r"applewebkit.*\bwhatsapp/"
    ),
    AgentRule(
        "app.facebook",
        "Facebook",
        BROWSER,
        None,
        DD,
        any_of=(
            "fban/",
            "fbav/",
            "fb_iab",
        ),
    ),
    AgentRule("app.instagram", "Instagram", BROWSER, None, DD, any_of=("instagram ",), pattern=r"\binstagram [\d.]+"),
    AgentRule("app.linkedin", "LinkedIn", BROWSER, None, DD, has=("linkedinapp",)),
    AgentRule("app.google", "Google App", BROWSER, None, DD, any_of=("gsa/",), pattern=r"\bgsa/\d"),
    AgentRule("app.wechat", "WeChat", BROWSER, None, DD, has=("micromessenger/",)),
    AgentRule("app.line", "LINE", BROWSER, None, DD, any_of=("line/",), pattern=r"applewebkit.*\bline/\d"),
    AgentRule("app.snapchat", "Snapchat", BROWSER, None, DD, any_of=("snapchat",), pattern=r"\bsnapchat[/ ]"),
    AgentRule("app.pinterest", "Pinterest", BROWSER, None, DD, pattern=r"\[pinterest/"),
    AgentRule("app.yahoojapan", "Yahoo! Japan", BROWSER, None, DD, pattern=r"yjapp-|yahoo! ?japan"),
    AgentRule(
        "app.duckduckgo",
        "DuckDuckGo",
        BROWSER,
        None,
        UAP,
        any_of=(
            "duckduckgo/",
            "ddg/",
        ),
        pattern=r"duckduckgo/\d|\bddg/\d",
    ),
)

# The Mail app of Apple is bare WebKit. Other programs send the same, so the judge weighs network and time as well.
_BARE_WEBKIT = (
    AgentRule(
        "mail.apple.mac",
        "Apple Mail",
        DESKTOP,
        COMPUTER,
        UAP,
        any_of=("macintosh",),
        pattern=r"^mozilla/5\.0 \(macintosh; [^)]*\) applewebkit/[\d.+]+ \(khtml, like gecko\)$",
    ),
    AgentRule(
        "mail.apple.ios",
        "Apple Mail",
        MOBILE,
        None,
        UAP,
        any_of=("like mac os x",),
        pattern=r"^mozilla/5\.0 \((?:iphone|ipad|ipod)[^)]*\) applewebkit/[\d.+]+ \(khtml, like gecko\)"
        r"(?: mobile/\w+)?$",
    ),
)

# Whatever calls itself a machine. Last, because real products carry such letters too (Cubot phones), and the words of
# browsers before those of programs.
_ROBOTS = (
    AgentRule(
        "scanner.generic",
        "security scanner",
        SCANNER,
        NONE,
        CUA,
        any_of=(
            "phish",
            "malware",
            "antivirus",
            "safebrowsing",
            "nikto",
            "acunetix",
            "nessus",
            "openvas",
            "wpscan",
            "sqlmap",
            "masscan",
            "qualys",
            "scaninfo@",
            "mailscanner",
            "securityscan",
            "urlscan",
        ),
    ),
    AgentRule(
        "preview.generic",
        "link preview",
        PREVIEW,
        NONE,
        CUA,
        any_of=("linkpreview", "link preview", "urlpreview", "url preview", "web preview", "preview service"),
    ),
    AgentRule("preview.whatsapp.bare", "WhatsApp", PREVIEW, NONE, CUA, exact="whatsapp"),
    AgentRule(
        "crawler.bot", "robot", CRAWLER, NONE, CUA, any_of=("bot",), pattern=r"bot(?![a-z])|robot", lacks=("cubot",)
    ),
    AgentRule(
        "crawler.named",
        "robot",
        CRAWLER,
        NONE,
        CUA,
        any_of=(
            "crawl",
            "spider",
            "scraper",
            "fetcher",
            "archiver",
            "validator",
            "monitor",
            "checker",
            "synthetic",
            "uptime",
            "linkcheck",
            "ptst/",
            "indexer",
            "analyzer",
            "httrack",
            "nutch",
        ),
    ),
    # People's programs do not carry the address of a page about themselves; one component of old browsers does.
    AgentRule(
        "crawler.address",
        "robot",
        CRAWLER,
        NONE,
        CUA,
        any_of=("http://", "https://", "www.", "+http"),
        lacks=("bsalsa.com", "superhuman"),
    ),
    AgentRule(
        "crawler.compatible",
        "robot",
        CRAWLER,
        NONE,
        CUA,
        starts="mozilla/5.0 (compatible",
        lacks=("msie", "konqueror", "opera", "trident", "android", "iphone", "windows nt", "linux"),
    ),
    AgentRule(
        "mail.generic",
        "mail program",
        DESKTOP,
        None,
        DD,
        any_of=("mail",),
        pattern=r"^(?!mozilla/).*mail[a-z]*[/ ]\d",
        lacks=("android", "iphone", "ipad", "darwin"),
    ),
    AgentRule("mail.generic.mobile", "mail app", MOBILE, None, DD, any_of=("mail",), pattern=r"mail[a-z]*/\d"),
    AgentRule(
        "library.generic",
        "HTTP library",
        CRAWLER,
        NONE,
        CUA,
        any_of=("http", "feed", "fetch", "url", "check", "sdk", "search"),
        pattern=r"^(?!mozilla/|opera/|dalvik/)(?!.*(?:cfnetwork|browser|midp))",
    ),
    # One product and nothing else, no platform: libraries and tools. Mail programs that do so are named above.
    AgentRule("library.bare", "HTTP library", CRAWLER, NONE, CUA, pattern=r"^[\w.:+-]+/v?\d[\w.+-]*$"),
    # The plain HTTP stack of Android: some app, and in a mail most likely the mail app.
    AgentRule("app.android", "Android app", MOBILE, None, DD, starts="dalvik/"),
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
)

# Chrome below this version counts as stale: scanners run old browsers (57, 64, 72, 79, 80, 96, 97 were seen from
# Microsoft's; gophish issues 973, 2115, 2446, 2357), people's browsers bring themselves up to date. Looked at: 2026-11.
STALE_CHROME = 100
STALE_FIREFOX = 100
