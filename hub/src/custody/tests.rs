//! Hostile requests and words of custodians.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn hostile_requests_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = batch_size(&bytes, &"harbour".parse().unwrap());
    }
}

#[test]
fn only_words_pass_on() {
    assert_eq!(known_word("not-ready".into()), "not-ready");
    for text in ["", "Not", "two words", &"a".repeat(33)] {
        assert_eq!(known_word(text.into()), "unknown");
    }
}
