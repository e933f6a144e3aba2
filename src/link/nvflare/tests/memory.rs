//! What a server can make a client take of the heap.

use super::*;
use crate::wire::nvflare::fobs;

const MIB: u64 = 1 << 20;
/// A machine with a few jobs, and its tables.
const MACHINE: u64 = MIB;
/// Largest payload, and the largest stream with it.
const PAYLOAD: u64 = 4 * MIB;
const STREAM: u64 = PAYLOAD + 16 * MIB;
/// The largest message, as it came and as it is read.
const FRAME: usize = 2 << 20;
const MESSAGE: u64 = 2 * 2 * MIB;

/// A rig that takes nothing but what it is given.
fn rig(change: impl FnOnce(&mut ClientConfig)) -> Rig {
    Rig::active_with(|config| {
        config.max_payload = PAYLOAD;
        config.binding = crate::Binding::Nvflare(Settings {
            max_frame: FRAME,
            ..Settings::DEFAULT
        });
        change(config);
    })
}

/// Drops what the client sends, and its actions but for records.
fn drain(rig: &mut Rig) {
    while rig.client.poll_transmit().is_some() {}
    while rig.client.poll_action().is_some() {}
}

/// An order of the server about a job, with this body.
fn order(topic: &str, body: Value) -> Value {
    let headers = Value::map([
        ("job_id", Value::from(job(1).to_string())),
        ("app_name", "app".into()),
    ]);
    typed::message("id", topic, body, headers)
}

#[test]
fn streams_that_never_end_take_no_more_than_two_of_the_largest() {
    let mut rig = rig(|_| ());
    let body = Value::Bytes(vec![7; STREAM as usize - 1024].into());
    let headers = Headers::new()
        .with(key::ORIGIN, "server")
        .with(key::DESTINATION, SITE)
        .with(stream_key::REQUEST_ID, "ask");
    let chunks = rig.cut(headers, channel::AUX, "ask", &body);
    let mut begun = 0;
    let counted = allocation_counter::measure(|| {
        for stream in 1_000..2_000u64 {
            // Of each stream the first parts, and of some the last beyond a gap.
            let parts = 1 + usize::try_from(stream % 3).unwrap();
            for (headers, bytes) in chunks.iter().take(parts) {
                let headers = headers.clone().with(stream_key::ID, stream);
                rig.deliver(&headers, bytes);
                begun += 1;
            }
            drain(&mut rig);
        }
    });
    assert!(begun >= 1_000);
    let limit = 2 * STREAM + MACHINE + MESSAGE;
    assert!(counted.bytes_max >= STREAM, "{counted:?}");
    assert!(counted.bytes_max <= limit, "{counted:?} of {limit}");

    let counted = allocation_counter::measure(|| {
        rig.client.handle_disconnected(rig.now);
        drain(&mut rig);
    });
    assert!(counted.bytes_current <= -(STREAM as i64), "{counted:?}");
}

#[test]
fn a_host_that_takes_nothing_of_a_server_that_orders_and_orders() {
    const WAITING: u64 = 100;
    const WAITING_BYTES: u64 = 16 * MIB;
    let large = "x".repeat(FRAME - 4096);
    for (topic, body, times) in [
        ("train.deploy", Value::Bytes(large.clone().into()), 100),
        ("scheduler.check_resource", Value::from(large), 100),
        ("train.abort_task", Value::Nil, 10_000),
        ("train.start_job", Value::Nil, 10_000),
        ("nonsense", Value::Nil, 10_000),
    ] {
        for host_decides in [false, true] {
            let mut rig = rig(|config| {
                config.max_waiting = WAITING as usize;
                config.max_waiting_bytes = WAITING_BYTES as usize;
                config.binding = crate::Binding::Nvflare(Settings {
                    max_frame: FRAME,
                    host_decides,
                    ..Settings::DEFAULT
                });
            });
            let order = fobs::encode(&order(topic, body.clone()));
            let headers = Headers::new()
                .with(key::MSG_TYPE, msg_type::REQUEST)
                .with(key::ORIGIN, "server")
                .with(key::DESTINATION, SITE)
                .with(key::CHANNEL, channel::ADMIN)
                .with(key::TOPIC, topic)
                .with(key::REQ_ID, "ask")
                .with(key::REPLY_EXPECTED, true)
                .with(key::PAYLOAD_ENCODING, encoding::FOBS);
            let counted = allocation_counter::measure(|| {
                for _ in 0..times {
                    rig.deliver(&headers, &order);
                }
            });
            // Answers wait too, one message each, up to a fixed number.
            let limit = WAITING_BYTES + WAITING * 1024 + 4096 * 2048 + MACHINE + 2 * MESSAGE;
            assert!(counted.bytes_max <= limit, "{topic}: {counted:?}");
            if times == 100 {
                assert!(counted.bytes_max >= WAITING_BYTES, "{topic}: {counted:?}");
            }
        }
    }
}
