//! The application's calls to its server.

use fedlink::identity::Name;
use fedlink::message::{JobId, SignatureId, TaskId};
use fedlink::{Assignee, NewTask, Server, Sites};

use crate::tokio::handle::{Handle, hash_ahead};
use crate::{CallError, Stopped};

/// The server's commands; each is explained at the method of [`Server`] of the same name,
/// and all others can be reached with [`call`](Self::call).
impl Handle<Server> {
    /// See [`Server::start_job`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn start_job(&self, job: JobId, sites: Sites) -> Result<(), CallError> {
        self.command(move |server, now| server.start_job(now, job, sites))
            .await
    }

    /// See [`Server::end_job`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn end_job(&self, job: JobId) -> Result<(), CallError> {
        self.command(move |server, now| server.end_job(now, job))
            .await
    }

    /// See [`Server::assign`]. A large payload is hashed before, away from the host.
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn assign(
        &self,
        job: JobId,
        to: Assignee,
        task: NewTask,
    ) -> Result<TaskId, CallError> {
        hash_ahead(&task.payload).await;
        self.command(move |server, now| server.assign(now, job, to, task))
            .await
    }

    /// See [`Server::withdraw`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn withdraw(&self, task: TaskId) -> Result<(), CallError> {
        self.command(move |server, now| server.withdraw(now, task))
            .await
    }

    /// See [`Server::reassign`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn reassign(&self, task: TaskId, to: Assignee) -> Result<TaskId, CallError> {
        self.command(move |server, now| server.reassign(now, task, to))
            .await
    }

    /// See [`Server::taken`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn taken(&self, task: TaskId) -> Result<(), CallError> {
        self.command(move |server, now| server.taken(now, task))
            .await
    }

    /// See [`Server::disable`].
    ///
    /// # Errors
    /// When the host has stopped.
    pub async fn disable(&self, client: Name) -> Result<bool, Stopped> {
        self.call(move |server, now| server.disable(now, &client))
            .await
    }

    /// See [`Server::enable`].
    ///
    /// # Errors
    /// When the host has stopped.
    pub async fn enable(&self, client: Name) -> Result<bool, Stopped> {
        self.call(move |server, now| server.enable(now, &client))
            .await
    }

    /// See [`Server::signed`].
    ///
    /// # Errors
    /// As there, and when the host has stopped.
    pub async fn signed(&self, request: SignatureId, signature: [u8; 64]) -> Result<(), CallError> {
        self.command(move |server, now| server.signed(now, request, &signature))
            .await
    }
}
