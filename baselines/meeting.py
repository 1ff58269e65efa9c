"""Where the nodes of a job meet, seen from this one."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import struct
from dataclasses import dataclass

from challenge.errors import ConfigError

ADDRESS_OF_INTERFACE = 0x8915
"""Linux: SIOCGIFADDR."""


@dataclass(frozen=True)
class Meeting:
    """Where nodes meet, and how this one is found there."""

    endpoint: str  # HOST:PORT; of the node that is HOST itself, localhost:PORT
    hosted: bool  # by this node
    address: str  # by which the others reach this node
    interface: str | None  # that has the address; None: the system does not tell


def meet(point: str) -> Meeting:
    """Look from this node at the meeting point HOST:PORT.

    What a node calls itself may be known to nobody else, or mean 127.0.0.1: what counts is the
    address by which it reaches HOST, and of HOST itself the one that all were given.

    Raises:
        ConfigError: no such host, or no way there.
    """
    host, _, port = point.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ConfigError(f"--rdzv {point}: expected HOST:PORT, such as first:29500")
    host = host.strip("[]")
    try:
        kind, *_, place = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as probe:
            probe.connect(place)  # nothing is sent
            address = str(probe.getsockname()[0])
    except OSError as error:
        raise ConfigError(
            f"--rdzv {point}: {host} is not reached from here ({error}); expected the name or the "
            "address of one of the nodes, and a free port of it"
        ) from error
    if address == place[0] or str(place[0]).startswith("127."):
        return Meeting(f"localhost:{port}", True, host, interface_of(str(place[0])))
    return Meeting(point, False, address, interface_of(address))


def interface_of(address: str) -> str | None:
    """Name the network interface that has an IPv4 address; None where the system does not tell."""
    if importlib.util.find_spec("fcntl") is None:
        return None
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has none
                asked = struct.pack("256s", name.encode())
                found = fcntl.ioctl(probe, ADDRESS_OF_INTERFACE, asked)[20:24]
                if socket.inet_ntoa(found) == address:
                    return name
    return None
