//! Signatures: the edge, which lets the platform check them, says of each what jsonwebtoken says, which shares no code with it.

use crate::auth::issuers::{ask, stack};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use harness::PLAN;
use harness::issuers::{Issuer, sign_with_rsa};
use harness::wait::{SOON, until_true};
use jsonwebtoken::{Algorithm, DecodingKey};
use p256::elliptic_curve::PrimeField;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A key's JWK, what signs with it, and what checks it here.
struct Signer {
    name: &'static str,
    issuer: Issuer,
    jwk: Value,
    pem: Option<String>,
    sign: Box<dyn Fn(&Value) -> String>,
    oracle: (Algorithm, DecodingKey),
}

fn jwk_text(jwk: &Value, member: &str) -> String {
    jwk[member].as_str().expect("a member of the key").to_owned()
}

fn oracle(issuer: Issuer, jwk: &Value) -> (Algorithm, DecodingKey) {
    let text = |member: &str| jwk_text(jwk, member);
    let unreadable = "a key of the issuer's algorithm";
    match issuer {
        Issuer::Corp => {
            let secret = URL_SAFE_NO_PAD.decode(text("k")).expect(unreadable);
            (Algorithm::HS256, DecodingKey::from_secret(&secret).expect("not empty"))
        }
        Issuer::Lab => (Algorithm::EdDSA, DecodingKey::from_ed_components(&text("x")).expect(unreadable)),
        Issuer::Mill => (Algorithm::RS256, DecodingKey::from_rsa_components(&text("n"), &text("e")).expect(unreadable)),
        Issuer::Port => (Algorithm::ES256, DecodingKey::from_ec_components(&text("x"), &text("y")).expect(unreadable)),
    }
}

/// One for each algorithm, and RSA keys of other sizes and exponents.
fn signers() -> Vec<Signer> {
    let plain = |name, issuer: Issuer| {
        let jwk = issuer.jwk(None);
        let pem = (issuer != Issuer::Corp).then(|| issuer.pem());
        let oracle = oracle(issuer, &jwk);
        Signer { name, issuer, jwk, pem, sign: Box::new(move |claims| issuer.sign(claims)), oracle }
    };
    let rsa = |name, bits, exponent: u32| {
        let key = rsa::PrivateKey::new_with_exp(&mut getrandom::SysRng, bits, exponent.into());
        let key = key.expect("a key of this size can be made");
        let text = |number: Box<[u8]>| URL_SAFE_NO_PAD.encode(number);
        let jwk = json!({"kty": "RSA", "n": text(key.n_bytes()), "e": text(key.e_bytes())});
        let oracle = oracle(Issuer::Mill, &jwk);
        let sign = move |claims: &Value| sign_with_rsa(&key, claims);
        Signer { name, issuer: Issuer::Mill, jwk, pem: None, sign: Box::new(sign), oracle }
    };
    vec![
        plain("HS256", Issuer::Corp),
        plain("EdDSA", Issuer::Lab),
        plain("RS256", Issuer::Mill),
        plain("ES256", Issuer::Port),
        rsa("RS256 with 2056 bits", 2_056, 65_537),
        rsa("RS256 with the exponent 3", 2_048, 3),
        // An exponent that the platform takes from nobody: our own code checks.
        rsa(RARE, 2_048, 35),
    ]
}

const RARE: &str = "RS256 with the exponent 35";

/// What may stand where a signature should, from the one that is good.
fn signatures(issuer: Issuer, good: &str) -> BTreeMap<String, String> {
    let bytes = URL_SAFE_NO_PAD.decode(good).expect("a signature");
    let len = bytes.len();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let mut all = BTreeMap::from([
        ("good".to_owned(), good.to_owned()),
        ("empty".to_owned(), String::new()),
        ("a byte".to_owned(), encode(&[1])),
        ("a byte short".to_owned(), encode(&bytes[..len - 1])),
        ("without its first byte".to_owned(), encode(&bytes[1..])),
        ("half".to_owned(), encode(&bytes[..len / 2])),
        ("a byte more behind".to_owned(), encode(&[bytes.as_slice(), &[0]].concat())),
        ("a byte more in front".to_owned(), encode(&[&[0], bytes.as_slice()].concat())),
        ("twice".to_owned(), encode(&[bytes.as_slice(), &bytes].concat())),
        ("zeros".to_owned(), encode(&vec![0; len])),
        ("ones".to_owned(), encode(&vec![0xff; len])),
        ("backwards".to_owned(), encode(&bytes.iter().rev().copied().collect::<Vec<_>>())),
        ("halves exchanged".to_owned(), encode(&[&bytes[len / 2..], &bytes[..len / 2]].concat())),
        ("padded".to_owned(), URL_SAFE.encode(&bytes)),
        ("a letter more".to_owned(), format!("{good}A")),
        ("a stray letter".to_owned(), format!("*{}", &good[1..])),
        ("the other alphabet".to_owned(), STANDARD.encode(&bytes)),
    ]);
    for place in [0, 1, len / 2 - 1, len / 2, len - 2, len - 1] {
        for bit in [0x01, 0x80] {
            let mut flipped = bytes.clone();
            flipped[place] ^= bit;
            all.insert(format!("byte {place} xor {bit}"), encode(&flipped));
        }
    }
    // The last letter holds bits that belong to no byte.
    let last = good.as_bytes()[good.len() - 1];
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = alphabet.iter().position(|letter| *letter == last).expect("a letter of base64url");
    let spare = char::from(alphabet[place ^ 1]);
    all.insert("spare bits set".to_owned(), format!("{}{spare}", &good[..good.len() - 1]));
    if issuer == Issuer::Port {
        // (r, n - s) is a signature of the same text: nothing here hangs on there being one only.
        let scalar = |half: &[u8]| {
            Option::<p256::Scalar>::from(p256::Scalar::from_repr(p256::FieldBytes::try_from(half).expect("32 bytes")))
        };
        let mirrored = -scalar(&bytes[32..]).expect("below the order");
        all.insert("the other s".to_owned(), encode(&[&bytes[..32], mirrored.to_repr().as_slice()].concat()));
        let der = p256::ecdsa::Signature::from_slice(&bytes).expect("r and s").to_der();
        all.insert("DER".to_owned(), encode(der.as_bytes()));
        all.insert("no s".to_owned(), encode(&[&bytes[..32], [0; 32].as_slice()].concat()));
        all.insert("no r".to_owned(), encode(&[[0; 32].as_slice(), &bytes[32..]].concat()));
    }
    all
}

#[test]
fn the_edge_says_of_every_signature_what_jsonwebtoken_says() {
    for signer in signers() {
        let Signer { name, issuer, jwk, pem, sign, oracle } = signer;
        let by_jwk = issuer.entry(&json!({"plan": PLAN, "key": jwk}));
        let by_pem = pem.map(|pem| issuer.entry(&json!({"plan": PLAN, "key": null, "pem": pem})));
        for entry in [Some(by_jwk), by_pem].into_iter().flatten() {
            let stack = stack(&[entry]).start();
            let token = sign(&issuer.claims("ann"));
            let (signed, good) = token.rsplit_once('.').expect("three parts");
            let mut verdicts = [0, 0];
            for (what, signature) in signatures(issuer, good) {
                let verdict = jsonwebtoken::crypto::verify(&signature, signed.as_bytes(), &oracle.1, oracle.0);
                let verdict = verdict.unwrap_or(false);
                let answer = ask(&stack, &format!("{signed}.{signature}"));
                let expected = if verdict { 200 } else { 401 };
                assert_eq!(answer.status, expected, "{name}, {what}: {}", answer.text());
                verdicts[usize::from(verdict)] += 1;
            }
            // Another text under the good signature.
            let other = sign(&issuer.claims("bob"));
            let other = other.rsplit_once('.').expect("three parts").0;
            assert_eq!(ask(&stack, &format!("{other}.{good}")).status, 401, "{name}");
            assert!(verdicts[0] >= 20 && verdicts[1] >= 1, "{name}: {verdicts:?}");
            let is_ours = || stack.edge_log().contains("the platform takes no such RS256 key");
            if name == RARE {
                until_true("the platform takes no such key", SOON, is_ours);
            } else {
                assert!(!stack.edge_log().contains("the platform"), "{name}: {}", stack.edge_log());
            }
        }
    }
}
