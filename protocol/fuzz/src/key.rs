//! Keys: any text is refused, or it is exactly a key that was minted.

use super::Input;
use sluice_protocol::auth::key::{ApiKey, Peppers};
use sluice_protocol::auth::principal::{AccountName, Network};
use sluice_protocol::id::{AccountId, KeyId, RequestId};

/// A key made of the first bytes; then what is left as a text by itself and as a change to that key.
pub fn run(bytes: &[u8]) {
    let peppers = peppers();
    let mut input = Input(bytes);
    let minted = ApiKey::mint(&peppers, AccountId(input.array()), input.array());
    let text = minted.reveal();
    assert!(ApiKey::parse(&text, &peppers).is_ok_and(|key| key == minted), "what is minted parses");
    let place = usize::from(input.byte());
    let Ok(other) = std::str::from_utf8(input.0) else { return };
    only_itself(other, &peppers);
    let _ = Peppers::parse(other);
    if let Some(beginning) = text.get(..place) {
        only_itself(&format!("{beginning}{other}"), &peppers);
        let end = (place + other.len()).min(text.len());
        only_itself(&format!("{beginning}{other}{}", &text[end..]), &peppers);
    }
    assert!(KeyId::parse(other).is_none_or(|id| id.to_string() == other));
    assert!(RequestId::parse(other).is_none_or(|id| id.to_string() == other));
    if let Some(account) = AccountName::parse(other) {
        assert_eq!(AccountName::parse(account.name()), Some(account), "a name is read as what it names");
    }
    let _ = Network::parse(other);
}

/// Each key has one text.
fn only_itself(text: &str, peppers: &Peppers) {
    if let Ok(key) = ApiKey::parse(text, peppers) {
        assert_eq!(key.reveal(), text);
    }
}

fn peppers() -> Peppers {
    Peppers::parse(&format!("2:{},1:{}", "ab".repeat(32), "00".repeat(32))).expect("two peppers of 64 digits")
}

/// Texts of every form that is read here, and cuts at several places.
pub fn seeds() -> Vec<Vec<u8>> {
    let text = ApiKey::mint(&peppers(), AccountId([7; 8]), [9; 20]).reveal();
    let texts = [
        text.as_str(),
        "slc_",
        "key_a1a1a1a1a1a1a1a1b2b2b2b2",
        "acct:a1a1a1a1a1a1a1a1",
        "jwt:me:000102030405060708090a0b0c0d0e0f",
        "ip:2001:db8::/64",
        "203.0.113.0/24",
        "2:abababababababababababababababababababababababababababababababab",
    ];
    let seed = |(index, text): (usize, &str)| [&[7; 28], &[4 * index as u8][..], text.as_bytes()].concat();
    texts.into_iter().enumerate().map(seed).collect()
}
