// oauth4webapi finds the gateway by its metadata, gets tokens, verifies them and calls: oauth_peers.mjs MODULE ISSUER AUDIENCE CLIENT SECRET
const [module, issuer, audience, client_id, secret] = process.argv.slice(2);
const oauth = await import(module);
const insecure = { [oauth.allowInsecureRequests]: true };
const client = { client_id };
const server = await oauth.processDiscoveryResponse(
  new URL(issuer),
  await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...insecure }),
);

async function token(authentication, scope) {
  const parameters = new URLSearchParams({ scope });
  const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, parameters, insecure);
  return oauth.processClientCredentialsResponse(server, client, answer);
}

for (const way of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
  const { access_token, token_type, scope } = await token(way(secret), "read");
  const shown = new Request(issuer, { headers: { authorization: `Bearer ${access_token}` } });
  const claims = await oauth.validateJwtAccessToken(server, shown, audience, insecure);
  const called = await oauth.protectedResourceRequest(
    access_token, "GET", new URL("/rates/x", issuer), undefined, undefined, insecure,
  );
  const refused = await token(way(secret + "x"), "read").then(() => "nothing", (error) => error.error ?? error.code);
  const beyond = await token(way(secret), "write").then(() => "nothing", (error) => error.error);
  console.log(token_type, scope, claims.client_id, called.status, refused, beyond);
}
