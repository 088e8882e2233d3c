"""One address means the same to the operator and to the log-in worker."""

import pytest
from algo_contract.url_allowlist import host_of, is_listed, port_of, proxy_problem

NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "http://127.1:8080",
        "http://2130706433:80",
        "http://0x7f.1:80",
        "http://0177.0.0.1:80",
        "http://169.254.43518:80",
        "http://169.254.169.254.:80",
        "http://[::1]:80",
        "http://[::ffff:169.254.169.254]:80",
        "http://[::ffff:a9fe:a9fe]:80",
        "http://[64:ff9b::a9fe:a9fe]:80",
        "http://[2002:a9fe:a9fe::1]:80",
        "http://[fe80::1%25eth0]:80",
        "http://[fd00::1]:80",
        "http://0.0.0.0:80",
        "http://224.0.0.1:80",
        "http://10.96.0.1:443",
        "http://172.20.0.1:3128",
        "http://192.168.1.1:3128",
        "http://100.64.0.1:3128",
        "http://localhost:8080",
        "http://localhost.:8080",
        "http://a.localhost:8080",
        "http://proxy:3128",
        "http://redis-ticks.algo-system:6379",
        "http://redis-ticks.algo-system.svc:6379",
        "http://redis-ticks.algo-system.svc.cluster.local.:6379",
        "http://REDIS.algo.SVC.corp.example:6379",
        "http://10-0-0-1.demo.pod:6379",
        "http://metadata.google.internal:80",
        "http://metadata.google.internal.:80",
        "http://proxy..example:80",
        "http://exam%70le.com:80",
        "http://exämple.com:80",
        "http://169。254。169。254:80",
        "http://good.example\\.redis-ticks:80",
        "http://:80",
        "http://",
        "http://proxy.example:0",
        "http://proxy.example:99999",
        "https://proxy.example:443",
        "ws://proxy.example:1",
        "http://u:p@proxy.example:3128",
        "http://@proxy.example:3128",
        "http://proxy.example:3128/path",
        "http://proxy.example:3128?",
        "http://proxy.example:3128#x",
        "proxy.example:3128",
    ],
)
def test_proxy_problem__no_plain_proxy_of_the_world_outside__is_told(url: str) -> None:
    assert proxy_problem(url, NOTHING)


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example:3128",
        "http://proxy.example.:3128/",
        "http://Proxy.Example",
        "http://svc.example.com:3128",
        "http://a-b.xn--p1ai:3128",
        "http://1.1.1.1:3128",
        "http://[2606:4700::1111]:3128",
    ],
)
def test_proxy_problem__outside__none(url: str) -> None:
    assert proxy_problem(url, NOTHING) == ""


def test_proxy_problem__a_password__is_not_repeated() -> None:
    assert "w0rd" not in proxy_problem("http://me:w0rd@proxy.example:3128", NOTHING)
    assert "w0rd" not in proxy_problem("http://me:w0rd@proxy:3128", frozenset({"proxy"}))


@pytest.mark.parametrize("entry", ["10.0.0.5", "10.0.0.5:3128", "10.0.0.5."])
def test_proxy_problem__inside_and_listed__none(entry: str) -> None:
    assert proxy_problem("http://10.0.0.5:3128", frozenset({entry})) == ""
    assert proxy_problem("http://10.0.0.5:3128", frozenset({"10.0.0.5:3129"}))


def test_proxy_problem__listed_but_no_http_address__is_told() -> None:
    assert proxy_problem("https://proxy:3128", frozenset({"proxy"}))


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("https://sim.example", "sim.example:443"),
        ("https://sim.example:443/v2", "sim.example:443"),
        ("wss://SIM.example.", "sim.example:443"),
        ("ws://sim.example", "sim.example:80"),
        ("http://sim.algo-sim.svc:8100", "sim.algo-sim.svc"),
        ("http://sim:8100", "Sim:8100"),
        ("http://[2001:db8::1]:8100", "[2001:DB8::1]:8100"),
        ("http://[2001:db8::1]:8100", "2001:db8::1"),
        ("http://127.0.0.1:8100", "127.0.0.1"),
    ],
)
def test_is_listed__the_host_or_the_host_with_the_port_it_means__true(url: str, entry: str) -> None:
    assert is_listed(url, frozenset({"other.example", entry}))


@pytest.mark.parametrize(
    ("url", "entry"),
    [
        ("http://sim.example", "sim.example:443"),
        ("https://sim.example:8443", "sim.example:443"),
        ("https://sim.example@evil.example", "sim.example"),
        ("https://evil.example/sim.example", "sim.example"),
        ("https://127.1", "127.0.0.1"),
        ("https://sim.example:0", "sim.example"),
        ("ftp://sim.example", "sim.example"),
        ("https://x", ""),
        ("https://", ""),
    ],
)
def test_is_listed__another_host_or_port__false(url: str, entry: str) -> None:
    assert not is_listed(url, frozenset({entry}))


def test_host_and_port_of__a_url__as_compared() -> None:
    assert host_of("https://Sim.Example.:8443/x") == "sim.example"
    assert port_of("https://sim.example") == 443
    assert port_of("wss://sim.example:7") == 7
