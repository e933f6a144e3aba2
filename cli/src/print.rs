//! What a command tells: lines while it runs, and a report when it is done.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

/// Prints a report for people, or as one object of JSON.
pub(crate) fn report(report: &(impl Display + Serialize), json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let json = serde_json::to_string_pretty(report)?;
        writeln!(out, "{json}")
    } else {
        writeln!(out, "{report}")
    }
}

/// A text as one line of a terminal. Peers may have written parts of it, so whatever could
/// begin another line, move the cursor, turn the direction of writing or hide is shown by
/// its code point.
#[must_use]
pub fn line(text: &str) -> String {
    const QUOTES: [char; 3] = ['"', '\'', '\\'];
    let mut line = String::new();
    for piece in text.split_inclusive(QUOTES) {
        // Quotes would be escaped too, and need not be.
        let body = piece.strip_suffix(QUOTES).unwrap_or(piece);
        line.extend(body.escape_debug());
        line.extend(piece.chars().next_back().filter(|it| QUOTES.contains(it)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_wrote_stays_on_its_line_and_hides_nothing() {
        let told = "site-1 has left: \u{1b}[2J\n\u{202e}2-etis\u{200b}\u{2028}.";
        assert_eq!(
            line(told),
            r"site-1 has left: \u{1b}[2J\n\u{202e}2-etis\u{200b}\u{2028}."
        );
        for plain in ["Köln's \"site\" \\ 1", "अस्पताल joins", "北京 → 100 %", ""]
        {
            assert_eq!(line(plain), plain);
        }
    }
}
