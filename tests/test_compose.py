"""The deployment files agree with each other and with the code."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.house import ROOT
from tests.test_docs import module, rondo_commands

COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FINAL_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]
SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|_URL$")


def test_variables_are_exactly_those_of_the_example() -> None:
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    used |= {secret["environment"] for secret in COMPOSE["secrets"].values()}
    assert used == set(re.findall(r"(?m)^(\w+)=", (ROOT / ".env.example").read_text()))


def test_no_secret_is_written_down() -> None:
    example = re.findall(r"(?m)^(\w+)=(.+)$", (ROOT / ".env.example").read_text())
    composed = [pair for service in SERVICES.values() for pair in service.get("environment", {}).items()]
    assert [name for name, value in composed if SECRET.search(name) and "${" not in value] == []
    assert [name for name, value in example if SECRET.search(name)] == []


def test_only_the_proxy_can_be_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]


def test_database_is_in_no_network_that_leads_out() -> None:
    networks = SERVICES["postgres"]["networks"]
    assert all(COMPOSE["networks"][name]["internal"] for name in networks)


@pytest.mark.parametrize("name", SERVICES)
def test_service_waits_for_what_it_needs(name: str) -> None:
    for target, terms in SERVICES[name].get("depends_on", {}).items():
        if terms["condition"] == "service_healthy":
            assert health_test(target)
        else:
            assert SERVICES[target]["restart"] == "no"


@pytest.mark.parametrize("name", SERVICES)
def test_service_can_reach_what_it_needs(name: str) -> None:
    for target in SERVICES[name].get("depends_on", {}):
        if SERVICES[target]["restart"] != "no":
            assert set(SERVICES[name]["networks"]) & set(SERVICES[target]["networks"])


def test_volumes_are_declared_and_used() -> None:
    named = {source for source in mounts() if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])


def test_mounted_files_exist() -> None:
    assert [source for source in mounts() if source.startswith(".") and not (ROOT / source).is_file()] == []


def test_secrets_are_declared_and_used() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == set(COMPOSE["secrets"])


def test_everything_restarts_but_the_migration() -> None:
    assert [name for name, service in SERVICES.items() if service["restart"] != "unless-stopped"] == [
        "migrate"
    ]


def test_image_does_not_run_as_root() -> None:
    user = re.findall(r"(?m)^USER (\S+)$", FINAL_STAGE)
    assert user
    assert user[-1] not in {"root", "0"}


def test_image_gets_every_file_that_it_copies() -> None:
    allowed = set(re.findall(r"(?m)^!(\S+)$", (ROOT / ".dockerignore").read_text()))
    copied = {
        source for line in re.findall(r"(?m)^COPY (?!--)(.+)$", DOCKERFILE) for source in line.split()[:-1]
    }
    assert copied == allowed


def test_everybody_means_the_same_port() -> None:
    ports = [
        *re.findall(r"(?m)^EXPOSE (\d+)$", FINAL_STAGE),
        *re.findall(r'"--port", "(\d+)"', FINAL_STAGE),
        *re.findall(r"127\.0\.0\.1:(\d+)/healthz", FINAL_STAGE),
        *re.findall(r"server api:(\d+)", (ROOT / "deploy/nginx.conf").read_text()),
        *(str(source["port"]) for source in scraped()),
    ]
    assert ports == ["8000"] * 5


def test_metrics_are_read_from_a_service_that_exists() -> None:
    names = [name for source in scraped() for name in source["names"]]
    assert names
    assert set(names) <= set(SERVICES)


def test_commands_of_the_containers_exist() -> None:
    commands = [service.get("command", []) for service in SERVICES.values()]
    used = {command[1] for command in commands if command[:1] == ["rondo"]}
    used |= set(re.findall(r'CMD \["rondo", "(\w+)"', FINAL_STAGE))
    assert used - set(rondo_commands()) == set()


def test_settings_of_the_containers_exist() -> None:
    given = {name for service in SERVICES.values() for name in service.get("environment", {})}
    known = {f"RONDO_{name.upper()}" for name in module("app.settings").Settings.model_fields}
    assert {name for name in given if name.startswith("RONDO_")} - known == set()


def health_test(name: str) -> bool:
    """Return whether a service says if it is healthy, itself or by our image."""
    own = SERVICES[name].get("healthcheck")
    if own is not None:
        return "test" in own and not own.get("disable", False)
    return "build" in SERVICES[name] and "\nHEALTHCHECK " in FINAL_STAGE


def mounts() -> Iterator[str]:
    for service in SERVICES.values():
        yield from (volume.split(":")[0] for volume in service.get("volumes", []))


def scraped() -> list[dict[str, Any]]:
    config = YAML(typ="safe").load((ROOT / "deploy/prometheus.yml").read_text())
    return [source for job in config["scrape_configs"] for source in job["dns_sd_configs"]]
