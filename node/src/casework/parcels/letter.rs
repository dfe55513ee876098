//! What two nodes write about a parcel.

use serde::{Deserialize, Serialize};
use symbolon_casework::lifecycle::CaseId;
use symbolon_casework::parcel::{ChunkSet, Manifest, ParcelId, Refusal};

use crate::tables::Secret;

/// A letter about one parcel.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParcelLetter {
    pub(super) parcel: ParcelId,
    pub(super) step: Step,
}

/// Which message.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Step {
    /// From the sender: what it is, and to which case it belongs.
    Manifest { case: CaseId, manifest: Manifest },
    /// From the sender.
    Chunk { number: u32, bytes: Secret },
    /// From the recipient: what it has of it; the sender sends the others.
    Have { chunks: ChunkSet },
    /// From the recipient: it has the whole file.
    Done,
    /// From the recipient.
    Refused { why: Refusal },
}

#[cfg(test)]
mod tests {
    use symbolon_casework::parcel::CHUNK_BYTES;
    use symbolon_core::envelope::BUCKETS;

    use super::*;
    use crate::letters::Letter;

    /// Length of a letter with a chunk of this size, as it goes into an envelope.
    fn padded(bytes: u64, number: u32) -> usize {
        let letter = Letter::Parcel(Box::new(ParcelLetter {
            parcel: ParcelId([255; 16]),
            step: Step::Chunk {
                number,
                bytes: Secret(vec![255; bytes as usize]),
            },
        }));
        serde_json::to_vec(&letter).unwrap().len() + 4
    }

    #[test]
    fn a_chunk_fills_the_largest_envelope_and_fits_it() {
        let largest = *BUCKETS.last().unwrap();
        for number in [0, 341] {
            let length = padded(CHUNK_BYTES, number);
            assert!(length <= largest, "{length}");
            assert!(largest - length < 256, "{length}");
        }
        // Control: a little more and it would not go.
        assert!(padded(CHUNK_BYTES + 256, 341) > largest);
    }
}
