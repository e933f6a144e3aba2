//! Frames over gRPC: each is a message of one stream in both directions.

mod stream;
mod watched;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fedlink::nvflare::Settings;
use futures_channel::mpsc;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

use crate::proxy::Proxies;
use crate::tokio::{Connection, Dial, Dialing, TcpDial};
use stream::GrpcStream;
use watched::Watched;

/// The one method of the server's one service.
const METHOD: &str = "/streamer.Streamer/Stream";

/// What TLS has to agree on for HTTP/2.
const ALPN: &[u8] = b"h2";

/// How many bytes may be on the way to us before we have taken any: with less, a model
/// waits for acknowledgements on every long path.
const WINDOW: u32 = 4 << 20;

/// What the two fields of a message take beside the frame, in bytes.
const FIELDS: usize = 32;

/// How long HTTP/2 may take to begin on a connection that stands.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(5);

/// One SFM frame.
#[derive(Clone, PartialEq, prost::Message)]
struct Frame {
    /// Counted by the sender; nobody looks at it.
    #[prost(int32, tag = "1")]
    seq: i32,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
}

/// Connects to a server of NVIDIA FLARE over gRPC, with TLS or without.
#[derive(Clone, Debug)]
pub struct GrpcDial {
    address: String,
    tcp: TcpDial,
    max_frame: usize,
}

impl GrpcDial {
    /// To `host:port`.
    #[must_use]
    pub fn new(address: impl Into<String>) -> Self {
        let address = address.into();
        Self {
            tcp: TcpDial::new([&address]),
            address,
            max_frame: Settings::DEFAULT.max_frame,
        }
    }

    /// With TLS. The server's certificate is judged by the configuration's verifier, to
    /// which `name` is given.
    #[must_use]
    pub fn tls(mut self, config: &Arc<rustls::ClientConfig>, name: ServerName<'static>) -> Self {
        let mut config = rustls::ClientConfig::clone(config);
        config.alpn_protocols = vec![ALPN.to_vec()];
        self.tcp = self.tcp.tls(Arc::new(config), name);
        self
    }

    /// Through these proxies, where it is over TLS. Default: none.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.tcp = self.tcp.proxies(proxies);
        self
    }

    /// The longest frame from the server, in bytes: pass what the client's
    /// [`Settings::max_frame`] says. Default: that of [`Settings::DEFAULT`].
    #[must_use]
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = bytes;
        self
    }

    async fn connect(mut self) -> io::Result<Connection> {
        let Connection {
            stream,
            carrier,
            local_address,
        } = self.tcp.dial().await?;
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))
            .map_err(io::Error::other)?
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW);
        // Only once: when this connection is lost, the client is told, and dials anew.
        let (stream, fault) = Watched::new(stream);
        let mut stream = Some(TokioIo::new(stream));
        let connector = tower::service_fn(move |_| {
            let lost = || io::Error::from(io::ErrorKind::NotConnected);
            std::future::ready(stream.take().ok_or_else(lost))
        });
        let broken = |error| fault.get().unwrap_or_else(|| io::Error::other(error));
        let channel = timeout(BEGIN_TIMEOUT, endpoint.connect_with_connector(connector)).await?;
        let mut client = Grpc::new(channel.map_err(broken)?)
            .max_decoding_message_size(self.max_frame.saturating_add(FIELDS));
        client.ready().await.map_err(broken)?;
        let (outgoing, frames) = mpsc::channel(0);
        // The server answers the call only when it has something to say, which is after
        // our first frame: the answer is awaited while reading.
        let answer = Box::pin(async move {
            let method = PathAndQuery::from_static(METHOD);
            let codec = ProstCodec::<Frame, Frame>::default();
            let answer = client
                .streaming(Request::new(frames), method, codec)
                .await?;
            Ok(answer.into_inner())
        });
        Ok(Connection {
            stream: Box::new(GrpcStream::new(outgoing, answer, fault)),
            carrier,
            local_address,
        })
    }
}

impl Dial for GrpcDial {
    fn dial(&mut self) -> Dialing {
        Box::pin(self.clone().connect())
    }
}

#[cfg(test)]
mod tests;
