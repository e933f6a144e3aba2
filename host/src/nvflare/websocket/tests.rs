use fedlink::FailureKind;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use super::*;
use crate::ConnectionFailure;
use crate::nvflare::testing::{Folder, Root};
use crate::nvflare::tls::testing::{certificate, server_config};

/// An SFM frame around this payload.
fn sfm(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    [&length.to_be_bytes()[..], &[0; 12], payload].concat()
}

/// A server that does this with its first connection, and its address.
async fn serve<F: Future<Output = ()> + Send + 'static>(
    with: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move { with(listener.accept().await.unwrap().0).await });
    (address, task)
}

async fn accepted(stream: TcpStream) -> WebSocketStream<TcpStream> {
    #[expect(clippy::result_large_err, reason = "the library's own error")]
    let look = |request: &Request, response: Response| {
        assert_eq!(request.uri().path(), "/f3");
        Ok(response)
    };
    accept_hdr_async(stream, look).await.unwrap()
}

async fn dial(address: &str) -> io::Result<Box<dyn Stream>> {
    Ok(WebSocketDial::new(address).dial().await?.stream)
}

#[tokio::test]
async fn each_frame_is_a_message_whatever_the_pieces() {
    let frames: Vec<Vec<u8>> = [0, 1, 70_000, 1 << 20, 3]
        .map(|it| sfm(&vec![7; it]))
        .into();
    let all = frames.concat();
    let (address, server) = serve(|stream| async move {
        let mut socket = accepted(stream).await;
        for _ in 0..5 {
            let Some(Ok(Message::Binary(frame))) = socket.next().await else {
                panic!("a frame is a binary message")
            };
            // Others of the protocol's messages are nothing to the frames.
            socket
                .send(Message::Ping("are you there".into()))
                .await
                .unwrap();
            socket.send(Message::Text("hello".into())).await.unwrap();
            socket.send(Message::Binary(frame)).await.unwrap();
        }
        while let Some(Ok(_)) = socket.next().await {}
    })
    .await;
    let stream = dial(&address).await.unwrap();
    let (mut reader, mut writer) = tokio::io::split(stream);
    let sent = all.clone();
    let writing = tokio::spawn(async move {
        for piece in sent.chunks(997) {
            writer.write_all(piece).await.unwrap();
            writer.flush().await.unwrap();
        }
        writer
    });
    let mut came = vec![0; all.len()];
    reader.read_exact(&mut came).await.unwrap();
    assert!(came == all);
    writing.await.unwrap().shutdown().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn a_server_that_closes_in_order_is_the_end_of_the_stream() {
    let (address, server) = serve(|stream| async {
        accepted(stream).await.close(None).await.unwrap();
    })
    .await;
    let mut stream = dial(&address).await.unwrap();
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
    server.await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_too_long_breaks_the_connection() {
    let (address, _server) = serve(|stream| async {
        let mut socket = accepted(stream).await;
        let _ = socket.send(Message::Binary(vec![0; 2000].into())).await;
        let _ = socket.next().await;
    })
    .await;
    let dialed = WebSocketDial::new(address).max_frame(1000).dial().await;
    let mut stream = dialed.unwrap().stream;
    let error = stream.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("1000"), "{error}");
}

#[tokio::test]
async fn whoever_is_no_server_of_this_scheme_is_told() {
    for (says, told) in [
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "says 404",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "says 200"),
        ("220 mail.example.org ESMTP\r\n\r\n", "WebSocket"),
    ] {
        let (address, _server) = serve(move |mut stream| async move {
            let _ = stream.read(&mut [0; 500]).await;
            stream.write_all(says.as_bytes()).await.unwrap();
            let _ = stream.read(&mut [0; 500]).await;
        })
        .await;
        let error = dial(&address).await.err().unwrap();
        assert!(error.to_string().contains(told), "{error}");
    }
    let (address, _server) = serve(|stream| async { drop(stream) }).await;
    assert!(dial(&address).await.is_err());
}

#[tokio::test]
async fn what_tls_has_against_the_connection_is_told() {
    let root = Root::new();
    // This server trusts another root than that of the site.
    let config = server_config(&Root::other(), &certificate(&root, |_| {}), true);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let refuse = move |stream: TcpStream| async move {
        let refused = acceptor.accept(stream).into_fallible().await;
        let (_, mut stream) = refused.err().unwrap();
        stream.shutdown().await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    };
    let (address, _server) = serve(refuse.clone()).await;
    let error = dial(&address).await.err().unwrap();
    let told = "one end speaks TLS and the other does not";
    assert!(error.to_string().contains(told), "{error}");

    let (address, _server) = serve(refuse).await;
    let folder = Folder::new(&root);
    folder.replace("fed_client.json", "localhost:8002", &address);
    folder.replace("fed_client.json", "\"tcp\"", "\"http\"");
    let mut dial = folder.read().unwrap().dial().unwrap();
    let talk = async { dial.dial().await?.stream.read(&mut [0; 9]).await };
    let failure = ConnectionFailure::of(&talk.await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Permanent, "{failure}");
    assert!(failure.text.contains("received fatal alert"), "{failure}");
}
