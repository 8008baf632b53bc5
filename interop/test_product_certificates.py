"""Certificates end to end (S-09 to S-11, B-26): the page by TLS, services by client certificate, who is refused and when,
renewal under open connections, enrolment. The foreign peers are OpenSSL's: Python's `ssl`, the `openssl` program, sslyze."""

import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import time

import product
import pytest
from product import wait_until

# How soon a revocation list that is in place counts, also for connections that are open (S-10).
BOUND_S = 60.0


def cert(*arguments, check=True):
    return product.tieline("cert", *arguments, check=check)


def openssl(folder, *arguments, check=True, **more):
    return subprocess.run(["openssl", *map(str, arguments)], check=check, capture_output=True, cwd=folder, timeout=30, **more)


@pytest.fixture
def pki(binary, tmp_path):
    """An authority of ours with certificates for a centre and a service."""
    folder = tmp_path / "pki"
    cert("ca", "--dir", folder, "--name", "Test")
    issue = lambda name, *more: cert("issue", name, "--dir", folder, "--out", folder / name, *more).stdout.strip()
    made = type("Pki", (), {"folder": folder, "issue": staticmethod(issue)})()
    issue("centre", "--also", "127.0.0.1", "--usage", "server", "--days", "90")
    made.billing = issue("billing", "--usage", "client")
    return made


def tls(pki):
    keys = {"certificate": "centre.pem", "key": "centre.key", "client_ca": "ca.pem", "crl": "crl.pem"}
    lines = "".join(f'{key} = "pki/{file}"\n' for key, file in keys.items())
    return f'[http.tls]\n{lines}[certificates]\nauthority = "pki"\n'


class Secured(product.Plant):
    """A centre whose page comes by TLS."""

    def start(self, pki):
        self.pki = pki
        self.start_twin()
        self.centre = product.Process("run", self.folder / "centre.toml")
        url = self.centre.line("https://")
        self.base, self.token = url.split("/#token=")
        self.port_number = int(self.base.rsplit(":", 1)[1])
        return self

    def context(self, name=None, ca=None):
        made = ssl.create_default_context(cafile=str(ca or self.pki.folder / "ca.pem"))
        if name:
            made.load_cert_chain(self.pki.folder / f"{name}.pem", self.pki.folder / f"{name}.key")
        return made

    def connect(self, name=None, **more):
        connection = http.client.HTTPSConnection("127.0.0.1", self.port_number, timeout=10, context=self.context(name, **more))
        connection.connect()
        return connection

    def get(self, path, name=None, connection=None, headers=None):
        own = connection or self.connect(name)
        try:
            own.request("GET", path, headers=headers or {})
            answer = own.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            if connection is None:
                own.close()

    def refused(self, name):
        """Whether the certificate is refused in the handshake; TLS 1.3 tells of it at the first read."""
        try:
            return self.get("/healthz", name)[0] != 200
        except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
            return True


@pytest.fixture
def secured(pki, tmp_path):
    plant = Secured(tmp_path, extra=tls(pki))
    plant.start(pki)
    yield plant
    plant.centre.kill()
    plant.twin_process.kill()


def add_service(plant, name, role="VIEWER"):
    assert plant.centre.stop() == 0
    product.tieline("user", "add", name, "--role", role, "--service", "--data", plant.data)
    plant.twin_process.kill()
    plant.start(plant.pki)


def sign_in(plant):
    connection = plant.connect()
    connection.request("POST", "/api/v1/session", json.dumps({"token": plant.token}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    answer.read()
    cookie = answer.headers["Set-Cookie"]
    assert "; Secure" in cookie and "HttpOnly" in cookie
    return {"Cookie": cookie.split(";")[0], "Origin": plant.base, "Content-Type": "application/json"}


def post(plant, path, body, headers):
    connection = plant.connect()
    connection.request("POST", f"/api/v1/{path}", json.dumps(body), headers)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read() or b"null")


def test_the_page_comes_by_tls_and_services_by_certificate(secured):
    plant = secured
    status, headers, _ = plant.get("/healthz")
    assert status == 200 and "max-age" in headers["Strict-Transport-Security"]
    assert plant.get("/api/v1/status")[0] == 401, "a certificate is not asked for"
    assert plant.get("/api/v1/status", "billing")[0] == 401, "nobody has that name yet"
    add_service(plant, "billing")
    assert plant.get("/api/v1/status", "billing")[0] == 200
    assert plant.get("/api/v1/audit", "billing")[0] == 403, "a viewer"
    # Plain HTTP on the same port gets nothing.
    with pytest.raises((ConnectionError, http.client.HTTPException, OSError)):
        product.Http(plant.base.replace("https", "http")).request("GET", "/healthz")


def self_made(folder, name, *, ca=None, days="30", usage="clientAuth"):
    """A certificate that OpenSSL makes, under an authority of its own or under that of ours."""
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-out", f"{name}.csr", "-subj", f"/CN={name}")
    (folder / "ext").write_text(f"subjectAltName=DNS:billing\nextendedKeyUsage={usage}\n")
    if ca is None:
        openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                "strange.key", "-out", "strange.pem", "-subj", "/CN=Strange", "-days", "30")
        ca = ("strange.pem", "strange.key")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", ca[0], "-CAkey", ca[1], "-set_serial", os.getpid() * 7 + len(name),
            "-out", f"{name}.pem", "-days", days, "-extfile", "ext")


def test_bad_certificates_are_refused(secured):
    plant, folder = secured, secured.pki.folder
    add_service(plant, "billing")
    ours = ("authority-1.pem", "authority-1.key")
    self_made(folder, "good", ca=ours)
    assert plant.get("/api/v1/status", "good")[0] == 200, "the control: another program's certificate under our authority"
    self_made(folder, "stranger")
    assert plant.refused("stranger"), "unknown authority"
    self_made(folder, "turned", ca=ours, usage="serverAuth")
    assert plant.refused("turned"), "wrong usage"
    self_made(folder, "late", ca=ours, days="-1")
    assert plant.refused("late"), "expired"
    plant.pki.issue("other", "--usage", "client")
    assert plant.get("/api/v1/status", "other")[0] == 401, "wrong name"
    # The other way round: a client that wants another name, or another authority, does not talk to us.
    with pytest.raises(ssl.SSLError):
        plant.connect(ca=folder / "strange.pem")


def test_revocation_counts_within_a_minute_also_for_open_connections(secured):
    plant, folder = secured, secured.pki.folder
    add_service(plant, "billing")
    held = plant.connect("billing")
    assert plant.get("/api/v1/status", connection=held)[0] == 200
    plain = plant.connect()
    told = cert("revoke", folder / "billing.pem", "--dir", folder, "--reason", "key_compromise").stdout
    assert plant.pki.billing in told
    shown = openssl(folder, "crl", "-in", "crl.pem", "-noout", "-text").stdout.decode()
    assert plant.pki.billing.upper() in shown.upper() and "Key Compromise" in shown, "OpenSSL reads the list"
    began = time.monotonic()
    assert wait_until(lambda: plant.refused("billing"), BOUND_S, 0.5), "new connections"
    new_s = time.monotonic() - began

    def ended():
        with contextlib.suppress(ssl.SSLError, ConnectionError, http.client.HTTPException, OSError):
            return plant.get("/api/v1/status", connection=held)[0] != 200
        return True

    assert wait_until(ended, BOUND_S, 1.0), "open connections"
    print(f"\nrefused after {new_s:.1f} s, cut after {time.monotonic() - began:.1f} s")
    assert plant.get("/healthz")[0] == 200
    plain.close()


def serial_of(plant):
    der = plant.connect().sock.getpeercert()
    return der["serialNumber"].lower()


def test_renewal_and_roll_over_leave_connections_alone(secured):
    plant, folder = secured, secured.pki.folder
    held = plant.connect()
    assert plant.get("/healthz", connection=held)[0] == 200
    before = serial_of(plant)
    cert("renew", folder / "centre.pem", "--key", folder / "centre.key", "--dir", folder)
    assert wait_until(lambda: serial_of(plant) != before, 30, 0.5), "the new certificate is shown"
    assert plant.get("/healthz", connection=held)[0] == 200, "the old connection lives"
    # Another root: certificates of both are good until the first is retired.
    add_service(plant, "billing")
    cert("ca", "--dir", folder, "--roll-over", "--name", "Test")
    shutil.copy(folder / "billing.pem", folder / "old.pem")
    shutil.copy(folder / "billing.key", folder / "old.key")
    plant.pki.issue("billing", "--usage", "client")
    cert("renew", folder / "centre.pem", "--key", folder / "centre.key", "--dir", folder)
    assert wait_until(lambda: not plant.refused("billing"), 30, 0.5)
    assert plant.get("/api/v1/status", "old")[0] == 200 == plant.get("/api/v1/status", "billing")[0]
    cert("ca", "--dir", folder, "--retire", "1")
    assert wait_until(lambda: plant.refused("old"), 30, 0.5), "what the retired root has signed"
    assert plant.get("/api/v1/status", "billing")[0] == 200


def test_enrolment_by_a_token_that_works_once(secured, tmp_path):
    plant = secured
    admin = sign_in(plant)
    status, made = post(plant, "certificates/enrolments", {"name": "north", "usage": "both", "days": 30}, admin)
    assert status == 200, made
    cert("request", "somebody-else", "--out", tmp_path / "north")
    request = (tmp_path / "north.csr").read_text()
    assert "somebody-else" in openssl(tmp_path, "req", "-in", "north.csr", "-noout", "-text", "-verify").stdout.decode()
    anybody = {"Content-Type": "application/json"}
    status, enrolled = post(plant, "certificates/enrol", {"token": made["token"], "request": request}, anybody)
    assert status == 200, enrolled
    (tmp_path / "north.pem").write_text(enrolled["certificate"])
    (tmp_path / "got-ca.pem").write_text(enrolled["ca"])
    openssl(tmp_path, "verify", "-CAfile", "got-ca.pem", "-purpose", "sslclient", "north.pem")
    text = openssl(tmp_path, "x509", "-in", "north.pem", "-noout", "-text").stdout.decode()
    assert "DNS:north" in text and "somebody-else" not in text, "the token decides on the name"
    assert post(plant, "certificates/enrol", {"token": made["token"], "request": request}, anybody)[0] == 401
    assert post(plant, "certificates/enrolments", {"name": "x", "usage": "both", "days": 1}, anybody)[0] == 401
    status, listed = plant.get("/api/v1/certificates", headers=admin)[0::2]
    listed = json.loads(listed)
    mine = next(each for each in listed["issued"] if each["name"] == "north")
    assert any(each["used_by"] == "http" and 89 < each["days_left"] <= 90.1 for each in listed["used"]), listed["used"]
    status, revoked = post(plant, "certificates/revoke", {"serial": mine["serial"], "reason": "superseded"}, admin)
    assert status == 200 and revoked["revoked_at"], revoked
    actions = [record["action"] for record in json.loads(plant.get("/api/v1/audit?limit=200", headers=admin)[2])["records"]]
    for action in ("certificate.expect", "certificate.enrol", "certificate.revoke"):
        assert action in actions, actions


def test_certificates_that_end_soon_are_alarms(pki, tmp_path):
    pki.issue("centre", "--also", "127.0.0.1", "--usage", "server", "--days", "5")
    # Without the authority nobody renews it.
    plant = Secured(tmp_path, extra=tls(pki).split("[certificates]")[0])
    plant.start(pki)
    try:
        admin = sign_in(plant)
        alarms = lambda: {a["id"]: a for a in json.loads(plant.get("/api/v1/alarms?state=all", headers=admin)[2])["alarms"]}
        found = wait_until(lambda: alarms().get("system:certificate http"), 20)
        assert found and found["priority"] == "high", alarms()
        cert("renew", pki.folder / "centre.pem", "--key", pki.folder / "centre.key", "--dir", pki.folder)
    finally:
        plant.centre.kill()
        plant.twin_process.kill()


def test_nothing_below_tls_12_and_aead_only(secured):
    sslyze = pytest.importorskip("sslyze", reason="skipped: sslyze is missing")
    from sslyze.mozilla_tls_profile import tls_config_checker as mozilla

    request = sslyze.ServerScanRequest(
        server_location=sslyze.ServerNetworkLocation(hostname="centre", ip_address="127.0.0.1", port=secured.port_number),
        scan_commands={
            sslyze.ScanCommand.SSL_2_0_CIPHER_SUITES, sslyze.ScanCommand.SSL_3_0_CIPHER_SUITES,
            sslyze.ScanCommand.TLS_1_0_CIPHER_SUITES, sslyze.ScanCommand.TLS_1_1_CIPHER_SUITES,
            sslyze.ScanCommand.TLS_1_2_CIPHER_SUITES, sslyze.ScanCommand.TLS_1_3_CIPHER_SUITES,
            sslyze.ScanCommand.ELLIPTIC_CURVES, sslyze.ScanCommand.CERTIFICATE_INFO, sslyze.ScanCommand.HEARTBLEED,
            sslyze.ScanCommand.ROBOT, sslyze.ScanCommand.SESSION_RENEGOTIATION, sslyze.ScanCommand.TLS_COMPRESSION,
            sslyze.ScanCommand.OPENSSL_CCS_INJECTION, sslyze.ScanCommand.TLS_FALLBACK_SCSV, sslyze.ScanCommand.TLS_1_3_EARLY_DATA,
            sslyze.ScanCommand.SESSION_RESUMPTION, sslyze.ScanCommand.HTTP_HEADERS, sslyze.ScanCommand.TLS_EXTENDED_MASTER_SECRET,
        },
    )
    scanner = sslyze.Scanner()
    scanner.queue_scans([request])
    (result,) = scanner.get_results()
    assert result.scan_result is not None, result.connectivity_error_trace
    suites = lambda name: [s.cipher_suite.name for s in getattr(result.scan_result, name).result.accepted_cipher_suites]
    for old in ("ssl_2_0_cipher_suites", "ssl_3_0_cipher_suites", "tls_1_0_cipher_suites", "tls_1_1_cipher_suites"):
        assert suites(old) == [], old
    new = suites("tls_1_2_cipher_suites") + suites("tls_1_3_cipher_suites")
    assert new and all(re.search("GCM|CHACHA20|CCM", name) and not name.startswith("TLS_RSA_") for name in new), new
    intermediate = mozilla.MozillaTlsConfiguration.get(mozilla.TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    with contextlib.suppress(mozilla.ServerNotCompliantWithTlsConfiguration):
        mozilla.check_server_against_tls_configuration(result, intermediate)
        return
    with pytest.raises(mozilla.ServerNotCompliantWithTlsConfiguration) as found:
        mozilla.check_server_against_tls_configuration(result, intermediate)
    # Mozilla knows nothing of the authority of this test; all else has to be as it says.
    assert set(found.value.issues) <= {"certificate_path_validation"}, found.value.issues


def gateway_plant(tmp_path):
    """A centre and a gateway under an authority of ours, with revocation lists."""
    from test_product_gateway import GatewayPlant

    folder = tmp_path / "pki"
    cert("ca", "--dir", folder)
    cert("issue", "centre", "--usage", "server", "--dir", folder, "--out", folder / "centre")
    cert("issue", "north", "--dir", folder, "--out", folder / "north")
    paths = lambda name: (f'tls = {{ ca = "{folder}/ca.pem", crl = "{folder}/crl.pem", certificate = "{folder}/{name}.pem", '
                          f'key = "{folder}/{name}.key" }}')
    return GatewayPlant(tmp_path, (paths("centre"), f'server_name = "centre"\n{paths("north")}')), folder


def end_gateway(plant):
    """Ends everything, and frees the port of the wire for the next test of this process."""
    plant.stop()
    with contextlib.suppress(OSError):
        plant.wire.server.shutdown(socket.SHUT_RDWR)
    plant.wire.server.close()


def test_a_revoked_gateway_is_cut_off_and_a_renewed_one_stays(binary, tmp_path):
    plant, folder = gateway_plant(tmp_path)
    try:
        plant.start_twin().start_centre().start_gateway()
        connected = lambda: plant.gateway_status().get("connected")
        assert wait_until(connected, 20), plant.gateway.err
        first = (folder / "north.pem").read_text()
        (folder / "first.pem").write_text(first)
        cert("renew", folder / "north.pem", "--key", folder / "north.key", "--dir", folder)
        cert("revoke", folder / "first.pem", "--dir", folder)
        # The connection with the revoked one ends; the gateway comes back with the new one by itself.
        lost = lambda: any("certificate is good no more" in line for line in plant.centre.err)
        assert wait_until(lost, BOUND_S, 0.5), plant.centre.err
        assert wait_until(connected, 30), plant.gateway.err
        cert("revoke", folder / "north.pem", "--dir", folder, "--reason", "key_compromise")
        assert wait_until(lambda: not connected(), BOUND_S, 0.5)
        time.sleep(5)
        assert not connected(), "it comes back with a revoked certificate"
    finally:
        end_gateway(plant)


def test_a_second_gateway_of_the_same_name_is_an_alarm(binary, tmp_path):
    plant, _ = gateway_plant(tmp_path)
    second = None
    try:
        plant.start_twin().start_centre().start_gateway()
        assert wait_until(lambda: plant.gateway_status().get("connected"), 20), plant.gateway.err
        text = (tmp_path / "gateway.toml").read_text()
        (tmp_path / "twice.toml").write_text(re.sub(r'(\[journal\]\s*directory = ")[^"]*', r"\1twice", text))
        second = product.Process("gateway", tmp_path / "twice.toml")
        alarm = lambda: plant.api.alarms().get("system:north", {})
        assert wait_until(lambda: "second connection" in alarm().get("text", ""), 20), (alarm(), second.err)
    finally:
        if second:
            second.kill()
        end_gateway(plant)


def everything_kept(folder, but):
    """Every file below a folder but those that are meant to hold secrets."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".key" and path.name not in but:
            yield path, path.read_bytes()


def test_secrets_stay_where_they_are(secured):
    """S-24: private keys, the signing seed, tokens and session secrets in no log, argument, environment, answer or file."""
    plant = secured
    folder = plant.pki.folder
    # The most talkative log, everything once more with it.
    assert plant.centre.stop() == 0
    plant.centre = product.Process("run", plant.folder / "centre.toml", log="trace")
    url = plant.centre.line("https://")
    plant.base, plant.token = url.split("/#token=")
    plant.port_number = int(plant.base.rsplit(":", 1)[1])
    admin = sign_in(plant)
    status, made = post(plant, "certificates/enrolments", {"name": "north", "usage": "both", "days": 30}, admin)
    cert("request", "north", "--out", plant.folder / "north")
    request = (plant.folder / "north.csr").read_text()
    assert post(plant, "certificates/enrol", {"token": made["token"], "request": request}, {"Content-Type": "application/json"})[0] == 200
    body = lambda file: max((line for line in file.read_text().splitlines() if "---" not in line), key=len)
    secrets = {
        "key of the page": body(folder / "centre.key"),
        "key of the authority": body(folder / "authority-1.key"),
        "seed that signs the audit": (plant.data / "audit.key").read_text().strip(),
        "one-time token": plant.token,
        "session": admin["Cookie"].split("=", 1)[1],
        "token of the enrolment": made["token"],
    }
    answers = [plant.get(path, headers=admin)[2] for path in (
        "/api/v1/status", "/api/v1/session", "/api/v1/certificates", "/api/v1/audit", "/api/v1/audit/state", "/api/v1/audit/export",
        "/api/v1/events", "/api/v1/alarms?state=all", "/metrics", "/api/v1/openapi.json", "/")]
    process = lambda name: open(f"/proc/{plant.centre.pid}/{name}", "rb").read()
    limits = process("limits").decode()
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits
    assert os.stat(f"/proc/{plant.centre.pid}/mem").st_uid == 0, "dumpable"
    time.sleep(1)
    places = {"arguments": process("cmdline"), "environment": process("environ"), "log": "\n".join(plant.centre.err).encode(),
              **{f"answer {n}": answer for n, answer in enumerate(answers)}}
    places |= {str(path): data for path, data in everything_kept(plant.folder, {"ca.pem"})}
    assert len(places["log"]) > 1_000, "the log is talkative"
    for what, secret in secrets.items():
        assert len(secret) >= 32
        for place, data in places.items():
            assert secret.encode() not in data, f"{what} in {place}"
    assert all(os.stat(file).st_mode & 0o077 == 0 for file in [*folder.glob("*.key"), plant.data / "audit.key", plant.folder / "north.key"])
