//! An operator, its account and a user of it, as `nsc` makes them.

use std::time::{SystemTime, UNIX_EPOCH};

use nkeys::KeyPair;
use serde_json::{Value, json};

/// An account and its operator, which issue the JWTs of users.
pub(super) struct Account {
    operator_key: KeyPair,
    operator: String,
    account: KeyPair,
    jwt: String,
}

impl Account {
    pub(super) fn new() -> Self {
        Self::with_payload(-1)
    }

    /// With a limit of its messages in bytes; -1 for none.
    pub(super) fn with_payload(payload: i64) -> Self {
        let (operator_key, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let claims = json!({"type": "operator", "version": 2});
        let operator = jwt(&operator_key, &operator_key, &claims, None);
        let mut account = Self { operator_key, operator, jwt: String::new(), account };
        account.set_payload(payload);
        account
    }

    /// Changes the limit of its messages.
    pub(super) fn set_payload(&mut self, payload: i64) {
        let limits = json!({
            "subs": -1, "data": -1, "payload": payload, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
            "leaf": -1
        });
        let claims = json!({"limits": limits, "type": "account", "version": 2});
        self.jwt = jwt(&self.account, &self.operator_key, &claims, None);
    }

    /// For a server that knows this account alone.
    pub(super) fn config(&self) -> String {
        format!(
            "operator: {}\nresolver: MEMORY\nresolver_preload: {{ {}: {} }}\n",
            self.operator,
            self.account.public_key(),
            self.jwt
        )
    }

    /// A creds file, and the user's seed in it.
    pub(super) fn creds(&self, expires: Option<u64>) -> (String, String) {
        self.creds_with_payload(expires, -1)
    }

    /// With a limit of the user's messages in bytes; -1 for none.
    pub(super) fn creds_with_payload(&self, expires: Option<u64>, payload: i64) -> (String, String) {
        let user = KeyPair::new_user();
        let claims = json!({
            "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": payload, "type": "user", "version": 2
        });
        let jwt = jwt(&user, &self.account, &claims, expires);
        let seed = user.seed().expect("it has one");
        let creds = format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        );
        (creds, seed)
    }
}

fn jwt(subject: &KeyPair, issuer: &KeyPair, claims: &Value, expires: Option<u64>) -> String {
    let mut body = json!({
        "jti": "a test", "iat": now(), "iss": issuer.public_key(), "name": "a test", "sub": subject.public_key(),
        "nats": claims
    });
    if let Some(expires) = expires {
        body["exp"] = expires.into();
    }
    let encode = |bytes: &[u8]| base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes);
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(body.to_string().as_bytes()));
    let signature = issuer.sign(signed.as_bytes()).expect("the key is whole");
    format!("{signed}.{}", encode(&signature))
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs()
}
