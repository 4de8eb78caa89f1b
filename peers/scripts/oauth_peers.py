"""Authlib gets tokens, calls with them, and joserfc verifies them: oauth_peers.py ISSUER AUDIENCE CLIENT SECRET"""

import sys

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

issuer, audience, client, secret = sys.argv[1:]
metadata = requests.get(issuer + "/.well-known/oauth-authorization-server", timeout=10).json()
assert metadata["issuer"] == issuer, metadata
keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())


def session(method, secret, scope):
    return OAuth2Session(client, secret, scope=scope, token_endpoint_auth_method=method)


def refused(method, secret, scope):
    try:
        session(method, secret, scope).fetch_token(
            metadata["token_endpoint"], grant_type="client_credentials"
        )
    except OAuthError as error:
        return error.error
    return "nothing"


for method in metadata["token_endpoint_auth_methods_supported"]:
    own = session(method, secret, "read")
    token = own.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    assert token["token_type"] == "Bearer" and token["scope"] == "read", token
    decoded = jwt.decode(token["access_token"], keys, algorithms=["ES256"])
    assert decoded.header["typ"] == "at+jwt", decoded.header
    essential = {"essential": True}
    jwt.JWTClaimsRegistry(
        iss={**essential, "value": issuer},
        aud={**essential, "value": audience},
        sub={**essential, "value": client},
        client_id={**essential, "value": client},
        exp=essential,
        iat=essential,
        jti=essential,
    ).validate(decoded.claims)
    called = own.get(issuer + "/rates/x")
    assert called.status_code == 200, called.text
    print(method, refused(method, secret + "x", "read"), refused(method, secret, "write"))
