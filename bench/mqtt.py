"""As much of MQTT 3.1.1 as mosquitto needs to be measured: connect, subscribe, publish at QoS 0."""

import struct
from pathlib import Path

CONNECT, PUBLISH, SUBSCRIBE = 0x10, 0x30, 0x82
CONNECTED, SUBSCRIBED = b"\x20\x02\x00\x00", b"\x90\x03"  # what the broker answers
KEEP_ALIVE_SECONDS = 0  # none
CONFIGURATION = """
listener {port} 127.0.0.1
protocol mqtt
listener {ws_port} 127.0.0.1
protocol websockets
allow_anonymous true
persistence false
max_queued_messages 100000
set_tcp_nodelay true
log_dest stderr
log_type error
"""


def connect(name: str) -> bytes:
    """Return the packet that opens a clean session."""
    head = _text("MQTT") + bytes((4, 2)) + struct.pack(">H", KEEP_ALIVE_SECONDS)
    return _packet(CONNECT, head + _text(name))


def subscribe(topic: str) -> bytes:
    """Return the packet that subscribes to a topic at QoS 0."""
    return _packet(SUBSCRIBE, struct.pack(">H", 1) + _text(topic) + b"\x00")


def publish(topic: str, payload: bytes) -> bytes:
    """Return the packet that publishes to a topic at QoS 0."""
    return _packet(PUBLISH, _text(topic) + payload)


def configure(folder: Path, port: int, ws_port: int) -> Path:
    """Write mosquitto's configuration: MQTT on one port, MQTT over WebSockets on another."""
    file = folder / "mosquitto.conf"
    file.write_text(CONFIGURATION.format(port=port, ws_port=ws_port))
    return file


def _packet(kind: int, content: bytes) -> bytes:
    length, left = bytearray(), len(content)
    while True:  # a variable byte integer: seven bits each, the lowest first
        left, digit = divmod(left, 128)
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes((kind,)) + bytes(length) + content


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text.encode())) + text.encode()
