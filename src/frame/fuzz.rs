//! Properties of the framing for any byte stream: run by the fuzzer, and by a test over its
//! corpus.

#![allow(unreachable_pub, reason = "public for the fuzzer")]

use bytes::BytesMut;

use super::{FrameError, Framing, Splitter};

/// Longest message here, in bytes: short, so that some are too long.
const LIMIT: usize = 1 << 10;

/// How the first two bytes and the rest are read: a framing, a way to cut, a byte stream.
/// Whole or in pieces, it is cut into the same messages and ends alike.
pub fn frames(data: &[u8]) {
    let Some((&[framing, way], stream)) = data.split_first_chunk() else {
        return;
    };
    let framing = match framing % 2 {
        #[cfg(feature = "nvflare")]
        1 => Framing::Nvflare { max_frame: LIMIT },
        _ => Framing::Native,
    };
    let whole = cut(framing, [stream]);
    assert_eq!(cut(framing, pieces(way, stream)), whole);
    assert_eq!(cut(framing, stream.chunks(1)), whole);

    let (messages, _) = &whole;
    let written = messages.iter().flat_map(|message| {
        let prefix = framing.prefix(message.len());
        [prefix.as_ref().map_or(&[][..], |it| &it[..]), message].concat()
    });
    let written: Vec<u8> = written.collect();
    assert!(
        stream.starts_with(&written),
        "what came is not what was sent"
    );
}

/// The messages of a stream, and whether it may end there or had to be closed.
fn cut<'a>(
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<BytesMut>, Result<bool, FrameError>) {
    let mut splitter = Splitter::new(framing);
    splitter.set_limit(LIMIT);
    let (mut messages, mut fed) = (Vec::new(), 0);
    for piece in pieces {
        splitter.buffer().extend_from_slice(piece);
        fed += piece.len();
        loop {
            match splitter.next_frame() {
                Ok(Some(message)) => {
                    assert!((1..=LIMIT).contains(&message.len()));
                    messages.push(message);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(splitter.next_frame(), Err(error), "an error stays");
                    return (messages, Err(error));
                }
            }
        }
        assert!(splitter.buffer().capacity() <= 2 * (fed + LIMIT));
    }
    (messages, Ok(splitter.is_empty()))
}

/// Pieces of 1 to 32 bytes, as `way` and the stream itself have it.
fn pieces(way: u8, mut stream: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some(first) = stream.first() {
        let len = usize::from(first.wrapping_add(way) % 32) + 1;
        let (piece, rest) = stream.split_at(len.min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}
