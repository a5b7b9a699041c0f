"""`python -m deploy.embedded.with_stores COMMAND …`: runs a command beside a PostgreSQL and a Valkey of its own.

The command finds them in GALAXY_TEST_POSTGRES_DSN and GALAXY_TEST_REDIS_URL, as the tests do; both end with it. Exits as the
command did.
"""

import os
import subprocess
import sys

from deploy.embedded.stores import session_stores


def main() -> None:
    """Run what the arguments say."""
    if len(sys.argv) < 2:
        sys.exit("say which command should run beside the stores")
    stores = session_stores()
    environment = {
        **os.environ,
        "GALAXY_TEST_POSTGRES_DSN": stores.postgres.dsn(),
        "GALAXY_TEST_REDIS_URL": stores.valkey.url,
    }
    sys.exit(subprocess.run(sys.argv[1:], env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
