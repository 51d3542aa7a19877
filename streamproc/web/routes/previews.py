"""What a content template makes of an alert, without telling anybody."""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, Field

from streamproc.alerting.content import ContentError, check, rendered
from streamproc.alerting.preview import SAMPLE, SECOND, built_in, message_of
from streamproc.model.channel_settings import Language
from streamproc.model.content_template import Method, parse_content_template
from streamproc.web import configuring
from streamproc.web.paging import TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.route import Answer, Call, Route


class Preview(BaseModel):
    """What to show; without an alert, of a sample."""

    template: dict[str, Any] | None = Field(
        default=None, description="A template document to try; by default the one that is configured."
    )
    method: Method = "email"
    language: Language = "en"
    alert_id: str | None = Field(default=None, max_length=128, description="An alert of the tenant; needs alerts:read.")
    bundle: bool = Field(default=False, description="Two sample alerts in one message.")
    tenant_id: str | None = Field(default=None, min_length=1, max_length=128)


class Previewed(BaseModel):
    """The parts of the message, as far as the method has them."""

    message: dict[str, str] = Field(description="`subject`, `text`, `html`; those that are empty are left out.")
    items: list[str] = Field(description="Of a batch, each item.")
    problem: str | None = Field(description="Why the built-in text would be sent instead, which is what is shown.")


async def preview(call: Call[TenantQuery, Preview]) -> Answer:
    """Nobody is told. A template that fails is shown as what would be sent instead, with the reason."""
    tenant, id = call.tenant(call.query.tenant_id or call.body.tenant_id), call.path["id"]
    if call.body.template is not None:
        document = {
            name: value for name, value in call.body.template.items() if name not in (*configuring.ANSWERED, "kind")
        }
        template = parse_content_template({**document, "id": id, "tenant_id": tenant})
    else:
        template = parse_content_template(configuring.find(call, "template", tenant, id).document())
    check(template)
    alerts: list[dict[str, Any]] = [SAMPLE, SECOND] if call.body.bundle else [SAMPLE]
    if call.body.alert_id is not None:
        if not call.principal.may(Scope.ALERTS_READ):
            raise ApiError(403, "alert_id: needs the scope alerts:read")
        found = await call.site.store.read(queries.get_alert, call.body.alert_id)
        if found is None or found["tenant_id"] != tenant:
            raise ApiError(404, f"there is no alert {call.body.alert_id!r:.80}")
        alerts = [found]
    message = message_of(alerts, call.body.language)
    problem = None
    try:
        # a template may take half a second, which is not everybody else's
        content = await asyncio.to_thread(rendered, template, call.body.method, message)
        if content is None:
            problem = f"the template has nothing for {call.body.method}"
    except ContentError as error:
        content, problem = None, str(error)
    shown = content or built_in(message, call.body.method)
    parts = {"subject": shown.subject, "text": shown.text, "html": shown.html}
    return Previewed(
        message={name: text for name, text in parts.items() if text}, items=list(shown.items), problem=problem
    )


ROUTES = (
    Route(
        "POST", "/v1/templates/{id}/preview", "What a template makes of an alert", Scope.CONFIG_READ, preview,
        query=TenantQuery, body=Preview, answers=Previewed, tag="templates", refuses=(404,),
        example={"method": "email", "language": "en"},
    ),
)  # fmt: skip
