"""What the pods and their visitors do: the article's commands, with shorter pauses."""

from demo import world
from demo.place import FOLDER
from demo.processes import start_in

CURL_SERVICE = "while true; do curl -s -o /dev/null -m 5 http://service-b:80; sleep 2; done"
CURL_BALANCER = f"while true; do curl -s -o /dev/null -m 5 {world.LOAD_BALANCER}:{world.ECHO_PORT}; sleep 1; done"
PING = 'while true; do echo "Pinging google.com..."; ping -c 5 google.com; echo "Sleeping"; sleep 2; done'

DNSMASQ = ("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts", "--pid-file", "--user=root")
NGINX = """
daemon off; master_process on; worker_processes 1; user root;
pid {folder}/nginx.pid; error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    {servers}
}}
"""
SERVER = 'server {{ listen {listens}; location / {{ default_type text/plain; return 200 "{text}\\n"; }} }}'


def start() -> None:
    """Starts the servers, then who calls them; the calls go on until the demo ends."""
    outside, gateway = world.OUTSIDE_DNS, world.GATEWAY
    google = (
        f"--host-record=google.com,{world.GOOGLE}",
        "--no-resolv",
        f"--listen-address={outside}",
        "--bind-interfaces",
    )
    start_in(world.OUTSIDE, outside, [*DNSMASQ, *google])
    cluster = (
        f"--host-record=service-b.default.svc.cluster.local,{world.SERVICE_B}",
        "--no-resolv",
        f"--server={outside}",
    )
    start_in(world.CLUSTER, gateway, [*DNSMASQ, *cluster])
    _nginx(world.POD_B, world.HTTP_PORT, "Welcome to nginx!")
    _nginx(world.HTTP_ECHO, world.ECHO_PORT, "foo-app")
    _loop(world.POD_A, CURL_SERVICE)
    _loop(world.TEST_CONNECTIVITY, PING)
    start_in(world.OUTSIDE, outside, ["sh", "-c", CURL_BALANCER])


def _nginx(pod: world.Pod, port: int, text: str) -> None:
    start_in(pod.namespace, pod.dns, nginx(pod.name, saying(text, str(port))))


def saying(text: str, listens: str) -> str:
    """An nginx's server that answers all with `text`."""
    return SERVER.format(listens=listens, text=text)


def nginx(name: str, servers: str) -> list[str]:
    """The command of an nginx with these servers."""
    folder = FOLDER / name
    folder.mkdir()
    settings = folder / "nginx.conf"
    settings.write_text(NGINX.format(folder=folder, servers=servers))
    return ["nginx", "-e", "stderr", "-c", str(settings)]


def _loop(pod: world.Pod, script: str) -> None:
    start_in(pod.namespace, pod.dns, ["sh", "-c", script])
