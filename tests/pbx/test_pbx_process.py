# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting, asking and ending a real Asterisk."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from dataclasses import replace

import aiohttp
import pytest

from asterisk.carrier.mix import Behaviour
from asterisk.embedded import pbx_listeners, start_pbx
from asterisk.errors import CommandFailed, DidNotStart, PortTaken
from asterisk.files import make_folder, write_files
from asterisk.lab import lab_specs, start_lab
from asterisk.ports import Listener, Protocol, must_be_free
from asterisk.process import AsteriskProcess
from asterisk.render import render
from asterisk.spec import RmEndpoint


@pytest.fixture
def spec(tmp_path, carrier):
    """A PBX that nobody started yet."""
    return a_lab(tmp_path, carrier)[0]


def a_lab(state, carrier):
    """What a lab in a folder is made from."""
    return lab_specs(state=state, rms=["anna"], mix=carrier.mix, randomness=random.SystemRandom())


def process_of(spec, program) -> AsteriskProcess:
    """The process of a PBX whose configuration is written."""
    for folder in spec.instance.every_folder():
        make_folder(folder)
    write_files(spec.instance.conf, render(spec, program))
    listener = Listener(protocol=Protocol.TCP, host=spec.ari.host, port=spec.ari.port, what="ARI")
    return AsteriskProcess(name="test", program=program, instance=spec.instance, listeners=(listener,))


@pytest.mark.parametrize("which", ["pbx", "carrier"])
async def test_the_configuration_gives_no_complaints(lab, which):
    """Asterisk reads every file that we render without a warning, loads every module, and drops no section."""
    log = (getattr(lab, which).instance.log / "console.log").read_text(encoding="utf-8")
    while_loading, ready, _ = log.partition("Asterisk Ready.")
    assert ready
    assert [line for line in while_loading.splitlines() if "WARNING" in line or "ERROR" in line] == []


async def test_what_the_configuration_says_is_in_force(lab, pbx):
    """Music, tones, RMs' phones, trunks and limits are there, as the running PBX tells them."""
    assert "Class: default" in await lab.pbx.command("moh show classes")
    assert "440+480/2000" in await lab.pbx.command("indication show us")
    endpoints = await lab.pbx.command("pjsip show endpoints")
    for name in [rm.endpoint for rm in pbx.rms] + [trunk.endpoint for trunk in pbx.trunks]:
        assert f" {name} " in endpoints
    settings = await lab.pbx.command("core show settings")
    assert "Maximum calls:               1000" in settings
    for endpoint in ("rm-anna", "trunk-carrier"):
        shown = await lab.pbx.command(f"pjsip show endpoint {endpoint}")
        values = dict(line.split(":", 1) for line in shown.replace(" ", "").splitlines() if ":" in line)
        for name in ("allow_transfer", "send_connected_line", "trust_connected_line", "direct_media"):
            assert values[name] in ("false", "no"), name
        assert values["rtp_keepalive"] == "15"
        assert values["timers"] == "yes"


async def test_secrets_are_for_the_owner_alone(pbx, carrier):
    """Nobody else may look into the folders or read the files."""
    for instance in (pbx.instance, carrier.instance):
        for folder in instance.every_folder():
            assert folder.stat().st_mode & 0o777 == 0o700, folder
        for file in instance.conf.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600, file


async def test_start_twice_is_start_once(spec, program):
    """A running instance is found, not started again, also by another program, also at the same moment."""
    first, second = process_of(spec, program), process_of(spec, program)
    assert sorted(await asyncio.gather(first.start(), second.start())) == [False, True]
    try:
        assert first.pid == second.pid
        assert await first.start() is False
    finally:
        await second.stop()
    assert first.pid is None
    await first.stop()
    with pytest.raises(CommandFailed):
        await first.command("core show uptime")


async def test_a_killed_asterisk_starts_again(spec, program, until):
    """What a killed Asterisk left behind does not stop the next one."""
    process = process_of(spec, program)
    await process.start()
    killed = process.pid
    os.kill(killed, signal.SIGKILL)
    await until(lambda: process.pid is None)
    assert await process.start()
    assert process.pid not in (None, killed)
    await process.stop()


async def test_a_lab_that_still_runs_is_found_again(program, carrier, tmp_path):
    """A program that dies leaves PBX and carrier running; the next one finds both where they are."""
    first = await start_lab(*a_lab(tmp_path, carrier), program)
    pids = (first.pbx.pid, first.carrier.pid)
    second = await start_lab(*a_lab(tmp_path, carrier), program)
    try:
        assert (second.pbx.pid, second.carrier.pid) == pids
        assert second.pbx_spec == first.pbx_spec
        assert "fully booted" in await second.pbx.command("core waitfullybooted")
    finally:
        await second.stop()
    assert (first.pbx.pid, first.carrier.pid) == (None, None)
    third = a_lab(tmp_path, carrier)[0]
    must_be_free(pbx_listeners(third))


async def test_a_pid_of_another_program_is_left_alone(spec, program):
    """A pid file whose number is now another program's counts for nothing."""
    process = process_of(spec, program)
    process.instance.pid_file.write_text(str(os.getpid()))
    assert process.pid is None
    await process.stop()


async def test_a_taken_port_is_named(spec, program):
    """When another program holds a port, the error names it and nothing is started."""
    process = process_of(spec, program)
    with (
        socket.create_server(("127.0.0.1", spec.ari.port)),
        pytest.raises(PortTaken, match=f"TCP port {spec.ari.port} .* ARI"),
    ):
        await process.start()
    assert process.pid is None


async def test_an_asterisk_that_cannot_start_says_why(spec, program):
    """An Asterisk that ends at once is reported with its last words, and soon."""
    process = process_of(spec, program)
    modules = spec.instance.conf / "modules.conf"
    modules.write_text(modules.read_text() + "require = res_no_such_module.so\n")
    with pytest.raises(DidNotStart, match="res_no_such_module"):
        await process.start()
    assert process.pid is None


async def test_a_new_rm_does_not_touch_calls(spec, program, carrier, lab, ari, customer, pbx):
    """A changed configuration is taken over while a call goes on: the new RM is there, the call stays."""
    async with ari("reloadtest") as probe:
        await probe.dial(customer(Behaviour.ANSWER), "reload", app="reloadtest")
        await probe.event("StasisStart", "reload")
        more = replace(pbx, rms=(*pbx.rms, RmEndpoint(name="emil", password="x" * 20)))
        try:
            assert (await start_pbx(more, program)).pid == lab.pbx.pid
            assert "rm-emil" in await lab.pbx.command("pjsip show endpoints")
            status, channel = await probe.request("GET", "/channels/reload")
            assert (status, channel["state"]) == (200, "Up")
        finally:
            await start_pbx(pbx, program)
        assert "rm-emil" not in await lab.pbx.command("pjsip show endpoints")
        assert (await probe.request("DELETE", "/channels/reload"))[0] == 204


def test_every_instance_has_its_own_folders(pbx, carrier):
    """Two instances from one program share no folder that either writes."""
    ours, theirs = set(pbx.instance.every_folder()), set(carrier.instance.every_folder())
    assert not ours & theirs
    assert pbx.instance.control_socket.is_socket()
    assert carrier.instance.control_socket.is_socket()


async def test_an_odd_password_arrives_as_it_is(spec, program):
    """Signs that mean something in a configuration file are part of the password for Asterisk too."""
    odd = r"""a;b\;c\d"e=[f]#'g${h},=>i"""
    spec = replace(spec, ari=replace(spec.ari, password=odd))
    process = process_of(spec, program)
    await process.start()
    try:
        headers = {"Authorization": aiohttp.encode_basic_auth(spec.ari.user, odd)}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{spec.ari.url}/asterisk/ping") as answer,
        ):
            assert answer.status == 200
    finally:
        await process.stop()
