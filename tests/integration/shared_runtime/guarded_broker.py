"""A broker with listeners for TLS, with a login or with certificates of clients, made by an authority of its own."""

import subprocess
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from quintant.stack import jars, java, kafka
from quintant.stack.ports import LOOPBACK, any_free
from shared.kernel.clock import SystemClock

USER, PASSWORD = "quintant", "of-no-worth"
_LOGIN = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class Authority:
    """Signs certificates; files are PEM."""

    directory: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def new(cls, directory: Path) -> "Authority":
        directory.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        made = cls(directory, key, _signed("authority", key, "authority", key, authority=True))
        made.ca_file.write_bytes(made.certificate.public_bytes(serialization.Encoding.PEM))
        return made

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    def issue(self, name: str) -> Path:
        """A file with a key and its certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(name, key, "authority", self.key, authority=False)
        file = self.directory / f"{name}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
        return file


def _signed(
    name: str, key: ec.EllipticCurvePrivateKey, by: str, signer: ec.EllipticCurvePrivateKey, *, authority: bool
) -> x509.Certificate:
    now: datetime = SystemClock().now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, by)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))]), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())


@dataclass(frozen=True, slots=True)
class GuardedBroker(kafka.Kafka):
    """Beside its usual listener: SASL_SSL (PLAIN and SCRAM) and SSL, which asks for the client's certificate."""

    login_port: int = 0
    certificate_port: int = 0
    ca_file: Path = Path()
    own_file: Path = Path()

    def _properties(self) -> dict[str, str]:
        own = kafka.Kafka._properties(self)
        more = f"SASL_SSL://{LOOPBACK}:{self.login_port},SSL://{LOOPBACK}:{self.certificate_port}"
        plain = f'{_LOGIN}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        return own | {
            "listeners": f"{own['listeners']},{more}",
            "advertised.listeners": f"{own['advertised.listeners']},{more}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.own_file),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.ca_file),
            "listener.name.ssl.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": plain,
            "listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        }

    def allow(self) -> None:
        """Let the user in by SCRAM; the broker runs."""
        tool = [str(self.java.program), "-Xmx64m", "-cp", self._class_path(), "kafka.admin.ConfigCommand"]
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):  # of one user only one in a request
            command = [*tool, "--bootstrap-server", self.bootstrap_servers, "--entity-type", "users"]
            command += ["--entity-name", USER, "--alter", "--add-config", f"{mechanism}=[password={PASSWORD}]"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def new_guarded_broker(directory: Path, authority: Authority) -> GuardedBroker:
    """Not started yet."""
    ports: list[int] = []
    for _ in range(4):
        ports.append(any_free(ports))
    node = kafka.Node(1, ports[0], ports[1])
    return GuardedBroker(
        directory=directory / "guarded-kafka",
        node=node,
        nodes=(node,),
        log=directory / "guarded-kafka.log",
        java=java.find_java(),
        jars=jars.ensure(jars.listed(), jars.cache_directory()),
        cluster_id=kafka.new_cluster_id(),
        brief=True,
        login_port=ports[2],
        certificate_port=ports[3],
        ca_file=authority.ca_file,
        own_file=authority.issue("broker"),
    )
