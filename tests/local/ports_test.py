import socket

from codecourier.local.ports import choose_ports, is_port_free


def test_each_name_gets_a_free_port_of_its_own() -> None:
    ports = choose_ports(["one", "two", "three"])
    assert list(ports) == ["one", "two", "three"]
    assert len(set(ports.values())) == 3
    assert all(is_port_free(port) for port in ports.values())


def test_a_port_in_use_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert not is_port_free(listener.getsockname()[1])
