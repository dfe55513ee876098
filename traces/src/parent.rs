//! `traceparent`, version 00: `00-<32 hex>-<16 hex>-01` (W3C Trace Context, section 3.2).
//!
//! Only what is kept goes between parties, so the flags are always 01. Anything else is no parent: the
//! receiver begins a trace of its own, as the recommendation says.

use std::fmt;

use opentelemetry::trace::{SpanId, TraceId};

/// The name of the header, or of the entry of gRPC metadata.
pub const HEADER: &str = "traceparent";

/// Whose child a span is, in another party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    trace: TraceId,
    span: SpanId,
}

impl Parent {
    /// None if an id is all zeros, which says that there is none.
    pub(crate) fn new(trace: TraceId, span: SpanId) -> Option<Self> {
        let valid = trace != TraceId::INVALID && span != SpanId::INVALID;
        valid.then_some(Self { trace, span })
    }

    pub(crate) fn ids(self) -> (TraceId, SpanId) {
        (self.trace, self.span)
    }

    /// Reads what a peer sent: exactly what [`fmt::Display`] writes, or nothing.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; 55] = text.try_into().ok()?;
        let rest = text.strip_prefix(b"00-")?.strip_suffix(b"-01")?;
        let (trace, span) = rest.split_at_checked(32)?;
        let trace = u128::from_str_radix(hex(trace)?, 16).ok()?;
        let span = u64::from_str_radix(hex(span.strip_prefix(b"-")?)?, 16).ok()?;
        Self::new(TraceId::from(trace), SpanId::from(span))
    }
}

/// Lower case only; a sign, which the number parser takes, is none of these.
fn hex(digits: &[u8]) -> Option<&str> {
    let sound = digits
        .iter()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    std::str::from_utf8(digits).ok().filter(|_| sound)
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-01", self.trace, self.span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of the recommendation.
    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn anything_but_the_one_form_is_no_parent() {
        assert_eq!(Parent::parse(SOUND.as_bytes()).unwrap().to_string(), SOUND);
        let zeros = |from: &str| SOUND.replace(from, &"0".repeat(from.len()));
        for bad in [
            String::new(),
            SOUND.to_uppercase(),
            SOUND.replace("00-4b", "01-4b"),
            SOUND.replace("-01", "-00"),
            SOUND.replace("-01", "-03"),
            format!("{SOUND}-"),
            format!(" {SOUND}"),
            SOUND.replace("4bf", "+bf"),
            SOUND.replace("4bf", "4b\u{e9}"),
            zeros("4bf92f3577b34da6a3ce929d0e0e4736"),
            zeros("00f067aa0ba902b7"),
        ] {
            assert_eq!(Parent::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(trace in 1..=u128::MAX, span in 1..=u64::MAX) {
            let parent = Parent::new(trace.into(), span.into()).unwrap();
            prop_assert_eq!(Parent::parse(parent.to_string().as_bytes()), Some(parent));
        }

        #[test]
        fn whatever_is_read_is_written_so(text in "00-[0-9a-g]{32}-[0-9a-f]{16}-0[01]") {
            if let Some(parent) = Parent::parse(text.as_bytes()) {
                prop_assert_eq!(parent.to_string(), text);
            }
        }

        #[test]
        fn random_and_altered_bytes_do_no_harm(
            bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0..55_usize, byte: u8,
        ) {
            let _ = Parent::parse(&bytes);
            let mut altered = SOUND.as_bytes().to_vec();
            altered[at] = byte;
            if let Some(parent) = Parent::parse(&altered) {
                let written = parent.to_string();
                prop_assert_eq!(written.as_bytes(), altered.as_slice());
            }
        }
    }
}
