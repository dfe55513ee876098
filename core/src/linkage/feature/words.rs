//! Pieces of words: beginnings, ends, letters in order.

/// The first characters, or all when there are fewer.
pub(in crate::linkage) fn start(text: &str, characters: usize) -> &str {
    let end = if text.is_ascii() {
        Some(characters)
    } else {
        text.char_indices().nth(characters).map(|(at, _)| at)
    };
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// The last characters, or all when there are fewer.
pub(in crate::linkage) fn end(text: &str, characters: usize) -> &str {
    let skipped = if text.is_ascii() {
        text.len().checked_sub(characters)
    } else {
        let length = text.chars().count();
        let skipped = text.char_indices().nth(length.saturating_sub(characters));
        skipped.map(|(at, _)| at)
    };
    skipped.and_then(|at| text.get(at..)).unwrap_or(text)
}

/// Two words in alphabetical order, so that it does not matter which stands where.
pub(super) fn unordered(a: &str, b: &str) -> String {
    if a <= b { spaced(a, b) } else { spaced(b, a) }
}

pub(super) fn spaced(a: &str, b: &str) -> String {
    let mut spaced = String::with_capacity(a.len() + b.len() + 1);
    spaced.push_str(a);
    spaced.push(' ');
    spaced.push_str(b);
    spaced
}

/// The characters in their order.
pub(super) fn sorted(text: String) -> String {
    if !text.is_ascii() {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        return characters.into_iter().collect();
    }
    let mut bytes = text.into_bytes();
    bytes.sort_unstable();
    // ASCII in another order is ASCII still.
    String::from_utf8(bytes).unwrap_or_default()
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// The consonants in alphabetical order; none when there are fewer than two.
pub(super) fn consonants(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    kept.extend(text.chars().filter(|c| !is_vowel(*c)));
    if kept.len() < 2 {
        String::new()
    } else {
        sorted(kept)
    }
}

/// The first letter and the consonants that follow, four letters in all.
pub(super) fn skeleton(name: &str) -> String {
    let kept = name
        .char_indices()
        .filter(|(at, c)| *at == 0 || !is_vowel(*c));
    kept.map(|(_, c)| c).take(4).collect()
}

/// What stands before the last three characters; of short codes the first two.
pub(super) fn outcode(postcode: &str) -> &str {
    let length = postcode.chars().count();
    start(postcode, if length > 4 { length - 3 } else { 2 })
}

/// Adds a number with as many digits as are asked for, zeros first.
pub(super) fn push_number(text: &mut String, number: u16, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u16.pow(place) % 10;
        text.extend(char::from_digit(u32::from(digit), 10));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_words_in_any_letters() {
        assert_eq!((start("smith", 3), end("smith", 3)), ("smi", "ith"));
        assert_eq!((start("li", 3), end("li", 3)), ("li", "li"));
        assert_eq!((start("şŏğĭ", 2), end("şŏğĭ", 2)), ("şŏ", "ğĭ"));
        assert_eq!((start("şŏ", 3), end("şŏ", 3)), ("şŏ", "şŏ"));
        assert_eq!(sorted("smith".to_owned()), "himst");
        assert_eq!(sorted("bşa".to_owned()), "abş");
        assert_eq!(consonants("oslo"), "ls");
        assert_eq!(consonants("ada"), "");
        assert_eq!(skeleton("elizabeth"), "elzb");
        assert_eq!((outcode("SW1A1AA"), outcode("4810")), ("SW1A", "48"));
    }

    #[test]
    fn numbers_have_their_zeros() {
        let mut text = String::new();
        push_number(&mut text, 7, 2);
        push_number(&mut text, 1987, 4);
        assert_eq!(text, "071987");
    }
}
