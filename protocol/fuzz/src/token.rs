//! Tokens: any bytes as a token, as claims, and as an issuer's keys.

use sluice_protocol::auth::token::{Algorithm, KeySet, MAX_TOKEN_BYTES, ShortClaims, Unverified};
use sluice_protocol::time::Millis;

const NOW: Millis = 1_790_000_000_000;

/// What reads as a token is short, says who issued it, and cannot be read in two ways; what holds, holds until later.
pub fn run(bytes: &[u8]) {
    for algorithm in Algorithm::ALL {
        if let Some(keys) = KeySet::from_document(bytes, algorithm) {
            assert!(!keys.is_empty() && keys.len() <= 32);
            assert!(algorithm != Algorithm::Hs256, "nobody publishes a secret");
        }
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(token) = Unverified::parse(text) else { return };
    assert!(text.len() <= MAX_TOKEN_BYTES);
    assert_eq!(format!("{}.{}", token.signed, token.signature), text);
    assert_eq!(token.claims()["iss"], token.issuer.as_str());
    if let Ok(checked) = ShortClaims::check(token.claims(), NOW) {
        assert!(checked.until > NOW);
        assert!(checked.until <= NOW + 2 * 60 * 60 * 1_000 + 2_000);
    }
}

/// Tokens of several kinds, and a set of keys.
pub fn seeds() -> Vec<Vec<u8>> {
    // {"alg":"EdDSA","typ":"JWT","kid":"k"} and {"iss":"sluice","aud":"sluice","sub":"key_a1a1a1a1a1a1a1a1b2b2b2b2",
    // "jti":"7","iat":1790000000,"exp":1790000060,"scope":"chat","key":"0011223344556677"}
    let short = "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCIsImtpZCI6ImsifQ.eyJpc3MiOiJzbHVpY2UiLCJhdWQiOiJzbHVpY2UiLCJzdWIiOiJrZXlfYTFhMWExYTFhMWExYTFhMWIyYjJiMmIyIiwianRpIjoiNyIsImlhdCI6MTc5MDAwMDAwMCwiZXhwIjoxNzkwMDAwMDYwLCJzY29wZSI6ImNoYXQiLCJrZXkiOiIwMDExMjIzMzQ0NTU2Njc3In0.AAAA";
    let keys = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"oct","k":"AA"}]}"#;
    vec![short.into(), keys.into(), b"..".to_vec(), b"e30.e30.".to_vec()]
}
