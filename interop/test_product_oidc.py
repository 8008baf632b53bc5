"""Sign-in at an OpenID Connect provider: oidc-provider-mock (Authlib behind Flask), an implementation that is not ours.

The browser is played by requests that follow the redirects by hand, with the cookies that a browser would keep.
"""

import http.client
import pathlib
import subprocess
import sys
import urllib.parse

import pytest

import product
from product import Http, Plant, wait_until

CALLBACK = "/api/v1/session/oidc/callback"


class Browser:
    """Cookies by host, and one request at a time."""

    def __init__(self):
        self.cookies = {}

    def request(self, method, address, form=None, origin=None):
        parts = urllib.parse.urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        headers = {}
        kept = self.cookies.get(parts.netloc, {})
        if kept:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in kept.items())
        if origin:
            headers["Origin"] = origin
        body = None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(form)
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers)
        response = connection.getresponse()
        data = response.read()
        for cookie in response.headers.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies.setdefault(parts.netloc, {})[name] = value
        return response, data


class Site:
    def __init__(self, folder):
        port = product.free_ports(2)
        self.provider = f"http://localhost:{port}"
        self.mock = subprocess.Popen(
            [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        http_port = port + 1
        # Passkeys want a name, not an address.
        self.base = f"http://localhost:{http_port}"
        self.plant = Plant(folder)
        text = (folder / "centre.toml").read_text()
        text = text.replace('listen = "127.0.0.1:0"', f'listen = "127.0.0.1:{http_port}"', 1)
        head, rest = text.split("[identity]\n", 1) if "[identity]\n" in text else (text, None)
        oidc = (
            f'origin = "{self.base}"\n[identity.oidc]\nissuer = "{self.provider}"\nclient_id = "tieline"\n'
            'client_secret_file = "oidc.secret"\nname = "Company"\n'
        )
        if rest is None:
            raise AssertionError("the plant has no [identity]")
        first, rest = rest.split("\n", 1)
        (folder / "centre.toml").write_text(f"{head}[identity]\n{first}\n{oidc}{rest}")
        (folder / "oidc.secret").write_text("a secret of this centre alone\n")
        self.plant.start_centre()
        assert self.plant.centre.stop() == 0
        product.tieline("user", "add", "anna", "--role", "OPERATOR", "--data", self.plant.data)
        self.plant.start_centre()
        assert wait_until(self._answers, 20)
        for name in ("anna", "mallory"):
            self._put_user(name)

    def _answers(self):
        try:
            return Http(self.provider).request("GET", "/.well-known/openid-configuration").status == 200
        except OSError:
            return False

    def _put_user(self, name):
        answer = Http(self.provider).request("PUT", f"/users/{name}", {"preferred_username": name})
        assert answer.status < 300, answer.body

    def begin(self, browser):
        response, data = browser.request("POST", f"{self.base}/api/v1/session/oidc", {}, self.base)
        assert response.status == 200, data
        import json
        return json.loads(data)["address"]

    def agree(self, browser, address, name):
        """The provider's form, sent with a name; where it sends the browser."""
        response, data = browser.request("POST", address, {"sub": name})
        assert response.status in (302, 303), data
        return response.headers["Location"]

    def stop(self):
        self.plant.stop()
        self.mock.kill()
        self.mock.wait(10)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("oidc"))
    yield site
    site.stop()


def whoami(site, browser):
    response, data = browser.request("GET", f"{site.base}/api/v1/session")
    return response.status, data


def test_the_provider_says_who_and_the_account_says_what(site):
    browser = Browser()
    address = site.begin(browser)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(address).query)
    assert address.startswith(site.provider)
    assert query["code_challenge_method"] == ["S256"] and query["response_type"] == ["code"]
    assert "openid" in query["scope"][0].split() and query["nonce"] and query["state"]
    back = site.agree(browser, address, "anna")
    assert back.startswith(f"{site.base}{CALLBACK}")
    response, _ = browser.request("GET", back)
    assert (response.status, response.headers["Location"]) == (303, "/")
    status, data = whoami(site, browser)
    assert status == 200 and b'"anna"' in data and b'"OPERATOR"' in data, data
    # A code and a state are good once.
    again = Browser()
    again.cookies = {netloc: dict(kept) for netloc, kept in browser.cookies.items()}
    response, _ = again.request("GET", back)
    assert response.headers["Location"] == "/#sign-in-refused"


def test_a_name_without_an_account_stays_out(site):
    browser = Browser()
    response, _ = browser.request("GET", site.agree(browser, site.begin(browser), "mallory"))
    assert response.headers["Location"] == "/#sign-in-refused"
    assert whoami(site, browser)[0] == 401


def test_another_browser_another_state_and_a_forged_code_are_refused(site):
    victim, attacker = Browser(), Browser()
    back = site.agree(attacker, site.begin(attacker), "anna")
    # The attacker's answer in the victim's browser: the cookie of the exchange is missing.
    response, _ = victim.request("GET", back)
    assert response.headers["Location"] == "/#sign-in-refused" and whoami(site, victim)[0] == 401
    for query in ("", "code=x&state=y", "error=access_denied"):
        response, _ = attacker.request("GET", f"{site.base}{CALLBACK}?{query}")
        assert response.headers["Location"] == "/#sign-in-refused", query
