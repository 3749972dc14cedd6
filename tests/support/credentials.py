"""What credentials look like, for tests that none gets through; each holds the word CANARY and is none."""

from __future__ import annotations

__all__ = ["CANARIES"]

CANARIES = {
    "installation token": "ghs_CANARYabcdefghijklmnopqrstuvwxyz01",
    "new installation token": "ghs_123456_eyJCANARYabc.eyJCANARYdef.CANARY-ghi",
    "fine-grained token": "github_pat_11CANARY0123456789_abcdefghijklmnopqrstuvwxyz",
    "classic token": "ghp_CANARYabcdefghijklmnopqrstuvwxyz0123",
    "key of ours": "cc_live_CANARY-abcdefghijklmnop_qrstuvwxyz",
    "bearer header": "Authorization: Bearer CANARYabc.def",
    "token header": "authorization: token CANARY",
    "header in a dictionary": "{'Authorization': 'Basic CANARYQ6c2VjcmV0', 'Accept': '*/*'}",
    "header as JSON": '{"Authorization": "Bearer CANARYabc"}',
    "header without a scheme": '{"authorization":"CANARYabc"}',
    "header as bytes": "(b'Authorization', b'Bearer CANARYabc')",
    "bearer alone": "Bearer CANARYabcdefghijklmnopqrstuvwxyz",
    "URL of git": "https://x-access-token:CANARY@github.com/example/shop.git",
    "URL with a password": "https://user:CANARY@proxy.example.com:3128",
    "user of git": "x-access-token:CANARY",
    "JSON web token": "eyJCANARYhbGciOi.eyJCANARYpc3MiOiIx.CANARYc2lnbmF0dXJl",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nCANARYMIIE\n-----END RSA PRIVATE KEY-----",
    "fine-grained token with signs of others": "github_pat_.CANARY-0123",
    "short token": "ghu_CANARY",
    "key of a model provider": "sk-ant-api03-CANARYabcdefgh_ijkl-mnop",
    "project's key of a model provider": "sk-proj-CANARYabcdefghijklmnop",
    "token of GitLab": "glpat-CANARY0123456789abcd",
    "token of Slack": "xoxb-CANARY-0123456789-abcdef",
    "key of Amazon": "AKIACANARY0123456789",
    "token behind a name": "TOKEN_ghp_CANARYabcdefgh",
    "URL with a quote in its password": "https://user:it's\"CANARY@proxy.example.com:3128",
    "URL with @ in its password": "https://user:p@CANARY@proxy.example.com:3128",
    "header of other letters": "proxy-AUTHORIZATION = BASIC CANARY",
    "bearer over two lines": "bearer\n  CANARYabcdefghijklmnopqrstuvwxyz",
    "JSON web token behind a hyphen": "x-eyJCANARYhbGciOi.eyJCANARYpc3MiOiIx.CANARYc2lnbmF0dXJl",
    "part of a JSON web token": "eyJCANARYhbGciOi.",
    "key of OpenPGP": "-----BEGIN PGP PRIVATE KEY BLOCK-----\nCANARY\n-----END PGP PRIVATE KEY BLOCK-----",
    "half a private key": "-----BEGIN PRIVATE KEY-----\nCANARYMIIE",
}
