"""What was last seen of the containers: by the survey, and by the operations that start and stop them."""

from dataclasses import dataclass, field

from backend.runtime.model import Seen


@dataclass
class Sightings:
    """Running containers that the records name, by game; and whether whoever runs them answers."""

    running: dict[str, Seen] = field(default_factory=dict)
    away: str = ""
    """Why it does not answer; empty while it does."""
