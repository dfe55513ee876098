use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;
use symbolon_core::crypto::sha256;

use super::*;

fn manifest(file: &[u8]) -> Manifest {
    Manifest {
        parcel: ParcelId([7; 16]),
        name: "statement.pdf".parse().unwrap(),
        media_type: "application/pdf".parse().unwrap(),
        bytes: file.len() as u64,
        sha256: sha256(file),
        chunks: chunk_count(file.len() as u64).unwrap(),
        onward: false,
        handling: None,
        keep_until: 2_000_000_000,
    }
}

/// A file of some chunks, the last one short, with its own bytes everywhere.
fn file(seed: u64, chunks: u64, last: u64) -> Vec<u8> {
    let size = (chunks - 1) * CHUNK_BYTES + last;
    let mut state = seed | 1;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(byte).collect()
}

/// A recipient with a place for the chunks.
struct Recipient {
    state: Incoming,
    kept: BTreeMap<u32, Vec<u8>>,
}

impl Recipient {
    fn of(manifest: Manifest) -> Result<Self, Refusal> {
        let state = Incoming::begin(manifest, MAX_BYTES)?;
        let kept = BTreeMap::new();
        Ok(Self { state, kept })
    }

    fn take(&mut self, number: u32, bytes: &[u8]) -> Result<Taken, Refusal> {
        let taken = self.state.look_at(number, bytes)?;
        if taken == Taken::New {
            assert!(self.kept.insert(number, bytes.to_vec()).is_none());
            self.state.note(number);
        }
        Ok(taken)
    }

    fn verify(&self) -> Result<(), Refusal> {
        let chunks = self.kept.values().map(Ok::<_, Infallible>);
        self.state.verify(chunks).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Chunks that are lost, repeated and reordered, and a resume after each break: the same bytes.
    #[test]
    fn whatever_the_way_does_the_same_file_arrives(
        seed in any::<u64>(),
        chunks in 1_u64..6,
        last in 1..=CHUNK_BYTES,
        breaks in proptest::collection::vec(proptest::collection::vec((any::<bool>(), any::<bool>(), any::<u16>()), 6), 0..4),
    ) {
        let file = file(seed, chunks, last);
        let pieces: Vec<&[u8]> = split(&file).collect();
        let mut sender = Outgoing::begin(manifest(&file));
        let mut recipient = Recipient::of(manifest(&file)).unwrap();
        // The last round loses nothing.
        let whole = vec![(false, true, 0); 6];
        for fates in breaks.iter().chain([&whole]) {
            let mut on_the_way = Vec::new();
            while let Some(number) = sender.next() {
                sender.note(number);
                let (lost, twice, _) = fates[number as usize % fates.len()];
                if !lost {
                    on_the_way.extend(vec![number; 1 + usize::from(twice)]);
                }
            }
            on_the_way.sort_by_key(|number| fates[*number as usize % fates.len()].2);
            for number in on_the_way {
                recipient.take(number, pieces[number as usize]).unwrap();
            }
            let have = recipient.state.have();
            sender.resume(have).unwrap();
            prop_assert_eq!(sender.next().is_none(), recipient.state.is_whole());
        }
        prop_assert!(recipient.state.is_whole());
        prop_assert_eq!(recipient.verify(), Ok(()));
        let put_together: Vec<u8> = recipient.kept.values().flatten().copied().collect();
        prop_assert!(put_together == file);
    }

    /// One altered byte anywhere, in the file or in what the manifest says of it: refused.
    #[test]
    fn an_alteration_is_refused(
        seed in any::<u64>(),
        last in 1..=CHUNK_BYTES,
        place in any::<prop::sample::Index>(),
        flip in 1_u8..,
        what in 0..5,
    ) {
        let file = file(seed, 2, last);
        let mut said = manifest(&file);
        let mut sent = file.clone();
        match what {
            0 => sent[place.index(file.len())] ^= flip,
            1 => said.sha256.0[place.index(32)] ^= flip,
            2 => said.bytes += u64::from(flip),
            3 => said.chunks += u32::from(flip),
            _ => { sent.truncate(file.len() - 1); }
        }
        let outcome = Recipient::of(said).and_then(|mut recipient| {
            for (number, piece) in (0..).zip(split(&sent)) {
                recipient.take(number, piece)?;
            }
            recipient.verify()
        });
        prop_assert!(outcome.is_err());
        // Control.
        let mut recipient = Recipient::of(manifest(&file)).unwrap();
        for (number, piece) in (0..).zip(split(&file)) {
            prop_assert_eq!(recipient.take(number, piece), Ok(Taken::New));
            prop_assert_eq!(recipient.take(number, piece), Ok(Taken::Again));
        }
        prop_assert_eq!(recipient.verify(), Ok(()));
    }

    #[test]
    fn no_set_of_bits_panics(chunks in 0_u32..400, bytes in proptest::collection::vec(any::<u8>(), 0..60), number in any::<u32>()) {
        let mut set = ChunkSet(bytes);
        let _ = set.has(number);
        let _ = set.insert(number);
        let file = file(1, 1, 10);
        let mut sender = Outgoing::begin(manifest(&file));
        let fits = set.is_of(1);
        prop_assert_eq!(sender.resume(&set).is_ok(), fits);
        let _ = set.is_of(chunks);
    }
}

#[test]
fn a_chunk_that_cannot_be_is_refused() {
    let file = file(3, 2, 10);
    let pieces: Vec<&[u8]> = split(&file).collect();
    let mut recipient = Recipient::of(manifest(&file)).unwrap();
    let refused = |recipient: &mut Recipient, number, bytes: &[u8]| {
        let refused = recipient.take(number, bytes).unwrap_err();
        assert!(recipient.kept.is_empty());
        refused
    };
    for number in [2, 3, u32::MAX] {
        let error = refused(&mut recipient, number, pieces[1]);
        assert_eq!(error, Refusal::NoSuchChunk);
    }
    assert_eq!(refused(&mut recipient, 0, pieces[1]), Refusal::WrongSize);
    assert_eq!(refused(&mut recipient, 1, pieces[0]), Refusal::WrongSize);
    assert_eq!(refused(&mut recipient, 1, &[]), Refusal::WrongSize);
    assert_eq!(recipient.take(1, pieces[1]), Ok(Taken::New));
}

#[test]
fn a_manifest_that_contradicts_itself_is_refused() {
    let file = file(3, 2, 10);
    let with = |change: fn(&mut Manifest)| {
        let mut changed = manifest(&file);
        change(&mut changed);
        changed.check(DEFAULT_BYTES)
    };
    assert_eq!(with(|_| {}), Ok(()));
    assert_eq!(with(|m| m.bytes = 0), Err(Refusal::BadManifest));
    assert_eq!(
        with(|m| (m.bytes, m.chunks) = (0, 0)),
        Err(Refusal::BadManifest)
    );
    assert_eq!(with(|m| m.chunks = 1), Err(Refusal::BadManifest));
    assert_eq!(with(|m| m.chunks = u32::MAX), Err(Refusal::BadManifest));
    assert_eq!(with(|m| m.bytes = u64::MAX), Err(Refusal::TooLarge));
    assert_eq!(
        with(|m| m.bytes = DEFAULT_BYTES + 1),
        Err(Refusal::TooLarge)
    );
    let mut largest = manifest(&file);
    (largest.bytes, largest.chunks) = (MAX_BYTES, chunk_count(MAX_BYTES).unwrap());
    assert_eq!(largest.check(u64::MAX), Ok(()));
    assert_eq!(largest.chunks, 342);
}

#[test]
fn a_recipient_that_never_has_enough_wears_its_sender_out() {
    let file = vec![7; 3 * CHUNK_BYTES as usize];
    let mut sender = Outgoing::begin(manifest(&file));
    let mut lost = 0;
    while !sender.was_asked_too_often() {
        while let Some(number) = sender.next() {
            sender.note(number);
        }
        sender.resume(&ChunkSet::none(3)).unwrap();
        lost += 1;
        assert!(lost <= 9, "without end");
    }
    assert_eq!(lost, 9, "a bad line may lose all of it eight times");
}

#[test]
fn a_name_stays_where_it_is_saved() {
    for good in [
        "statement.pdf",
        "Aussage Nr. 2.txt",
        "ảnh.jpg",
        "CONTRACT.doc",
        "a",
    ] {
        assert_eq!(good.parse::<FileName>().unwrap().as_str(), good);
    }
    let long = "a".repeat(MAX_NAME_CHARS + 1);
    for bad in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "C:x",
        ".bashrc",
        "x.",
        " x",
        "x ",
        "a\nb",
        "a\u{0}",
        "a\u{1b}[2J",
        "x\u{202e}fdp.exe",
        "nul",
        "NUL.txt",
        "com1.doc",
        &long,
    ] {
        assert_eq!(bad.parse::<FileName>(), Err(BadFileName), "{bad:?}");
    }
    assert!(serde_json::from_str::<FileName>("\"../x\"").is_err());
    assert!("image/JPEG".parse::<MediaType>().is_ok());
    for bad in [
        "",
        "image",
        "image/",
        "a/b/c",
        "text/plain; charset=x",
        "a b/c",
        "a/\n",
    ] {
        assert_eq!(bad.parse::<MediaType>(), Err(BadMediaType), "{bad:?}");
    }
}
