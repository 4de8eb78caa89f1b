//! Issuing tokens to applications: OAuth 2.0 client credentials (RFC 6749 §4.4), as JSON Web Tokens (RFC 9068).
//!
//! Whoever has a client's secret gets a token that the rest of the gateway takes as one of an issuer that it knows. Keys and
//! clients are values of the snapshot; nobody is asked while a token is made. What is answered, and with which status, is
//! [`crate::respond`]'s affair.

mod exchange;
mod form;
mod signer;

use pasarela_model::{Credential, Issuing, Scopes, Snapshot, StoredKey, Timestamp, scope_fault};
use rustc_hash::FxHashMap;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

pub(crate) use self::exchange::exchange;
pub use self::signer::new_key;
use self::{form::Form, signer::Signer};
use crate::{guesses::Guesses, jwt};

/// Most bytes of a request for a token.
pub(crate) const FORM_BYTES_MAX: u64 = 8 << 10;

/// What is there at the addresses of an authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Tokens.
    Token,
    /// Where the rest is (RFC 8414).
    Metadata,
    /// The keys to verify tokens with (RFC 7517).
    Keys,
}

/// Where each is, on the issuer's host.
pub const ADDRESSES: [&str; 3] =
    ["/oauth/token", "/.well-known/oauth-authorization-server", "/oauth/jwks.json"];

const DOORS: [Door; 3] = [Door::Token, Door::Metadata, Door::Keys];

/// Why a token is not issued (RFC 6749 §5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The request cannot be understood.
    Request(&'static str),
    /// Who asks is not known. By `Authorization`: it names a scheme back.
    Client { basic: bool, wait: Option<u64> },
    /// It is known, and may not.
    Unauthorized(&'static str),
    /// Another grant is asked for.
    Grant,
    /// More is asked for than there is, or nothing that could be granted.
    Scope,
    /// The system gives no signature.
    Server,
}

/// A token that was issued.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) token: String,
    pub(crate) seconds: u64,
    pub(crate) scopes: Scopes,
    pub(crate) application: usize,
}

/// A request for a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking<'r> {
    /// The values of `Authorization`.
    pub(crate) authorization: Option<&'r [u8]>,
    /// The value of `Content-Type`.
    pub(crate) media: &'r [u8],
    pub(crate) body: &'r [u8],
    pub(crate) client: std::net::IpAddr,
    /// Milliseconds since 1970.
    pub(crate) now_ms: u64,
}

/// Where tokens are issued.
#[derive(Debug)]
pub(crate) struct Office {
    issuing: Issuing,
    signers: Vec<Signer>,
    clients: FxHashMap<String, Client>,
    metadata: String,
    keys: String,
}

#[derive(Debug)]
struct Client {
    application: usize,
    secrets: Vec<StoredKey>,
}

impl Office {
    /// # Errors
    /// A key that is none.
    pub(crate) fn new(issuing: &Issuing, snapshot: &Snapshot) -> Result<Self, jwt::BadKeys> {
        let signers = issuing.keys.iter().map(|key| Signer::new(key).ok_or(jwt::BadKeys::None));
        let signers: Vec<Signer> = signers.collect::<Result<_, _>>()?;
        if signers.is_empty() {
            return Err(jwt::BadKeys::None);
        }
        let mut clients = FxHashMap::default();
        for (application, one) in snapshot.applications.iter().enumerate() {
            for credential in &one.credentials {
                if let Credential::Client { id, secrets } = credential {
                    let client = Client { application, secrets: secrets.clone() };
                    clients.insert(id.clone(), client);
                }
            }
        }
        let issuer = &issuing.issuer;
        let metadata = json!({
            "issuer": issuer,
            "token_endpoint": token_url(issuing),
            "jwks_uri": format!("{issuer}{}", ADDRESSES[2]),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        });
        let keys = json!({ "keys": signers.iter().map(Signer::public).collect::<Vec<_>>() });
        let (metadata, keys) = (metadata.to_string(), keys.to_string());
        Ok(Self { issuing: issuing.clone(), signers, clients, metadata, keys })
    }

    /// What is at an address.
    pub(crate) fn door(&self, host: &str, path: &str) -> Option<Door> {
        let at = ADDRESSES.iter().position(|address| *address == path)?;
        (host == self.issuing.host).then(|| DOORS[at])
    }

    /// The document that says where everything is.
    pub(crate) fn metadata(&self) -> &str {
        &self.metadata
    }

    /// The keys, as others verify with.
    pub(crate) fn keys(&self) -> &str {
        &self.keys
    }

    /// By what each client's tokens are its application's.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (&str, usize)> {
        self.clients.iter().map(|(id, client)| (id.as_str(), client.application))
    }

    /// The issuer, as tokens are verified.
    ///
    /// # Errors
    /// When there is no key.
    pub(crate) fn as_issuer(&self) -> Result<jwt::Issuer, jwt::BadKeys> {
        let keys = jwt::KeySet::read(self.keys.as_bytes())?;
        Ok(jwt::Issuer {
            issuer: self.issuing.issuer.clone(),
            audiences: vec![self.issuing.audience.clone()],
            algorithms: vec![signer::ALGORITHM],
            client_claims: vec!["client_id".to_owned()],
            keys: std::sync::Arc::new(jwt::Ring::new(keys)),
        })
    }

    /// Issues a token, or says why not. `may_call`: whether an application may call from where the request comes from.
    pub(crate) fn issue(
        &self,
        asking: &Asking<'_>,
        snapshot: &Snapshot,
        guesses: &Guesses,
        may_call: impl FnOnce(usize) -> bool,
    ) -> Result<Issued, Denied> {
        let form = Form::read(asking)?;
        let client = self.known(&form, asking, guesses)?;
        if form.grant != "client_credentials" {
            return Err(Denied::Grant);
        }
        if !may_call(client.application) {
            return Err(Denied::Unauthorized("the client may not call from this address"));
        }
        let granted = granted(snapshot, client.application);
        let scopes = match &form.scope {
            None => granted,
            Some(asked) => {
                let fine = |scope: &str| scope_fault(scope).is_none() && granted.holds(scope);
                let scopes = Scopes::of_text(asked);
                if scopes.is_empty() || !asked.split(' ').all(fine) {
                    return Err(Denied::Scope);
                }
                scopes
            }
        };
        let now = asking.now_ms / 1000;
        // The first signs too where a clock was set back, and the last until there is another.
        let last = self.signers.iter().rfind(|signer| signer.from <= now);
        let signer = last.or(self.signers.first()).ok_or(Denied::Server)?;
        let seconds = self.issuing.lifetime.as_secs();
        let mut claims = json!({
            "iss": self.issuing.issuer,
            "aud": self.issuing.audience,
            "sub": form.client,
            "client_id": form.client,
            "iat": now,
            "exp": now + seconds,
            "jti": signer::unique().ok_or(Denied::Server)?,
        });
        if !scopes.is_empty() {
            claims["scope"] = json!(scopes.to_string());
        }
        let token = signer.token(&claims).ok_or(Denied::Server)?;
        Ok(Issued { token, seconds, scopes, application: client.application })
    }

    /// Whose secret was shown. Whoever is not there takes as long as whoever is, and is answered the same (T17).
    fn known(
        &self,
        form: &Form,
        asking: &Asking<'_>,
        guesses: &Guesses,
    ) -> Result<&Client, Denied> {
        let digest: [u8; 32] = Sha256::digest(form.secret.expose()).into();
        let client = self.clients.get(&form.client);
        let now_ms = i64::try_from(asking.now_ms).unwrap_or(i64::MAX);
        let nobodys = StoredKey::new(pasarela_model::KeyDigest([0; 32]), None);
        let secrets = client.map_or(std::slice::from_ref(&nobodys), |client| &client.secrets);
        let mut right = false;
        for secret in secrets {
            let same: bool = secret.digest.0.ct_eq(&digest).into();
            right |= same & (Timestamp::from_millis(now_ms) < secret.expires);
        }
        let (now, who) = (asking.now_ms / 1000, format!("client {}", form.client));
        let client = client.filter(|_| right);
        if client.is_none() {
            guesses.failed(&who, asking.client, now);
        }
        // Whoever guessed for long enough is not told when it is right (L34).
        let wait = guesses.wait(&who, asking.client, now);
        match client {
            Some(client) if wait.is_none() => Ok(client),
            _ => Err(Denied::Client { basic: form.basic, wait }),
        }
    }
}

/// Where tokens are.
pub(crate) fn token_url(issuing: &Issuing) -> String {
    format!("{}{}", issuing.issuer, ADDRESSES[0])
}

/// What an application may ask for: what it was granted itself, and by the plans of its subscriptions.
fn granted(snapshot: &Snapshot, application: usize) -> Scopes {
    let Some(application) = snapshot.applications.get(application) else {
        return Scopes::default();
    };
    let plans = application.subscriptions.iter().filter_map(|one| snapshot.plans.get(one.plan));
    application.scopes.iter().chain(plans.flat_map(|plan| plan.scopes.iter())).collect()
}

#[cfg(test)]
mod tests;
