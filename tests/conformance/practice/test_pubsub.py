"""The Pub/Sub API of the practice org, asked by plain gRPC."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest

from practice_org.pubsub_api_pb2 import TopicInfo, TopicRequest
from tests.conformance.practice.rest import Rest
from tests.practice import PracticeOrg
from tests.soundness import select

LEADS = "/data/LeadChangeEvent"
CODES = "sfdc.platform.eventbus.grpc."


def signed_in(org: PracticeOrg, **other: str) -> dict[str, str]:
    """The headers that every call carries."""
    known = org.credentials
    return {"accesstoken": known["access_token"], "instanceurl": org.url, "tenantid": known["org_id"]} | other


@contextmanager
def channel(org: PracticeOrg) -> Iterator[grpc.Channel]:
    """A connection to the org's own address."""
    with grpc.insecure_channel(urlsplit(org.url).netloc, [("grpc.enable_http_proxy", 0)]) as opened:
        yield opened


def get_topic(opened: grpc.Channel, name: str, headers: dict[str, str]) -> Any:
    """The answer to GetTopic. Raises grpc.RpcError."""
    ask = opened.unary_unary(
        "/eventbus.v1.PubSub/GetTopic",
        request_serializer=TopicRequest.SerializeToString,
        response_deserializer=TopicInfo.FromString,
    )
    return ask(TopicRequest(topic_name=name), timeout=10, metadata=tuple(headers.items()))


def refused(org: PracticeOrg, name: str, headers: dict[str, str]) -> tuple[grpc.StatusCode, str]:
    """gRPC's code and Salesforce's own, without what all of these begin with."""
    with channel(org) as opened, pytest.raises(grpc.RpcError) as caught:
        get_topic(opened, name, headers)
    trailers = dict(caught.value.trailing_metadata())
    return caught.value.code(), trailers.get("error-code", "").removeprefix(CODES)


def test_a_selected_object_has_a_topic_and_nothing_else_has(org: PracticeOrg) -> None:
    assert refused(org, LEADS, signed_in(org)) == (grpc.StatusCode.NOT_FOUND, "topic.not.found")
    select(org, "LeadChangeEvent")
    with channel(org) as opened:
        for name in (LEADS, "/data/ChangeEvents"):
            found = get_topic(opened, name, signed_in(org))
            assert (found.topic_name, found.can_subscribe, found.can_publish) == (name, True, False)
            assert found.tenant_guid.endswith(org.credentials["org_id"])
    for name in ("/data/ContactChangeEvent", "LeadChangeEvent", "/event/LeadChangeEvent", "", "/data/"):
        assert refused(org, name, signed_in(org)) == (grpc.StatusCode.NOT_FOUND, "topic.not.found")


def test_a_stranger_is_told_nothing(org: PracticeOrg) -> None:
    select(org, "LeadChangeEvent")
    unauthenticated = grpc.StatusCode.UNAUTHENTICATED
    for other in ({"accesstoken": "00D!x"}, {"tenantid": "00D000000000009EAA"}):
        assert refused(org, LEADS, signed_in(org, **other)) == (unauthenticated, "service.auth.error")
    for name in signed_in(org):
        lacking = {key: value for key, value in signed_in(org).items() if key != name}
        assert refused(org, LEADS, lacking) == (unauthenticated, "service.auth.headers.invalid")
    org.expire_sessions()
    token = Rest(org).token_for(
        grant_type="client_credentials",
        client_id=org.credentials["client_id"],
        client_secret=org.credentials["client_secret"],
    )
    with channel(org) as opened:
        assert get_topic(opened, LEADS, signed_in(org, accesstoken=token.json["access_token"])).can_subscribe


def test_a_call_stands_in_the_log_and_is_no_api_request(org: PracticeOrg) -> None:
    before = org.spy()["api_calls"]
    refused(org, LEADS, signed_in(org))
    logged = org.requests()[-1]
    assert (logged["method"], logged["route"], logged["status"]) == ("gRPC", "pubsub.topic", 404)
    assert org.credentials["access_token"] not in str(logged)
    assert org.spy()["api_calls"] == before


def test_a_firewall_lets_http_through_and_not_grpc(org: PracticeOrg) -> None:
    org.pubsub(reachable=False)
    assert refused(org, LEADS, signed_in(org)) == (grpc.StatusCode.UNAVAILABLE, "")
    assert Rest(org).call("GET", "limits").status == 200
    org.pubsub(reachable=True)
    assert refused(org, LEADS, signed_in(org)) == (grpc.StatusCode.NOT_FOUND, "topic.not.found")


def test_other_methods_are_not_there_yet(org: PracticeOrg) -> None:
    with channel(org) as opened, pytest.raises(grpc.RpcError) as caught:
        opened.unary_unary("/eventbus.v1.PubSub/GetSchema")(b"", timeout=10, metadata=tuple(signed_in(org).items()))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
