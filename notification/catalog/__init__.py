"""The catalog: every notification type, declared once: whom it addresses, by which channels, with which payload."""

from notification.catalog.model import AudienceKind, Channel, NotificationType, PayloadMismatch
from notification.catalog.types import Catalog

__all__ = ["AudienceKind", "Catalog", "Channel", "NotificationType", "PayloadMismatch"]
