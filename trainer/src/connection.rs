//! The one connection of a program: who reads it, and how it is written to.

use std::fs;
use std::io::{self, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use crate::inbox::{Inbox, Silence};
use crate::lines::{self, LineError};
use crate::protocol::{ProgramMessage, cut};

/// How long one attempt to write waits, before it is looked whether that is still of use.
const WRITE_FOR: Duration = Duration::from_millis(100);

/// Takes one connection and reads it to its end, or until `woken` is closed.
pub(crate) fn listen(listener: UnixListener, woken: &UnixStream, socket: &Path, inbox: &Inbox) {
    let mut either = [
        PollFd::new(&listener, PollFlags::IN),
        PollFd::new(woken, PollFlags::IN),
    ];
    while let Err(Errno::INTR) = poll(&mut either, None) {}
    let [connects, ends] = either.map(|one| !one.revents().is_empty());
    if ends || !connects {
        return inbox.silent(Silence::Closed);
    }
    let accepted = listener.accept();
    // There is never a second one.
    drop(listener);
    let _ = fs::remove_file(socket);
    let taken = accepted.and_then(|(connection, _)| {
        let writer = connection.try_clone()?;
        writer.set_write_timeout(Some(WRITE_FOR))?;
        inbox.connected(writer);
        Ok(connection)
    });
    match taken {
        Ok(connection) => inbox.silent(read(connection, inbox)),
        Err(_) => inbox.silent(Silence::Closed),
    }
}

/// Why there is nothing more to read.
fn read(connection: UnixStream, inbox: &Inbox) -> Silence {
    let mut reader = BufReader::new(connection);
    let mut line = Vec::new();
    loop {
        match lines::read(&mut reader, &mut line) {
            Ok(()) => {}
            Err(LineError::Closed) => return Silence::Closed,
            Err(error @ LineError::TooLong) => return Silence::Broke(error.to_string()),
        }
        match ProgramMessage::parse(&line) {
            Ok(message) => {
                if !inbox.said(message) {
                    return Silence::Closed;
                }
            }
            Err(problem) => return Silence::Broke(cut(problem)),
        }
    }
}

/// What came of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is sent, or nobody is there any more: the reader tells why.
    Whole,
    /// It was given up before it began.
    Nothing,
    /// It was given up in the middle, so that nothing can follow it.
    Part,
}

/// Writes a line, until it is of no use any more or `until` has come. A program that does not
/// read can let it wait.
pub(crate) fn write(
    mut connection: &UnixStream,
    line: &[u8],
    until: Option<Instant>,
    is_of_use: impl Fn() -> bool,
) -> Written {
    let mut rest = line;
    while !rest.is_empty() {
        match connection.write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut => {
                    let in_time = until.is_none_or(|until| Instant::now() < until);
                    if !in_time || !is_of_use() {
                        return match rest.len() == line.len() {
                            true => Written::Nothing,
                            false => Written::Part,
                        };
                    }
                }
                _ => return Written::Whole,
            },
        }
    }
    Written::Whole
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn who_does_not_read_holds_nobody_up() {
        let (site, _program) = UnixStream::pair().unwrap();
        site.set_write_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let line = vec![b' '; 1 << 20];
        let now = Some(Instant::now());
        assert_eq!(write(&site, &line, now, || true), Written::Part);
        assert_eq!(write(&site, &line, now, || true), Written::Nothing);
        let asked = Cell::new(0);
        let of_use = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        assert_eq!(write(&site, &line, None, of_use), Written::Nothing);
        assert_eq!(asked.get(), 3);
    }

    #[test]
    fn who_is_gone_is_no_error_here() {
        let (site, program) = UnixStream::pair().unwrap();
        drop(program);
        assert_eq!(write(&site, b"line\n", None, || true), Written::Whole);
    }
}
