//! Keys: only what was minted under a pepper in force parses.

use proptest::prelude::*;
use sluice_protocol::auth::key::{ApiKey, KEY_LEN, KeyError, Peppers};
use sluice_protocol::id::{AccountId, KeyId, RequestId};

fn peppers(text: &str) -> Peppers {
    Peppers::parse(text).unwrap()
}

fn pepper(epoch: u8, fill: &str) -> String {
    format!("{epoch}:{}", fill.repeat(32))
}

proptest! {
    #[test]
    fn what_is_minted_parses_and_any_change_is_refused(
        account: [u8; 8], random: [u8; 20], at in 4usize..KEY_LEN, with in "[0-9A-Za-z]",
    ) {
        let peppers = peppers(&pepper(7, "ab"));
        let minted = ApiKey::mint(&peppers, AccountId(account), random);
        let text = minted.reveal();
        prop_assert_eq!(text.len(), KEY_LEN);
        let parsed = ApiKey::parse(&text, &peppers).unwrap();
        prop_assert_eq!(parsed.id, minted.id);
        prop_assert!(parsed.secret_hash().matches(&minted.secret_hash()));
        prop_assert!(parsed == minted);

        let mut changed = text.clone();
        changed.replace_range(at..=at, &with);
        prop_assert_eq!(ApiKey::parse(&changed, &peppers).is_ok(), changed == text);
        let shown = [format!("{minted:?}"), format!("{:?}", minted.secret_hash()), format!("{peppers:?}")].concat();
        prop_assert!(!shown.contains(&text[4..]) && !shown.contains(&"ab".repeat(8)));
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text in any::<String>(), tail in "[0-9A-Za-z]{50}") {
        let peppers = peppers(&pepper(0, "00"));
        prop_assert!(ApiKey::parse(&text, &peppers).is_err());
        let made_up = format!("slc_{tail}");
        prop_assert!(ApiKey::parse(&made_up, &peppers).is_err());
        prop_assert!(KeyId::parse(&text).is_none_or(|id| id.to_string() == text));
        prop_assert!(RequestId::parse(&text).is_none_or(|id| id.to_string() == text));
    }

    #[test]
    fn ids_read_back_as_they_are_written(account: [u8; 8], key: [u8; 4], request: [u8; 16]) {
        let id = KeyId { account: AccountId(account), key };
        prop_assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        prop_assert_eq!(RequestId::parse(&RequestId(request).to_string()), Some(RequestId(request)));
    }
}

#[test]
fn two_epochs_live_and_a_retired_one_does_not() {
    let (old, new) = (pepper(1, "aa"), pepper(2, "bb"));
    let minted = |text: &str| ApiKey::mint(&peppers(text), AccountId([1; 8]), [2; 20]).reveal();
    let both = peppers(&format!("{new},{old}"));
    assert!(ApiKey::parse(&minted(&old), &both).is_ok());
    assert!(ApiKey::parse(&minted(&new), &both).is_ok());
    assert_eq!(minted(&format!("{new},{old}")), minted(&new), "new keys are made under the newest epoch");
    assert_eq!(ApiKey::parse(&minted(&old), &peppers(&new)).unwrap_err(), KeyError::RetiredEpoch);
    assert_eq!(ApiKey::parse(&minted(&old), &peppers(&pepper(1, "cc"))).unwrap_err(), KeyError::Forged);
    assert_eq!(ApiKey::parse("slc_", &both).unwrap_err(), KeyError::Malformed);
}

#[test]
fn bad_peppers_are_refused_without_being_shown() {
    let (a, b, c) = (pepper(1, "aa"), pepper(2, "bb"), pepper(3, "cc"));
    for text in
        ["", "1", "1:aa", "256:aa", &format!("{a},{a}"), &format!("{a},{b},{c}"), &pepper(1, "AA"), &pepper(1, "zz")]
    {
        let error = Peppers::parse(text).unwrap_err();
        assert!(!error.contains("aa"), "{error}");
    }
}
