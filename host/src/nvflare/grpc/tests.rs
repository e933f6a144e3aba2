use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use fedlink::FailureKind;
use futures_channel::mpsc::Receiver;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Response};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::watched::Fault;
use super::*;
use crate::ConnectionFailure;
use crate::nvflare::testing::{Folder, Root};
use crate::nvflare::tls::testing::{certificate, server_config};
use crate::tokio::Stream;

/// An SFM frame around this payload.
fn sfm(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).unwrap();
    [&length.to_be_bytes()[..], &[0; 12], payload].concat()
}

/// A server's end of the call, which says nothing of itself.
struct Server {
    incoming: RecvStream,
    respond: SendResponse<Bytes>,
    outgoing: Option<SendStream<Bytes>>,
    buffer: BytesMut,
}

impl Server {
    /// Waits for a call on this connection, and goes on serving the connection.
    async fn accept(stream: impl Stream) -> Self {
        let mut connection = h2::server::Builder::new()
            .initial_window_size(8 << 20)
            .initial_connection_window_size(8 << 20)
            .handshake(stream)
            .await
            .unwrap();
        let (request, respond) = connection.accept().await.unwrap().unwrap();
        assert_eq!(request.uri().path(), "/streamer.Streamer/Stream");
        assert_eq!(request.headers()["content-type"], "application/grpc");
        tokio::spawn(async move { while connection.accept().await.is_some() {} });
        Self {
            incoming: request.into_body(),
            respond,
            outgoing: None,
            buffer: BytesMut::new(),
        }
    }

    /// The next message as it is on the wire, behind the five bytes of gRPC.
    async fn message(&mut self) -> Option<Bytes> {
        loop {
            if let Some((head, _)) = self.buffer.split_first_chunk::<5>() {
                let [compressed, length @ ..] = *head;
                assert_eq!(compressed, 0);
                let length = u32::from_be_bytes(length) as usize;
                if self.buffer.len() - 5 >= length {
                    self.buffer.advance(5);
                    return Some(self.buffer.split_to(length).freeze());
                }
            }
            let data = self.incoming.data().await?.ok()?;
            let _ = self.incoming.flow_control().release_capacity(data.len());
            self.buffer.extend_from_slice(&data);
        }
    }

    /// The data of the next message.
    async fn frame(&mut self) -> Option<(i32, Bytes)> {
        let message = prost::Message::decode(self.message().await?);
        let Frame { seq, data } = message.unwrap();
        Some((seq, data))
    }

    fn outgoing(&mut self) -> &mut SendStream<Bytes> {
        self.outgoing.get_or_insert_with(|| {
            let answer = Response::builder().header("content-type", "application/grpc");
            let answer = answer.body(()).unwrap();
            self.respond.send_response(answer, false).unwrap()
        })
    }

    fn send(&mut self, frame: &[u8]) {
        let data = Bytes::copy_from_slice(frame);
        let message = prost::Message::encode_to_vec(&Frame { seq: 1, data });
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let message = [&[0][..], &length, &message].concat();
        self.outgoing().send_data(message.into(), false).unwrap();
    }

    fn end(&mut self, status: &'static str) {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        trailers.insert("grpc-message", "because".parse().unwrap());
        self.outgoing().send_trailers(trailers).unwrap();
    }
}

/// Both ends of a call.
async fn call() -> (Box<dyn Stream>, Server) {
    let (address, server) = listen(Server::accept).await;
    let stream = GrpcDial::new(address).dial().await.unwrap().stream;
    started(stream, server).await
}

/// Accepts one connection.
async fn listen<F>(
    accept: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> (String, JoinHandle<Server>)
where
    F: Future<Output = Server> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { accept(listener.accept().await.unwrap().0).await });
    (address, server)
}

/// Goes as far as the first frame, without which a server does not answer.
async fn started(
    mut stream: Box<dyn Stream>,
    server: JoinHandle<Server>,
) -> (Box<dyn Stream>, Server) {
    let hello = sfm(b"hello");
    let mut ready = [0; 21];
    let talk = async {
        stream.write_all(&hello).await.unwrap();
        stream.flush().await.unwrap();
        stream.read_exact(&mut ready).await.unwrap();
    };
    let serve = async {
        let mut server = server.await.unwrap();
        // 08 01: field 1 is 1. 12 15: field 2 has 21 bytes.
        let expected = [&[8, 1, 18, 21][..], &hello].concat();
        assert_eq!(server.message().await.unwrap(), expected);
        server.send(&sfm(b"ready"));
        server
    };
    let ((), server) = tokio::join!(talk, serve);
    assert_eq!(ready[..], sfm(b"ready"));
    (stream, server)
}

#[tokio::test]
async fn frames_go_both_ways_whatever_the_pieces() {
    let (mut stream, mut server) = call().await;
    let frames = [sfm(b""), sfm(b"abc"), sfm(&[7; 300])];
    for byte in frames.concat() {
        stream.write_all(&[byte]).await.unwrap();
    }
    stream.write_all(&frames.concat()).await.unwrap();
    stream.flush().await.unwrap();
    for (seq, expected) in (2..).zip(frames.iter().chain(&frames)) {
        let (found, data) = server.frame().await.unwrap();
        assert_eq!((found, &data[..]), (seq, &expected[..]));
    }
    for frame in &frames {
        server.send(frame);
    }
    let mut read = vec![0; frames.concat().len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(read, frames.concat());
}

#[tokio::test]
async fn large_frames() {
    let (mut stream, mut server) = call().await;
    let large = sfm(&vec![5; 6 << 20]);
    let write = async {
        stream.write_all(&large).await.unwrap();
        stream.flush().await.unwrap();
    };
    let ((), received) = tokio::join!(write, server.frame());
    assert_eq!(received.unwrap().1, large);
    server.send(&large);
    let mut read = vec![0; large.len()];
    stream.read_exact(&mut read).await.unwrap();
    assert_eq!(read, large);
}

#[tokio::test]
async fn a_frame_over_the_limit_breaks_the_connection() {
    let (address, server) = listen(Server::accept).await;
    let mut dial = GrpcDial::new(address).max_frame(1000);
    let stream = dial.dial().await.unwrap().stream;
    let (mut stream, mut server) = started(stream, server).await;
    server.send(&sfm(&[1; 984]));
    let mut read = [0; 1000];
    stream.read_exact(&mut read).await.unwrap();
    server.send(&sfm(&[1; 1100]));
    let told = stream.read(&mut read).await.unwrap_err().to_string();
    assert!(told.contains("message length too large"), "{told}");
}

#[tokio::test]
async fn the_server_ends_the_call() {
    let (mut stream, mut server) = call().await;
    server.end("0");
    assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);

    let (mut stream, mut server) = call().await;
    server.end("14");
    let told = stream.read(&mut [0; 9]).await.unwrap_err().to_string();
    assert!(told.starts_with("gRPC: because"), "{told}");

    let (mut stream, mut server) = call().await;
    server.outgoing().send_reset(Reason::INTERNAL_ERROR);
    stream.read(&mut [0; 9]).await.unwrap_err();
}

#[tokio::test]
async fn the_client_ends_the_call_and_nothing_is_lost() {
    let (mut stream, mut server) = call().await;
    let bye = sfm(b"bye");
    let talk = async {
        stream.write_all(&bye).await.unwrap();
        stream.shutdown().await.unwrap();
        drop(stream);
    };
    let serve = async {
        let frame = server.frame().await.unwrap();
        assert_eq!(frame.1, bye);
        assert!(server.frame().await.is_none());
        server.end("0");
    };
    tokio::join!(talk, serve);
}

/// A stream whose server never answers, and what goes to the network.
fn unanswered() -> (GrpcStream, Receiver<Frame>) {
    let (outgoing, frames) = mpsc::channel(0);
    let stream = GrpcStream::new(outgoing, Box::pin(std::future::pending()), Fault::default());
    (stream, frames)
}

#[test]
fn a_slow_network_holds_the_writer_up() {
    let (mut stream, mut frames) = unanswered();
    let mut stream = Pin::new(&mut stream);
    let mut cx = Context::from_waker(Waker::noop());
    let frame = sfm(b"abc");
    let taken = stream.as_mut().poll_write(&mut cx, &frame);
    assert!(matches!(taken, Poll::Ready(Ok(19))));
    assert!(stream.as_mut().poll_flush(&mut cx).is_ready());
    let taken = stream.as_mut().poll_write(&mut cx, &frame);
    assert!(matches!(taken, Poll::Ready(Ok(19))));
    assert!(stream.as_mut().poll_flush(&mut cx).is_pending());
    assert!(stream.as_mut().poll_write(&mut cx, &frame).is_pending());
    assert_eq!(frames.try_recv().unwrap().data, frame);
    assert!(stream.as_mut().poll_flush(&mut cx).is_ready());
    drop(frames);
    let _ = stream.as_mut().poll_write(&mut cx, &frame);
    let broken = stream.poll_flush(&mut cx);
    assert!(matches!(broken, Poll::Ready(Err(_))), "{broken:?}");
}

#[test]
fn what_is_no_frame_is_not_sent() {
    let (mut stream, _frames) = unanswered();
    let mut cx = Context::from_waker(Waker::noop());
    let mut stream = Pin::new(&mut stream);
    let _ = stream.as_mut().poll_write(&mut cx, &[0, 0, 0, 15]);
    let flushed = stream.as_mut().poll_flush(&mut cx);
    assert!(matches!(flushed, Poll::Ready(Err(_))));
}

#[tokio::test]
async fn over_tls() {
    let root = Root::new();
    let mut config = server_config(&root, &certificate(&root, |_| {}), true);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (address, server) = listen(move |stream| async move {
        let stream = acceptor.accept(stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Server::accept(stream).await
    })
    .await;
    let folder = Folder::new(&root);
    folder.replace("fed_client.json", "localhost:8002", &address);
    folder.replace("fed_client.json", "\"tcp\"", "\"grpc\"");
    let mut dial = folder.read().unwrap().dial().unwrap();
    let stream = dial.dial().await.unwrap().stream;
    started(stream, server).await;
}

#[tokio::test]
async fn a_server_that_refuses_the_certificate() {
    let root = Root::new();
    let mut config = server_config(&Root::other(), &certificate(&root, |_| {}), true);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = Folder::new(&root);
    let address = listener.local_addr().unwrap().to_string();
    folder.replace("fed_client.json", "localhost:8002", &address);
    folder.replace("fed_client.json", "\"tcp\"", "\"grpc\"");
    let mut dial = folder.read().unwrap().dial().unwrap();
    let refuse = async { acceptor.accept(listener.accept().await.unwrap().0).await };
    let talk = async { dial.dial().await?.stream.read(&mut [0; 9]).await };
    let (refused, told) = tokio::join!(refuse, talk);
    assert!(refused.is_err());
    let told = told.unwrap_err();
    assert_eq!(told.kind(), io::ErrorKind::InvalidData);
    assert!(told.to_string().contains("received fatal alert"), "{told}");
    assert_eq!(ConnectionFailure::of(&told).kind, FailureKind::Permanent);
}

#[tokio::test]
async fn a_server_that_speaks_tls_to_a_site_that_does_not() {
    let root = Root::new();
    let config = server_config(&root, &certificate(&root, |_| {}), true);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut dial = GrpcDial::new(listener.local_addr().unwrap().to_string());
    let refuse = async {
        let (stream, _) = listener.accept().await.unwrap();
        let refused = acceptor.accept(stream).into_fallible().await;
        let (_, mut stream) = refused.err().unwrap();
        stream.shutdown().await.unwrap();
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    };
    let talk = async { dial.dial().await?.stream.read(&mut [0; 9]).await };
    let ((), told) = tokio::join!(refuse, talk);
    let told = told.unwrap_err().to_string();
    assert!(
        told.contains("one end speaks TLS and the other does not"),
        "{told}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut dial = GrpcDial::new(listener.local_addr().unwrap().to_string());
    let hang_up = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 24]).await.unwrap();
    };
    let talk = async { dial.dial().await.unwrap().stream.read(&mut [0; 9]).await };
    let ((), told) = tokio::join!(hang_up, talk);
    let told = told.unwrap_err().to_string();
    assert!(
        told.starts_with("the server ended the connection before it answered"),
        "{told}"
    );
}
