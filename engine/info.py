"""The body of GET /v1/info: what this engine is and what it understands."""

from typing import Any

from engine import CONTRACT_VERSIONS, ENGINE_NAME, VERSION
from engine.rules import computer, report_json, save
from engine.rules.options import OPTIONS_SCHEMA, PRESETS
from engine.rules.orders.catalogue import schemas
from engine.rules.turn import SEQUENCE
from engine.wire import LIMITS


def info() -> dict[str, Any]:
    """Return the description; it is the same for the whole life of the process."""
    return {
        "engine": ENGINE_NAME,
        "version": VERSION,
        "contract_versions": list(CONTRACT_VERSIONS),
        "save_formats": {"read": list(save.READS), "written": save.FORMAT},
        "report_format": report_json.FORMAT,
        "limits": LIMITS,
        "orders": schemas(),
        "presets": list(PRESETS),
        "options_schema": OPTIONS_SCHEMA,
        "computer_levels": list(computer.LEVELS),
        "turn_sequence": [
            {"step": step.number, "name": step.name, "runs": step.run is not None} for step in SEQUENCE
        ],
    }
