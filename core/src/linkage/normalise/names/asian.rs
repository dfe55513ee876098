//! Chinese and Vietnamese names: which word is the surname, and how it is written elsewhere.
//!
//! A Chinese surname comes in pinyin, in Wade-Giles (Chang, Hsu), and in the Cantonese of Hong Kong
//! (Cheung, Wong). One spelling may stand for several surnames: Wong is Wang or Huang. Then each
//! makes keys, so that Wong meets both and they do not meet each other.
//!
//! Left out: Cantonese and Hokkien *given* names, which no table of syllables turns into pinyin.

/// Surnames in pinyin that other spellings lead to, or that must not be taken for each other.
const CHINESE: &[&str] = &[
    "bai", "cai", "cao", "chang", "chen", "cheng", "cui", "dai", "deng", "ding", "dong", "du",
    "fan", "fang", "feng", "fu", "gao", "gong", "gu", "guan", "guo", "han", "he", "hou", "hu",
    "huang", "jia", "jiang", "jin", "kong", "lei", "li", "liang", "liao", "lin", "liu", "long",
    "lu", "luo", "ma", "mao", "meng", "mo", "ouyang", "pan", "peng", "qian", "qin", "qiu", "ren",
    "shao", "shen", "shi", "song", "su", "sun", "tan", "tang", "tao", "tian", "wan", "wang", "wei",
    "wen", "wu", "xia", "xiao", "xie", "xiong", "xu", "xue", "yan", "yang", "yao", "ye", "yin",
    "yu", "yuan", "zeng", "zhang", "zhao", "zheng", "zhong", "zhou", "zhu", "zou",
];

/// Other spellings of those: Wade-Giles and Cantonese, sorted.
const ROMANISED: &[(&str, &[&str])] = &[
    ("au", &["ou"]),
    ("chan", &["chen"]),
    ("chang", &["zhang", "chang"]),
    ("chao", &["zhao"]),
    ("cheng", &["zheng", "cheng"]),
    ("cheung", &["zhang"]),
    ("chiang", &["jiang"]),
    ("chiu", &["zhao", "qiu"]),
    ("choi", &["cai"]),
    ("chou", &["zhou"]),
    ("chow", &["zhou"]),
    ("chu", &["zhu"]),
    ("chung", &["zhong"]),
    ("fung", &["feng"]),
    ("ho", &["he"]),
    ("hsia", &["xia"]),
    ("hsiao", &["xiao"]),
    ("hsieh", &["xie"]),
    ("hsiung", &["xiong"]),
    ("hsu", &["xu"]),
    ("hsueh", &["xue"]),
    ("hui", &["xu"]),
    ("jen", &["ren"]),
    ("kao", &["gao"]),
    ("kuo", &["guo"]),
    ("kwan", &["guan"]),
    ("kwok", &["guo"]),
    ("lam", &["lin"]),
    ("lau", &["liu"]),
    ("law", &["luo"]),
    ("lee", &["li"]),
    ("leung", &["liang"]),
    ("lo", &["luo"]),
    ("lui", &["lu"]),
    ("ng", &["wu", "huang"]),
    ("poon", &["pan"]),
    ("siu", &["xiao"]),
    ("so", &["su"]),
    ("sung", &["song"]),
    ("szeto", &["situ"]),
    ("teng", &["deng"]),
    ("ting", &["ding"]),
    ("tsai", &["cai"]),
    ("tsang", &["zeng"]),
    ("tsao", &["cao"]),
    ("tse", &["xie"]),
    ("tseng", &["zeng"]),
    ("tso", &["zuo"]),
    ("tsui", &["xu", "cui"]),
    ("wong", &["wang", "huang"]),
    ("yeh", &["ye"]),
    ("yen", &["yan"]),
    ("yeung", &["yang"]),
    ("yip", &["ye"]),
    ("yuen", &["yuan", "ruan"]),
];

/// Surnames of two syllables, which are written apart too.
const OF_TWO: &[(&str, &str)] = &[
    ("ou", "yang"),
    ("au", "yeung"),
    ("shang", "guan"),
    ("si", "tu"),
    ("sze", "to"),
    ("zhu", "ge"),
    ("huang", "fu"),
];

/// Syllables of Wade-Giles that pinyin does not have, and what they may be, sorted.
const WADE_GILES: &[(&str, &[&str])] = &[
    ("chia", &["jia", "qia"]),
    ("chiang", &["jiang", "qiang"]),
    ("chiao", &["jiao", "qiao"]),
    ("chieh", &["jie", "qie"]),
    ("chien", &["jian", "qian"]),
    ("chin", &["jin", "qin"]),
    ("ching", &["jing", "qing"]),
    ("chiu", &["jiu", "qiu"]),
    ("chiung", &["jiong", "qiong"]),
    ("chuan", &["quan", "zhuan"]),
    ("chueh", &["jue", "que"]),
    ("chun", &["jun", "chun"]),
    ("chung", &["zhong", "chong"]),
    ("hsi", &["xi"]),
    ("hsia", &["xia"]),
    ("hsiang", &["xiang"]),
    ("hsiao", &["xiao"]),
    ("hsieh", &["xie"]),
    ("hsien", &["xian"]),
    ("hsin", &["xin"]),
    ("hsing", &["xing"]),
    ("hsiu", &["xiu"]),
    ("hsiung", &["xiong"]),
    ("hsu", &["xu"]),
    ("hsuan", &["xuan"]),
    ("hsueh", &["xue"]),
    ("jen", &["ren"]),
    ("jung", &["rong"]),
    ("kung", &["gong", "kong"]),
    ("kuo", &["guo"]),
    ("lien", &["lian"]),
    ("lung", &["long"]),
    ("mien", &["mian"]),
    ("nien", &["nian"]),
    ("pien", &["bian", "pian"]),
    ("sung", &["song"]),
    ("tien", &["tian", "dian"]),
    ("tsai", &["cai", "zai"]),
    ("tung", &["dong", "tong"]),
    ("tzu", &["zi", "ci"]),
    ("yeh", &["ye"]),
    ("yen", &["yan"]),
    ("yung", &["yong"]),
];

/// Vietnamese surnames that are hardly anything else.
const VIETNAMESE: &[&str] = &[
    "bui", "dang", "dinh", "doan", "duong", "hoang", "huynh", "luong", "ngo", "nguyen", "pham",
    "phan", "tran", "trinh", "truong", "vo", "vu",
];
/// Vietnamese surnames that are names elsewhere, too: told by the company they keep.
const VIETNAMESE_TOO: &[&str] = &[
    "cao", "dao", "do", "ha", "ho", "lam", "le", "ly", "mai", "ta", "to",
];

/// A surname that sounds are not worked out for: one vowel makes another family of it.
pub(super) fn is_surname(token: &str) -> bool {
    CHINESE.binary_search(&token).is_ok() || is_vietnamese(token)
}

pub(super) fn is_vietnamese(token: &str) -> bool {
    VIETNAMESE.binary_search(&token).is_ok()
}

/// A Vietnamese surname among words that all look Vietnamese.
pub(super) fn is_vietnamese_among(token: &str, all: &[&str]) -> bool {
    const LONGEST: usize = 6;
    is_vietnamese(token)
        || (VIETNAMESE_TOO.binary_search(&token).is_ok()
            && all
                .iter()
                .all(|other| other.len() <= LONGEST && can_be_vietnamese(other)))
}

/// Whether a word has nothing that Vietnamese does not write.
fn can_be_vietnamese(word: &str) -> bool {
    const FOREIGN: &[&str] = &[
        "f", "j", "w", "z", "sh", "ck", "ski", "xia", "xio", "xiu", "ya", "yi", "yo", "yu",
    ];
    !FOREIGN.iter().any(|letters| word.contains(letters))
}

/// The surnames in pinyin that a spelling may stand for; none when it is no Chinese surname.
pub(super) fn chinese_surnames(token: &str) -> &'static [&'static str] {
    if let Ok(index) = ROMANISED.binary_search_by(|(spelling, _)| (*spelling).cmp(token)) {
        return ROMANISED.get(index).map_or(&[], |(_, surnames)| *surnames);
    }
    match CHINESE.binary_search(&token) {
        Ok(index) => CHINESE.get(index..=index).unwrap_or_default(),
        Err(_) => &[],
    }
}

/// Whether two words are one surname written apart.
pub(super) fn is_surname_of_two(first: &str, second: &str) -> bool {
    OF_TWO.contains(&(first, second))
}

/// One given name from its syllables, in pinyin as far as that can be told.
pub(super) fn given_names(syllables: &[&str]) -> Vec<String> {
    /// Two syllables of two readings each.
    const MAX: usize = 4;
    let mut names = vec![String::new()];
    for syllable in syllables {
        let known = WADE_GILES.binary_search_by(|(wade, _)| (*wade).cmp(*syllable));
        let readings = known.ok().and_then(|index| WADE_GILES.get(index));
        let readings = readings.map_or(std::slice::from_ref(syllable), |(_, pinyin)| *pinyin);
        let longer = names
            .iter()
            .flat_map(|start| readings.iter().map(move |next| format!("{start}{next}")));
        names = longer.take(MAX).collect();
    }
    names
}

/// Whether a word can be one syllable of Chinese: consonants, vowels, and one of few endings.
pub(super) fn is_syllable(word: &str) -> bool {
    const LONGEST: usize = 6;
    let is_vowel = |b: &u8| b"aeiou".contains(b);
    let bytes = word.as_bytes();
    let onset = bytes.iter().take_while(|b| !is_vowel(b)).count();
    let rest = bytes.get(onset..).unwrap_or_default();
    let vowels = rest.iter().take_while(|b| is_vowel(b)).count();
    let end = rest.get(vowels..).unwrap_or_default();
    let onset_fits = match bytes.get(..onset).unwrap_or_default() {
        [] => true,
        [one] => one.is_ascii_lowercase() && *one != b'v',
        b"zh" | b"ch" | b"sh" | b"ts" | b"tz" | b"hs" | b"ng" | b"kw" | b"gw" => true,
        _ => false,
    };
    let end_fits = matches!(
        end,
        [] | b"n" | b"ng" | b"r" | b"h" | b"k" | b"m" | b"p" | b"t"
    );
    bytes.len() <= LONGEST && onset_fits && (1..=3).contains(&vowels) && end_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(CHINESE.is_sorted() && VIETNAMESE.is_sorted() && VIETNAMESE_TOO.is_sorted());
        assert!(ROMANISED.is_sorted() && WADE_GILES.is_sorted());
    }

    #[test]
    fn a_spelling_of_two_surnames_is_both() {
        assert_eq!(chinese_surnames("wong"), ["wang", "huang"]);
        assert_eq!(chinese_surnames("wang"), ["wang"]);
        assert_eq!(chinese_surnames("cheung"), ["zhang"]);
        assert!(chinese_surnames("smith").is_empty());
    }

    #[test]
    fn given_names_in_pinyin() {
        assert_eq!(given_names(&["xiao", "ming"]), ["xiaoming"]);
        assert_eq!(given_names(&["hsiao", "ming"]), ["xiaoming"]);
        assert_eq!(given_names(&["ching"]), ["jing", "qing"]);
        for word in ["xiao", "ming", "er", "qiang", "yan"] {
            assert!(is_syllable(word), "{word}");
        }
        for word in ["anna", "cole", "smith", "vera", "thomas"] {
            assert!(!is_syllable(word), "{word}");
        }
    }
}
