"""Where the API server is and who we are: a kubeconfig, or the service account of the pod we run in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import yaml

from observer.domain.errors import ConfigError

if TYPE_CHECKING:
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config.kube_config import KubeConfigLoader

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_BEARER = "BearerToken"


class Credentials(Protocol):
    """Fills the library's configuration; called again it refreshes the token."""

    async def load(self, configuration: Configuration) -> None:
        """Raises ``ConfigError`` when what is written down makes no sense."""
        ...

    def forget(self) -> None:
        """Read everything anew next time: the server refused what we have."""
        ...


class ServiceAccount:
    """The projected token and CA of a pod. The kubelet replaces the token file about hourly."""

    def __init__(self, folder: Path = SERVICE_ACCOUNT) -> None:
        self._folder = folder

    async def load(self, configuration: Configuration) -> None:
        from kubernetes_asyncio.config import ConfigException
        from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader

        loader = InClusterConfigLoader(
            str(self._folder / "token"), str(self._folder / "ca.crt"), try_refresh_token=False
        )
        try:
            loader.load_and_set(configuration)
        except (ConfigException, OSError) as exc:
            raise ConfigError(f"kubernetes: not usable from inside a pod: {exc}") from exc
        _trim(configuration)

    def forget(self) -> None:
        """Nothing is kept between loads."""


class KubeConfig:
    """A kubeconfig file and one of its contexts (empty = the current one)."""

    def __init__(self, path: str, context: str = "") -> None:
        self._path, self._context = path, context
        self._loader: KubeConfigLoader | None = None

    async def load(self, configuration: Configuration) -> None:
        from kubernetes_asyncio.config import ConfigException, load_kube_config

        try:
            if self._loader is None:
                self._loader = await load_kube_config(
                    config_file=self._path,
                    context=self._context or None,
                    client_configuration=configuration,
                    persist_config=False,
                )
            else:
                await self._loader.load_and_set(configuration)
        except (TypeError, AttributeError) as exc:
            why = "must be a mapping with clusters, contexts and users, as `kubectl config view` prints it"
            raise ConfigError(f"{self._path}: not a usable kubeconfig: {why}") from exc
        except (ConfigException, OSError, yaml.YAMLError, LookupError, ValueError, AssertionError) as exc:
            raise ConfigError(f"{self._path}: not a usable kubeconfig: {str(exc) or type(exc).__name__}") from exc
        _trim(configuration)

    def forget(self) -> None:
        self._loader = None


def _trim(configuration: Configuration) -> None:
    """A token file may end in a line break, which may not stand in a header."""
    if token := configuration.api_key.get(_BEARER):
        configuration.api_key[_BEARER] = token.strip()
