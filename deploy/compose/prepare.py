"""Writes the file of variables that a compose stack is started with; secrets are made once and kept.

    python -m deploy.compose.prepare FOLDER

FOLDER (of the stack, below .galaxy-docker/) gets `secrets/` and `stack.env`, both for their owner alone; the path of the
latter is printed. The secrets are named as the embedded stack's are, so that both are read and rotated the same way.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.embedded.credentials import ensure_credentials, write_private
from deploy.embedded.environment import engine_version

SOCKET = Path("/var/run/docker.sock")

# Variable of the compose files → name of the secret.
_SECRETS: Mapping[str, str] = {
    "GALAXY_POSTGRES_SUPERUSER_PASSWORD": "postgres_superuser",
    "GALAXY_POSTGRES_BACKEND_PASSWORD": "postgres_backend",
    "GALAXY_POSTGRES_NOTIFICATION_PASSWORD": "postgres_notification",
    "GALAXY_POSTGRES_MAIL_PASSWORD": "postgres_mail",
    "GALAXY_REDIS_PASSWORD": "redis",
    "GALAXY_TOKEN_GATEWAY_BACKEND": "token_gateway_backend",
    "GALAXY_TOKEN_NOTIFICATION_BACKEND": "token_notification_backend",
    "GALAXY_TOKEN_BACKEND_MAIL": "token_backend_mail",
    "GALAXY_SEAL_KEY": "seal_key",
    "GALAXY_AUTH_HASH_KEY": "auth_hash_key",
    "GALAXY_ADDRESS_HASH_KEY": "address_hash_key",
    "GALAXY_OPERATOR_PASSWORD": "operator_password",
}


def variables(folder: Path, environment: Mapping[str, str], offline: Path) -> dict[str, str]:
    """What the compose files need besides their defaults; what the caller's environment sets wins."""
    credentials = ensure_credentials(folder / "secrets")
    signer = folder / "signer.pem"
    write_private(signer, credentials.signer_key_path.read_bytes())
    # Read by the account inside the container; on the host the folder around it keeps everybody else out.
    signer.chmod(0o444)
    values = {name: credentials[secret] for name, secret in _SECRETS.items()}
    values["GALAXY_SIGNER_KEY_PATH"] = str(signer)
    values["GALAXY_ENGINE_VERSION"] = engine_version()
    values["GALAXY_DOCKER_GROUP"] = str(SOCKET.stat().st_gid) if SOCKET.exists() else "0"
    if offline.exists():
        lines = offline.read_text(encoding="utf-8").splitlines()
        values |= dict(line.split("=", 1) for line in lines if "=" in line)
    return {name: environment.get(name, value) for name, value in values.items()}


def main() -> None:
    """The command line; see the module's docstring."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    offline = Path(__file__).resolve().parents[2] / ".build" / "offline.env"
    text = "".join(f"{name}={value}\n" for name, value in variables(folder, os.environ, offline).items())
    write_private(folder / "stack.env", text.encode())
    sys.stdout.write(f"{folder / 'stack.env'}\n")


if __name__ == "__main__":
    main()
