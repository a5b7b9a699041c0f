"""Engine containers: made hard to escape from, found by their labels, removed when they end."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import LogConfig

from backend.runtime.adapters.docker.client import DockerClient
from backend.runtime.adapters.docker.labels import GAME, VERSION, is_ours, label_filter, labels_of
from backend.runtime.errors import ConfigInvalid, StartFailed
from backend.runtime.model import ContainerSpec, Endpoint, Seen
from kit.logs import get_logger

_log = get_logger("docker_containers")
_PORT = 8080
_PIDS_MAX = 512
_EXIT_CODE = re.compile(r"Exited \((\d+)\)")
_LAST_LINES = 40


@dataclass(frozen=True)
class Limits:
    """What one engine may take."""

    memory_mib: int
    cpus: float
    tmp_mib: int = 64
    log_mib: int = 5
    stop_seconds: int = 10


class EngineContainers:
    """Containers of one installation."""

    def __init__(self, client: DockerClient, network: str, stack_label: str, limits: Limits) -> None:
        self._client = client
        self._network = network
        self._stack_label = stack_label
        self._limits = limits
        self._tokens: dict[str, str] = {}

    async def start(self, spec: ContainerSpec) -> Seen:
        """Create and start; raises StartFailed, ConfigInvalid, ContainersAway."""
        return await self._client.run(self._start, spec)

    async def stop(self, ref: str) -> None:
        """Stop within the grace period and remove; nothing to do when it is gone. Raises ContainersAway."""
        await self._client.run(self._stop, ref)

    async def list(self) -> Sequence[Seen]:
        """Return our containers, dead ones too. Raises ContainersAway."""
        return await self._client.run(self._list)

    async def last_words(self, ref: str) -> str:
        """Return the last lines of a container's log. Raises ContainersAway."""
        return await self._client.run(_last_words, ref)

    def _start(self, api: docker.APIClient, spec: ContainerSpec) -> Seen:
        for left in self._rows(api):
            if left["Labels"].get(GAME) == spec.game_id:
                self._stop(api, left["Id"])
        try:
            created = api.create_container(
                spec.image,
                name=f"galaxy-game-{spec.game_id}",
                labels=labels_of(spec.game_id, spec.engine_version, self._stack_label),
                environment={
                    "ENGINE_TOKEN": spec.token,
                    "ENGINE_LISTEN_ADDR": f"0.0.0.0:{_PORT}",
                },
                host_config=api.create_host_config(**self._hardening()),
            )
        except APIError as error:
            kind = ConfigInvalid if error.status_code == 400 else StartFailed
            raise kind(f"cannot create the container: {error.explanation or error}") from error
        ref: str = created["Id"]
        try:
            api.start(ref)
            inspected = api.inspect_container(ref)
        except APIError as error:
            self._stop(api, ref)
            raise StartFailed(f"cannot start the container: {error.explanation or error}") from error
        self._tokens[ref] = spec.token
        address = inspected["NetworkSettings"]["Networks"][self._network]["IPAddress"]
        if not address:  # it ended at once
            words = _last_words(api, ref)
            self._stop(api, ref)
            raise StartFailed(f"the engine ended at once: {words[-300:]}")
        return Seen(ref, spec.game_id, spec.engine_version, True, _endpoint(address, spec.token))

    def _hardening(self) -> Mapping[str, Any]:
        limits = self._limits
        memory = f"{limits.memory_mib}m"
        return {
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "pids_limit": _PIDS_MAX,
            "mem_limit": memory,
            "memswap_limit": memory,  # equal: no swap beside it
            "nano_cpus": int(limits.cpus * 1_000_000_000),
            "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={limits.tmp_mib}m"},  # noqa: S108 - inside the container
            "network_mode": self._network,
            "init": True,
            "log_config": LogConfig(
                type=LogConfig.types.JSON, config={"max-size": f"{limits.log_mib}m", "max-file": "2"}
            ),
        }

    def _stop(self, api: docker.APIClient, ref: str) -> None:
        try:
            inspected = api.inspect_container(ref)
            if not is_ours(inspected["Config"]["Labels"], self._stack_label):
                _log.error("foreign_container_left_alone", ref=ref)
                return
            if inspected["State"]["Running"]:
                api.stop(ref, timeout=self._limits.stop_seconds)
            api.remove_container(ref, v=True, force=True)
        except NotFound:
            pass
        except APIError as error:
            if error.status_code != 409:  # somebody is removing it already
                raise
        self._tokens.pop(ref, None)

    def _rows(self, api: docker.APIClient) -> Sequence[Mapping[str, Any]]:
        rows = api.containers(all=True, filters={"label": label_filter(self._stack_label)})
        return [row for row in rows if is_ours(row["Labels"], self._stack_label)]

    def _list(self, api: docker.APIClient) -> Sequence[Seen]:
        seen = [self._seen(api, row) for row in self._rows(api)]
        return [container for container in seen if container is not None]

    def _seen(self, api: docker.APIClient, row: Mapping[str, Any]) -> Seen | None:
        ref: str = row["Id"]
        running = row["State"] == "running"
        endpoint = None
        if running:
            network = row["NetworkSettings"]["Networks"].get(self._network) or {}
            token = self._token_of(api, ref)
            if token is None:
                return None  # it was removed while we looked
            if network.get("IPAddress"):
                endpoint = _endpoint(network["IPAddress"], token)
        exited = _EXIT_CODE.match(row["Status"])
        return Seen(
            ref,
            row["Labels"][GAME],
            row["Labels"].get(VERSION, ""),
            running,
            endpoint,
            int(exited[1]) if exited else None,
            row["Status"],
        )

    def _token_of(self, api: docker.APIClient, ref: str) -> str | None:
        """Return an engine's secret; after a restart of ours the container itself is the only one who knows it."""
        if ref not in self._tokens:
            try:
                environment = api.inspect_container(ref)["Config"]["Env"]
            except NotFound:
                return None
            values = dict(entry.partition("=")[::2] for entry in environment)
            self._tokens[ref] = values.get("ENGINE_TOKEN", "")
        return self._tokens[ref]


def _endpoint(address: str, token: str) -> Endpoint:
    return Endpoint(f"http://{address}:{_PORT}", token)


def _last_words(api: docker.APIClient, ref: str) -> str:
    try:
        output: bytes = api.logs(ref, tail=_LAST_LINES)
    except APIError:
        return ""
    return output.decode("utf-8", "replace")
