//! A filter on payloads: what leaves is compressed, what comes in is restored.
//!
//! Payloads are opaque to fedlink, so filters are host code between `TaskAssigned` and
//! `submit`. The encoding label tells the other side what was done. Run it with
//! `cargo run --example compress`.

use std::error::Error;
use std::io::{self, Read, Write};

use fedlink::message::Payload;
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

/// What the label says of a payload that this filter made.
const ENCODING: &str = "deflate";

/// The most that a payload may become: a small message must not fill the memory.
const MAX_RESTORED: u64 = 1 << 30;

/// Compresses a payload, unless it carries an encoding already.
fn compress(payload: &Payload) -> io::Result<Payload> {
    if !payload.encoding().is_empty() {
        return Ok(payload.clone());
    }
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(payload.bytes())?;
    Ok(Payload::labelled(
        encoder.finish()?,
        payload.content_type(),
        ENCODING,
    ))
}

/// Restores what [`compress`] made; anything else passes.
fn restore(payload: &Payload) -> io::Result<Payload> {
    if payload.encoding() != ENCODING {
        return Ok(payload.clone());
    }
    let mut bytes = Vec::new();
    DeflateDecoder::new(&payload.bytes()[..])
        .take(MAX_RESTORED + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_RESTORED {
        return Err(io::Error::other("the payload would become too large"));
    }
    Ok(Payload::labelled(bytes, payload.content_type(), ""))
}

fn main() -> Result<(), Box<dyn Error>> {
    let weights: Vec<u8> = (0..100_000u32)
        .flat_map(|i| (i / 1000).to_le_bytes())
        .collect();
    let payload = Payload::labelled(weights, "application/octet-stream", "");
    let sent = compress(&payload)?;
    let received = restore(&sent)?;
    println!(
        "{} bytes travel as {} ({})",
        payload.len(),
        sent.len(),
        sent.encoding()
    );
    if received == payload {
        println!("and come back as they were");
        Ok(())
    } else {
        Err("the payload came back changed".into())
    }
}
