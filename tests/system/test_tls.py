"""Both services over TLS with a private authority: nothing is sent to a server that does not prove itself."""

import os
import shutil
import subprocess

import pytest
from world import PAT, TOKEN, Sim, World

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a certificate")


@pytest.fixture(name="authority", scope="module")
def fixture_authority(tmp_path_factory):
    pem = str(tmp_path_factory.mktemp("tls") / "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem,
                    "-out", pem + ".crt"], check=True, capture_output=True)
    return pem


@pytest.fixture(name="world")
def fixture_world(authority):
    tls = ["--tls-cert", authority + ".crt", "--tls-key", authority]
    w = World((Sim("ado.py", *tls), Sim("konnect.py", "--token", TOKEN, *tls)))
    try:
        w.repos("contoso")
        w.instance("contoso")
        yield w
        assert w.violations() == w.leaks() == []
    finally:
        w.close()


def test_an_authority_that_is_configured(world, authority):
    world.configure("konnect", ca_file=authority + ".crt")
    world.configure("defaults", ca_file=authority + ".crt")
    assert world.once().code == 0
    assert len(world.services()) == 3


def test_a_server_of_an_unknown_authority(world):
    result = world.once()
    assert result.code == 75
    assert "unreachable" in result.out and "certificate" in result.out
    assert world.ado.control("GET", "/requests") == []


def test_a_certificate_of_another_name(world, authority):
    world.instance("contoso", url=world.ado.url.replace("127.0.0.1", "localhost") + "/contoso", pat=PAT + "contoso")
    world.configure("defaults", ca_file=authority + ".crt")
    result = world.once()
    assert result.code == 75
    assert "unreachable" in result.out
    assert world.ado.control("GET", "/requests") == []


def test_an_authority_file_that_is_not_there(world):
    world.configure("defaults", ca_file=os.path.join(world.dir, "no-such-file.crt"))
    result = world.once()
    assert result.code in (75, 78)
    assert "no-such-file.crt" in result.out + result.err
    assert world.ado.control("GET", "/requests") == []
