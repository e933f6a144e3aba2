//! Lines from a program, none of them longer than the protocol allows.

use std::io::{self, BufRead, Read};

use crate::protocol::MAX_LINE;

/// Why there is no line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("a line is longer than {MAX_LINE} bytes")]
    TooLong,
    /// The other end has closed, or is gone; what it began to say is lost.
    #[error("closed")]
    Closed,
}

/// Reads the next line into `line`, without its end.
pub(crate) fn read(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<(), LineError> {
    line.clear();
    loop {
        let room = (MAX_LINE - line.len()) as u64;
        match reader.by_ref().take(room).read_until(b'\n', line) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(LineError::Closed),
        }
    }
    match line.pop() {
        Some(b'\n') => Ok(()),
        Some(_) if line.len() + 1 >= MAX_LINE => Err(LineError::TooLong),
        Some(_) | None => Err(LineError::Closed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end() {
        let mut from = &b"one\n\ntwo\nhal"[..];
        let mut line = Vec::new();
        for expected in ["one", "", "two"] {
            read(&mut from, &mut line).unwrap();
            assert_eq!(line, expected.as_bytes());
        }
        let error = read(&mut from, &mut line).unwrap_err();
        assert!(matches!(error, LineError::Closed));
    }

    #[test]
    fn no_line_is_longer_than_the_limit() {
        let mut longest = vec![b' '; MAX_LINE - 1];
        longest.push(b'\n');
        let mut line = Vec::new();
        read(&mut &longest[..], &mut line).unwrap();
        assert_eq!(line.len(), MAX_LINE - 1);

        let mut endless = io::BufReader::new(io::repeat(b' '));
        let error = read(&mut endless, &mut line).unwrap_err();
        assert!(matches!(error, LineError::TooLong));
        assert!(line.capacity() <= 2 * MAX_LINE);
    }
}
