//! The application's calls to its client.

use fedlink::Client;
use fedlink::message::{JobId, Outcome, Payload, Progress, Properties, SignatureId, TaskId};

use crate::tokio::handle::{Handle, hash_ahead};
use crate::{CallError, Stopped};

/// The client's commands; each is explained at the method of [`Client`] of the same name,
/// and all others can be reached with [`call`](Self::call).
impl Handle<Client> {
    /// See [`Client::register`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn register(&self) -> Result<(), CallError> {
        self.command(|client, now| client.register(now)).await
    }

    /// Says goodbye. [`ClientAction::Closed`](fedlink::ClientAction::Closed) is the last
    /// event then, and the host stops. See [`Client::quit`].
    ///
    /// # Errors
    /// When the host has stopped.
    pub async fn quit(&self, reason: &str) -> Result<(), Stopped> {
        let reason = reason.to_owned();
        self.call(move |client, now| client.quit(now, &reason))
            .await
    }

    /// See [`Client::pull_task`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn pull_task(&self, job: JobId) -> Result<(), CallError> {
        self.command(move |client, now| client.pull_task(now, job))
            .await
    }

    /// See [`Client::submit`]. A large payload is hashed before, away from the host.
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn submit(
        &self,
        task: TaskId,
        outcome: Outcome,
        headers: Properties,
        payload: Payload,
    ) -> Result<(), CallError> {
        hash_ahead(&payload).await;
        self.command(move |client, now| client.submit(now, task, outcome, headers, payload))
            .await
    }

    /// See [`Client::job_started`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn job_started(&self, job: JobId) -> Result<(), CallError> {
        self.command(move |client, now| client.job_started(now, job))
            .await
    }

    /// See [`Client::job_ended`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn job_ended(&self, job: JobId) -> Result<(), CallError> {
        self.command(move |client, now| client.job_ended(now, job))
            .await
    }

    /// See [`Client::job_abort_failed`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn job_abort_failed(&self, job: JobId) -> Result<(), CallError> {
        self.command(move |client, now| client.job_abort_failed(now, job))
            .await
    }

    /// See [`Client::report_progress`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn report_progress(&self, job: JobId, progress: Progress) -> Result<(), CallError> {
        self.command(move |client, now| client.report_progress(now, job, progress))
            .await
    }

    /// See [`Client::heartbeat_ready`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn heartbeat_ready(&self, context: Option<Properties>) -> Result<(), CallError> {
        self.command(move |client, now| client.heartbeat_ready(now, context))
            .await
    }

    /// See [`Client::signed`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn signed(&self, request: SignatureId, signature: [u8; 64]) -> Result<(), CallError> {
        self.command(move |client, now| client.signed(now, request, &signature))
            .await
    }
}
