"""What the bench stands in: nginx over TLS with the listings, Konnect behind it, the daemon's configuration, and how a
program is measured. Everything is in a temporary directory, and in a network of its own if the kernel allows it."""

import ctypes
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOKEN = "kpat_bench"
IN_FLIGHT = 32
# servers on one processor, what is measured on another, if there are two
SERVERS, MEASURED = {max(os.sched_getaffinity(0))}, {min(os.sched_getaffinity(0))}

NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx.log warn; {user}
events {{ worker_connections 4096; }}
http {{
	log_format poll '$status $bytes_sent $connection $server_protocol $ssl_session_reused "$sent_http_content_encoding"';
	sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 75s; http2_max_concurrent_streams 256;
	access_log off; client_body_buffer_size 64k; client_max_body_size 1m; default_type application/json;
	client_body_temp_path {dir}/nginx-body; proxy_temp_path {dir}/nginx-proxy; fastcgi_temp_path {dir}/nginx-fastcgi;
	uwsgi_temp_path {dir}/nginx-uwsgi; scgi_temp_path {dir}/nginx-scgi;
	ssl_certificate {dir}/server.crt; ssl_certificate_key {dir}/server.key; ssl_protocols TLSv1.2 TLSv1.3;
	upstream konnect {{ server unix:{dir}/konnect.sock; keepalive 128; keepalive_requests 1000000000; }}
	server {{
		listen 127.0.0.1:{azure} ssl http2;
		access_log {dir}/polls.log poll;
		location ~ ^/([a-z0-9-]+)/_apis/git/repositories$ {{ alias {dir}/served/$1.json; gzip_static always; }}
	}}
	server {{
		listen 127.0.0.1:{konnect} ssl http2;
		location /v1/ {{ proxy_pass http://konnect; proxy_http_version 1.1; proxy_set_header Connection ""; }}
	}}
	server {{
		listen 127.0.0.1:{watched} ssl http2;
		access_log {dir}/pushes.log poll; gzip on; gzip_min_length 1; gzip_proxied any; gzip_types application/json;
		location /v1/ {{ proxy_pass http://konnect; proxy_http_version 1.1; proxy_set_header Connection ""; }}
	}}
}}
"""


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition, seconds=60, pause=0.02):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"bench: not within {seconds} s: {what}")
        time.sleep(pause)


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Rig:
    """nginx and Konnect, running."""

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp(prefix="adosyncd-bench-")
        os.chmod(self.dir, 0o755)
        self.processes = []
        self.azure, self.konnect, self.watched, self.metrics = (free_port() for _ in range(4))
        self.ca = self.path("ca.crt")
        try:
            self.certificates()
            self.start_servers()
        except BaseException:
            self.close()
            raise

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def scratch(self, name):
        """A file that is no load for the disk, if there is room in memory for a few hundred MB."""
        memory = "/dev/shm"
        if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 1 << 30:
            return self.path(name)
        return os.path.join(memory, f"{os.path.basename(self.dir)}-{name}")

    def tool(self, name):
        return os.path.join(self.build, "tests", "bench", name)

    def certificates(self):
        """An authority of our own, and a certificate of it for this machine."""
        def openssl(*args):
            subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=self.dir)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        with open(self.path("san"), "w", encoding="utf-8") as file:
            file.write("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", "-x509", *key, "-subj", "/CN=bench CA", "-days", "2", "-keyout", "ca.key", "-out", "ca.crt")
        openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
        openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "san", "-out", "server.crt")

    def spawn(self, *args, cpus=None, **more):
        def before():
            os.sched_setaffinity(0, cpus or SERVERS)
            # whatever becomes of the bench, nothing of it stays
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        process = subprocess.Popen(args, preexec_fn=before, **more)
        self.processes.append(process)
        return process

    def start_servers(self):
        self.spawn(self.tool("konnect"), self.path("konnect.sock"), TOKEN)
        with open(self.path("nginx.conf"), "w", encoding="utf-8") as file:
            file.write(NGINX.format(dir=self.dir, azure=self.azure, konnect=self.konnect, watched=self.watched,
                                    user="user root;" if os.getuid() == 0 else ""))
        self.spawn("nginx", "-p", self.dir, "-c", self.path("nginx.conf"), "-e", self.path("nginx.log"))
        wait_until("Konnect listens", lambda: os.path.exists(self.path("konnect.sock")))
        wait_until("nginx listens", lambda: os.path.exists(self.path("nginx.pid")))
        self.reset()

    def close(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # The servers.

    def serve(self, listings, variant):
        """From now on these are the listings."""
        link = self.path("served.new")
        os.symlink(os.path.abspath(os.path.join(listings, variant)), link)
        os.rename(link, self.path("served"))

    def polls(self):
        """(status, bytes sent) of each listing so far."""
        with open(self.path("polls.log"), encoding="utf-8") as file:
            return [tuple(int(word) for word in line.split()[:2]) for line in file]

    def wire(self, log):
        """(connection, protocol, whether its TLS session was used again, content encoding) of each request in that log."""
        with open(self.path(log), encoding="utf-8") as file:
            return [(word[2], word[3], word[4] == "r", word[5].strip('"')) for word in (line.split() for line in file)]

    def control(self, what):
        connection = Unix(self.path("konnect.sock"))
        connection.request("POST", f"/control/{what}", body=b"")
        answer = connection.getresponse().read()
        connection.close()
        return json.loads(answer) if answer else None

    def counts(self):
        return self.control("counts")

    def requests(self):
        """To Konnect, since the last forget()."""
        return sum(self.counts()["requests"].values())

    def reset(self):
        self.control("reset")

    def record(self, path):
        """Every request to Konnect goes into that file, until there is another, or None."""
        self.control("record" + (f"?to={path}" if path else ""))

    def forget(self):
        self.control("forget")

    # Programs.

    def run(self, *args, ok=(0,)):
        """A program to its end: {"cpu_us", "wall_us", "peak_kib", "waited", "out"}."""
        result = self.path("measured")
        process = self.spawn(self.tool("measure"), result, *args, cpus=MEASURED, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True)
        out, err = process.communicate()
        self.processes.remove(process)
        if process.returncode not in ok:
            raise SystemExit(f"bench: {' '.join(args)} ended with {process.returncode}\n{out}{err[-4000:]}")
        with open(result, encoding="utf-8") as file:
            return {**json.load(file), "out": out, "err": err}

    def floor_args(self, db, org):
        return [self.tool("floor"), "--ca", self.ca, "--db", db, "--listing",
                f"https://localhost:{self.azure}/{org}/_apis/git/repositories?api-version=7.1",
                "--konnect", f"https://localhost:{self.konnect}", "--token", TOKEN, "--in-flight", str(IN_FLIGHT)]

    def configure(self, name, organizations, listen=False, konnect=None, create_limit=0):
        """A configuration with its own state directory; listen: serve metrics; konnect: its port. Returns its path."""
        base = self.path(name)
        os.makedirs(os.path.join(base, "state"))
        for secret, text in (("konnect-token", TOKEN), ("pat", "pat-of-the-bench")):
            with open(os.path.join(base, secret), "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, 0o600)) as file:
                file.write(text + "\n")
        keys = {"state_directory": os.path.join(base, "state"), "control_socket": os.path.join(base, "control.sock"),
                "listen": f"127.0.0.1:{self.metrics}" if listen else "", "log_format": "json"}
        with open(os.path.join(base, "adosyncd.conf"), "w", encoding="utf-8") as file:
            file.write(f'konnect {{\n\turl = "https://localhost:{konnect or self.konnect}"\n\tca_file = "{self.ca}"\n'
                       f'\trate_per_minute = 10000000\n\tmax_in_flight = {IN_FLIGHT}\n\tcreate_limit = {create_limit}\n}}\n')
            file.write("daemon {\n" + "".join(f'\t{key} = "{value}"\n' for key, value in keys.items()) + "}\n")
            file.write(f'defaults {{\n\tca_file = "{self.ca}"\n\tpoll_interval = "1d"\n}}\n')
            for org in organizations:
                file.write(f'instance "{org}" {{\n\torganization = "{org}"\n\tpat_file = "pat"\n'
                           f'\turl = "https://localhost:{self.azure}/{org}"\n}}\n')
        return os.path.join(base, "adosyncd.conf")

    def once(self, config, ok=(0,)):
        return self.run(os.path.join(self.build, "adosyncd"), "-c", config, "--once", ok=ok)


class Running:
    """A program that goes on: its processor time and its memory, as the kernel has them."""

    def __init__(self, rig, *args, **more):
        self.rig = rig
        self.process = rig.spawn(*args, cpus=MEASURED, text=True, **more)
        self.pid = self.process.pid

    def cpu_us(self):
        """Of the whole process, threads that have ended included."""
        return time.clock_gettime_ns((~self.pid << 3) | 2) // 1000

    def status(self, key):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(key + ":"))

    def forget_peak(self):
        """From now on the peak of memory is that since now."""
        try:
            with open(f"/proc/{self.pid}/clear_refs", "w", encoding="utf-8") as file:
                file.write("5")
        except PermissionError:
            pass    # then it is that since the start

    def wakeups(self):
        total = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status", encoding="utf-8") as file:
                total += next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt"))
        return total

    def settle(self, still_ms=300):
        """Waits until it sleeps and has used no time for that long."""
        since, before = time.monotonic(), self.cpu_us()
        while time.monotonic() - since < still_ms / 1000:
            time.sleep(0.02)
            now = self.cpu_us()
            if now - before > 200:
                since, before = time.monotonic(), now

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.rig.processes.remove(self.process)


class Floor(Running):
    """The floor as a process that goes on."""

    def __init__(self, rig, db, org):
        super().__init__(rig, *rig.floor_args(db, org), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def command(self, text):
        """What one command took, as the floor says and as the kernel counts."""
        self.forget_peak()
        before = self.cpu_us()
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        self.settle(50)
        return {**said, "cpu_us": self.cpu_us() - before, "peak_kib": self.status("VmHWM")}

    def stop(self):
        self.process.stdin.close()
        super().stop()


class Daemon(Running):
    """adosyncd as it runs for months."""

    def __init__(self, rig, config):
        self.config = config
        self.log = open(os.path.join(os.path.dirname(config), "log"), "a", encoding="utf-8")
        super().__init__(rig, os.path.join(rig.build, "adosyncd"), "-c", config, stderr=self.log)
        socket_path = os.path.join(os.path.dirname(config), "control.sock")
        wait_until("the daemon's control socket", lambda: self.alive() and os.path.exists(socket_path))
        self.ctl_args = [os.path.join(rig.build, "adosyncctl"), "-s", socket_path]

    def alive(self):
        if self.process.poll() is not None:
            raise SystemExit(f"bench: the daemon ended with {self.process.returncode}; {self.tail()}")
        return True

    def tail(self):
        with open(self.log.name, encoding="utf-8") as file:
            return file.read()[-2000:]

    def ctl(self, *args):
        done = subprocess.run([*self.ctl_args, *args], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"bench: adosyncctl {' '.join(args)}: {done.stdout}{done.stderr}")
        return done.stdout

    def metric(self, name):
        """Its value, or None if there is no such."""
        connection = http.client.HTTPConnection("127.0.0.1", self.rig.metrics, timeout=30)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        return next((float(line.split()[-1]) for line in lines if line.split(" ")[0].split("{")[0] == name), None)

    def sync(self, polls=1, seconds=600):
        """Polls now, and waits until that and all that follows is done."""
        before, listings = self.cpu_us(), len(self.rig.polls())
        self.forget_peak()
        self.ctl("sync")
        wait_until("the listings are read", lambda: self.alive() and len(self.rig.polls()) >= listings + polls, seconds)
        self.settle()
        seen = self.rig.polls()[listings:]
        return {"cpu_us": self.cpu_us() - before, "peak_kib": self.status("VmHWM"), "azure": len(seen),
                "bytes": sum(size for _, size in seen)}

    def stop(self):
        super().stop()
        self.log.close()
