"""The one failure of a subscription."""


class SubscriptionLost(Exception):
    """The subscription ended or could not be opened; `status` is the gRPC status in words."""

    def __init__(self, status: str, details: str) -> None:
        super().__init__(f"{status}: {details}")
        self.status = status
