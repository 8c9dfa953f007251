# SPDX-License-Identifier: GPL-3.0-or-later
"""An account with its calls as pjsua2 has them. They live on the ``PjsuaThread`` alone, and tell the event loop
plain values. Needs pjsua2: import it only where a real phone is wanted.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import pjsua2 as pj  # type: ignore[import-untyped]
import structlog

from softphone import screening
from softphone.account import PhoneAccount
from softphone.errors import NotPossible
from softphone.messages import (
    Answered,
    AnyEvent,
    Ended,
    EndedBy,
    Figures,
    Registration,
    RegistrationChanged,
    Ringing,
)
from softphone.pjsua_thread import CLOCK_RATE_HZ, PjsuaThread, reason_of

log = structlog.get_logger(__name__)

Callback = TypeVar("Callback", bound=Callable[..., None])

REGISTER_EVERY_S: Final = 120  #: a PBX that lost its registrations has the phone back within this
RETRY_EVERY_S: Final = 3
SESSION_EXPIRES_S: Final = 1800
LEVEL_MAX: Final = 100  #: of the stack's level meter
TONE_AMPLITUDE: Final = 6000  #: of 32767
_TONE_ON_MS: Final = 1000
_BUSY: Final = 171001  #: PJSIP_EBUSY
_TRIED_AGAIN: Final = frozenset({408, 480, 500, 502, 503, 504})  #: with 6xx, what the stack takes for passing


def _never_raising(callback: Callback) -> Callback:
    """The stack prints and forgets what a callback raises: log it instead."""

    @functools.wraps(callback)
    def guarded(*args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            log.exception("sip_callback_failed", callback=callback.__name__)

    return guarded  # type: ignore[return-value]


class SipCall(pj.Call):  # type: ignore[misc]
    """One call. Holds its account weakly: a cycle would leave its end to the garbage collector."""

    def __init__(self, account: SipAccount, call_id: int, sip_id: str) -> None:
        super().__init__(account, call_id)
        self.sip_id = sip_id
        self.was_up = False
        self.muted = False
        self.ended_here: EndedBy | None = None
        self.recorder: pj.AudioMediaRecorder | None = None
        self.recording: Path | None = None
        self._account = weakref.ref(account)

    @_never_raising
    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        info = self.getInfo()
        account = self._account()
        if account is not None:
            account.call_moved(self, info.state, int(info.lastStatusCode))

    @_never_raising
    def onCallMediaState(self, prm: pj.OnCallMediaStateParam) -> None:
        account = self._account()
        # Keep what holds a part alive while the part is used: parts are pointers into their whole.
        info = self.getInfo()
        if account is not None and any(
            media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE
            for media in info.media
        ):
            account.audio_ready(self)

    def end(self, by: EndedBy) -> None:
        """Hang up, or decline (603) while it rings; ``SipAccount.call_moved`` tells when it is done."""
        if self.ended_here is not None:
            return
        self.ended_here = by
        try:
            self.hangup(pj.CallOpParam())
        except pj.Error as error:
            # The other end was quicker, and its BYE is being dealt with.
            log.debug("call_already_ending", call=self.sip_id, why=reason_of(error))


class SipAccount(pj.Account):  # type: ignore[misc]
    """One registration and at most one call that counts; a call being replaced or rejected lives on a little."""

    def __init__(
        self,
        account: PhoneAccount,
        thread: PjsuaThread,
        receive: Callable[[AnyEvent], None],
        recordings: Path | None,
    ) -> None:
        super().__init__()
        self._of = account
        self._thread = thread
        self._receive = receive
        self._recordings = recordings
        self._numbers = itertools.count(1)
        self._calls: dict[int, SipCall] = {}
        self._call: SipCall | None = None
        self._registration = Registration.OFFLINE
        self._registrar_host: str | None = None
        self._tone: pj.ToneGenerator | None = None

    def open(self) -> None:
        """Create the account at the stack; it does not register yet."""
        config = pj.AccountConfig()
        config.idUri = self._of.address_of_record
        config.regConfig.registrarUri = self._of.registrar
        config.regConfig.registerOnAdd = False
        config.regConfig.timeoutSec = REGISTER_EVERY_S
        config.regConfig.firstRetryIntervalSec = 1
        config.regConfig.retryIntervalSec = RETRY_EVERY_S
        config.regConfig.randomRetryIntervalSec = 1
        # A registrar that is away for a moment must not cost the RM the call in progress.
        config.regConfig.dropCallsOnFail = False
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        config.callConfig.timerSessExpiresSec = SESSION_EXPIRES_S
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", self._of.user, 0, self._of.password))
        config.mediaConfig.transportConfig.port = 0
        if self._thread.bind_address is not None:
            config.mediaConfig.transportConfig.boundAddress = self._thread.bind_address
        self.create(config)
        self._thread.settle(self)
        if self._of.tone_hz is not None:
            self._tone = _sine(self._of.tone_hz)

    # --- told by the phone --------------------------------------------------------------------------

    def register(self) -> None:
        if self._registration is not Registration.REGISTERED:
            self._registration_moved(Registration.REGISTERING)
        try:
            self.setRegistration(True)
        except pj.Error as error:
            # A REGISTER under way will do; one that cannot be sent has been told of, and is tried again.
            if error.status != _BUSY and self._registration is not Registration.UNREACHABLE:
                raise

    def unregister(self) -> None:
        if self._registration is not Registration.OFFLINE:
            self.setRegistration(False)

    def answer(self) -> None:
        call = self._present()
        parameters = pj.CallOpParam()
        parameters.statusCode = 200
        call.answer(parameters)

    def hang_up(self) -> None:
        self._present().end(EndedBy.PHONE)

    def mute(self, on: bool) -> None:
        call = self._present()
        call.muted = on
        self._connect(call)

    def dtmf(self, digits: str) -> None:
        self._present().dialDtmf(digits)

    def figures(self) -> Figures:
        call = self._present()
        whole = call.getStreamStat(0)
        rtcp = whole.rtcp
        audio = call.getAudioMedia(-1)
        return Figures(
            packets_sent=rtcp.txStat.pkt,
            packets_received=rtcp.rxStat.pkt,
            packets_lost=rtcp.rxStat.loss,
            jitter_ms=rtcp.rxStat.jitterUsec.mean / 1000,
            # Seen from the call, as in ``_connect``.
            level_sent=audio.getRxLevel() / LEVEL_MAX,
            level_received=audio.getTxLevel() / LEVEL_MAX,
        )

    def _present(self) -> SipCall:
        if self._call is None:
            raise NotPossible(f"Phone {self._of.user} is in no call; nothing was done.")
        return self._call

    # --- told by the stack --------------------------------------------------------------------------

    @_never_raising
    def onRegState(self, prm: pj.OnRegStateParam) -> None:
        code = int(prm.code)
        if code // 100 == 2 and prm.expiration > 0:
            self._registrar_host = screening.host_of(prm.rdata.srcAddress)
            self._registration_moved(Registration.REGISTERED, code)
        elif code // 100 == 2:
            self._registration_moved(Registration.OFFLINE, code)
        elif code in _TRIED_AGAIN or code // 100 == 6:
            self._registration_moved(Registration.UNREACHABLE, code, prm.reason)
        else:
            self._registration_moved(Registration.REFUSED, code, prm.reason)

    def _registration_moved(self, new: Registration, sip_code: int = 0, why: str = "") -> None:
        if new is self._registration:
            return
        self._registration = new
        self._tell(RegistrationChanged(phone=self._of.user, state=new, sip_code=sip_code, why=why))

    @_never_raising
    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:
        invite = screening.read_invite(prm.rdata.wholeMsg)
        verdict = screening.screen(
            invite,
            source_host=screening.host_of(prm.rdata.srcAddress),
            registrar_host=self._registrar_host,
            policy=self._of.auto_answer,
            in_call=self._call is not None,
        )
        sip_id = invite.headers.get("call-id", invite.headers.get("i", ("",)))[0]
        call = SipCall(self, prm.callId, sip_id)
        self._calls[prm.callId] = call
        parameters = pj.CallOpParam()
        parameters.statusCode = screening.SIP_CODES[verdict]
        if verdict in (screening.Verdict.ANSWER, screening.Verdict.RING):
            self._give_way()
            self._call = call
            auto = verdict is screening.Verdict.ANSWER
            self._tell(Ringing(phone=self._of.user, call=sip_id, session=invite.session, auto_answer=auto))
        else:
            log.warning("call_refused", phone=self._of.user, call=sip_id, verdict=verdict)
        call.answer(parameters)

    def _give_way(self) -> None:
        old, self._call = self._call, None
        if old is not None:
            self._tell(Ended(phone=self._of.user, call=old.sip_id, by=EndedBy.REPLACED))
            self._thread.defer(functools.partial(old.end, EndedBy.REPLACED))

    def call_moved(self, call: SipCall, state: int, sip_code: int) -> None:
        if state == pj.PJSIP_INV_STATE_CONFIRMED and call is self._call and not call.was_up:
            call.was_up = True
            self._tell(Answered(phone=self._of.user, call=call.sip_id))
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self._thread.defer(functools.partial(self._drop, call.getId(), sip_code))

    def audio_ready(self, call: SipCall) -> None:
        if self._recordings is not None and call.recorder is None:
            call.recording = self._recordings / f"{self._of.user}-{next(self._numbers)}.wav"
            call.recorder = pj.AudioMediaRecorder()
            call.recorder.createRecorder(str(call.recording))
        self._connect(call)

    def _connect(self, call: SipCall) -> None:
        """Join what the phone says and hears to the call. Again after each re-INVITE, which makes the audio anew."""
        audio = call.getAudioMedia(-1)
        self._source().startTransmit(audio)
        # Seen from the call, which receives what we say.
        audio.adjustRxLevel(0.0 if call.muted else 1.0)
        if call.recorder is not None:
            audio.startTransmit(call.recorder)

    def _drop(self, call_id: int, sip_code: int) -> None:
        """Let an ended call die, here and now; its recording is whole before anybody is told of the end."""
        call = self._calls.pop(call_id)
        call.recorder = None
        if call is self._call:
            self._call = None
            self._tell(
                Ended(
                    phone=self._of.user,
                    call=call.sip_id,
                    by=call.ended_here or EndedBy.PBX,
                    sip_code=sip_code,
                    recording=None if call.recording is None else str(call.recording),
                )
            )

    def _source(self) -> pj.AudioMedia:
        """What the phone says: its tone, or the microphone, which without a sound card is silence."""
        return self._tone or pj.Endpoint.instance().audDevManager().getCaptureDevMedia()

    def _tell(self, event: AnyEvent) -> None:
        self._thread.tell(self._receive, event)

    # --- taken down by the thread -------------------------------------------------------------------

    def hang_up_all(self) -> None:
        for call in list(self._calls.values()):
            call.end(EndedBy.PHONE)

    def is_idle(self) -> bool:
        return not self._calls

    def leave(self) -> None:
        if self._registration is Registration.REGISTERED:
            self.unregister()

    def is_unregistered(self) -> bool:
        return self._registration is not Registration.REGISTERED

    def dispose(self) -> None:
        self._call = None
        self._calls.clear()
        self._tone = None
        self.shutdown()


def _sine(frequency_hz: int) -> pj.ToneGenerator:
    tone = pj.ToneDesc()
    tone.freq1 = frequency_hz
    tone.freq2 = 0
    tone.on_msec = _TONE_ON_MS
    tone.off_msec = 0
    tone.volume = TONE_AMPLITUDE
    sequence = pj.ToneDescVector()
    sequence.append(tone)
    generator = pj.ToneGenerator()
    generator.createToneGenerator(CLOCK_RATE_HZ)
    generator.play(sequence, True)
    return generator
