"""The files that a plant is deployed with: each can be read by whatever it is for, and names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.workspace.config_schema import process_workspace_config

from manufacturing_copilot.orchestration.run import dagster_home
from manufacturing_copilot.web.gate import HOSTS_VARIABLE
from manufacturing_copilot.web.serve import parser
from manufacturing_copilot_tests.end_to_end.running import QUIET, REPOSITORY

DOCKER = REPOSITORY / "docker"
pytestmark = QUIET


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture
def postgres_of_docker(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Names the tests' own server in the environment variables that docker/dagster.yaml reads; gives its port."""
    server = urlsplit(postgres_server)
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS dagster")
        connection.execute((DOCKER / "postgres" / "create-dagster.sql").read_text(encoding="utf-8"))
    monkeypatch.setenv("DAGSTER_PG_HOST", server.hostname or "")
    monkeypatch.setenv("DAGSTER_PG_USER", server.username or "")
    monkeypatch.setenv("DAGSTER_PG_PASSWORD", server.password or "unused")
    monkeypatch.setenv("DAGSTER_PG_DB", "dagster")
    return server.port or 5432


def test_dagster_takes_the_settings_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_max_runtime_seconds == 14_400
        assert not instance.telemetry_enabled
        instance.add_dynamic_partitions("batches", ["00000001"])
    assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {"dagster.yaml", ".copilot"}


def test_dagster_keeps_its_runs_in_postgresql_with_the_settings_of_docker(
    tmp_path: Path, postgres_of_docker: int
) -> None:
    text = (DOCKER / "dagster.yaml").read_text(encoding="utf-8")
    assert text.count("5432") == 1
    assert text.count("/data/dagster") == 2
    text = text.replace("5432", str(postgres_of_docker)).replace("/data/dagster", str(tmp_path / "data"))
    (tmp_path / "dagster.yaml").write_text(text, encoding="utf-8")
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance:
        instance.add_dynamic_partitions("batches", ["00000001"])
        assert list(instance.get_dynamic_partitions("batches")) == ["00000001"]
        assert instance.get_runs_count() == 0
        assert instance.run_monitoring_max_runtime_seconds == 14_400


def test_a_home_of_its_own_gets_the_same_settings(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = dagster_home()
    assert folder == home / "dagster"
    ours, given = read(REPOSITORY / "dagster.yaml"), read(folder / "dagster.yaml")
    assert {key: ours[key] for key in given} == given
    assert set(ours) - set(given) == {"storage", "local_artifact_storage", "compute_logs"}
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
        assert not instance.telemetry_enabled
    (folder / "dagster.yaml").write_text("telemetry: {enabled: true}", encoding="utf-8")
    dagster_home()
    assert read(folder / "dagster.yaml") == {"telemetry": {"enabled": True}}, "what a person wrote is kept"


def test_settings_where_it_is_started_hold(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert dagster_home() == REPOSITORY
    assert not (home / "dagster").exists()


def test_both_settings_differ_only_in_where_things_are_kept() -> None:
    ours, docker = read(REPOSITORY / "dagster.yaml"), read(DOCKER / "dagster.yaml")
    where = {"storage", "local_artifact_storage", "compute_logs", "python_logs"}
    assert set(ours) - where == set(docker) - where
    for key in ("run_monitoring", "run_retries", "retention", "telemetry", "nux"):
        assert ours[key] == docker[key]
    assert ours["concurrency"]["pools"] == docker["concurrency"]["pools"]


@pytest.mark.parametrize("path", ["workspace.yaml", "docker/workspace.yaml"])
def test_dagster_takes_the_workspace(path: str) -> None:
    result = process_workspace_config(read(REPOSITORY / path))
    assert result.success, result.errors


def test_the_workspace_names_the_code_service_of_the_compose_file() -> None:
    [location] = read(DOCKER / "workspace.yaml")["load_from"]
    code = read(DOCKER / "compose.yaml")["services"][location["grpc_server"]["host"]]
    assert str(location["grpc_server"]["port"]) in code["command"]
    assert "manufacturing_copilot.definitions" in code["command"]


def test_every_service_waits_for_services_that_there_are() -> None:
    services = read(DOCKER / "compose.yaml")["services"]
    for service in services.values():
        waits = service.get("depends_on", [])
        assert set(waits) <= set(services)
        if isinstance(waits, dict):
            for other, condition in waits.items():
                if condition["condition"] == "service_healthy":
                    assert "healthcheck" in services[other]


def test_only_the_gateway_is_reachable_and_only_from_this_machine() -> None:
    services = read(DOCKER / "compose.yaml")["services"]
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert list(ports) == ["gateway"]
    assert all(port.startswith("127.0.0.1:") for port in ports["gateway"])


def test_every_file_that_a_container_is_given_is_there() -> None:
    compose = read(DOCKER / "compose.yaml")
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            place = volume.partition(":")[0]
            if place.startswith("./"):
                assert (DOCKER / place).exists(), place
            elif not place.startswith("$"):
                assert place in compose["volumes"]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DOCKER / "Dockerfile").read_text(encoding="utf-8"), re.M)
    for names in copied:
        for name in names.split():
            assert (REPOSITORY / name).exists(), name


def test_every_variable_without_a_default_has_its_example() -> None:
    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    needed = set(re.findall(r"\$\{(\w+)(?:\}|:\?)", text))
    examples = (DOCKER / ".env.example").read_text(encoding="utf-8")
    assert needed <= set(re.findall(r"^(\w+)=", examples, re.M))


def test_every_server_behind_the_gateway_is_a_service() -> None:
    gateway = (DOCKER / "gateway" / "nginx.conf").read_text(encoding="utf-8")
    services = read(DOCKER / "compose.yaml")["services"]
    targets = re.findall(r"proxy_pass http://(\w+):(\d+)", gateway)
    assert targets
    for host, port in targets:
        assert port in services[host]["command"]
    assert "--read-only" in services["viewers"]["command"]
    assert gateway.count("proxy_pass") == gateway.count("auth_basic_user_file")


def test_the_gateway_and_the_servers_behind_it_refuse_foreign_pages() -> None:
    gateway = (DOCKER / "gateway" / "nginx.conf").read_text(encoding="utf-8")
    for rule in ("$foreign_origin", "$foreign_site", "$no_json", "proxy_set_header Host $http_host"):
        assert rule in gateway
    services = read(DOCKER / "compose.yaml")["services"]
    for name in ("operators", "viewers"):
        python, module, serve, *arguments = services[name]["command"]
        assert (python, module, serve) == ("python", "-m", "manufacturing_copilot.web.serve")
        assert parser().parse_args(arguments).port == 3000
    assert HOSTS_VARIABLE in services["operators"]["environment"]


def test_the_values_for_kubernetes_name_our_module_and_what_is_mounted() -> None:
    values = read(DOCKER / "kubernetes" / "values.yaml")
    [deployment] = values["dagster-user-deployments"]["deployments"]
    assert "manufacturing_copilot.definitions" in deployment["codeServerArgs"]
    assert {mount["name"] for mount in deployment["volumeMounts"]} == {one["name"] for one in deployment["volumes"]}
    mounted = {mount["mountPath"] for mount in deployment["volumeMounts"]}
    assert {variable["value"] for variable in deployment["env"]} <= mounted
    assert values["dagsterWebserver"]["service"]["type"] == "ClusterIP"
