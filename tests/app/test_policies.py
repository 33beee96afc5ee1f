"""Policies over HTTP: checked, versioned, in force at once and after a restart."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from app.public_holidays import keep_holidays
from app.settings import Settings
from tests.app.conftest import Service, furnish, running
from tests.app.test_contacts import CALL, post


async def current(client: httpx.AsyncClient) -> dict[str, Any]:
    return dict((await client.get("/v1/policies/current")).json())


async def test_published_policy_is_the_next_version_and_acts_at_once(client: httpx.AsyncClient) -> None:
    policy = await current(client)
    changed = policy | {"fallback_team": "complaints", "version": policy["version"] + 1}
    assert await post(client, "/v1/policies", changed) == changed
    assert (await post(client, "/v1/contacts", CALL))["team"] == "complaints"
    versions = (await client.get("/v1/policies")).json()["items"]
    assert [each["version"] for each in versions] == [policy["version"] + 1, policy["version"]]
    old = (await client.get(f"/v1/policies/{policy['version']}")).json()
    assert old["fallback_team"] == "general"


async def test_policy_is_in_force_after_a_restart(settings: Settings) -> None:
    async with running(settings) as service, service.client() as client:
        await furnish(service.house)
        policy = await current(client)
        policy |= {"fallback_team": "complaints", "version": policy["version"] + 1}
        published = await post(client, "/v1/policies", policy)
    async with running(settings) as again, again.client() as client:
        assert await current(client) == published
        assert again.house.switchboard.policy.version == published["version"]


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"fallback_team": "nobody"}, "invalid-policy"),
        ({"teams": {}}, "invalid-policy"),
        ({"version": 1}, "invalid-policy"),
        ({"reopen_s": "soon"}, "malformed-request"),
    ],
)
async def test_bad_policy_is_refused_and_the_old_one_stays(
    client: httpx.AsyncClient, change: dict[str, Any], slug: str
) -> None:
    before = await current(client)
    answer = await client.post("/v1/policies", json=before | {"version": before["version"] + 1} | change)
    assert (answer.status_code, answer.json()["type"]) == (422, f"/problems/{slug}"), answer.text
    assert await current(client) == before


async def test_body_that_is_no_policy_is_refused(client: httpx.AsyncClient) -> None:
    for body in (b"", b"[]", b"{", b"\xff"):
        answer = await client.post("/v1/policies", content=body)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/malformed-request")


async def test_faults_are_pointed_at_one_by_one(client: httpx.AsyncClient) -> None:
    policy = await current(client)
    policy["version"] += 1
    policy["teams"]["general"] |= {"steps": [{"after_s": 9, "overflow_to": "nobody"}], "strategy": "best"}
    answer = (await client.post("/v1/policies", json=policy)).json()
    assert {each["pointer"] for each in answer["errors"]} == {
        "/teams/general/steps/0",
        "/teams/general/strategy",
    }


async def test_misspelt_fields_are_refused_wherever_they_are(client: httpx.AsyncClient) -> None:
    policy = await current(client)
    policy |= {"version": policy["version"] + 1, "colour": "red"}
    policy["teams"]["general"] |= {"max_wating": 5, "steps": [{"after_s": 9, "skil_slack": 1}]}
    answer = await client.post("/v1/policies", json=policy)
    assert answer.status_code == 422
    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/colour",
        "/teams/general/max_wating",
        "/teams/general/steps/0/skil_slack",
    }


async def test_version_that_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/policies/99")).status_code == 404


DAILY = {"time_zone": "Europe/Berlin", "week": [[["00:00", "24:00"]]] * 7}


async def publish(client: httpx.AsyncClient, hours: dict[str, Any], **site: Any) -> httpx.Response:
    policy = await current(client)
    policy["version"] += 1
    policy["teams"]["general"]["hours"] = hours
    policy["site"] |= site
    return await client.post("/v1/policies", json=policy)


async def test_hours_that_keep_public_holidays_are_closed_on_those_of_the_sites_country(
    service: Service,
) -> None:
    clock = service.house.clock
    year = datetime.fromtimestamp(clock.now(), UTC).year
    async with service.client() as client:
        hours = DAILY | {"public_holidays": True}
        published = (await publish(client, hours, country="DE", subdivision="BY")).json()
        calendar = published["teams"]["general"]["hours"]["calendar"]
        assert {f"{year}-01-06", f"{year}-12-25", f"{year + 5}-12-25"} <= set(calendar)
        holiday = datetime(year + 1, 12, 25, 11, tzinfo=UTC).timestamp()
        clock._start += holiday - clock.now()  # the only way to let time pass without waiting for it
        contact = await post(client, "/v1/contacts", CALL)
        assert (contact["state"], contact["end_reason"]) == ("rejected", "closed")
        again = (await publish(client, hours, country="DE", subdivision=None)).json()
        assert f"{year + 1}-01-06" not in again["teams"]["general"]["hours"]["calendar"]


async def test_hours_that_do_not_keep_public_holidays_are_open(client: httpx.AsyncClient) -> None:
    published = (await publish(client, DAILY, country="DE")).json()
    assert published["teams"]["general"]["hours"]["calendar"] == []


async def test_holidays_of_no_country_are_refused(client: httpx.AsyncClient) -> None:
    for country in (None, "QQ"):
        answer = await publish(client, DAILY | {"public_holidays": True}, country=country, subdivision=None)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-policy"), answer.text


async def years_later(service: Service, years: int) -> int:
    """Move the clock to the eleventh hour of the 25th of December so many years on; return that year."""
    clock = service.house.clock
    year = datetime.fromtimestamp(clock.now(), UTC).year + years
    clock._start += datetime(year, 12, 25, 11, tzinfo=UTC).timestamp() - clock.now()
    return year


def calendar(policy: dict[str, Any]) -> list[str]:
    return list(policy["teams"]["general"]["hours"]["calendar"])


async def test_holidays_do_not_run_out_in_twenty_years(service: Service) -> None:
    async with service.client() as client:
        await publish(client, DAILY | {"public_holidays": True}, country="DE", subdivision="BY")
        year = await years_later(service, 20)
        await keep_holidays(service.house)
        contact = await post(client, "/v1/contacts", CALL)
        assert (contact["state"], contact["end_reason"]) == ("rejected", "closed")
        policy = await current(client)
        assert (calendar(policy)[0], calendar(policy)[-1]) == (f"{year}-01-01", f"{year + 5}-12-26")
        newest = (await client.get("/v1/policies")).json()["items"][0]
        assert (newest["by"], newest["note"]) == ("scheduler", f"public holidays until {year + 5}-12-26")


async def test_holidays_are_filled_in_while_a_whole_year_of_them_is_still_left(service: Service) -> None:
    async with service.client() as client:
        published = (await publish(client, DAILY | {"public_holidays": True}, country="DE")).json()
        for years, more in ((3, False), (1, True), (1, False)):
            before = await current(client)
            year = await years_later(service, years)
            assert calendar(before)[-1] > f"{year + 1}-12-01"
            await keep_holidays(service.house)
            assert ((await current(client)) != before) is more
        assert (await current(client))["version"] == published["version"] + 1


async def test_service_that_was_off_for_years_starts_with_the_holidays_of_today(settings: Settings) -> None:
    async with running(settings) as service, service.client() as client:
        await furnish(service.house)
        await publish(client, DAILY | {"public_holidays": True}, country="DE")
        year = datetime.fromtimestamp(service.house.clock.now(), UTC).year + 8
    later = settings.model_copy(update={"clock_start_at": datetime(year, 12, 25, 11, tzinfo=UTC)})
    async with running(later) as service, service.client() as client:
        contact = await post(client, "/v1/contacts", CALL)
        assert (contact["state"], contact["end_reason"]) == ("rejected", "closed")


@pytest.mark.postgres
async def test_replicas_fill_holidays_in_once(postgres_url: str) -> None:
    settings = Settings(database_url=postgres_url, worker="off", scheduler=False, log_level="error")
    async with running(settings) as one, running(settings) as two:
        await furnish(one.house)
        async with one.client() as client:
            published = (await publish(client, DAILY | {"public_holidays": True}, country="DE")).json()
            for each in (one, two):
                await years_later(each, 20)
            await asyncio.gather(*(keep_holidays(each.house) for each in (one, two)))
            assert (await current(client))["version"] == published["version"] + 1


async def test_hours_without_public_holidays_ask_for_none(service: Service) -> None:
    async with service.client() as client:
        before = (await publish(client, DAILY, country="DE")).json()
        await years_later(service, 20)
        await keep_holidays(service.house)
        assert await current(client) == before
