"""What one service calls a kind of mail and another sends: two tables, which must name the same kinds."""

from backend.users.mail_kinds import KINDS
from notification.catalog.types import TYPES


def test_every_mail_that_can_be_switched_off_has_its_name_and_no_other_has() -> None:
    switchable = {entry.name for entry in TYPES if entry.can_switch_off}
    assert set(KINDS["en"]) == switchable
