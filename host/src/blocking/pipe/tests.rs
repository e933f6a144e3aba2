use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use super::*;

/// What is there is read without a wait.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream that takes three bytes a write and gives back one a read.
#[derive(Clone, Default)]
struct Loopback(Arc<Mutex<VecDeque<u8>>>);

impl Read for Loopback {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match (self.0.lock().unwrap().pop_front(), room) {
            (Some(byte), [first, ..]) => {
                *first = byte;
                Ok(1)
            }
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Loopback {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = &bytes[..bytes.len().min(3)];
        self.0.lock().unwrap().extend(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Wire for Loopback {
    fn wait_at_most(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

/// Sends and receives `messages`, each in two parts, and returns what went over the wire.
fn exchange(framing: Framing, messages: &[&[u8]]) -> Vec<u8> {
    let wire = Loopback::default();
    let mut pipe = Pipe::new(Box::new(wire.clone()), framing);
    for message in messages {
        let (header, payload) = message.split_at(1);
        let header = Bytes::copy_from_slice(header);
        pipe.send(header, Bytes::copy_from_slice(payload)).unwrap();
    }
    let written = wire.0.lock().unwrap().iter().copied().collect();
    for message in messages {
        let received = pipe.receive(PATIENCE).unwrap().unwrap();
        assert_eq!(received, message);
    }
    assert!(pipe.receive(PATIENCE).unwrap().is_none());
    written
}

#[test]
fn native_messages_have_a_length_before_them() {
    let wire = exchange(Framing::Native, &[b"ab", b"cde"]);
    assert_eq!(wire, *b"\0\0\0\x02ab\0\0\0\x03cde");
}

#[cfg(feature = "nvflare")]
#[test]
fn nvflare_messages_are_their_own_frames() {
    let framing = Framing::Nvflare { max_frame: 100 };
    let frame = |payload: &[u8]| {
        let length = u32::try_from(16 + payload.len()).unwrap();
        [&length.to_be_bytes()[..], &[0; 12], payload].concat()
    };
    let frames = [frame(b""), frame(b"abc"), frame(&[7; 84])];
    let wire = exchange(framing, &frames.each_ref().map(|frame| &frame[..]));
    assert_eq!(wire, frames.concat());
}
