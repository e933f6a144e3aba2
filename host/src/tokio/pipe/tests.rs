use tokio::io::duplex;

use super::*;

/// Sends and receives `messages`, each in two parts, and returns what went over the wire.
async fn exchange(framing: Framing, messages: &[&[u8]]) -> Vec<u8> {
    let (near, mut far) = duplex(1 << 20);
    let mut pipe = Pipe::new(Box::new(near), framing);
    let mut wire = Vec::new();
    for message in messages {
        let (header, payload) = message.split_at(1);
        pipe.writer.start(
            Bytes::copy_from_slice(header),
            Bytes::copy_from_slice(payload),
        );
        pipe.writer.write().await.unwrap();
    }
    pipe.writer.close().await.unwrap();
    far.read_to_end(&mut wire).await.unwrap();

    let send = async {
        for byte in &wire {
            far.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        far.shutdown().await.unwrap();
    };
    let receive = async {
        for message in messages {
            let received = pipe.reader.next().await.unwrap();
            assert!(matches!(received, Received::Message(bytes) if bytes == message));
        }
        assert!(matches!(
            pipe.reader.next().await.unwrap(),
            Received::Closed
        ));
    };
    tokio::join!(send, receive);
    wire
}

#[tokio::test]
async fn native_messages_have_a_length_before_them() {
    let wire = exchange(Framing::Native, &[b"ab", b"cde"]).await;
    assert_eq!(wire, *b"\0\0\0\x02ab\0\0\0\x03cde");
}

#[cfg(feature = "nvflare")]
#[tokio::test]
async fn nvflare_messages_are_their_own_frames() {
    let framing = Framing::Nvflare { max_frame: 100 };
    let frame = |payload: &[u8]| {
        let length = u32::try_from(16 + payload.len()).unwrap();
        [&length.to_be_bytes()[..], &[0; 12], payload].concat()
    };
    let frames = [frame(b""), frame(b"abc"), frame(&[7; 84])];
    let wire = exchange(framing, &frames.each_ref().map(|frame| &frame[..])).await;
    assert_eq!(wire, frames.concat());
}
