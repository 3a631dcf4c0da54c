"""The Dockerfile, compose.yaml, nginx.conf and Makefile keep their promises; nothing is built."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.docs.words import documents
from tests.support.samples import TOP
from web.settings import load_settings

DOCKERFILE = (TOP / "Dockerfile").read_text(encoding="utf-8")
MAKEFILE = (TOP / "Makefile").read_text(encoding="utf-8")
NGINX_CONF = (TOP / "deploy/nginx.conf").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((TOP / "compose.yaml").read_text(encoding="utf-8"))["services"]
MAKE_TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def instructions(name):
    """Return the arguments of each instruction of this kind in the Dockerfile, with continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", joined, re.MULTILINE)


def program(name, *folders):
    """Find a program next to the running Python, in these folders or in PATH; skip the test if there is none."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), *folders])
    found = shutil.which(name, path=path)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def output_of(*command, **options):
    """Run a command and return its output; if it fails, fail with the output."""
    done = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


# Dockerfile


def test_every_stage_starts_from_the_base_image_argument():
    stages = instructions("FROM")
    assert len(stages) >= 2
    assert all(re.fullmatch(r"\$\{BASE_IMAGE\}( AS \w+)?", stage) for stage in stages), stages


def test_what_is_left_out_of_the_image_is_not_what_serving_reads(tmp_path):
    read = {"openvino/libs/libopenvino_ir_frontend.so.1", "openvino/libs/libopenvino_intel_cpu_plugin.so"} | {
        f"babel/locale-data/{name}.dat" for name in ("root", "en", "fr")
    }
    not_read = {"openvino/libs/libopenvino_intel_gpu_plugin.so", "openvino/libs/libopenvino_onnx_frontend.so.1"} | {
        f"babel/locale-data/{name}.dat" for name in ("de", "zh_Hant_TW")
    }
    for name in read | not_read:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (install,) = [run for run in instructions("RUN") if "-delete" in run]
    for step in install.split("&&"):
        if step.strip().endswith("-delete"):
            output_of("sh", "-c", step.replace("/opt/venv/lib", str(tmp_path)))
    assert {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()} == read


def test_image_runs_as_a_numbered_user_that_is_not_root():
    last_user = instructions("USER")[-1]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last_user)


def test_image_starts_gunicorn_without_a_shell():
    assert instructions("CMD") == ['["gunicorn", "app:create_app()"]']


def test_server_listens_to_this_machine_alone_and_in_the_image_to_its_network():
    # gunicorn loads the app before it prints; this one has no models.
    show = (sys.executable, "-m", "gunicorn", "--print-config", "tests.support.misbehaving.echo_app:app")
    environment = {"PATH": os.environ["PATH"]}
    shown = output_of(*show, env=environment)
    assert re.search(r"^bind += \['127\.0\.0\.1:8000'\]$", shown, re.MULTILINE)
    assert "BIND=0.0.0.0" in instructions("ENV")[-1].split()
    shown = output_of(*show, env={**environment, "BIND": "0.0.0.0"})
    assert re.search(r"^bind += \['0\.0\.0\.0:8000'\]$", shown, re.MULTILINE)


def test_image_asks_readyz_for_its_health():
    (healthcheck,) = instructions("HEALTHCHECK")
    assert "/readyz" in healthcheck


def test_everything_that_the_image_copies_exists():
    sources = [word for copy in instructions("COPY") if "--from" not in copy for word in copy.split()[:-1]]
    assert {"app.py", "model/", "web/"} <= set(sources)
    assert [source for source in sources if not (TOP / source).exists()] == []


def test_everything_that_the_image_copies_is_let_through_by_dockerignore():
    let_through = {line[1:] for line in (TOP / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [word for copy in instructions("COPY") if "--from" not in copy for word in copy.split()[:-1]]
    assert {source.rstrip("/") for source in sources} == let_through


def test_hadolint_finds_nothing_in_the_dockerfile():
    output_of(program("hadolint"), "--no-color", "Dockerfile")


# compose.yaml and nginx.conf


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_confined(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert {"mem_limit", "pids_limit", "tmpfs"} <= service.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_service_asks_readyz_for_its_health(name):
    assert "/readyz" in " ".join(SERVICES[name]["healthcheck"]["test"])


def test_app_is_reached_through_the_proxy_alone():
    assert "ports" not in SERVICES["app"]
    assert SERVICES["app"]["networks"] == ["inside"]


def test_proxy_lets_a_file_of_the_largest_size_through_to_the_app(monkeypatch):
    monkeypatch.setenv("BIND", "0.0.0.0")
    (limit_mb,) = re.findall(r"client_max_body_size (\d+)m;", NGINX_CONF)
    assert int(limit_mb) > load_settings({"PROXY_HOPS": 1}).max_upload_mb


def test_proxy_sends_a_replica_no_more_uploads_than_it_takes():
    (n_at_once,) = re.findall(r"max_conns=(\d+);", NGINX_CONF)
    assert int(n_at_once) == load_settings({}).max_in_work


def test_proxy_keeps_no_record_of_clients():
    assert re.findall(r"^ *access_log (.*);", NGINX_CONF, re.MULTILINE) == ["off"]


def test_nginx_accepts_its_configuration(tmp_path):
    here = NGINX_CONF.replace("server app:8000", "server 127.0.0.1:8000").replace("/tmp/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(here)
    output_of(program("nginx", "/usr/sbin"), "-t", "-c", str(tmp_path / "nginx.conf"))


def test_nginx_accepts_the_example_with_tls(tmp_path):
    (site, _) = re.findall(r"```nginx\n(.*?)```", (TOP / "docs" / "operate.md").read_text(encoding="utf-8"), re.DOTALL)
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"
    output_of(program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=mri.example.org",
              "-keyout", str(key), "-out", str(certificate))  # fmt: skip
    for server in re.findall(r"^server .*?^}", site, re.DOTALL | re.MULTILINE):
        assert re.findall(r"^ *(access_log|error_log) .*?(off|crit);", server, re.MULTILINE) == [
            ("access_log", "off"), ("error_log", "crit"),
        ]  # fmt: skip
    site = site.replace("/etc/ssl/mri.example.org", str(tmp_path)).replace("/var/log/nginx", str(tmp_path))
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{site}}}\n")
    output_of(program("nginx", "/usr/sbin"), "-t", "-c", str(tmp_path / "nginx.conf"))


def test_yamllint_finds_nothing():
    output_of(program("yamllint"), "--strict", ".")


def test_pre_commit_accepts_its_configuration():
    output_of(program("pre-commit"), "validate-config", ".pre-commit-config.yaml")


def test_proxy_tells_the_app_addresses_and_ids_of_its_own_and_the_app_believes_this_one_proxy():
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in NGINX_CONF
    assert "proxy_set_header X-Request-Id $request_id;" in NGINX_CONF
    assert SERVICES["app"]["environment"] == {"BRAIN_MRI_PROXY_HOPS": "1"}


# Makefile


def dry_run(target):
    """Return the commands that make would run for a target on a fresh machine."""
    # Without the variables of an outer make: its flags would change the inner one's output.
    return output_of(program("make"), "-n", "-B", target, env={"PATH": os.environ["PATH"]})


@pytest.mark.parametrize("target", ["venv", "run"])
def test_serving_from_make_installs_only_what_serving_needs(target):
    assert set(re.findall(r"requirements[a-z-]*\.txt", dry_run(target))) == {"requirements.txt"}


@pytest.mark.parametrize("target", ["venv", "train", "lint"])
def test_everything_that_make_installs_has_the_hash_of_its_lock(target):
    commands = [line for line in dry_run(target).splitlines() if "pip install" in line]
    assert commands
    assert all("--require-hashes" in command for command in commands)


def test_image_installs_only_what_has_the_hash_of_its_lock():
    installs = [run for run in instructions("RUN") if " install " in run]
    assert installs
    assert all("--require-hashes" in run for run in installs)


def test_quick_tests_leave_out_the_slow_ones():
    assert '-m "not slow and not fault"' in dry_run("test")


def test_all_tests_leave_out_nothing_but_the_faults_which_have_a_command_of_their_own():
    commands = dry_run("test-all")
    assert '-m "not slow and not fault"' in commands
    assert '-m "slow and not fault"' in commands
    assert "tests/faults" in dry_run("test-faults")


def test_help_lists_every_command():
    listed = re.findall(r"^make ([a-z-]+) +\S", output_of(program("make"), "help"), re.MULTILINE)
    assert set(listed) == MAKE_TARGETS


def test_documents_mention_only_make_commands_that_exist():
    code = [
        snippet
        for path in documents()
        for snippet in re.findall(r"```.*?```|`[^`]+`", path.read_text(encoding="utf-8"), re.DOTALL)
    ]
    mentioned = {name for snippet in code for name in re.findall(r"\bmake ([a-z][a-z-]*)", snippet)}
    assert "run" in mentioned
    assert mentioned <= MAKE_TARGETS


def test_french_readme_has_the_commands_of_the_english_one():
    english, french = (
        re.findall(r"^```\w+\n.*?^```", (TOP / name).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        for name in ("README.md", "docs/fr/README.md")
    )
    assert len(english) >= 2
    # The comments are translated.
    assert [re.sub(r" *# .*", "", block) for block in french] == [re.sub(r" *# .*", "", block) for block in english]
