# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Asterisk modules are loaded, and why: everything else stays out."""

from __future__ import annotations

from typing import Final

STORE: Final = ("res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb")

SIP: Final = (
    "res_pjproject",
    "res_pjsip",
    "res_pjsip_pubsub",
    "res_pjsip_session",
    "res_pjsip_authenticator_digest",
    "res_pjsip_outbound_authenticator_digest",
    "res_pjsip_registrar",
    "res_pjsip_outbound_registration",
    "res_pjsip_endpoint_identifier_user",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_acl",
    "res_pjsip_nat",
    "res_pjsip_caller_id",
    "res_pjsip_sdp_rtp",
    "res_pjsip_dtmf_info",
    "res_pjsip_dlg_options",
    "res_pjsip_header_funcs",
    "res_pjsip_rfc3326",
    "res_pjsip_logger",
    "chan_pjsip",
)

MEDIA: Final = (
    "res_rtp_asterisk",
    "res_srtp",
    "res_timing_timerfd",
    "res_musiconhold",
    "res_mutestream",
    "bridge_simple",
    "bridge_native_rtp",
    "bridge_softmix",
    "bridge_holding",
    "chan_bridge_media",
    "codec_ulaw",
    "codec_alaw",
    "codec_a_mu",
    "codec_g722",
    "codec_resample",
    "res_format_attr_opus",
    "format_wav",
    "format_sln",
    "format_pcm",
)

DIALPLAN: Final = (
    "pbx_config",
    "app_playback",
    "func_callerid",
    "func_channel",
    "func_logic",
    "func_strings",
    "res_security_log",
)

ARI: Final = (
    "res_http_websocket",
    "res_websocket_client",
    "res_stasis",
    "res_stasis_answer",
    "res_stasis_playback",
    "res_stasis_recording",
    "res_stasis_snoop",
    "app_stasis",
    "res_ari_model",
    "res_ari",
    "res_ari_applications",
    "res_ari_asterisk",
    "res_ari_bridges",
    "res_ari_channels",
    "res_ari_endpoints",
    "res_ari_events",
    "res_ari_playbacks",
    "res_ari_recordings",
    "res_ari_sounds",
)

PBX: Final = STORE + SIP + MEDIA + DIALPLAN + ARI
