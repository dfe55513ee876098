//! Unique property reference numbers: the address, without its spelling (Ordnance Survey, GeoPlace).

use super::super::text;
use crate::linkage::record::IssueReason;

/// UPRN: up to twelve digits, without the zeros that systems fill it up with.
///
/// # Errors
/// What is no such number, and rows of digits typed to get past a form.
pub fn uprn(written: &str) -> Result<String, IssueReason> {
    text::admit(written)?;
    let folded = text::fold(written);
    let bare = folded.trim().trim_start_matches("uprn");
    let digits: String = bare
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(IssueReason::WrongForm);
    }
    let value = digits.trim_start_matches('0');
    if value.is_empty() || text::all_equal(value) || text::is_run(value) {
        return Err(IssueReason::Placeholder);
    }
    if value.len() > 12 {
        return Err(IssueReason::WrongForm);
    }
    Ok(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_numbers() {
        assert_eq!(uprn("000010093456"), Ok("10093456".to_owned()));
        assert_eq!(uprn("UPRN: 100 0934 5678"), Ok("10009345678".to_owned()));
        for nothing in ["0", "000000000000", "999999999999", "123456789012", "n/a"] {
            assert_eq!(uprn(nothing), Err(IssueReason::Placeholder), "{nothing}");
        }
        for wrong in ["1000934567890", "10A", "12-34"] {
            assert_eq!(uprn(wrong), Err(IssueReason::WrongForm), "{wrong}");
        }
    }
}
