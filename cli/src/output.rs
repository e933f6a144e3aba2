//! The output of the program, for people on standard error and for programs on standard
//! output. Nothing else in this package prints.
//!
//! - **Nobody reads**: a reader that has gone, a full disk or a stopped terminal neither ends
//!   nor delays a command that runs for long. Its lines wait in a bounded queue, and how many
//!   were left out is told when they are read again.
//! - **Whoever wrote it**: a line may quote a peer, so [`escape`] makes every character
//!   visible that a terminal would obey, also the end of a line.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Display, Write as _};
use std::io::{self, ErrorKind, IsTerminal, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that wait to be written, at most, on each of the two outputs.
const QUEUE: usize = 10_000;

/// The two outputs, once they are open.
static ERRORS: OnceLock<Queue> = OnceLock::new();
static OUTPUT: OnceLock<Queue> = OnceLock::new();

/// Keeps the queues written. When it is dropped, what waits is written, unless nobody reads
/// it within a second.
#[derive(Debug)]
pub struct Open {
    _workers: [WorkerGuard; 2],
}

/// Opens the queues. Before that, and after a second call, lines are written at once.
#[must_use]
pub fn open() -> Open {
    let (errors, of_errors) = queue(io::stderr(), "stderr");
    let (output, of_output) = queue(io::stdout(), "stdout");
    let _ = ERRORS.set(errors);
    let _ = OUTPUT.set(output);
    Open {
        _workers: [of_errors, of_output],
    }
}

/// A line for people.
pub fn say(line: impl AsRef<str>) {
    let line = format!("{}\n", escape(line.as_ref()));
    match ERRORS.get() {
        Some(queue) => queue.write(&line),
        // Who does not read it does not miss it.
        None => drop(io::stderr().write_all(line.as_bytes())),
    }
}

/// What happens in a command that goes on, as a line for people: a trace where traces of level
/// INFO are asked for, so that nothing is told twice.
pub(crate) fn tell(quiet: bool, line: impl AsRef<str>) {
    if tracing::enabled!(target: "fedlink", tracing::Level::INFO) {
        tracing::info!(target: "fedlink", "{}", line.as_ref());
    } else if !quiet {
        say(line);
    }
}

/// One object of JSON, on a line of its own, of a command that goes on whether it is read
/// or not.
pub(crate) fn event(event: &impl serde::Serialize) {
    // What the program tells is text and numbers, which JSON always can.
    let json = serde_json::to_string(event).unwrap_or_default();
    write_output(&escape_json(&json));
}

/// A line of output of a command that goes on whether it is read or not.
pub(crate) fn output(line: &str) {
    write_output(&escape(line));
}

fn write_output(escaped: &str) {
    let line = format!("{escaped}\n");
    match OUTPUT.get() {
        Some(queue) => queue.write(&line),
        None => drop(io::stdout().write_all(line.as_bytes())),
    }
}

/// All that a command was asked for. Whoever stops reading it has had enough of it, which is
/// no error.
///
/// # Errors
/// When the output takes no more, as on a full disk.
pub fn print(text: impl Display) -> Result<(), PrintError> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(PrintError(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A report for people, or as one object of JSON.
///
/// # Errors
/// As [`print`].
pub(crate) fn report(
    report: &(impl Display + serde::Serialize),
    json: bool,
) -> Result<(), PrintError> {
    if json {
        let json =
            serde_json::to_string_pretty(report).map_err(|error| PrintError(error.into()))?;
        let lines: Vec<_> = json.lines().map(escape_json).collect();
        print(format_args!("{}\n", lines.join("\n")))
    } else {
        print(format_args!("{report}\n"))
    }
}

/// The standard output takes no more.
#[derive(Debug, thiserror::Error)]
#[error("the standard output cannot be written ({0}): free space, or send it elsewhere")]
pub struct PrintError(#[source] io::Error);

/// Tells why the program ends. Lines of an error are its own: what it quotes is escaped
/// where it is quoted, by [`Escaped`].
pub fn fail(error: &dyn Error) {
    for (index, line) in error.to_string().lines().enumerate() {
        let program = if index == 0 { "fedlink: " } else { "" };
        say(format!("{program}{line}"));
    }
}

/// Where traces are written.
pub(crate) fn traces() -> impl for<'a> tracing_subscriber::fmt::MakeWriter<'a> + 'static {
    || -> Box<dyn io::Write> {
        match ERRORS.get() {
            Some(queue) => Box::new(queue.lines.clone()),
            None => Box::new(io::stderr()),
        }
    }
}

/// Whether people see colours: on a terminal, unless NO_COLOR is set.
pub(crate) fn has_colours() -> bool {
    !refuses_colours() && io::stderr().is_terminal()
}

/// The same of what is printed on the standard output.
pub(crate) fn prints_colours() -> bool {
    !refuses_colours() && io::stdout().is_terminal()
}

fn refuses_colours() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Text in which nothing is left that a terminal would obey or hide: control characters,
/// also ends of lines, those that change the direction of writing, and those of no width
/// are shown as `\u{…}`.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_by(text, |out, character| {
        out.extend(character.escape_debug());
    })
}

/// The same for JSON, which has another way to write them.
fn escape_json(json: &str) -> Cow<'_, str> {
    escape_by(json, |out, character| {
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    })
}

fn escape_by(text: &str, escape: impl Fn(&mut String, char)) -> Cow<'_, str> {
    if text.chars().all(is_shown) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_shown(character) {
            true => out.push(character),
            false => escape(&mut out, character),
        }
    }
    Cow::Owned(out)
}

/// Whether a terminal shows this character and does nothing else. The standard library knows
/// which categories of Unicode are printed; behind another character it also takes those
/// that combine with it.
fn is_shown(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let mut pair = [b'x', 0, 0, 0, 0];
    character.encode_utf8(&mut pair[1..]);
    let text = core::str::from_utf8(&pair[..=character.len_utf8()]).unwrap_or_default();
    text.escape_debug().eq(text.chars())
}

/// Shows somebody else's text escaped.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.0.to_string()))
    }
}

/// Lines that are written by a thread of their own.
struct Queue {
    lines: NonBlocking,
    /// How many were left out when that was last told.
    told: AtomicUsize,
}

impl Queue {
    fn write(&self, line: &str) {
        let mut lines = self.lines.clone();
        let missed = || self.lines.error_counter().dropped_lines();
        let left_out = missed();
        let more = left_out.saturating_sub(self.told.load(Ordering::Relaxed));
        if more > 0 {
            let note = format!("({more} lines were left out here, as nobody read them)\n");
            let _ = lines.write_all(note.as_bytes());
            if missed() == left_out {
                self.told.store(left_out, Ordering::Relaxed);
            } else {
                // The note itself was left out, which is no line.
                self.told.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A queue never fails: what does not fit is counted.
        let _ = lines.write_all(line.as_bytes());
    }
}

fn queue(output: impl io::Write + Send + 'static, name: &str) -> (Queue, WorkerGuard) {
    let builder = NonBlockingBuilder::default().lossy(true);
    let builder = builder.buffered_lines_limit(QUEUE).thread_name(name);
    let (lines, worker) = builder.finish(output);
    let told = AtomicUsize::new(0);
    (Queue { lines, told }, worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        for (text, shown) in [
            (
                "site-1 äöü 医院 \u{928}\u{940}",
                "site-1 äöü 医院 \u{928}\u{940}",
            ),
            ("it's \"so\" \\n", "it's \"so\" \\n"),
            ("\u{1b}[2J\nb has joined", "\\u{1b}[2J\\nb has joined"),
            ("a\rb\tc\u{7f}", "a\\rb\\tc\\u{7f}"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            (
                "a\u{2028}b\u{200b}c\u{feff}",
                "a\\u{2028}b\\u{200b}c\\u{feff}",
            ),
            ("\u{e0041}", "\\u{e0041}"),
        ] {
            assert_eq!(escape(text), shown);
        }
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "reason": "\u{9b}2J \u{202e} \u{e0041} ä" });
        let json = value.to_string();
        let escaped = escape_json(&json);
        assert_eq!(escape(&escaped), escaped, "nothing is left to escape");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
    }

    /// Takes nothing until it is let go.
    struct Stuck(
        std::sync::mpsc::Receiver<()>,
        std::sync::mpsc::Sender<String>,
    );

    impl io::Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            let _ = self.1.send(String::from_utf8_lossy(bytes).into_owned());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_nobody_reads_are_left_out_and_counted() {
        let (let_go, stuck) = std::sync::mpsc::channel();
        let (written, lines) = std::sync::mpsc::channel();
        let (queue, _worker) = queue(Stuck(stuck, written), "test");
        let many = 3 * QUEUE;
        (0..many).for_each(|number| queue.write(&format!("{number}\n")));
        drop(let_go);
        // There is room again once some have been read.
        let mut read: Vec<String> = lines.iter().take(QUEUE / 2).collect();
        queue.write("again\n");
        read.extend(lines.iter().take_while(|line| line != "again\n"));
        let (mut shown, mut left_out) = (0, 0);
        for line in &read {
            match line.strip_prefix('(') {
                Some(note) => left_out += note.split(' ').next().unwrap().parse::<usize>().unwrap(),
                None => shown += 1,
            }
        }
        assert_eq!(shown + left_out, many);
        assert!((QUEUE..=QUEUE + 2).contains(&shown), "{shown} shown");
    }
}
