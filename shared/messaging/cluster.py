"""Where Kafka is, how it is talked to by every client, whatever it does there, and whether it answers."""

from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLError
from typing import Any, Literal

from aiokafka.client import AIOKafkaClient
from aiokafka.helpers import create_ssl_context

from shared.kernel.errors import UnavailableError
from shared.messaging.abandoning import abandon
from shared.messaging.deadlines import within

_ANSWER_SECONDS = 1.5
"""Less than a readiness check may take, so that what is told is what was wrong."""

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Brokers, the encryption of connections to them, and who we are there."""

    bootstrap_servers: str
    protocol: Protocol = "PLAINTEXT"
    ca_file: Path | None = None
    """Whom to trust, as PEM; None: whom the machine trusts."""
    certificate_file: Path | None = None
    """Ours, as PEM, if the brokers ask for one; with its key in it or in `key_file`."""
    key_file: Path | None = None
    mechanism: Mechanism = "SCRAM-SHA-512"
    user: str = ""
    password: str = field(default="", repr=False)

    def options(self) -> dict[str, Any]:
        """What every client of aiokafka takes. The files are read anew, for certificates are renewed.

        Raises UnavailableError if one cannot be read.
        """
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "security_protocol": self.protocol,
        }
        if self.protocol in ("SSL", "SASL_SSL"):
            options["ssl_context"] = self._context()
        if self.protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
            options["sasl_mechanism"] = self.mechanism
            options["sasl_plain_username"] = self.user
            options["sasl_plain_password"] = self.password
        return options

    def _context(self) -> object:
        try:
            return create_ssl_context(cafile=self.ca_file, certfile=self.certificate_file, keyfile=self.key_file)
        except (OSError, SSLError) as error:
            raise UnavailableError(
                f"the certificates for Kafka cannot be read ({type(error).__name__}): see QUINTANT_KAFKA_CA_FILE, "
                "QUINTANT_KAFKA_CERTIFICATE_FILE and QUINTANT_KAFKA_KEY_FILE"
            ) from error


Brokers = Cluster | str
"""Mere addresses stand for brokers without encryption and without a login, as on one machine."""


def options(brokers: Brokers) -> dict[str, Any]:
    """What a client is made with to reach these brokers."""
    return (Cluster(brokers) if isinstance(brokers, str) else brokers).options()


async def check_brokers(brokers: Brokers) -> None:
    """Raises UnavailableError unless one of the brokers answers, and lets us in.

    It connects anew: a connection that is kept tells of a lost broker only when something is sent over it.
    """
    client = AIOKafkaClient(**options(brokers), request_timeout_ms=int(_ANSWER_SECONDS * 1000))
    try:
        await within(_ANSWER_SECONDS, client.bootstrap(), "asking whether it is there")
    finally:
        await abandon(client, _ANSWER_SECONDS)
