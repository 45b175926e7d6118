"""Domains at which anybody can have a mailbox: data only.

Two people at gmail.com are not colleagues, and what one of them does says nothing about the other. The list is short on
purpose: it holds the providers that a sender meets again and again. A provider that is missing costs a sentence such as
"this company's gateway opens every link" about people who only share a provider.

Source: the providers' own sign-up pages, looked at in November 2026.
"""

from __future__ import annotations

AS_OF = "2026-11"

MAIL_PROVIDERS = frozenset(
    """
    gmail.com googlemail.com
    outlook.com hotmail.com live.com msn.com hotmail.co.uk hotmail.fr hotmail.de hotmail.it hotmail.es live.co.uk
    live.nl live.fr live.de live.it outlook.de outlook.fr outlook.es outlook.it passport.com windowslive.com
    icloud.com me.com mac.com
    yahoo.com ymail.com rocketmail.com yahoo.co.uk yahoo.fr yahoo.de yahoo.it yahoo.es yahoo.ca yahoo.co.in
    yahoo.co.jp yahoo.com.br yahoo.com.au yahoo.com.mx aol.com aim.com
    gmx.de gmx.net gmx.at gmx.ch gmx.com web.de t-online.de freenet.de mail.de mailbox.org posteo.de posteo.net arcor.de
    orange.fr wanadoo.fr free.fr laposte.net sfr.fr neuf.fr bbox.fr
    libero.it virgilio.it tiscali.it alice.it tin.it
    telefonica.net terra.es
    btinternet.com sky.com talktalk.net virginmedia.com ntlworld.com blueyonder.co.uk
    ziggo.nl kpnmail.nl planet.nl home.nl xs4all.nl telenet.be skynet.be
    bluewin.ch sunrise.ch hispeed.ch aon.at chello.at
    telia.com online.no post.tele.dk comhem.se
    wp.pl o2.pl onet.pl interia.pl op.pl gazeta.pl seznam.cz email.cz centrum.cz
    mail.ru bk.ru inbox.ru list.ru yandex.ru yandex.com ya.ru rambler.ru ukr.net i.ua
    comcast.net verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net
    shaw.ca rogers.com sympatico.ca telus.net
    bigpond.com optusnet.com.au iinet.net.au xtra.co.nz
    uol.com.br bol.com.br terra.com.br ig.com.br
    rediffmail.com qq.com foxmail.com 163.com 126.com sina.com sohu.com yeah.net naver.com daum.net hanmail.net
    nifty.com docomo.ne.jp ezweb.ne.jp softbank.ne.jp
    proton.me protonmail.com protonmail.ch pm.me tutanota.com tuta.com tuta.io tutamail.com
    fastmail.com fastmail.fm hey.com zoho.com mail.com duck.com pobox.com hushmail.com startmail.com mailfence.com
    """.split()
)
