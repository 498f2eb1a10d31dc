"""Proof of being a person, verified by Cloudflare Turnstile or what speaks as it does."""

from commonroom.challenge.challenge import ROOM_CREATE, Challenge, ChallengeToken, Widget

__all__ = ["ROOM_CREATE", "Challenge", "ChallengeToken", "Widget"]
