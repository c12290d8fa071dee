"""a dissector under atheris: PROTOCOL [seconds, 600]; what it finds goes into the corpus that the unit tests replay"""

import os
import subprocess
from ast import literal_eval

from tools.dev import environment, setup
from tools.dev.say import BUILD, ROOT, Stop

CORPUS = ROOT / "tests" / "dissect" / "corpus"
LIMITS = ("-timeout=10", "-rss_limit_mb=4096", "-max_len=4096")
TURN_S = 60  # of a process: atheris keeps every array that is compared, with HTTP/1 20 MB a second


def main(arguments: list[str]) -> int:
    """0 when nothing failed in that time. An input that fails is in the corpus then, so that the unit tests fail."""
    protocols = sorted(path.name for path in CORPUS.iterdir())
    protocol, seconds = [*arguments, "600"][:2] if arguments else ("", "")
    if protocol not in protocols or not seconds.isdecimal():
        raise Stop("which dissector, for how long?", f"./dev fuzz {' | '.join(protocols)} [seconds]", 2)
    setup.need("dev")
    environment.need("fuzz")
    folder = BUILD / "fuzz" / protocol
    folder.mkdir(parents=True, exist_ok=True)
    for number, line in enumerate((CORPUS / protocol).read_text().splitlines()):
        (folder / str(number)).write_bytes(literal_eval(line))
    failed, left_s = 0, int(seconds)
    while left_s > 0 and not failed:
        ends = (f"-max_total_time={min(left_s, TURN_S)}", f"-artifact_prefix={folder}/")
        failed = _python("tests.dissect.fuzz", protocol, *LIMITS, *ends, str(folder))
        left_s -= TURN_S
    return _python("tests.dissect.corpus", protocol, str(folder)) or failed


def _python(module: str, *arguments: str) -> int:
    command = [str(environment.PYTHON), "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": "src"}, check=False).returncode
