"""The admin listener's application: `/metrics` and nothing else."""

from fastapi import Response
from starlette.types import ASGIApp

from kit.rest import new_api
from kit.telemetry import Telemetry


def metrics_page(telemetry: Telemetry) -> ASGIApp:
    """Build it."""
    api = new_api("Galaxy gateway, admin", docs=False)

    @api.get("/metrics")
    async def metrics() -> Response:
        page, content_type = telemetry.prometheus_page()
        return Response(page, headers={"Content-Type": content_type})

    return api
