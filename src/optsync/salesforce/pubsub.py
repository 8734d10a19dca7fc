"""The Pub/Sub API, by which Salesforce streams change events: whether it can be reached, and a topic subscribed to.

It speaks gRPC, whose client is the extra `events`; loading it takes 0.1 s, so that is done when it is asked. Sources:
Pub/Sub API Developer Guide, "Pub/Sub API Endpoints", "Supply Authentication Headers", "Handle Errors";
`pubsub_api.proto` of github.com/forcedotcom/pub-sub-api.

Promises: the token goes to Salesforce's one host for it, by TLS, or for a practice org to its own address on this
machine; a name that leads to a private network address is not connected to; no proxy of the environment is used.
"""

import ipaddress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from optsync.network import addresses_of
from optsync.salesforce.errors import NoClient, OddAnswer, SessionRefused, Unreachable, clean
from optsync.salesforce.hosts import check_address
from optsync.salesforce.session import Session

if TYPE_CHECKING:
    import grpc

HOST: Final = "api.pubsub.salesforce.com"
PORT: Final = 443
GET_TOPIC: Final = "/eventbus.v1.PubSub/GetTopic"
DEADLINE_SECONDS: Final = 10.0


def may_subscribe(session: Session, topic: str) -> bool:
    """Whether our user may subscribe to a topic, such as /data/LeadChangeEvent; False too for one that is not selected.

    Raises NoClient, HostRefused, Unreachable, SessionRefused, OddAnswer, and what a sign-in raises.
    """
    try:
        import grpc

        from optsync.salesforce.pubsub_api_pb2 import TopicInfo, TopicRequest
    except ImportError:
        raise NoClient("grpcio and protobuf are not installed") from None
    metadata = (
        ("accesstoken", session.access_token),
        ("instanceurl", session.instance_url),
        ("tenantid", session.org_id),
    )
    with _channel(session) as channel:
        ask = channel.unary_unary(
            GET_TOPIC,
            request_serializer=TopicRequest.SerializeToString,
            response_deserializer=TopicInfo.FromString,
        )
        try:
            found: TopicInfo = ask(TopicRequest(topic_name=topic), timeout=DEADLINE_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return _refused(error, _place(session))
    return found.can_subscribe


def _channel(session: Session) -> "grpc.Channel":
    import grpc

    options = [("grpc.enable_http_proxy", 0)]
    if session.credential.practice:
        return grpc.insecure_channel(_place(session), options)
    named = [("grpc.ssl_target_name_override", HOST), ("grpc.default_authority", HOST)]
    return grpc.secure_channel(_target(), grpc.ssl_channel_credentials(), options + named)


def _place(session: Session) -> str:
    return urlsplit(session.instance_url).netloc if session.credential.practice else HOST


def _target() -> str:
    """Where the host's name leads now, each address looked at, in gRPC's spelling: one family at a time."""
    try:
        found = addresses_of(HOST, PORT)
    except OSError as error:
        raise Unreachable(f"no connection to {HOST} (the name is unknown)", maybe_applied=False) from error
    for address in found:
        check_address(HOST, address)
    old = [address for address in found if ipaddress.ip_address(address.partition("%")[0]).version == 4]
    if old:
        return "ipv4:" + ",".join(f"{address}:{PORT}" for address in old)
    return "ipv6:" + ",".join(f"[{address}]:{PORT}" for address in found)


def _refused(error: "grpc.RpcError", place: str) -> bool:
    """False where the service answered that this topic is not for us; raises what else its answer stands for."""
    import grpc

    code, said = error.code(), clean(error.details() or "")
    if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.PERMISSION_DENIED):
        return False
    if code == grpc.StatusCode.UNAUTHENTICATED:
        raise SessionRefused(said)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        raise Unreachable(f"no connection to {place} ({said})", maybe_applied=False)
    raise OddAnswer(f"{code.name}: {said}")
