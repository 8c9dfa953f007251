# SPDX-License-Identifier: GPL-3.0-or-later
"""What the PBX must not do, on the real one: nobody but the dialer makes calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from asterisk.carrier.carrier_log import invites, read_events
from asterisk.carrier.mix import COSTLY_NUMBER, Behaviour
from asterisk.ports import free_port

SCENARIOS = Path(__file__).parents[1] / "sipp"
APP = "closedtest"


async def sipp(scenario: str, *, user: str, password: str, target: str, pbx, folder: Path) -> tuple[int, str]:
    """Exit code (0: the scenario went as written) and output of one call."""
    injected = folder / "user.csv"
    injected.write_text(
        f"SEQUENTIAL\n{user};[authentication username={user} password={password}]\n", encoding="ascii"
    )
    caller = await asyncio.create_subprocess_exec(
        *("sipp", "-sf", SCENARIOS / scenario, "-inf", injected, "-s", target, "-m", "1", "-nostdin"),
        *(
            "-i",
            "127.0.0.1",
            "-p",
            str(free_port()),
            "-timeout",
            "10s",
            "-timeout_error",
            f"{pbx.sip.host}:{pbx.sip.port}",
        ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=folder,
    )
    said, _ = await caller.communicate()
    return caller.returncode or 0, said.decode(errors="replace")


@pytest.mark.parametrize("target", ["+491555000001", "s", "+4930123456", "rm-ben", "trunk-carrier", "h"])
async def test_an_rms_phone_dials_nothing(pbx, tmp_path, target):
    """An RM's phone with the right password is refused whatever it dials: customers, colleagues, ourselves."""
    code, said = await sipp(
        "dial_out.xml",
        user="rm-anna",
        password=pbx.rms[0].password,
        target=target,
        pbx=pbx,
        folder=tmp_path,
    )
    assert code == 0, said


@pytest.mark.parametrize("target", ["+4930123456", "+491555000001", "s"])
@pytest.mark.parametrize("user", ["+491711234567", "trunk-carrier", "rm-anna", "nobody"])
async def test_a_stranger_is_told_nothing(pbx, tmp_path, target, user):
    """Somebody at an unknown address gets 401, whatever name he gives and number he tries: a known one looks
    like an unknown one, and naming a trunk does not make a trunk."""
    code, said = await sipp("stranger.xml", user=user, password="x", target=target, pbx=pbx, folder=tmp_path)
    assert code == 0, said


@pytest.mark.parametrize("behaviour", [Behaviour.REDIRECT, Behaviour.REDIRECT_TO_US])
async def test_a_redirected_call_dials_nothing(ari, pbx, carrier, customer, behaviour):
    """A trunk that answers 302 makes the PBX call nobody, and nobody enters the application in its stead."""
    async with ari(pbx.app) as probe:
        for way in ("originate", "early-bridge"):
            channel, number = f"redirected-{way}-{behaviour}", customer(behaviour)
            if way == "originate":
                await probe.dial(number, channel, app=pbx.app)
            else:
                endpoint = f"PJSIP/{number}@trunk-carrier"
                created = {"endpoint": endpoint, "app": pbx.app, "channelId": channel}
                created["variables"] = {"CALLERID(num)": pbx.caller_ids[0]}
                assert (await probe.request("POST", "/channels/create", **created))[0] == 200
                assert (await probe.request("POST", f"/channels/{channel}/dial"))[0] == 204
            end = await probe.event("ChannelDestroyed", channel)
            assert end["tech_cause"] == 302
            assert invites(read_events(carrier.calls_file))[number.lstrip("+")] == 1
        entered = {event["channel"]["id"] for event in probe.events if event["type"] == "StasisStart"}
        assert entered <= {f"redirected-early-bridge-{behaviour}"}
        assert (await probe.request("GET", "/channels")) == (200, [])
    assert COSTLY_NUMBER.lstrip("+") not in invites(read_events(carrier.calls_file))


@pytest.mark.parametrize("password", ["", "wrong"])
async def test_ari_wants_the_password(pbx, password):
    """Without the password ARI says 401, and nothing else."""
    headers = {"Authorization": aiohttp.encode_basic_auth(pbx.ari.user, password)}
    async with aiohttp.ClientSession(headers=headers) as session:
        for path in ("/asterisk/info", "/channels", "/endpoints"):
            async with session.get(pbx.ari.url + path) as answer:
                assert answer.status == 401


async def test_the_http_server_serves_ari_alone(pbx):
    """No status page and no files."""
    async with aiohttp.ClientSession() as session:
        for path in ("/httpstatus", "/static/docs/index.html", "/phoneprov/000000000000.cfg", "/manager"):
            async with session.get(f"http://127.0.0.1:{pbx.ari.port}{path}") as answer:
                assert answer.status == 404


async def test_ari_runs_no_commands(ari):
    """The functions that run programs and read files are closed to ARI."""
    async with ari(APP) as probe:
        for variable in ("SHELL(id)", "FILE(/etc/hostname)", "CURL(http://127.0.0.1)"):
            status, answer = await probe.request("GET", f"/asterisk/variable?variable={variable}")
            assert status != 200 or not answer["value"], answer
