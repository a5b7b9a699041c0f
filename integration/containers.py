"""Stacks whose engines run in containers of the machine's Docker Engine."""

import docker

NETWORK = "galaxy-integration"


def docker_variables(engine_image: str, label: str) -> dict[str, str]:
    """Return the backend's variables for engines in containers, labelled so that only this stack's are its own."""
    return {
        "BACKEND_RUNTIME_ADAPTER": "docker",
        "BACKEND_RUNTIME_IMAGE_PULL_POLICY": "never",
        "BACKEND_DOCKER_NETWORK": f"{NETWORK}-{label}",
        "BACKEND_STACK_LABEL": label,
        "BACKEND_ENGINE_BOOTSTRAP_IMAGE": engine_image,
    }


def remove_engines(label: str) -> None:
    """Remove what a stack left: engines outlive their backend, as they should."""
    client = docker.from_env()
    try:
        owned: dict[str, str | list[str] | bool] = {
            "label": [f"galaxy.stack={label}", "org.opencontainers.image.title=galaxy-game"]
        }
        for container in client.containers.list(all=True, filters=owned):
            container.remove(force=True)
        for network in client.networks.list(names=[f"{NETWORK}-{label}"]):
            network.remove()
    finally:
        client.close()
