"""The declared table: message type → call of the backend (docs/ARCHITECTURE.md, 3.3)."""

from gateway.routing.model import PayloadSize, Route

_GAME = "/games/{game_id}"

ROUTES: tuple[Route, ...] = (
    Route("user.account.get", "GET", "/account"),
    Route("user.account.update", "PATCH", "/account"),
    Route("user.preferences.get", "GET", "/preferences"),
    Route("user.preferences.update", "PUT", "/preferences"),
    Route("user.sessions.list", "GET", "/sessions"),
    Route("user.sessions.rename", "PATCH", "/sessions/{device_session_id}"),
    Route("user.sessions.revoke", "POST", "/sessions/{device_session_id}/revoke"),
    Route("user.sessions.revoke_all", "POST", "/sessions/revoke-all"),
    Route("lobby.game.list", "GET", "/games"),
    Route("lobby.game.create", "POST", "/games"),
    Route("lobby.game.get", "GET", _GAME),
    Route("lobby.game.open", "POST", f"{_GAME}/open"),
    Route("lobby.game.start", "POST", f"{_GAME}/start"),
    Route("lobby.game.pause", "POST", f"{_GAME}/pause"),
    Route("lobby.game.resume", "POST", f"{_GAME}/resume"),
    Route("lobby.game.cancel", "POST", f"{_GAME}/cancel"),
    Route("lobby.application.submit", "POST", f"{_GAME}/applications"),
    Route("lobby.application.list", "GET", f"{_GAME}/applications"),
    Route("lobby.application.approve", "POST", f"{_GAME}/applications/{{application_id}}/approve"),
    Route("lobby.application.reject", "POST", f"{_GAME}/applications/{{application_id}}/reject"),
    Route("lobby.invite.create", "POST", f"{_GAME}/invites"),
    Route("lobby.invite.list", "GET", "/invites"),
    Route("lobby.invite.accept", "POST", "/invites/{invite_id}/accept"),
    Route("lobby.invite.decline", "POST", "/invites/{invite_id}/decline"),
    Route("lobby.membership.leave", "POST", f"{_GAME}/leave"),
    Route("play.orders.get", "GET", f"{_GAME}/orders"),
    Route("play.orders.put", "PUT", f"{_GAME}/orders", PayloadSize.ORDERS),
    Route("play.orders.check", "POST", f"{_GAME}/orders/check", PayloadSize.ORDERS),
    Route("play.orders.finalize", "POST", f"{_GAME}/orders/final"),
    Route("play.turn.list", "GET", f"{_GAME}/turns"),
    Route("play.report.get", "GET", f"{_GAME}/turns/{{turn}}/report"),
)
