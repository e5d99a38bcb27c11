"""Secret files: what is refused, with what words, and that nothing of them is ever shown or kept."""

import contextlib
import os
import re
import socket
import threading

import pytest
from world import PAT, TOKEN


def unlink(path):
    os.unlink(path)


def write(text, mode=0o640):
    def change(path):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
    return change


def fifo(path):
    os.unlink(path)
    os.mkfifo(path, 0o600)


REFUSED = {
    "missing": (unlink, "there is no such file"),
    "empty": (write(""), "is empty"),
    "blank": (write(" \n\n"), "is empty"),
    "world-readable": (write("a-fine-pat", 0o644), "chmod 0640"),
    "world-writable": (write("a-fine-pat", 0o602), "everyone may write it"),
    "group-writable": (write("a-fine-pat", 0o660), "its group may write it"),
    "two words": (write("first-secret second-secret"), "white space within"),
    "not ASCII": (write("geheim\u00e9"), "not ASCII"),
    "a FIFO": (fifo, "not a regular file"),
    "too long": (write("x" * 20000), "larger than"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_pat_that_cannot_be_used(world, name):
    """No request is sent for that instance, the message says what to do, and the others go on."""
    change, words = REFUSED[name]
    for organization in ("contoso", "fabrikam"):
        world.repos(organization, count=1)
        world.instance(organization)
    change(os.path.join(world.dir, "contoso.pat"))
    result = world.once(seconds=10)
    assert result.code == 75
    [line] = [text for text in result.out.splitlines() if text.startswith("contoso: ")]
    assert "credential_missing" in line
    assert os.path.join(world.dir, "contoso.pat") in line and words in line
    assert "secret" not in line.replace("secret into", "").replace("the secret", "")
    assert world.polls("contoso") == []
    assert list(world.services()) == ["fabrikam.payments.repo-0"]


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440])
def test_modes_that_are_good(world, mode):
    world.repos("contoso", count=1)
    world.instance("contoso")
    world.secret("contoso.pat", f"  {PAT}contoso\r\n\n", mode)    # white space at both ends is cut
    assert world.once().code == 0


def test_a_symbolic_link_is_followed(world):
    """What a container mounts as a secret is one."""
    world.repos("contoso", count=1)
    world.instance("contoso")
    os.rename(os.path.join(world.dir, "contoso.pat"), os.path.join(world.dir, "elsewhere"))
    os.symlink("elsewhere", os.path.join(world.dir, "contoso.pat"))
    assert world.once().code == 0


def credentials(world, mode=0o644, **files):
    directory = os.path.join(world.dir, "credentials")
    os.makedirs(directory, exist_ok=True)
    for name, text in files.items():
        path = os.path.join(directory, name.replace("_", "-").replace("-pat", ".pat"))
        write(text, mode)(path)
    return {"CREDENTIALS_DIRECTORY": directory}


def test_credentials_directory_comes_first_and_is_exempt(world):
    world.repos("contoso", count=1)
    world.instance("contoso", pat="a-wrong-one")
    world.secret("konnect-token", "another-wrong-one")
    assert world.once(env=credentials(world, contoso_pat=PAT + "contoso", konnect_token=TOKEN)).code == 0
    assert len(world.services()) == 1


def test_what_is_not_in_the_credentials_directory_is_beside_the_configuration(world):
    world.repos("contoso", count=1)
    world.instance("contoso")
    assert world.once(env=credentials(world, contoso_pat=PAT + "contoso")).code == 0


def test_an_empty_credential_is_not_replaced_in_silence(world):
    world.repos("contoso", count=1)
    world.instance("contoso")
    result = world.once(env=credentials(world, contoso_pat=""))
    assert result.code == 75
    assert "credentials/contoso.pat: is empty" in result.out


def test_an_absolute_path(world):
    world.repos("contoso", count=1)
    world.instance("contoso", pat_file=world.secret("my-pat", PAT + "contoso"), pat=False)
    assert world.once().code == 0


@pytest.mark.waits
def test_secrets_are_read_live(world):
    """A PAT that changes between polls is used by the next, without a refusal in between."""
    world.synced(poll_interval="1s")
    daemon = world.start()
    daemon.wait("poll_ok")
    world.ado.control("PATCH", "/org", {"name": "contoso", "pat": "the-second-pat"})
    world.secret("contoso.pat", "the-second-pat")
    daemon.wait("poll_ok", count=len(daemon.seen("poll_ok")) + 2)
    assert daemon.stop().code == 0


def test_no_secret_is_kept_or_shown_whatever_goes_wrong(world):
    """Every test ends with this check; here everything fails that handles a secret."""
    world.repos("contoso", count=3)
    world.instance("contoso")
    for fault in ("401_valid_body", "redirect", "html_signin", "reset", "403_vs403463"):
        world.ado.fault(fault)
        world.once()
    for kind in ("401", "403", "html", "garbage"):
        world.konnect.fault(kind, path_regex="/integrations")
    world.konnect.fault("401", times=-1)
    world.once()
    assert world.leaks() == []


def test_no_secret_is_in_arguments_or_environment(world):
    """Nor is a core file allowed: what others could read of a process."""
    world.synced()
    daemon = world.start()
    for name in ("cmdline", "environ", "limits"):
        with open(f"/proc/{daemon.process.pid}/{name}", "rb") as file:
            world.outputs.append(file.read().decode(errors="replace"))
    assert world.config_file in world.outputs[-3]
    assert re.search(r"Max core file size +0 +0 ", world.outputs[-1])
    assert world.leaks() == []


def test_a_proxy_sees_no_secret(world):
    """It is asked for a tunnel, with nothing that is for the server; without one nothing is sent."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        asked.append(connection.recv(65536).decode())
                        connection.sendall(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        threading.Thread(target=serve, daemon=True).start()
        proxy = "http://127.0.0.1:%d" % server.getsockname()[1]
        world.instance("contoso", url="https://dev.azure.com/contoso", proxy=proxy)
        world.configure("konnect", url="https://us.api.konghq.com", proxy=proxy)
        result = world.once()
        assert result.code == 75, result
    assert any(text.startswith("CONNECT dev.azure.com:443 ") for text in asked), asked
    for text in asked:
        assert text.startswith("CONNECT ") and text.count("\r\n\r\n") == 1
        assert "authorization" not in text.lower()
    world.outputs += asked
    assert world.leaks() == []
