"""Who may sign in, and with what: enrolment, second factors, two administrators, sessions, tokens, lock-out, break-glass.

One-time codes come from pyotp, an implementation of RFC 6238 that is not ours.
"""

import base64
import itertools
import json
import os
import re
import time

import pyotp
import pytest

import product
from product import Api, Http, Live, Plant, wait_until

PASSWORD = "a long and quiet river"
# S-08: revocation everywhere within this.
REVOKED_S = 5.0


SOURCES = itertools.count(2)


def elsewhere(base):
    """Somebody at an address of its own: failures are counted per source."""
    http = Http(base)
    http.source = (f"127.0.{next(SOURCES) // 250}.{next(SOURCES) % 250 + 2}", 0)
    return http


def sign_in(base, name, password, code=None, client=None):
    """The answer to a sign-in with name and password."""
    body = {"user": name, "password": password} | ({"code": code} if code else {})
    return (client or elsewhere(base)).request("POST", "/api/v1/session", body, seconds=30)


class Person(Api):
    """Somebody who signs in with a password, and a code where there is an authenticator."""

    def __init__(self, base, name, password=PASSWORD, totp=None):
        super().__init__(base)
        self.name, self.totp = name, totp
        answer = sign_in(base, name, password, self.code() if totp else None)
        assert answer.status == 200, answer.body
        self.take(answer)

    def take(self, answer):
        self.cookie = answer.headers["Set-Cookie"]
        self.credentials = {"Cookie": self.cookie.split(";")[0], "Origin": self.base}
        return self

    def code(self):
        """A code that was not used yet: the next one is valid already, one step of clock drift is accepted."""
        at = int(time.time()) // 30
        used = getattr(self.totp, "used", -1)
        step = max(at, used + 1)
        if step > at + 1:
            time.sleep((step - 1) * 30 - time.time() + 0.1)
        self.totp.used = step
        return self.totp.at(step * 30)

    def put(self, path, body):
        return self.ask("PUT", f"/api/v1/{path}", body)

    def account(self, name, *roles, **more):
        body = {"kind": "human", "roles": list(roles), "areas": ["*"], "reason": "test"} | more
        return self.put(f"users/{name}", body)

    def session_id(self):
        return next(session["id"] for session in self.get("sessions")["sessions"] if session["own"])


def enrol(base, secret, password=PASSWORD, second=True):
    """Signs in with a one-time secret, sets a password, and an authenticator if wanted."""
    person = Person.__new__(Person)
    Http.__init__(person, base)
    answer = person.request("POST", "/api/v1/session", {"token": secret})
    assert answer.status == 200, answer.body
    person.take(answer)
    person.name, person.totp, person.recovery = answer.json["user"], None, []
    assert person.put("session/password", {"new": password}).status == 200
    if second:
        view = person.post("session/totp")
        assert view["qr"][0].startswith("1111111") and view["uri"].startswith("otpauth://totp/")
        parsed = pyotp.parse_uri(view["uri"])
        assert parsed.secret == view["secret"] and parsed.issuer == "Test centre"
        person.totp = parsed
        answer = person.put("session/totp", {"code": person.code()})
        assert answer.status == 200, answer.body
        person.recovery = answer.json["codes"]
    return person


def audit(plant):
    """The audit, read beside the running centre's end."""
    lines = product.tieline("audit", "list", "--limit", 100_000, "--data", plant.data).stdout.splitlines()
    return [line.split("\t") for line in lines]


def centre(folder, **more):
    plant = Plant(folder, enrolment="second-factor", **more)
    plant.centre = product.Process("run", plant.folder / "centre.toml")
    url = plant.centre.line("http://")
    base, _, token = url.partition("/#token=")
    plant.base = base.rstrip("/")
    product.until_ready(plant.base, plant.centre.began)
    plant.token = token
    return plant


@pytest.fixture(scope="module")
def site(binary, tmp_path_factory):
    """A centre with two administrators, two operators and a viewer, all enrolled."""
    plant = centre(tmp_path_factory.mktemp("identity"))
    plant.first = enrol(plant.base, plant.token)
    people = {}
    for name, roles in (("sam", ["SECADM"]), ("otto", ["OPERATOR"]), ("olga", ["OPERATOR"]), ("vera", ["VIEWER"]),
                        ("rita", ["RBACMNT"])):
        made = plant.first.account(name, *roles)
        assert made.status == 200, made.body
        people[name] = enrol(plant.base, made.json["secret"], second=name in ("sam", "otto"))
        if name in ("olga", "vera", "rita"):
            # These tests are about other things than their authenticators.
            people[name] = enrol_later(plant, people[name])
    plant.people = people
    yield plant
    plant.stop()


def enrol_later(plant, person):
    view = person.post("session/totp")
    person.totp = pyotp.parse_uri(view["uri"])
    assert person.put("session/totp", {"code": person.code()}).status == 200
    return person


def test_the_first_start_leads_to_an_administrator_with_two_factors(binary, tmp_path):
    plant = centre(tmp_path)
    try:
        base = plant.base
        first = Http(base)
        answer = first.request("POST", "/api/v1/session", {"token": plant.token})
        assert answer.status == 200 and answer.json["missing"] == "password"
        kept = {"Cookie": answer.headers["Set-Cookie"].split(";")[0], "Origin": base}
        for method, path in (("GET", "status"), ("GET", "points"), ("GET", "users"), ("POST", "alarms/acknowledge"),
                             ("GET", "sessions"), ("POST", "tokens")):
            refused = first.request(method, f"/api/v1/{path}", {} if method == "POST" else None, kept)
            assert refused.status == 403 and refused.json["error"]["code"] == "enrol", (path, refused.body)
        _, head = Live.connect(first, kept)
        assert b" 403 " in head.split(b"\r\n")[0]
        put = lambda body: first.request("PUT", "/api/v1/session/password", body, kept, seconds=30)
        for weak in ("short", "x" * 40, "my name is first!", "x" * 2_000):
            assert put({"new": weak}).status == 400, weak
        assert put({"new": PASSWORD}).json["missing"] == "second-factor"
        assert first.request("GET", "/api/v1/status", headers=kept).status == 403
        begun = first.request("POST", "/api/v1/session/totp", {}, kept).json
        finish = lambda code: first.request("PUT", "/api/v1/session/totp", {"code": code}, kept)
        assert finish("000000").status == 409
        totp = pyotp.TOTP(begun["secret"])
        assert len(finish(totp.now()).json["codes"]) == 10
        assert first.request("GET", "/api/v1/status", headers=kept).status == 200
        # The link is spent, and the next start prints none: an administrator is there.
        assert first.request("POST", "/api/v1/session", {"token": plant.token}).status == 401
        assert plant.centre.stop() == 0
        again = product.Process("run", plant.folder / "centre.toml")
        plant.centre = again
        assert "token" not in again.line("http://")
        # Nothing that could sign anybody in lies in the files or in what the process said.
        secrets = [PASSWORD, begun["secret"], plant.token[3:]]
        for path in plant.data.rglob("*"):
            if path.is_file():
                stored = path.read_bytes()
                assert not any(secret.encode() in stored for secret in secrets), path
                assert base64.b32decode(begun["secret"]) not in stored, path
        assert (plant.data / "identity.key").stat().st_mode & 0o077 == 0
    finally:
        plant.stop()


def test_password_and_code_sign_in_and_each_code_once(site):
    otto = site.people["otto"]
    assert sign_in(site.base, "otto", PASSWORD).json["error"]["code"] == "second_factor"
    code = otto.code()
    first = sign_in(site.base, "otto", PASSWORD, code)
    assert first.status == 200 and first.json["second_factor"] == "totp"
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert sign_in(site.base, "otto", PASSWORD, code).status == 401, "a code is good once"
    recovery = otto.recovery.pop()
    assert sign_in(site.base, "otto", PASSWORD, recovery.upper()).status == 200
    assert sign_in(site.base, "otto", PASSWORD, recovery).status == 401, "a recovery code is good once"
    second = sign_in(site.base, "otto", PASSWORD, otto.recovery.pop())
    assert second.headers["Set-Cookie"] != cookie, "every sign-in begins another session"


def test_a_step_up_needs_a_fresh_code(site):
    otto = site.people["otto"]
    assert otto.ask("POST", "/api/v1/session/step-up", {"code": "123456"}).status == 409
    code = otto.code()
    assert otto.post("session/step-up", {"code": code})["second_factor"] == "totp"
    assert otto.ask("POST", "/api/v1/session/step-up", {"code": code}).status == 409


def test_one_administrator_cannot_lock_the_others_out(site):
    """A-06: passwords changed and sessions closed by whoever has one administrator's account."""
    mallory, sam, otto = site.first, site.people["sam"], site.people["otto"]
    attempts = [
        mallory.account("otto", "OPERATOR", disabled=True),
        mallory.account("otto", "VIEWER"),
        mallory.account("sam", "SECADM", disabled=True),
        mallory.account("puppet", "SECADM"),
        mallory.ask("POST", "/api/v1/users/otto/reset", {"reason": "lock-out"}),
        mallory.ask("POST", "/api/v1/users/sam/reset", {"reason": "lock-out"}),
        mallory.ask("POST", f"/api/v1/sessions/{otto.session_id()}/end", {"reason": "lock-out"}),
        mallory.ask("POST", f"/api/v1/sessions/{sam.session_id()}/end", {"reason": "lock-out"}),
    ]
    for answer in attempts:
        assert answer.status == 202 and not answer.json["done"] and "secret" not in answer.json, answer.body
    waiting = [answer.json["waits"]["id"] for answer in attempts]
    assert otto.get("status") and sam.get("users"), "both are where they were"
    for number in waiting:
        own = mallory.ask("POST", f"/api/v1/user-requests/{number}/approve")
        assert own.status == 409 and own.json["error"]["code"] == "same_person", own.body
    told = [event["text"] for event in otto.events() if "waits for a second administrator" in event["text"]]
    assert len(told) >= len(attempts)
    for number in waiting:
        assert sam.ask("POST", f"/api/v1/user-requests/{number}/refuse").status == 204
    assert sam.get("user-requests")["requests"] == []
    # With a second one it is done.
    asked = mallory.ask("POST", "/api/v1/users/olga/reset", {"reason": "olga lost her telephone"})
    done = sam.ask("POST", f"/api/v1/user-requests/{asked.json['waits']['id']}/approve")
    assert done.status == 200 and done.json["secret"].startswith("tl_"), done.body
    assert sign_in(site.base, "olga", PASSWORD, "000000").status == 401
    site.people["olga"] = enrol(site.base, done.json["secret"])


def test_what_is_given_or_taken_from_others_needs_one_administrator(site):
    first = site.first
    made = first.account("tina", "VIEWER", valid_until="2027-01-01T00:00:00Z")
    assert made.status == 200 and made.json["secret"], made.body
    listed = {user["name"]: user for user in first.get("users")["users"]}
    assert listed["tina"]["valid_until"].startswith("2027-01-01") and not listed["tina"]["enrolled"]["password"]
    assert first.account("tina", "VIEWER", "ENGINEER").status == 200
    assert first.account("tina", "VIEWER", disabled=True).status == 200
    assert elsewhere(site.base).request("POST", "/api/v1/session", {"token": made.json["secret"]}).status == 401
    for bad in (first.account("x*y", "VIEWER"), first.account("ulf", "ROOT"), first.account("ulf", "VIEWER", kind="god"),
                first.account("ulf", "VIEWER", reason=" ")):
        assert bad.status == 400, bad.body
    assert site.people["otto"].account("otto", "SECADM").status == 403


def test_custom_roles_and_areas_are_data(site):
    rita, first = site.people["rita"], site.first
    assert rita.put("roles/switcher", {"rights": ["view", "command"]}).status == 204
    for name, rights in (("boss", ["manage_users"]), ("operator", ["view"]), ("empty", []), ("odd", ["fly"])):
        assert rita.put(f"roles/{name}", {"rights": rights}).status == 400, name
    assert rita.put("areas/north", {"substations": ["S1", "S2"]}).status == 204
    for name, members in (("S3", ["S1"]), ("east", ["S99"]), ("west", [])):
        assert rita.put(f"areas/{name}", {"substations": members}).status == 400, name
    assert first.put("roles/switcher", {"rights": ["view"]}).status == 403, "administrators give roles, they make none"
    assert rita.account("rita", "RBACMNT", "OPERATOR").status == 403, "and whoever makes roles gives none"
    made = first.account("nora", "switcher", areas=["north"])
    nora = enrol(site.base, made.json["secret"])
    assert {point["substation"] for point in nora.points()} == {"S1", "S2"}
    live = Live(nora)
    assert wait_until(lambda: live.frames, 10)
    # What the role carries changes at once, also for the page that is open.
    assert rita.put("roles/switcher", {"rights": ["view", "tag"]}).status == 204
    assert live.ended.wait(REVOKED_S)
    assert set(nora.get("session")["rights"]) == {"view", "tag"}
    assert rita.put("areas/north", {"substations": ["S3"]}).status == 204
    assert {point["substation"] for point in nora.points()} == {"S3"}
    assert rita.ask("DELETE", "/api/v1/roles/switcher").status == 409, "somebody has it"
    assert rita.ask("DELETE", "/api/v1/areas/north").status == 409
    assert first.account("nora", "VIEWER", areas=["S1"]).status == 200
    assert rita.ask("DELETE", "/api/v1/roles/switcher").status == 204
    assert rita.ask("DELETE", "/api/v1/areas/north").status == 204


def test_a_token_gives_what_its_scope_says_and_ends_at_once(site):
    otto, first = site.people["otto"], site.first
    made = otto.post("tokens", {"label": "historian", "rights": ["view"], "areas": ["S1"], "days": 30})
    bearer = Api(site.base, bearer=made["secret"])
    assert {point["substation"] for point in bearer.points()} == {"S1"}
    assert bearer.get("session")["rights"] == ["view"]
    assert bearer.ask("POST", "/api/v1/alarms/acknowledge", {"ids": []}).status == 403
    assert elsewhere(site.base).request("POST", "/api/v1/session", {"token": made["secret"]}).status == 401, "no session"
    assert bearer.ask("POST", "/api/v1/tokens", {"label": "more", "days": 1}).status == 409, "no further tokens"
    listed = {token["id"]: token for token in otto.get("tokens")["tokens"]}
    assert listed[made["token"]["id"]]["last_used_at"] and "secret" not in listed[made["token"]["id"]]
    for days in (0, 367):
        assert otto.ask("POST", "/api/v1/tokens", {"label": "x", "days": days}).status == 400
    assert first.ask("POST", "/api/v1/tokens", {"user": "otto", "label": "x", "days": 1}).status == 409, "as otto"
    socket = Live(bearer)
    assert wait_until(lambda: socket.frames, 10)
    began = time.monotonic()
    assert otto.ask("DELETE", f"/api/v1/tokens/{made['token']['id']}").status == 204
    assert socket.ended.wait(REVOKED_S), "the live socket of a revoked token goes on"
    assert bearer.ask("GET", "/api/v1/points").status == 401
    print(f"\nrevoked after {time.monotonic() - began:.3f} s")
    assert first.account("robot", "VIEWER", kind="service").status == 200
    robot = first.post("tokens", {"user": "robot", "label": "reads", "days": 1})
    assert Api(site.base, bearer=robot["secret"]).get("status")


def test_whoever_is_disabled_is_out_everywhere_within_five_seconds(site):
    first, sam = site.first, site.people["sam"]
    made = first.account("dora", "OPERATOR")
    dora = enrol(site.base, made.json["secret"])
    bearer = Api(site.base, bearer=dora.post("tokens", {"label": "script", "days": 1})["secret"])
    lives = [Live(dora), Live(bearer)]
    assert wait_until(lambda: all(live.frames for live in lives), 10)
    asked = first.account("dora", "OPERATOR", disabled=True)
    began = time.monotonic()
    assert sam.ask("POST", f"/api/v1/user-requests/{asked.json['waits']['id']}/approve").status == 200
    for live in lives:
        assert live.ended.wait(REVOKED_S)
    for api in (dora, bearer):
        assert api.ask("GET", "/api/v1/status").status == 401
    print(f"\nout after {time.monotonic() - began:.3f} s")
    assert sign_in(site.base, "dora", PASSWORD).status == 401


def test_a_session_can_be_frozen_by_any_operator(site):
    """A-05: somebody operates in another one's name; a colleague stops that at once."""
    olga, otto = site.people["olga"], site.people["otto"]
    hijacked = Person(site.base, "otto", totp=otto.totp)
    seen = {session["id"]: session["user"] for session in olga.get("sessions")["sessions"]}
    assert seen[hijacked.session_id()] == "otto"
    breaker = otto.point("S2/Load/CB")["id"]
    began = time.monotonic()
    path = f"/api/v1/sessions/{hijacked.session_id()}"
    assert olga.ask("POST", f"{path}/freeze", {"reason": "that is not otto"}).status == 204
    order = {"point": breaker, "value": 0, "reason": "hijacked"}
    refused = hijacked.ask("POST", "/api/v1/commands", order)
    assert refused.status == 403 and refused.json["error"]["code"] == "frozen", refused.body
    assert time.monotonic() - began < REVOKED_S
    assert hijacked.get("status") and hijacked.get("session")["frozen"], "it may look"
    assert any("frozen by olga" in alarm["text"] for alarm in otto.alarms().values()), "and it is an alarm"
    assert otto.ask("POST", "/api/v1/commands", order).status != 403, "otto's own session goes on"
    assert hijacked.ask("POST", f"{path}/unfreeze").status == 403
    assert site.people["vera"].ask("POST", f"{path}/freeze", {"reason": "x"}).status == 403
    assert site.people["sam"].ask("POST", f"{path}/unfreeze").status == 204
    assert hijacked.ask("POST", "/api/v1/commands", order).status != 403
    # Nobody clears a control room with it.
    assert hijacked.ask("DELETE", "/api/v1/session").status == 204
    victims = [Person(site.base, "otto", totp=otto.totp) for _ in range(3)]
    answers = [olga.ask("POST", f"/api/v1/sessions/{victim.session_id()}/freeze", {"reason": "x"}).status
               for victim in victims]
    assert answers == [204, 204, 409], answers
    for victim in victims:
        assert victim.ask("DELETE", "/api/v1/session").status == 204


def test_sessions_are_few_and_the_oldest_goes(site):
    vera = site.people["vera"]
    sessions = [Person(site.base, "vera", totp=vera.totp) for _ in range(2)]
    mine = vera.get("sessions")["sessions"]
    assert {session["user"] for session in mine} == {"vera"} and len(mine) == 3
    other = next(session["id"] for session in mine if not session["own"])
    live = [Live(session) for session in sessions]
    assert vera.ask("POST", f"/api/v1/sessions/{other}/end", {"reason": "left open"}).json["done"]
    assert wait_until(lambda: any(one.ended.is_set() for one in live), REVOKED_S)
    assert sorted(session.ask("GET", "/api/v1/status").status for session in sessions) == [200, 401]


def test_a_change_of_the_password_ends_the_other_sessions(site):
    olga = site.people["olga"]
    other = Person(site.base, "olga", totp=olga.totp)
    wrong = olga.put("session/password", {"present": "not the one I have", "new": "another long river"})
    assert wrong.status == 409 and wrong.json["error"]["code"] == "wrong_factor"
    assert olga.put("session/password", {"present": PASSWORD, "new": "another long river"}).status == 200
    assert other.ask("GET", "/api/v1/status").status == 401
    assert olga.ask("GET", "/api/v1/status").status == 200
    assert sign_in(site.base, "olga", PASSWORD).status == 401


def test_a_guesser_locks_nobody_out(site):
    """S-07, A-09: whoever knows names and common passwords is slowed down, told of, and hurts nobody who is signed in."""
    otto = site.people["otto"]
    live = Live(otto)
    assert wait_until(lambda: live.frames, 10)
    defaults = [("admin", "admin"), ("root", "root"), ("first", "first"), ("otto", "otto"), ("operator", "operator"),
                ("admin", "password"), ("scada", "scada"), ("tieline", "tieline"), ("otto", "123456"), ("sam", "changeme")]
    somewhere = elsewhere(site.base)
    answers = [sign_in(site.base, *pair, client=somewhere).status for pair in defaults]
    assert set(answers) == {401, 429} and answers.index(429) <= 5 and answers[-1] == 429, answers
    assert otto.ask("GET", "/api/v1/status").status == 200 and not live.ended.is_set()
    live.close()
    assert any("failed sign-ins" in alarm["text"] for alarm in otto.alarms().values())
    told = sign_in(site.base, "sam", "changeme", client=somewhere)
    assert told.status == 429 and re.search(r"wait \d+ s", told.json["error"]["message"]), told.body


def test_forged_tokens_are_refused(site):
    """A-10: tokens signed with keys that other products ship, and everything else that looks like one."""
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    import hashlib
    import hmac
    forged = []
    for algorithm, key in (("HS256", b"frangoteam751"), ("HS256", b"secret"), ("HS256", b"changeme"), ("none", b"")):
        text = f"{part({'alg': algorithm, 'typ': 'JWT'})}.{part({'sub': 'first', 'role': 'SECADM', 'exp': 4_000_000_000})}"
        mac = hmac.new(key, text.encode(), hashlib.sha256).digest() if key else b""
        forged.append(f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")
    forged += ["tl_" + "0" * 64, "tl_" + "f" * 64, "tl_" + "0123456789abcdef" * 4, "admin", "tl_", ""]
    nobody = Http(site.base)
    for token in forged:
        for headers in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"tieline_session={token}"},
                        {"Authorization": "Basic YWRtaW46YWRtaW4="}, {"X-Access-Token": token}):
            assert nobody.request("GET", "/api/v1/users", headers=headers).status == 401, (token, headers)
    for _ in range(3):
        for token in forged:
            nobody.request("GET", "/api/v1/users", headers={"Authorization": f"Bearer {token}"})
    seen = lambda: any("unknown tokens" in event["text"] for event in site.people["otto"].events())
    assert wait_until(seen, 5)


def test_the_audit_tells_all_of_it(site):
    """Comes last of those that share the centre: the audit is read when it has stopped."""
    assert site.centre.stop() == 0
    records = audit(site)
    actions = {record[4] for record in records}
    for action in ("sign in", "set own password", "set up authenticator", "step up", "put user", "ask to reset user",
                   "approve to reset user", "reset user", "refuse to put user", "put role", "drop role", "put area",
                   "create API token", "revoke token", "freeze session", "unfreeze session"):
        assert action in actions, (action, sorted(actions))
    refused = [record for record in records if record[4] == "sign in" and record[6] == "refused"]
    assert refused and not any(name in record for record in refused for name in ("admin", "root")), "no typed names"
    product.tieline("audit", "verify", "--data", site.data)
    said = "\n".join(site.centre.err + site.centre.out)
    assert PASSWORD not in said and "another long river" not in said


@pytest.mark.parametrize("text", [None, "", "changeme", "tieline-identity-key-1 " + "0" * 64,
                                  "tieline-identity-key-1 " + "0123456789abcdef" * 4])
def test_a_start_with_a_missing_or_example_key_is_refused(site, tmp_path, text):
    """A-10, S-02. The centre of the other tests has stopped; its authenticators were sealed with its key."""
    key, kept = site.data / "identity.key", tmp_path / "kept"
    key.rename(kept)
    try:
        if text is not None:
            key.write_text(text)
            key.chmod(0o600)
        done = product.tieline("run", site.folder / "centre.toml", check=False)
        assert done.returncode == 1 and "identity.key" in done.stderr and "hint" in done.stderr, done
    finally:
        kept.replace(key)


def test_the_console_makes_and_unmakes_users(binary, tmp_path):
    plant = centre(tmp_path)
    assert plant.centre.stop() == 0
    run = lambda *words, check=True: product.tieline(*words, "--data", plant.data, check=check)
    run("user", "add", "anna", "--role", "SECADM")
    run("user", "set", "anna", "--role", "SECADM", "--role", "VIEWER")
    run("user", "add", "meter", "--role", "VIEWER", "--service")
    assert run("user", "set", "nobody", "--role", "VIEWER", check=False).returncode == 1
    assert "one of" in run("user", "add", "x", "--role", "ROOT", check=False).stderr
    run("user", "disable", "first")
    last = run("user", "disable", "anna", check=False)
    assert last.returncode == 1 and "last user" in last.stderr
    secret = run("token", "create", "meter", "--right", "view", "--area", "S1", "--days", 7, "--label", "reads").stdout.strip()
    assert run("token", "create", "meter", "--days", 400, check=False).returncode == 1
    assert run("token", "create", "meter", "--right", "fly", check=False).returncode == 1
    listed = [line.split("\t") for line in run("token", "list").stdout.splitlines()]
    number = next(line[0] for line in listed if line[7] == "reads")
    assert secret not in run("token", "list").stdout
    # A password comes over stdin, never as an argument.
    import subprocess
    typed = subprocess.run([product.program(), "user", "password", "anna", "--data", plant.data],
                           input=PASSWORD + "\n", text=True, capture_output=True, timeout=30)
    assert typed.returncode == 0, typed.stderr
    weak = subprocess.run([product.program(), "user", "password", "anna", "--data", plant.data],
                          input="short\n", text=True, capture_output=True, timeout=30)
    assert weak.returncode == 1 and "12 characters" in weak.stderr
    users = {line.split("\t")[0]: line.split("\t") for line in run("user", "list").stdout.splitlines()}
    assert users["anna"][5] == "password" and users["first"][3] == "disabled" and users["meter"][4] == "service"
    plant.centre = product.Process("run", plant.folder / "centre.toml")
    base = plant.centre.line("http://").split()[0].rstrip("/")
    try:
        product.until_ready(base, plant.centre.began)
        assert {point["substation"] for point in Api(base, bearer=secret).points()} == {"S1"}
        assert sign_in(base, "anna", PASSWORD).json["missing"] == "second-factor"
        assert sign_in(base, "first", PASSWORD).status == 401
    finally:
        plant.centre.stop()
    run("token", "revoke", number)
    assert run("token", "revoke", number, check=False).returncode == 1
    reset = run("user", "reset", "anna").stdout.strip()
    assert reset.startswith("tl_")
    actions = {record[4] for record in audit(plant)}
    assert {"put user", "disable user", "set password", "reset user", "revoke token"} <= actions


def test_leaked_passwords_are_refused(binary, tmp_path):
    import hashlib
    listed = sorted(hashlib.sha1(text.encode()).hexdigest().upper() for text in (PASSWORD, "password", "correct horse"))
    (tmp_path / "leaked.txt").write_text("".join(f"{line}:42\r\n" for line in listed))
    plant = Plant(tmp_path, enrolment='second-factor"\nbreached_passwords = "leaked.txt')
    plant.centre = product.Process("run", plant.folder / "centre.toml")
    base, token = plant.centre.line("http://").split("/#token=")
    try:
        product.until_ready(base, plant.centre.began)
        first = Api(base, token)
        refused = first.ask("PUT", "/api/v1/session/password", {"new": PASSWORD})
        assert refused.status == 400 and "leaked" in refused.json["error"]["message"], refused.body
        assert first.ask("PUT", "/api/v1/session/password", {"new": "nobody has leaked this"}).status == 200
    finally:
        plant.stop()


def test_two_custodians_break_the_glass(binary, tmp_path):
    """S-07: a sealed account, two secrets, an alarm while it is open, and its end."""
    plant = centre(tmp_path)
    watcher = enrol(plant.base, plant.token)
    assert plant.centre.stop() == 0
    run = lambda *words: product.tieline(*words, "--data", plant.data)
    run("user", "add", "emergency", "--role", "OPERATOR", "--role", "SECADM")
    one, two = run("user", "seal", "emergency").stdout.split()
    plant.centre = product.Process("run", plant.folder / "centre.toml")
    try:
        base = plant.centre.line("http://").rstrip("/")
        product.until_ready(base, plant.centre.began)
        nobody = Http(base)
        open_with = lambda first, second: elsewhere(base).request(
            "POST", "/api/v1/session/break-glass", {"first": first, "second": second, "reason": "control room on fire"})
        assert nobody.request("POST", "/api/v1/session", {"token": one}).status == 401, "one alone is nothing"
        assert open_with(one, one).status == 401
        assert open_with(one, "tl_" + os.urandom(32).hex()).status == 401
        watcher = Person(base, "first", totp=watcher.totp)
        opened = open_with(two, one)
        assert opened.status == 200 and opened.json["user"] == "emergency" and "missing" not in opened.json, opened.body
        assert open_with(one, two).status in (401, 429), "the secrets are good once"
        kept = {"Cookie": opened.headers["Set-Cookie"].split(";")[0], "Origin": base}
        assert nobody.request("GET", "/api/v1/users", headers=kept).status == 200
        alarm = lambda: [alarm for alarm in watcher.alarms().values() if "sealed account emergency" in alarm["text"]]
        assert wait_until(lambda: alarm() and alarm()[0]["active"], REVOKED_S), alarm()
        assert alarm()[0]["priority"] == "critical"
        assert nobody.request("DELETE", "/api/v1/session", headers=kept).status == 204
        ended = lambda: not alarm() or not alarm()[0]["active"]
        assert wait_until(ended, REVOKED_S), alarm()
    finally:
        plant.centre.stop()
    assert any(record[4] == "break glass" and record[7] == "control room on fire" for record in audit(plant))
