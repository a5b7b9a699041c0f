"""Operators' calls about engine versions, under `/api/v1/admin`."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from backend.admin.model import Operator, Role
from backend.admin.ports import AuditLog, RequireOperator
from backend.api.fields import Line
from backend.engine_versions.model import EngineVersion
from backend.engine_versions.service import Audit, EngineVersions
from kit.postgres import Connection
from kit.rest import Page, Paging, Schema


class NewVersion(Schema):
    """A version to register."""

    version: str = Field(max_length=50)
    image: Annotated[Line, Field(min_length=1, max_length=300)]
    digest: str | None = Field(None, pattern=r"^sha256:[0-9a-f]{64}$")
    enabled: bool = True


class VersionView(Schema):
    """A registered version."""

    version: str
    image: str
    digest: str | None
    enabled: bool
    registered_at: datetime
    options_schema: dict[str, Any] | None = Field(
        description="what its engines declared of a game's options; games are judged by it before they start"
    )


def _view(row: EngineVersion) -> VersionView:
    return VersionView(
        version=row.semver,
        image=row.image,
        digest=row.digest,
        enabled=row.enabled,
        registered_at=row.registered_at,
        options_schema=dict(row.options_schema) if row.options_schema is not None else None,
    )


def versions_router(
    versions: EngineVersions, require_operator: RequireOperator, audit_log: AuditLog
) -> APIRouter:
    """Return the routes, without the family's prefix."""
    router = APIRouter(tags=["engine versions"])
    viewer = Annotated[Operator, Depends(require_operator(Role.VIEWER))]
    acting = Annotated[Operator, Depends(require_operator(Role.OPERATOR))]

    def audited(operator: Operator, action: str, semver: str) -> Audit:
        async def audit(connection: Connection) -> None:
            await audit_log.record(connection, operator, action, semver)

        return audit

    @router.get("/engine-versions")
    async def list_versions(_: viewer, paging: Annotated[Paging, Depends(Paging)]) -> Page[VersionView]:
        rows = versions.list()
        shown = [_view(row) for row in rows[paging.offset : paging.offset + paging.page_size]]
        return paging.of(shown, len(rows))

    @router.post("/engine-versions", status_code=201)
    async def register_version(operator: acting, body: NewVersion) -> VersionView:
        audit = audited(operator, "engine_version.register", body.version)
        return _view(
            await versions.register(body.version, body.image, body.digest, enabled=body.enabled, audit=audit)
        )

    @router.post("/engine-versions/{version}/enable")
    async def enable_version(operator: acting, version: str) -> VersionView:
        audit = audited(operator, "engine_version.enable", version)
        return _view(await versions.set_enabled(version, True, audit))

    @router.post("/engine-versions/{version}/disable")
    async def disable_version(operator: acting, version: str) -> VersionView:
        audit = audited(operator, "engine_version.disable", version)
        return _view(await versions.set_enabled(version, False, audit))

    @router.post("/engine-versions/{version}/forget-options")
    async def forget_options(operator: acting, version: str) -> VersionView:
        """Drop a declared schema that refuses what it should not; the next engine that starts declares it anew."""
        audit = audited(operator, "engine_version.forget_options", version)
        return _view(await versions.forget_options(version, audit))

    return router
