"""A switching order over the product's interface: written, checked, approved by another person, done step by step.

The field is the twin; what it holds true is asked from the twin itself, not from the centre.
"""

import pytest

import product
from product import Api, Plant, Refused, wait_until

BREAKER, DISCONNECTOR = "S4/L4-5/CB", "S4/L4-5/DS"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    plant = Plant(tmp_path_factory.mktemp("switching"))
    plant.start_centre()
    assert plant.centre.stop() == 0
    tokens = {}
    for name, role, area in (("anna", "OPERATOR", "*"), ("ben", "OPERATOR", "*"), ("north", "OPERATOR", "S1"), ("vera", "VIEWER", "*")):
        product.tieline("user", "add", name, "--role", role, "--area", area, "--data", plant.data)
        tokens[name] = product.tieline("token", "create", name, "--data", plant.data).stdout.strip()
    plant.start_twin().start_centre()
    assert plant.all_good() is not None
    plant.tokens = tokens
    plant.people = {name: Api(plant.api.base, bearer=token) for name, token in tokens.items()}
    yield plant
    plant.stop()


def isolation(api):
    breaker, disconnector = api.point(BREAKER)["id"], api.point(DISCONNECTOR)["id"]
    return {
        "title": "Isolate line 4-5 at S4", "kind": "planned", "reason": "insulator to be changed",
        "documents": [{"kind": "permit_to_work", "holder": "crew 3", "text": "bay L4-5 of S4"}],
        "steps": [
            {"action": "operate", "point": breaker, "value": 0},
            {"action": "verify", "point": breaker, "value": 0},
            {"action": "operate", "point": disconnector, "value": 0},
            {"action": "place_tag", "point": disconnector, "tag": "hold", "text": "do not close", "document": 1},
            {"action": "instruct", "text": "hang the portable earth in bay L4-5"},
            {"action": "issue", "document": 1},
            {"action": "clear", "document": 1},
            {"action": "remove_tags", "point": disconnector},
            {"action": "operate", "point": disconnector, "value": 1},
            {"action": "operate", "point": breaker, "value": 1},
        ],
    }


def act(api, order, how, body=None):
    return api.post(f"switching-orders/{order}/{how}", body or {})


def operate(api, order, step):
    """Does a step that operates, to its confirmation by the measurement."""
    done = act(api, order, f"steps/{step}/do")
    command = done["command"]
    assert command["state"] in ("studying", "selecting", "selected"), command
    selected = wait_until(lambda: api.get(f"commands/{command['id']}")["state"] == "selected")
    assert selected, api.get(f"commands/{command['id']}")
    api.post(f"commands/{command['id']}/execute")
    look = lambda: api.get(f"switching-orders/{order}")
    assert wait_until(lambda: look()["steps"][step - 1]["state"] == "done"), look()


def refusal(work):
    with pytest.raises(Refused) as caught:
        work()
    return caught.value


def test_an_isolation_with_a_permit_is_done_step_by_step_and_undone(site):
    anna, ben = site.people["anna"], site.people["ben"]
    order = anna.post("switching-orders", isolation(anna))
    number = order["id"]
    assert (order["state"], order["next"]) == ("draft", 1)
    assert order["steps"][0]["wording"] == f"open {BREAKER}"
    # Neither unchecked nor by its author.
    assert "not_checked" in str(refusal(lambda: act(ben, number, "approve")))
    checked = act(anna, number, "check")
    assert checked["state"] == "checked", checked["check"]
    assert "same_person" in str(refusal(lambda: act(anna, number, "approve")))
    assert act(ben, number, "approve")["approver"] == "ben"
    assert act(anna, number, "begin")["state"] == "in_progress"
    assert "not_next" in str(refusal(lambda: act(anna, number, "steps/3/do")))
    # Verified too early: the breaker is closed.
    operate(anna, number, 1)
    act(anna, number, "steps/2/do")
    operate(anna, number, 3)
    act(anna, number, "steps/4/do")
    disconnector = anna.point(DISCONNECTOR)
    [tag] = disconnector["tags"]
    assert "switching order" in tag["text"] and tag["kind"] == "hold"
    act(anna, number, "steps/5/do")
    act(anna, number, "steps/6/do")
    # While the crew holds the permit its tag cannot go, the order cannot end, the disconnector cannot be closed.
    assert "document_issued" in str(refusal(lambda: anna.delete(f"points/{disconnector['id']}/tags/{tag['id']}")))
    assert "document_issued" in str(refusal(lambda: act(anna, number, "cancel", {"reason": "late"})))
    assert "hold tag" in str(refusal(lambda: anna.command(disconnector["id"], 1, "test")))
    act(anna, number, "steps/7/do")
    act(anna, number, "steps/8/do")
    assert anna.point(DISCONNECTOR)["tags"] == []
    operate(anna, number, 9)
    operate(anna, number, 10)
    done = anna.get(f"switching-orders/{number}")
    assert done["state"] == "completed"
    assert [step["by"] for step in done["steps"]] == ["anna"] * 10


def test_the_check_finds_what_would_go_wrong(site):
    anna = site.people["anna"]
    breaker = anna.point(BREAKER)["id"]
    steps = [
        {"action": "place_tag", "point": breaker, "tag": "hold", "text": "x"},
        {"action": "operate", "point": breaker, "value": 0},
        {"action": "verify", "point": breaker, "value": 1},
        {"action": "issue", "document": 1},
    ]
    order = anna.post("switching-orders", isolation(anna) | {"steps": steps})
    checked = act(anna, order["id"], "check")
    assert checked["state"] == "draft"
    assert [finding["step"] for finding in checked["check"]["findings"] if finding["fault"]] == [2, 3, 4]


def test_orders_are_for_those_who_answer_for_every_point(site):
    anna, north, vera = (site.people[name] for name in ("anna", "north", "vera"))
    number = anna.post("switching-orders", isolation(anna))["id"]
    assert north.get("switching-orders")["orders"] == []
    assert "404" in str(refusal(lambda: north.get(f"switching-orders/{number}")))
    assert "403" in str(refusal(lambda: north.post("switching-orders", isolation(anna))))
    assert vera.get(f"switching-orders/{number}")["id"] == number
    assert "403" in str(refusal(lambda: act(vera, number, "check")))
    bad = refusal(lambda: anna.post("switching-orders", isolation(anna) | {"steps": [{"action": "operate"}]}))
    assert "step 1: the point is missing" in str(bad)


def test_an_order_survives_a_kill_and_says_what_was_under_way(site):
    anna = site.people["anna"]
    body = isolation(anna) | {"kind": "emergency"}
    number = anna.post("switching-orders", body)["id"]
    act(anna, number, "begin")
    act(anna, number, "steps/1/do")
    site.centre.kill()
    site.start_centre()
    assert site.all_good() is not None
    anna = Api(site.api.base, bearer=site.tokens["anna"])
    order = anna.get(f"switching-orders/{number}")
    assert (order["state"], order["steps"][0]["state"]) == ("in_progress", "open")
    assert "stopped" in order["steps"][0]["note"]
    skipped = act(anna, number, "steps/1/skip", {"reason": "done by hand"})
    assert (skipped["steps"][0]["state"], skipped["next"]) == ("skipped", 2)
    # The breaker is closed in truth: the step that looks says so.
    assert "verify" in str(refusal(lambda: act(anna, number, "steps/2/do")))
    assert act(anna, number, "cancel", {"reason": "not needed"})["state"] == "cancelled"
