"""What sending a delivery needs of other rooms."""

from collections.abc import Mapping
from typing import Any, Protocol

from mail.smtp.model import SendResult
from mail.templates.renderer import Rendered


class Renderer(Protocol):
    """The words."""

    def render(
        self,
        template_id: str,
        locale: str,
        variables: Mapping[str, Any],
        unsubscribe_url: str = "",
        *,
        secret: bool = False,
    ) -> Rendered:
        """Render one mail; a `secret` one is kept nowhere. Raises TemplateRefusal."""


class Post(Protocol):
    """The way to the relay."""

    size: int

    async def send(self, recipient: str, message: bytes) -> SendResult:
        """Send one mail to one recipient. Raises nothing that the relay can cause."""


class Observer(Protocol):
    """Who counts."""

    def took(self, seconds: float) -> None:
        """Count the time of one send."""

    def suppressed(self) -> None:
        """Count a delivery that was ended unsent."""
