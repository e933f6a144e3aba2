//! Connections that break and processes that die: work goes on where it was.

mod common;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::{
    Federation, JOB, Site, assigned, grow, hold_task, joined, next_result, pattern, react,
    start_job, task, wait_for,
};
use fedlink::{ClientAction, RetryReason, ServerAction};
use fedlink_host::HostError;
use fedlink_host::storage::{MemoryStorage, Storage};
use fedlink_host::store::FileStore;
use fedlink_host::tokio::{
    Accept, Accepted, Incoming, MemoryAccept, Stream, TcpAccept, TcpDial, memory,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;

#[tokio::test]
async fn an_upload_that_is_cut_goes_on_where_it_was() {
    let federation = Federation::new();
    let (dial, accept) = memory();
    let accept = CutFirst {
        accept,
        after: Some(5 << 20),
    };
    let (server, mut events) = federation.coordinator(accept).start().unwrap();
    let mut site = Site::start(federation.site("site-1", dial)).await;
    start_job(&server, grow(12 << 20)).await;

    let lost = |event: &ClientAction| {
        let lost = RetryReason::Disconnected;
        matches!(event, ClientAction::Retry { reason, .. } if *reason == lost).then_some(())
    };
    site.wait_for(lost).await;
    let result = next_result(&server, &mut events).await;
    assert_eq!(result.payload.bytes()[..], pattern(12 << 20));
    let counters = site.client.call(|client, _| client.counters().clone());
    let counters = counters.await.unwrap();
    assert_eq!(counters.resumed_uploads, 1);
    assert!(counters.bytes_sent_twice < 4 << 20, "{counters:?}");
    site.quit("done").await;
}

#[tokio::test]
async fn a_site_that_died_gets_its_task_again_and_finishes_it() {
    let federation = Federation::new();
    let (dial, accept) = memory();
    let (server, mut server_events) = federation.coordinator(accept).start().unwrap();
    let storage = MemoryStorage::new();
    let host = federation.site("site-1", dial.clone());
    let (client, mut events) = host.storage(storage.clone(), Vec::new()).start().unwrap();
    client.register().await.unwrap();
    let given = start_job(&server, task("unfinished")).await;
    let held = hold_task(&client, &mut events).await;
    assert_eq!((held.id, held.again), (given, false));
    drop(client);
    events.finish().await.unwrap();

    let (storage, records) = storage.reopen();
    let host = federation.site("site-1", dial);
    let mut site = Site::start(host.storage(storage, records)).await;
    let held = site.wait_for(assigned).await;
    assert_eq!((held.id, held.again), (given, true));
    let result = next_result(&server, &mut server_events).await;
    assert_eq!(result.task, given);
    assert_eq!(result.payload.bytes(), "dehsinifnu");
    site.quit("done").await;
}

/// A storage that takes everything and confirms nothing.
struct Full;

impl Storage for Full {
    fn append(&mut self, _: &Bytes, _: &Bytes) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn replace(&mut self, _: &mut dyn Iterator<Item = (Bytes, Bytes)>) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn len_bytes(&self) -> u64 {
        0
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_not_promised_and_stops_the_host() {
    let federation = Federation::new();
    let (dial, accept) = memory();
    let (server, _server_events) = federation.coordinator(accept).start().unwrap();
    let host = federation.site("site-1", dial).storage(Full, Vec::new());
    let (client, mut events) = host.start().unwrap();
    client.register().await.unwrap();
    start_job(&server, task("never held")).await;
    while let Some(event) = events.next().await {
        react(&client, &event).await;
        assert!(assigned(&event).is_none(), "{event:?}");
    }
    let error = events.finish().await.unwrap_err();
    assert!(matches!(error, HostError::Storage(_)), "{error}");
    assert!(error.to_string().contains("start again"), "{error}");
}

#[tokio::test]
async fn a_server_that_died_goes_on_with_tasks_and_gives_results_again() {
    let federation = Federation::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (store, records) = FileStore::open(folder.path()).unwrap();
    let host = federation.coordinator(TcpAccept::new(listener));
    let (server, mut events) = host.storage(store, records).start().unwrap();
    let dial = TcpDial::new([address.to_string()]);
    let site = Site::start(federation.site("site-1", dial)).await;
    joined(&mut events).await;
    let first = start_job(&server, task("first")).await;
    let received = |event: &ServerAction| match event {
        ServerAction::ResultReceived(result) => Some((result.task, result.again)),
        _ => None,
    };
    assert_eq!(wait_for(&mut events, received).await, (first, false));
    drop(server);
    events.finish().await.unwrap();

    let (store, records) = FileStore::open(folder.path()).unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let host = federation.coordinator(TcpAccept::new(listener));
    let (server, mut events) = host.storage(store, records).start().unwrap();
    assert_eq!(wait_for(&mut events, received).await, (first, true));
    server.taken(first).await.unwrap();
    let second = common::task("second");
    let second = server.assign(JOB, fedlink::Assignee::Anyone, second).await;
    assert_eq!(
        wait_for(&mut events, received).await,
        (second.unwrap(), false)
    );
    site.quit("done").await;
}

#[tokio::test]
async fn a_network_that_changes_is_a_new_connection_and_the_same_session() {
    let federation = Federation::new();
    let (dial, accept) = memory();
    let (server, mut events) = federation.coordinator(accept).start().unwrap();
    let mut site = Site::start(federation.site("site-1", dial)).await;
    joined(&mut events).await;
    site.client.disconnect().await.unwrap();
    let answered = |event: &ClientAction| {
        matches!(event, ClientAction::HeartbeatAnswered { .. }).then_some(())
    };
    let lost = |event: &ClientAction| matches!(event, ClientAction::Retry { .. }).then_some(());
    site.wait_for(lost).await;
    site.wait_for(answered).await;
    let registrations = server.call(|server, _| server.counters().registrations);
    assert_eq!(registrations.await.unwrap(), 1);
    site.quit("done").await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nothing_ever_comes_is_given_up() {
    let federation = Federation::new();
    let (dial, mut accept) = memory();
    let _site = Site::start(federation.site("site-1", dial)).await;
    let mut silent = Vec::new();
    while silent.len() < 3 {
        let accepted = accept.accept().await.unwrap();
        silent.push(accepted.ready.await.unwrap());
    }
}

/// Breaks the first connection when so many bytes have come.
struct CutFirst {
    accept: MemoryAccept,
    after: Option<usize>,
}

impl Accept for CutFirst {
    fn accept(&mut self) -> Pin<Box<dyn Future<Output = io::Result<Accepted>> + Send + '_>> {
        Box::pin(async {
            let accepted = self.accept.accept().await?;
            let Some(after) = self.after.take() else {
                return Ok(accepted);
            };
            let ready = Box::pin(async move {
                let incoming = accepted.ready.await?;
                let stream = Cut {
                    stream: incoming.stream,
                    left: after,
                };
                Ok(Incoming {
                    stream: Box::new(stream),
                    ..incoming
                })
            });
            Ok(Accepted { ready, ..accepted })
        })
    }
}

struct Cut {
    stream: Box<dyn Stream>,
    left: usize,
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let before = buffer.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.left = self.left.saturating_sub(buffer.filled().len() - before);
        poll
    }
}

impl AsyncWrite for Cut {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
