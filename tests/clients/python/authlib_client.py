"""PyPI's authlib, as its documentation uses it: discovery by hand, code flow with PKCE, ID token by its own JOSE, refresh,
introspection, revocation, client_credentials. Arguments: issuer, redirect URI, secret, password."""
import html
import re
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebKey, jwt

issuer, redirect_uri, secret, password = sys.argv[1:5]
metadata = requests.get(f"{issuer}/.well-known/openid-configuration").json()


def walk(url):
    """A browser: the cookies are kept by hand, because they are for TLS and this machine alone."""
    cookies = {}

    def send(target, form=None):
        url = target if target.startswith("http") else issuer + target
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        if form:
            headers["Origin"] = issuer
        answer = requests.request("POST" if form else "GET", url, data=form, headers=headers, allow_redirects=False)
        for line in answer.raw.headers.getlist("set-cookie"):
            name, value = line.split(";")[0].split("=", 1)
            cookies[name] = value
        return answer

    answer = send(url)
    for _ in range(12):
        to = answer.headers.get("location")
        if to and not to.startswith("/"):
            return to
        found = [(name, html.unescape(value)) for name, value in re.findall(r'name="(csrf|t|scope)" value="([^"]*)"', answer.text)]
        if to:
            answer = send(to)
        elif 'name="password"' in answer.text:
            answer = send("/login", found + [("username", "alice"), ("password", password)])
        else:
            answer = send("/consent", found + [("decision", "allow")])
    raise SystemExit("round in circles")


client = OAuth2Session("web", secret, scope="openid email offline_access read", redirect_uri=redirect_uri,
                       code_challenge_method="S256", token_endpoint_auth_method="client_secret_basic")
verifier = "v" * 48
url, state = client.create_authorization_url(metadata["authorization_endpoint"], code_verifier=verifier, nonce="n-1")
token = client.fetch_token(metadata["token_endpoint"], authorization_response=walk(url), code_verifier=verifier)
keys = JsonWebKey.import_key_set(requests.get(metadata["jwks_uri"]).json())
claims = jwt.decode(token["id_token"], keys, claims_options={"iss": {"value": issuer}, "aud": {"value": "web"}})
claims.validate()
assert claims["nonce"] == "n-1"
who = client.get(metadata["userinfo_endpoint"]).json()
assert who["sub"] == claims["sub"] and who["email"] == "alice@example.com", who

refreshed = client.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])
assert refreshed["access_token"] != token["access_token"]
asked = client.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"]).json()
assert asked["active"] is True, asked
client.revoke_token(metadata["revocation_endpoint"], token=refreshed["refresh_token"], token_type_hint="refresh_token")
asked = client.introspect_token(metadata["introspection_endpoint"], token=refreshed["access_token"]).json()
assert asked == {"active": False}, asked

service = OAuth2Session("reporting", secret, scope="read", token_endpoint_auth_method="client_secret_post")
assert service.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")["scope"] == "read"
print("authlib is content")
