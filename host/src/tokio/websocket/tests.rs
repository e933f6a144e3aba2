use futures_util::{SinkExt, StreamExt};
use tokio::io::{DuplexStream, duplex};

use super::*;

/// Both ends of a WebSocket, the site's as this protocol has it and the server's too.
async fn both() -> (Pieces<DuplexStream>, Pieces<DuplexStream>) {
    let (near, mut far) = duplex(100_000);
    let serving = async move {
        let unread = accept(&mut far, true).await.unwrap();
        begin(far, unread).await
    };
    let (site, server) = tokio::join!(connect(near, "fl.example.org:443"), serving);
    (site.unwrap(), server)
}

/// The server's end, and a site's that says what a site would not.
async fn stranger() -> (WebSocketStream<DuplexStream>, Pieces<DuplexStream>) {
    let (site, server) = both().await;
    (site.socket, server)
}

#[tokio::test]
async fn bytes_go_both_ways_whatever_the_messages() {
    let (site, server) = both().await;
    let all: Vec<u8> = (0..3_000_000u32).map(|it| (it >> 3) as u8).collect();
    let (mut from_site, mut to_site) = tokio::io::split(server);
    let echo = tokio::spawn(async move {
        let len = tokio::io::copy(&mut from_site, &mut to_site).await.unwrap();
        to_site.shutdown().await.unwrap();
        len
    });
    let (mut reader, mut writer) = tokio::io::split(site);
    let sent = all.clone();
    let writing = tokio::spawn(async move {
        for piece in sent.chunks(99_991) {
            writer.write_all(piece).await.unwrap();
            writer.flush().await.unwrap();
        }
        writer
    });
    let mut came = vec![0; all.len()];
    reader.read_exact(&mut came).await.unwrap();
    assert!(came == all);
    // A goodbye is the end of the stream, at both ends.
    writing.await.unwrap().shutdown().await.unwrap();
    assert_eq!(echo.await.unwrap(), all.len() as u64);
    assert_eq!(reader.read(&mut [0; 9]).await.unwrap(), 0);
}

#[tokio::test]
async fn parts_of_a_message_go_in_one_piece_of_bounded_length() {
    let (mut site, server) = both().await;
    let mut server = server.socket;
    let parts = [&[1; 4][..], &[2; 100], &[], &[3; 50_000]];
    let slices: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let sent = site.write_vectored(&slices).await.unwrap();
    site.flush().await.unwrap();
    assert_eq!(sent, PIECE);
    let Some(Ok(Message::Binary(piece))) = server.next().await else {
        panic!("a piece is a binary message");
    };
    assert_eq!(piece[..], parts.concat()[..PIECE]);
}

#[tokio::test]
async fn pings_are_answered_and_empty_messages_are_nothing() {
    let (mut stranger, mut server) = stranger().await;
    let ping = Message::Ping("are you there".into());
    stranger.send(ping).await.unwrap();
    stranger.send(Message::Binary(Bytes::new())).await.unwrap();
    stranger.send(Message::Binary("abc".into())).await.unwrap();
    let mut came = [0; 3];
    server.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"abc");
    server.flush().await.unwrap();
    let pong = stranger.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong("are you there".into()));
}

#[tokio::test]
async fn what_is_not_of_this_protocol_breaks_the_connection() {
    for (message, code, told) in [
        (
            Message::Text("hello".into()),
            CloseCode::Unsupported,
            "messages here are binary",
        ),
        (
            Message::Binary(vec![0; MAX_PIECE + 1].into()),
            CloseCode::Size,
            "a message is too long",
        ),
    ] {
        let (mut stranger, mut server) = stranger().await;
        stranger.send(message).await.unwrap();
        let error = server.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains(told), "{error}");
        // The other end is told, too.
        server.shutdown().await.unwrap();
        let Some(Ok(Message::Close(Some(frame)))) = stranger.next().await else {
            panic!("it is not told");
        };
        assert_eq!((frame.code, frame.reason.as_str()), (code, told));
    }
}

#[tokio::test]
async fn messages_that_bring_nothing_are_counted() {
    let (mut stranger, mut server) = stranger().await;
    let flood =
        tokio::spawn(
            async move { while stranger.feed(Message::Pong(Bytes::new())).await.is_ok() {} },
        );
    let error = server.read(&mut [0; 9]).await.unwrap_err();
    assert!(
        error.to_string().contains("messages bring nothing"),
        "{error}"
    );
    drop(server);
    flood.await.unwrap();
}

/// What the server's end answers to this request.
async fn answer(request: &[u8], welcome: bool) -> String {
    let (mut near, mut far) = duplex(100_000);
    near.write_all(request).await.unwrap();
    let error = accept(&mut far, welcome).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    drop(far);
    let mut answer = String::new();
    near.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.starts_with(WHAT) && body.ends_with(".\n"), "{answer}");
    assert!(
        head.contains(&format!("Content-Length: {}\r\n", body.len())),
        "{answer}"
    );
    answer
}

#[tokio::test]
async fn whoever_asks_for_something_else_is_told_what_this_is() {
    const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let long = format!("GET / HTTP/1.1\r\na: {}", "b".repeat(20_000));
    for (request, welcome, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, "404"),
        ("GET /fedlink HTTP/1.1\r\nHost: a\r\n\r\n", true, "426"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false, "403"),
        (
            &format!("GET /fedlink HTTP/1.1\r\n{WEBSOCKET}"),
            false,
            "403",
        ),
        (&format!("GET /f3 HTTP/1.1\r\n{WEBSOCKET}"), true, "404"),
        (
            &format!("GET /fedlink HTTP/1.1\r\n{}", WEBSOCKET.replace("13", "8")),
            true,
            "426",
        ),
        ("POST /fedlink HTTP/1.1\r\n\r\n", true, "426"),
        ("GET /fedlink HTTP/1.0\r\n\r\n", true, "426"),
        ("EHLO mail.example.org\r\n\r\n", true, "426"),
        ("\0\0\0\x05hello", true, "426"),
        (long.as_str(), true, "431"),
    ] {
        let answer = answer(request.as_bytes(), welcome).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
    }
    let (near, mut far) = duplex(100);
    drop(near);
    let error = accept(&mut far, true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_site_is_told_who_answers_instead() {
    for (says, told) in [
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "says 404",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "says 200"),
        ("220 mail.example.org ESMTP\r\n\r\n", "WebSocket"),
    ] {
        let (near, mut far) = duplex(10_000);
        let answering = async move {
            far.read_buf(&mut Vec::new()).await.unwrap();
            far.write_all(says.as_bytes()).await.unwrap();
            far
        };
        let (connected, _far) = tokio::join!(connect(near, "fl.example.org:443"), answering);
        let error = connected.map(drop).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up() {
    let (near, _far) = duplex(10_000);
    let error = connect(near, "fl.example.org:443").await.map(drop);
    assert_eq!(error.unwrap_err().kind(), ErrorKind::TimedOut);
}
