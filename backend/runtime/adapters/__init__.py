"""The adapters of the `Containers` port, and which one the settings choose."""

from backend.runtime.ports import Containers
from backend.settings import BackendSettings


def open_containers(settings: BackendSettings) -> Containers:
    """Return the adapter that `BACKEND_RUNTIME_ADAPTER` names; nothing is connected yet."""
    runtime = settings.runtime
    if runtime.adapter == "process":
        from backend.runtime.adapters.process import ProcessContainers

        return ProcessContainers(runtime.state_dir, boot_timeout=runtime.boot_timeout)
    from backend.runtime.adapters.docker import DockerContainers

    return DockerContainers.open(settings)
