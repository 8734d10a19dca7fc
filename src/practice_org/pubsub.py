"""The Pub/Sub API as far as a client asks whether it can be reached: GetTopic over gRPC (salesforce.md 4).

Served on a port of its own that nobody is told: `lines` leads there.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import grpc

from practice_org import clock
from practice_org.errors import RefusalError
from practice_org.org import Org
from practice_org.pubsub_api_pb2 import TopicInfo, TopicRequest
from practice_org.spy import Seen
from practice_org.tooling_writes import CHANNEL

SERVICE = "eventbus.v1.PubSub"
TOPICS = "/data/"
_ERROR_CODES = "sfdc.platform.eventbus.grpc."


class _Refused(Exception):  # noqa: N818  no error of ours: what the caller is told
    """One refusal: gRPC's code, the end of Salesforce's own, and the status by which the request log shows it."""

    def __init__(self, code: grpc.StatusCode, error_code: str, text: str, status: int) -> None:
        super().__init__(text)
        self.code, self.error_code, self.text, self.status = code, error_code, text, status


class PubSub:
    """The service, once it is started."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self.port = 0

    async def start(self) -> None:
        """Begins to answer, on any free port."""
        self._server = grpc.aio.server()
        get_topic = grpc.unary_unary_rpc_method_handler(
            self._get_topic,
            request_deserializer=TopicRequest.FromString,
            response_serializer=TopicInfo.SerializeToString,
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"GetTopic": get_topic}),))
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()

    async def stop(self) -> None:
        """Ends at once."""
        await self._server.stop(grace=None)

    async def _get_topic(self, request: TopicRequest, context: Any) -> TopicInfo:
        began = clock.monotonic()
        seen = Seen(clock.now().timestamp(), "gRPC", "pubsub.topic", f"/{SERVICE}/GetTopic", status=200)
        refused = None
        try:
            answer = self._topic(request.topic_name, dict(context.invocation_metadata()))
        except _Refused as found:
            refused, seen.status = found, found.status
        seen.ms = (clock.monotonic() - began) * 1000
        self.org.spy.note(seen, counted=False)
        if refused is not None:
            trailers = (("error-code", _ERROR_CODES + refused.error_code),)
            await context.abort(refused.code, f"{refused.text} rpcId: {_rpc_id()}", trailing_metadata=trailers)
        return answer

    def _topic(self, name: str, headers: Mapping[str, str]) -> TopicInfo:
        org_id = self.org.identity.org_id
        self._check_caller(headers, org_id)
        selected = {member.entity for member in self.org.change_events.values()}
        entity = name.removeprefix(TOPICS)
        if not name.startswith(TOPICS) or entity not in (selected | {CHANNEL} if selected else ()):
            text = (
                f"The topic information for org CORE/prod/{org_id} and topic {name} not found. "
                "Ensure the topic name is correct and that the topic exists."
            )
            raise _Refused(grpc.StatusCode.NOT_FOUND, "topic.not.found", text, 404)
        return TopicInfo(
            topic_name=name,
            tenant_guid=f"core/prod/{org_id}",
            can_publish=False,
            can_subscribe=True,
            schema_id=hashlib.sha256(name.encode()).hexdigest()[:22],
            rpc_id=_rpc_id(),
        )

    def _check_caller(self, headers: Mapping[str, str], org_id: str) -> None:
        code = grpc.StatusCode.UNAUTHENTICATED
        if not all(headers.get(name) for name in ("accesstoken", "instanceurl", "tenantid")):
            text = "Invalid authentication headers: accesstoken, instanceurl and tenantid are needed."
            raise _Refused(code, "service.auth.headers.invalid", text, 401)
        try:
            self.org.sessions.check(f"Bearer {headers['accesstoken']}")
        except RefusalError:
            known = False
        else:
            known = headers["tenantid"] == org_id
        if not known:
            text = "An authentication exception occurred. Provide valid authentication headers."
            raise _Refused(code, "service.auth.error", text, 401)


def _rpc_id() -> str:
    text = clock.token_hex(16)
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
