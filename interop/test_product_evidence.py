"""Evidence for a period: who may do what, who did, what the centre is (S-40). Hashes are made here, by another program."""

import hashlib

import product
from product import Api, Plant, Refused


def test_evidence_says_who_may_and_who_did(tmp_path):
    plant = Plant(tmp_path)
    try:
        plant.start_centre()
        assert plant.centre.stop() == 0
        tokens = {}
        for name, role, area in (("anna", "OPERATOR", "S4"), ("vera", "VIEWER", "*"), ("sara", "SECAUD", "*")):
            product.tieline("user", "add", name, "--role", role, "--area", area, "--data", plant.data)
            tokens[name] = product.tieline("token", "create", name, "--data", plant.data).stdout.strip()
        plant.start_twin().start_centre()
        assert plant.all_good() is not None
        anna, vera, sara = (Api(plant.api.base, bearer=tokens[name]) for name in ("anna", "vera", "sara"))
        breaker = anna.point("S4/L4-5/CB")["id"]
        anna.post(f"points/{breaker}/tags", {"kind": "caution", "text": "look"})
        for _ in range(3):
            try:
                vera.post("points/1/tags", {"kind": "caution", "text": "look"})
            except Refused:
                pass
        evidence = sara.get("evidence")
        people = {person["name"]: person for person in evidence["people"]}
        assert people["anna"]["roles"] == ["OPERATOR"] and people["anna"]["areas"] == ["S4"]
        assert set(people["vera"]["rights"]) == {"view"}
        assert people["vera"]["last_act_at"] is not None and people["sara"]["kind"] == "human"
        acts = {(act["actor"], act["action"], act["outcome"]): act["count"] for act in evidence["acts"]}
        assert acts["anna", "place tag", "done"] == 1
        assert sum(n for (who, _, outcome), n in acts.items() if (who, outcome) == ("vera", "refused")) == 3
        config = (tmp_path / "centre.toml").read_bytes()
        assert evidence["baseline"]["config_sha256"] == hashlib.sha256(config).hexdigest()
        assert evidence["baseline"]["listens"] == [f"http {sara.host}"]
        # Another period holds nothing; others may not look.
        empty = sara.request("GET", "/api/v1/evidence?from=2001-01-01T00:00:00Z&to=2001-02-01T00:00:00Z", None, sara.credentials)
        assert empty.json["acts"] == []
        assert anna.ask("GET", "/api/v1/evidence").status == 403
    finally:
        plant.stop()
