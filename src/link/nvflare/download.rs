//! Arrays that a task only refers to, fetched from the cell that holds them.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::call::{Answer, Purpose};
use super::cell::Origin;
use super::send::Target;
use super::task::Incoming;
use super::{Link, Timer};
use crate::Instant;
use crate::link::event::LinkContext;
use crate::message::{RequestId, ReturnCode};
use crate::wire::nvflare::cell::{Headers, channel, topic};
use crate::wire::nvflare::fobs::Source;
use crate::wire::nvflare::model::{self, ModelError};
use crate::wire::nvflare::value::Value;

/// How long one part may take before it is asked for again.
const PART_TIMEOUT: Duration = Duration::from_secs(20);

/// How often one part is asked for.
const COPIES: u32 = 4;

/// One task's arrays on their way.
pub(super) struct Download {
    origin: Origin,
    /// Where the arrays are; the last one is being fetched from.
    sources: Vec<Source>,
    /// What the source wants back with the next request.
    state: Option<Value>,
    fetched: BTreeMap<String, Bytes>,
    bytes: u64,
    tries: u32,
    task: Incoming,
}

impl Download {
    pub(super) fn new(origin: Origin, mut sources: Vec<Source>, task: Incoming) -> Self {
        sources.reverse();
        Self {
            origin,
            sources,
            state: None,
            fetched: BTreeMap::new(),
            bytes: 0,
            tries: 0,
            task,
        }
    }
}

/// What a part of a download says.
enum Part {
    Data { items: Vec<Bytes>, state: Value },
    End { nonce: Option<Value> },
    Failed,
}

impl Link {
    pub(super) fn start_download(
        &mut self,
        cx: &mut LinkContext<'_>,
        id: RequestId,
        download: Download,
    ) {
        if let Origin::Job(job) = download.origin {
            self.jobs.entry(job).or_default().asking = Some(id);
        }
        self.downloads.insert(id, download);
        self.fetch(cx, id);
    }

    /// A piece of a part has come: the rest gets its time.
    pub(super) fn download_moves(&mut self, now: Instant, id: RequestId) {
        let timer = Timer::Download(id);
        if self.timers.is_armed(timer) {
            self.timers.arm(timer, now + PART_TIMEOUT);
        }
    }

    /// The part did not come in time.
    pub(super) fn download_again(&mut self, cx: &mut LinkContext<'_>, id: RequestId) {
        self.withdraw(|call| call.purpose == Purpose::Download(id));
        self.fetch(cx, id);
    }

    pub(super) fn downloaded(&mut self, cx: &mut LinkContext<'_>, id: RequestId, answer: Answer) {
        let Some(download) = self.downloads.get_mut(&id) else {
            return;
        };
        download.tries = 0;
        let part = match (answer.code, answer.body) {
            (ReturnCode::Ok, Some(body)) => read_part(body.value),
            _ => Part::Failed,
        };
        match part {
            Part::Data { items, state } => match download.take(items, cx.config.max_payload) {
                Ok(()) => {
                    download.state = Some(state);
                    self.fetch(cx, id);
                    self.moving(cx.now, id);
                }
                Err(error) => self.download_unfit(id, &error),
            },
            Part::End { nonce } => {
                self.confirm(cx, id, nonce);
                self.next_source(cx, id);
            }
            Part::Failed => {
                self.download_failed(id, "the server no longer has the arrays".to_owned())
            }
        }
    }

    /// Asks for the next part.
    fn fetch(&mut self, cx: &mut LinkContext<'_>, id: RequestId) {
        let Some(download) = self.downloads.get_mut(&id) else {
            return;
        };
        let Some(source) = download.sources.last() else {
            return;
        };
        if download.tries >= COPIES {
            self.download_failed(id, "the arrays did not come".to_owned());
            return;
        }
        download.tries += 1;
        let mut body = vec![
            ("ref_id".into(), source.ref_id.as_str().into()),
            ("confirm_capable".into(), true.into()),
        ];
        if let Some(state) = &download.state {
            body.push(("state".into(), state.clone()));
        }
        let target = target(download, source);
        let purpose = Purpose::Download(id);
        self.stream_call(cx, purpose, target, Headers::new(), &Value::Map(body));
        self.timers.arm(Timer::Download(id), cx.now + PART_TIMEOUT);
    }

    /// Tells the source that all has come, if it wants to know.
    fn confirm(&mut self, cx: &LinkContext<'_>, id: RequestId, nonce: Option<Value>) {
        let (Some(nonce), Some(download)) = (nonce, self.downloads.get(&id)) else {
            return;
        };
        let Some(source) = download.sources.last() else {
            return;
        };
        let body = Value::map([
            ("ref_id", Value::from(source.ref_id.as_str())),
            ("confirm", "success".into()),
            ("confirm_nonce", nonce),
        ]);
        let target = target(download, source);
        self.stream_notice(cx, &target, &body);
    }

    fn next_source(&mut self, cx: &mut LinkContext<'_>, id: RequestId) {
        self.timers.disarm(Timer::Download(id));
        let Some(download) = self.downloads.get_mut(&id) else {
            return;
        };
        download.sources.pop();
        download.state = None;
        if !download.sources.is_empty() {
            self.fetch(cx, id);
        } else if let Some(download) = self.downloads.remove(&id) {
            self.cancel(id);
            self.task_came(cx, id, download.task, &download.fetched);
        }
    }

    fn download_failed(&mut self, id: RequestId, why: String) {
        tracing::warn!(why, "the arrays of a task cannot be fetched");
        self.give_up(id, ReturnCode::CommError, why);
    }

    /// The arrays will never be of use.
    fn download_unfit(&mut self, id: RequestId, error: &ModelError) {
        if let Some(download) = self.downloads.remove(&id) {
            self.cancel(id);
            self.task_unfit(id, download.task, error);
        }
    }
}

impl Download {
    fn take(&mut self, items: Vec<Bytes>, limit: u64) -> Result<(), ModelError> {
        let Some(source) = self.sources.last() else {
            return Ok(());
        };
        for item in items {
            self.bytes = self.bytes.saturating_add(item.len() as u64);
            if self.bytes > limit {
                return Err(ModelError::TooLarge(limit));
            }
            self.fetched.extend(model::items(item, source.kind)?);
        }
        Ok(())
    }
}

fn target(download: &Download, source: &Source) -> Target<'static> {
    Target {
        origin: download.origin,
        to: source.fqcn.clone(),
        channel: channel::DOWNLOAD,
        topic: topic::DOWNLOAD,
        optional: false,
    }
}

fn read_part(body: Value) -> Part {
    match body.get("status").and_then(Value::as_str) {
        Some("ok") => {
            let items = body
                .get("data")
                .and_then(Value::as_list)
                .unwrap_or_default();
            let items = items.iter().filter_map(Value::as_bytes).cloned().collect();
            let state = body.get("state").cloned().unwrap_or(Value::Nil);
            Part::Data { items, state }
        }
        Some("eof") => {
            let wanted = body.get("confirm_expected").and_then(Value::as_bool) == Some(true);
            let nonce = body.get("confirm_nonce").cloned().filter(|_| wanted);
            Part::End { nonce }
        }
        _ => Part::Failed,
    }
}
