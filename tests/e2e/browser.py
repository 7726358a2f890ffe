"""What a person's browser does at a login: follows redirects, keeps cookies, fills in forms and sends them. Loopback only.

A page without a script needs no more than this; where a real browser would send a form by itself (SAML's POST binding), the
form is sent just the same.
"""

import html.parser
import http.client
import http.cookies
import urllib.parse

STEPS = 25


class Form(html.parser.HTMLParser):
    """The first form of a page: where it goes and what is in it."""

    def __init__(self, page):
        super().__init__()
        self.action, self.method, self.fields, self.open = None, "GET", {}, False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "form" and self.action is None:
            self.action, self.method, self.open = attrs.get("action", ""), attrs.get("method", "get").upper(), True
        elif tag == "input" and self.open and attrs.get("name") and attrs.get("type") not in ("submit", "checkbox", "radio"):
            self.fields[attrs["name"]] = attrs.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self.open = False


class Browser:
    """One person's. Nothing is shared with another one."""

    def __init__(self):
        self.cookies = {}  # (host, path, name): value

    def _cookie_header(self, url):
        mine = [f"{name}={value}" for (host, path, name), value in self.cookies.items()
                if host == url.netloc and url.path.startswith(path)]
        return {"Cookie": "; ".join(mine)} if mine else {}

    def _request(self, method, address, fields):
        url = urllib.parse.urlsplit(address)
        body = urllib.parse.urlencode(fields) if method == "POST" else None
        target = url.path + ("?" + url.query if url.query else "")
        headers = {"Accept": "text/html", **self._cookie_header(url)}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(url.netloc, timeout=60)
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        page = answer.read().decode("utf-8", "replace")
        connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            for name, morsel in http.cookies.SimpleCookie(line).items():
                key = (url.netloc, morsel["path"] or "/", name)
                self.cookies.pop(key, None)
                if morsel.value and morsel["max-age"] != "0":
                    self.cookies[key] = morsel.value
        return answer, page

    def visit(self, address, end, person):
        """From address until a redirect leads to a URL that starts with end; that URL. `person` fills in forms by the names
        of their fields; a form that is shown a second time has been refused."""
        method, fields, shown = "GET", None, []
        for _ in range(STEPS):
            answer, page = self._request(method, address, fields)
            if answer.status in (301, 302, 303, 307):
                address, method, fields = urllib.parse.urljoin(address, answer.headers["Location"]), "GET", None
                if address.startswith(end):
                    return address
                continue
            assert answer.status == 200, f"{method} {address}: {answer.status} {page[-2000:]}"
            form = Form(page)
            names = sorted(form.fields)
            assert form.action and names not in shown, f"{method} {address}: no way on from {page[-3000:]}"
            shown.append(names)
            method, fields = form.method, {name: person.get(name, value) for name, value in form.fields.items()}
            address = urllib.parse.urljoin(address, form.action)
        raise AssertionError(f"{STEPS} steps and not at {end}: {address}")
