"""Domains that many companies share: they name no company, so they never link an account.

Free-mail providers, internet access providers that hand out addresses, hosting suffixes under which strangers live,
and second-level public suffixes. A wrong link pays the wrong partner, a missing one waits in the review list; so the
list may be generous.
"""

from __future__ import annotations

from typing import Final

_FREE_MAIL: Final = """
126.com 139.com 163.com 188.com 21cn.com aim.com aliyun.com aol.co.uk aol.com aol.de aol.fr atomicmail.io bk.ru
bluewin.ch caramail.com centrum.cz daum.net disroot.org email.com email.cz email.it fastmail.com fastmail.fm
foxmail.com freemail.hu freenet.de gawab.com gmail.co.uk gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.fr gmx.net
googlemail.com hanmail.net hey.com hotmail.be hotmail.ca hotmail.co.jp hotmail.co.uk hotmail.com hotmail.com.au
hotmail.com.br hotmail.de hotmail.es hotmail.fr hotmail.it hotmail.nl hushmail.com icloud.com inbox.com inbox.lv
inbox.ru indiatimes.com iname.com india.com interia.pl kakao.com keemail.me kolabnow.com laposte.net libero.it list.ru
live.be live.ca live.co.uk live.com live.com.au live.com.mx live.de live.dk live.fr live.it live.nl live.no live.se
lycos.com mac.com mail.com mail.de mail.ee mail.ru mailbox.org mailfence.com me.com msn.com mynet.com myself.com
naver.com o2.pl onet.eu onet.pl outlook.at outlook.be outlook.co.id outlook.com outlook.com.au outlook.com.br outlook.cz
outlook.de outlook.dk outlook.es outlook.fr outlook.ie outlook.in outlook.it outlook.jp outlook.kr outlook.pt pm.me
posteo.de posteo.net proton.me protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com riseup.net rocketmail.com
runbox.com sapo.pt seznam.cz sina.cn sina.com sohu.com startmail.com tiscali.it tuta.com tuta.io tutamail.com
tutanota.com tutanota.de ukr.net usa.com vip.163.com vip.qq.com virgilio.it walla.co.il walla.com web.de wp.pl ya.ru
yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.jp yahoo.co.kr yahoo.co.nz yahoo.co.th yahoo.co.uk yahoo.co.za yahoo.com
yahoo.com.ar yahoo.com.au yahoo.com.br yahoo.com.cn yahoo.com.hk yahoo.com.mx yahoo.com.my yahoo.com.ph yahoo.com.sg
yahoo.com.tr yahoo.com.tw yahoo.com.vn yahoo.cz yahoo.de yahoo.dk yahoo.es yahoo.fi yahoo.fr yahoo.gr yahoo.hu
yahoo.ie yahoo.in yahoo.it yahoo.nl yahoo.no yahoo.pl yahoo.pt yahoo.ro yahoo.se yandex.by yandex.com yandex.kz
yandex.ru yeah.net ymail.com zoho.com zoho.eu zoho.in zohomail.com
"""
_ACCESS_PROVIDERS: Final = """
alice.it arcor.de att.net bellsouth.net bigpond.com bigpond.net.au blueyonder.co.uk bt.com btinternet.com cableone.net
centurylink.net charter.net chello.at chello.nl comcast.net cox.net earthlink.net embarqmail.com free.fr frontier.com
frontiernet.net hetnet.nl home.nl juno.com kpnmail.nl mindspring.com neuf.fr ntlworld.com numericable.fr online.no
optonline.net optusnet.com.au orange.fr planet.nl prodigy.net rogers.com sbcglobal.net sfr.fr shaw.ca sky.com
skynet.be suddenlink.net sympatico.ca t-online.de talktalk.net telefonica.net telenet.be telia.com telus.net
tin.it uol.com.br verizon.net videotron.ca virgin.net virginmedia.com wanadoo.es wanadoo.fr windstream.net
xs4all.nl xtra.co.nz ziggo.nl bol.com.br terra.com.br ig.com.br globo.com r7.com
"""
_HOSTING: Final = """
amazonaws.com appspot.com azurewebsites.net blogspot.com carrd.co cloudfront.net facebook.com firebaseapp.com fly.dev
github.com github.io gitlab.io godaddysites.com google.com herokuapp.com hubspotpagebuilder.com instagram.com
jimdofree.com jimdosite.com linkedin.com linktr.ee mailchimpsites.com medium.com my.salesforce.com myshopify.com
netlify.app ngrok.io notion.site onmicrosoft.com onrender.com pages.dev sharepoint.com sites.google.com square.site
squarespace.com strikingly.com substack.com surge.sh tumblr.com twitter.com vercel.app web.app webflow.io weebly.com
wixsite.com wordpress.com workers.dev x.com youtube.com zendesk.com
"""
_PUBLIC_SUFFIXES: Final = """
ac.at ac.cn ac.id ac.il ac.in ac.jp ac.kr ac.nz ac.uk ac.za asn.au co.at co.id co.il co.in co.jp co.ke co.kr co.nz
co.th co.ug co.uk co.za com.ar com.au com.bd com.bo com.br com.cn com.co com.cy com.do com.ec com.eg com.es com.gh
com.gr com.gt com.hk com.kw com.lb com.mt com.mx com.my com.ng com.np com.pa com.pe com.ph com.pk com.pl com.pr com.pt
com.py com.qa com.ro com.ru com.sa com.sg com.sv com.tr com.tw com.ua com.uy com.ve com.vn edu.au edu.br edu.cn edu.in
firm.in gen.in go.id go.jp go.kr go.th gob.ar gob.mx gouv.fr gov.au gov.br gov.cn gov.in gov.sg gov.uk gov.za govt.nz
gv.at id.au in.th ind.br ind.in ltd.uk me.uk ne.jp net.au net.br net.cn net.in net.nz net.uk nhs.uk nom.br nom.co
or.at or.id or.jp or.kr org.au org.br org.cn org.in org.nz org.uk org.za plc.uk police.uk sch.uk web.id
"""

SHARED: Final = frozenset((_FREE_MAIL + _ACCESS_PROVIDERS + _HOSTING + _PUBLIC_SUFFIXES).split())


def is_shared(domain: str) -> bool:
    """Whether a (lower-case, ASCII) domain is shared by many companies, or no company's domain at all."""
    return "." not in domain or domain in SHARED
