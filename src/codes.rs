//! Stable numbers and words for every reason, event and state that a host hears of: logs,
//! scripts and other languages need no English. `docs/codes.md` says what each one means.
//! What was given once is never given to anything else.

use crate::error::{ConfigError, Dropped, Misuse, SettingError};
use crate::identity::{ChainError, KeyError, NameError};
use crate::message::{MessageKind, Outcome, Refusal, RejectReason, ReturnCode};
#[cfg(feature = "nvflare")]
use crate::nvflare::OnReplaced;
use crate::{
    CarrierWish, ClientAction, CloseReason, Direction, FailureKind, Mode, Phase, RetryReason,
    ServerAction, ServerTimer, SettingKind, Suite, Suspicion, TaskState, Timer, Trigger,
};

macro_rules! codes {
    ($($(#[$condition:meta])* $kind:ident {
        $($(#[$attribute:meta])* $code:literal $name:literal $variant:ident,)*
    })*) => {
        $($(#[$condition])* impl $kind {
            /// A number that stands for this kind in every release, whatever it holds:
            /// `docs/codes.md`.
            #[must_use]
            pub const fn code(&self) -> u16 {
                match self {
                    $($(#[$attribute])* Self::$variant { .. } => $code,)*
                }
            }

            /// A word that stands for this kind in every release, whatever it holds, of small
            /// letters and `_`: `docs/codes.md`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $($(#[$attribute])* Self::$variant { .. } => $name,)*
                }
            }
        })*

        /// The tables, by the name of each type.
        #[cfg(test)]
        const TABLES: &[(&str, &[(u16, &str)])] = &[
            $((stringify!($kind), &[$(($code, $name)),*]),)*
        ];
    };
}

codes! {
    Phase {
        1 "idle" Idle,
        2 "registering" Registering,
        3 "active" Active,
        4 "quitting" Quitting,
        5 "rejected" Rejected,
        6 "closed" Closed,
    }
    Trigger {
        1 "register" Register,
        2 "registered" Registered,
        3 "refused" Refused,
        4 "session_lost" SessionLost,
        5 "quit" Quit,
        6 "farewell" Farewell,
        7 "heartbeat_failed" HeartbeatFailed,
    }
    CarrierWish {
        1 "keep" Keep,
        2 "connect" Connect,
        3 "replace" Replace,
    }
    Timer {
        1 "connect" Connect,
        2 "handshake" Handshake,
        3 "backoff" Backoff,
        4 "heartbeat" Heartbeat,
        5 "heartbeat_release" HeartbeatRelease,
        6 "renewal" Renewal,
        7 "silence" Silence,
        8 "hint" Hint,
        9 "link" Link,
        10 "request" Request,
        11 "pull" Pull,
        12 "outbox" Outbox,
    }
    ClientAction {
        1 "set_auth" SetAuth,
        2 "clear_auth" ClearAuth,
        3 "retry" Retry,
        4 "heartbeat_due" HeartbeatDue,
        5 "heartbeat_answered" HeartbeatAnswered,
        6 "abort_jobs" AbortJobs,
        7 "start_jobs" StartJobs,
        8 "task_assigned" TaskAssigned,
        9 "try_again" TryAgain,
        10 "run_ended" RunEnded,
        11 "result_accepted" ResultAccepted,
        12 "result_refused" ResultRefused,
        13 "transfer_progress" TransferProgress,
        #[cfg(feature = "nvflare")]
        14 "resources_wanted" ResourcesWanted,
        #[cfg(feature = "nvflare")]
        15 "deploy" Deploy,
        #[cfg(feature = "nvflare")]
        16 "abort_task" AbortTask,
        17 "sign" Sign,
        18 "persist" Persist,
        19 "dates_unchecked" DatesUnchecked,
        20 "certificate_ends" CertificateEnds,
        21 "suspect" Suspect,
        22 "rejected" Rejected,
        23 "closed" Closed,
    }
    RetryReason {
        1 "not_connected" NotConnected,
        2 "disconnected" Disconnected,
        3 "send_failed" SendFailed,
        4 "challenge_unanswered" ChallengeUnanswered,
        5 "challenge_suspect" ChallengeSuspect,
        6 "register_unanswered" RegisterUnanswered,
        7 "server_busy" ServerBusy,
        8 "no_common_suite" NoCommonSuite,
        9 "challenge_too_short" ChallengeTooShort,
        10 "server_older" ServerOlder,
        11 "server_newer" ServerNewer,
        12 "certificate_dates" CertificateDates,
        13 "signer_silent" SignerSilent,
        14 "heartbeat" Heartbeat,
        15 "pull_task" PullTask,
        16 "submit_result" SubmitResult,
        17 "transfer" Transfer,
        18 "session_silent" SessionSilent,
        19 "replaced" Replaced,
    }
    Suspicion {
        1 "chain" Chain,
        2 "proof" Proof,
        3 "seal" Seal,
        4 "suite" Suite,
        5 "token_signature" TokenSignature,
        6 "malformed" Malformed,
        7 "no_token" NoToken,
        8 "auth_dropped" AuthDropped,
    }
    FailureKind {
        1 "transient" Transient,
        2 "permanent" Permanent,
    }
    RejectReason {
        0 "unauthenticated" Unauthenticated,
        1 "disabled" Disabled,
        2 "wrong_project" WrongProject,
        3 "replaced" Replaced,
    }
    CloseReason {
        1 "quit" Quit,
        2 "not_registered" NotRegistered,
        3 "no_answer" NoAnswer,
        4 "session_gone" SessionGone,
        5 "heartbeat_failed" HeartbeatFailed,
    }
    Direction {
        1 "down" Down,
        2 "up" Up,
    }
    ServerTimer {
        1 "session" Session,
        2 "window" Window,
        3 "restored" Restored,
        4 "watch" Watch,
    }
    ServerAction {
        1 "client_joined" ClientJoined,
        2 "client_replaced" ClientReplaced,
        3 "client_left" ClientLeft,
        4 "client_dead" ClientDead,
        5 "heartbeat_received" HeartbeatReceived,
        6 "task_wanted" TaskWanted,
        7 "result_received" ResultReceived,
        8 "job_missing_on_client" JobMissingOnClient,
        9 "sign" Sign,
        10 "persist" Persist,
        11 "dates_unchecked" DatesUnchecked,
        12 "certificate_ends" CertificateEnds,
    }
    TaskState {
        1 "queued" Queued,
        2 "assigned" Assigned,
        3 "done" Done,
        4 "taken" Taken,
    }
    Suite {
        0 "plain" Plain,
        1 "bearer" Bearer,
        2 "sealed" Sealed,
    }
    ReturnCode {
        0 "ok" Ok,
        1 "timeout" Timeout,
        2 "invalid_target" InvalidTarget,
        3 "target_unreachable" TargetUnreachable,
        4 "comm_error" CommError,
        5 "msg_too_big" MsgTooBig,
        6 "filter_error" FilterError,
        7 "invalid_request" InvalidRequest,
        8 "process_exception" ProcessException,
        9 "authentication_error" AuthenticationError,
        10 "service_unavailable" ServiceUnavailable,
        11 "invalid_session" InvalidSession,
        12 "abort_run" AbortRun,
        13 "unauthenticated" Unauthenticated,
    }
    Refusal {
        0 "withdrawn" Withdrawn,
        1 "job_gone" JobGone,
        2 "other_ssid" OtherSsid,
        3 "bad_digest" BadDigest,
        4 "too_big" TooBig,
    }
    Outcome {
        0 "ok" Ok,
        1 "failed" Failed,
        2 "aborted" Aborted,
    }
    Dropped {
        1 "too_long" TooLong,
        2 "too_short" TooShort,
        3 "malformed" Malformed,
        4 "version" Version,
        5 "unasked" Unasked,
        6 "no_session" NoSession,
        7 "unauthentic" Unauthentic,
        8 "repeated" Repeated,
        9 "unproven" Unproven,
        10 "over_budget" OverBudget,
        11 "cookie" Cookie,
        12 "unexpected" Unexpected,
    }
    MessageKind {
        1 "challenge" Challenge,
        2 "challenge_reply" ChallengeReply,
        3 "register" Register,
        4 "register_reply" RegisterReply,
        5 "refusal" Refusal,
        6 "invalid_session" InvalidSession,
        7 "versions" Versions,
        32 "heartbeat" Heartbeat,
        33 "pull_task" PullTask,
        34 "submit_result" SubmitResult,
        35 "fetch" Fetch,
        36 "push" Push,
        37 "quit" Quit,
        48 "heartbeat_reply" HeartbeatReply,
        49 "pull_reply" PullReply,
        50 "submit_reply" SubmitReply,
        51 "fetch_reply" FetchReply,
        52 "push_reply" PushReply,
        53 "quit_reply" QuitReply,
        54 "failed" Failed,
        64 "hello" Hello,
        65 "ready" Ready,
        66 "ping" Ping,
        67 "pong" Pong,
        68 "control" Control,
        69 "control_reply" ControlReply,
        70 "stream_control" StreamControl,
        71 "other" Other,
    }
    Misuse {
        1 "unknown_job" UnknownJob,
        2 "job_exists" JobExists,
        3 "not_a_site" NotASite,
        4 "unknown_task" UnknownTask,
        5 "task_done" TaskDone,
        6 "unknown_record" UnknownRecord,
        7 "unknown_signature" UnknownSignature,
        #[cfg(feature = "nvflare")]
        8 "unknown_control" UnknownControl,
        9 "too_large" TooLarge,
        10 "full" Full,
        11 "unfit" Unfit,
        12 "already_registering" AlreadyRegistering,
        13 "not_registered" NotRegistered,
        14 "not_connected" NotConnected,
        15 "config" Config,
    }
    ConfigError {
        1 "no_suite" NoSuite,
        2 "plain_beside_others" PlainBesideOthers,
        3 "no_key" NoKey,
        4 "no_roots" NoRoots,
        5 "key_mismatch" KeyMismatch,
        6 "name_mismatch" NameMismatch,
        7 "no_server_name" NoServerName,
        8 "no_channel_binding" NoChannelBinding,
        9 "chain" Chain,
        10 "roots" Roots,
        11 "rsa_identity" RsaIdentity,
        12 "no_rsa_identity" NoRsaIdentity,
        13 "out_of_bounds" OutOfBounds,
        14 "record" Record,
        15 "record_version" RecordVersion,
    }
    SettingError {
        1 "unknown" Unknown,
        2 "wrong_kind" WrongKind,
        3 "out_of_bounds" OutOfBounds,
        4 "name" Name,
        5 "suites" Suites,
    }
    SettingKind {
        1 "duration" Duration,
        2 "count" Count,
        3 "bytes" Bytes,
        4 "bool" Bool,
        5 "word" Word,
        6 "words" Words,
        7 "name" Name,
    }
    Mode {
        1 "work" Work,
        2 "simulate" Simulate,
    }
    #[cfg(feature = "nvflare")]
    OnReplaced {
        1 "stop" Stop,
        2 "take_over" TakeOver,
    }
    ChainError {
        1 "empty" Empty,
        2 "too_many" TooMany,
        3 "too_large" TooLarge,
        4 "bad_framing" BadFraming,
        5 "malformed" Malformed,
        6 "wrong_key_type" WrongKeyType,
        7 "weak_key" WeakKey,
        8 "wrong_signature_type" WrongSignatureType,
        9 "not_a_certificate" NotACertificate,
        10 "not_an_rsa_key" NotAnRsaKey,
        11 "rsa_key_size" RsaKeySize,
        12 "impossible_rsa_key" ImpossibleRsaKey,
        13 "not_an_rsa_signature" NotAnRsaSignature,
        14 "not_issued_by_next" NotIssuedByNext,
        15 "unknown_root" UnknownRoot,
        16 "bad_signature" BadSignature,
        17 "expired" Expired,
        18 "not_yet_valid" NotYetValid,
        19 "not_a_ca" NotACa,
        20 "leaf_is_ca" LeafIsCa,
        21 "path_too_long" PathTooLong,
        22 "key_usage" KeyUsage,
        23 "extended_key_usage" ExtendedKeyUsage,
        24 "no_common_name" NoCommonName,
        25 "several_common_names" SeveralCommonNames,
        26 "common_name_encoding" CommonNameEncoding,
        27 "bad_common_name" BadCommonName,
        28 "wrong_name" WrongName,
        29 "revoked" Revoked,
        30 "unknown_critical_extension" UnknownCriticalExtension,
        31 "name_constraints" NameConstraints,
        32 "not_pinned" NotPinned,
        33 "no_x509" NoX509,
    }
    KeyError {
        1 "not_pkcs8" NotPkcs8,
        2 "encrypted" Encrypted,
        3 "wrong_algorithm" WrongAlgorithm,
        4 "wrong_length" WrongLength,
        5 "public_key_mismatch" PublicKeyMismatch,
        6 "not_a_public_key" NotAPublicKey,
    }
    NameError {
        1 "empty" Empty,
        2 "too_long" TooLong,
        3 "character" Character,
        4 "space" Space,
        5 "not_composed" NotComposed,
        6 "lone_mark" LoneMark,
        7 "mixed_scripts" MixedScripts,
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    /// The rows of `docs/codes.md`, by the title of their table.
    fn documented() -> Vec<(String, u16, String)> {
        let mut title = String::new();
        let mut rows = Vec::new();
        for line in include_str!("../docs/codes.md").lines() {
            if let Some(text) = line.strip_prefix("## ") {
                title = text.trim_matches('`').to_owned();
            }
            let mut cells = line.split('|').map(str::trim).skip(1);
            if let (Some(code), Some(name), Some(meaning)) =
                (cells.next(), cells.next(), cells.next())
                && let Ok(code) = code.parse()
            {
                assert!(!meaning.is_empty(), "{line}");
                rows.push((title.clone(), code, name.trim_matches('`').to_owned()));
            }
        }
        rows
    }

    #[test]
    fn the_document_has_exactly_these_tables() {
        let here = TABLES.iter().flat_map(|(kind, rows)| {
            rows.iter()
                .map(|(code, name)| ((*kind).to_owned(), *code, (*name).to_owned()))
        });
        assert_eq!(documented(), here.collect::<Vec<_>>());
    }

    #[test]
    fn a_number_and_a_word_stand_for_one_thing() {
        for (kind, rows) in TABLES {
            let codes: BTreeSet<_> = rows.iter().map(|(code, _)| code).collect();
            let names: BTreeSet<_> = rows.iter().map(|(_, name)| name).collect();
            assert_eq!(
                (codes.len(), names.len()),
                (rows.len(), rows.len()),
                "{kind}"
            );
            for name in names {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(name.chars().all(plain), "{kind}: {name}");
            }
        }
    }

    /// The number on the wire of a value that is encoded as one byte.
    fn on_the_wire(value: &impl serde::Serialize) -> u16 {
        let bytes = postcard::to_allocvec(value).unwrap();
        assert_eq!(bytes.len(), 1);
        bytes[0].into()
    }

    #[test]
    fn what_travels_has_its_number_on_the_wire() {
        for code in (0..14).map(|number| postcard::from_bytes::<ReturnCode>(&[number]).unwrap()) {
            assert_eq!(code.code(), on_the_wire(&code));
        }
        for refusal in (0..5).map(|number| postcard::from_bytes::<Refusal>(&[number]).unwrap()) {
            assert_eq!(refusal.code(), on_the_wire(&refusal));
        }
        for reason in (0..4).map(|number| postcard::from_bytes::<RejectReason>(&[number]).unwrap())
        {
            assert_eq!(reason.code(), on_the_wire(&reason));
        }
        for outcome in [Outcome::Ok, Outcome::Failed, Outcome::Aborted] {
            assert_eq!(outcome.code(), on_the_wire(&outcome));
        }
        for suite in [Suite::Plain, Suite::Bearer, Suite::Sealed] {
            assert_eq!(suite.code(), on_the_wire(&suite));
        }
    }

    /// `PullTask` as `pull_task`.
    fn snake(name: &str) -> String {
        let letters = name.char_indices().flat_map(|(at, letter)| {
            let begins = at > 0 && letter.is_uppercase();
            begins
                .then_some('_')
                .into_iter()
                .chain(letter.to_lowercase())
        });
        letters.collect()
    }

    #[test]
    fn a_kind_of_message_has_the_number_that_it_has_on_the_wire() {
        let document = include_str!("../docs/protocol.md");
        let (_, rows) = TABLES
            .iter()
            .find(|(kind, _)| *kind == "MessageKind")
            .unwrap();
        let mut told = 0;
        let mut check = |code: u16, name: &str| {
            assert!(rows.contains(&(code, &snake(name))), "{code} {name}");
            told += 1;
        };
        for line in document.lines() {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            match cells[..] {
                ["", number, message, "client" | "server", _, ""] => {
                    let digits = number.trim_matches('`').trim_start_matches("0x");
                    check(u16::from_str_radix(digits, 16).unwrap(), message);
                }
                ["", "Request", variants, ""] => {
                    for variant in variants.split(", ") {
                        let (number, name) = variant.split_once(' ').unwrap();
                        check(number.parse::<u16>().unwrap() + 32, name);
                    }
                }
                _ => {}
            }
        }
        assert_eq!(told, 12);
    }

    #[test]
    fn what_a_kind_holds_changes_neither() {
        let heartbeat = |code| RetryReason::Heartbeat(code);
        assert_eq!(
            heartbeat(ReturnCode::Ok).code(),
            heartbeat(ReturnCode::Timeout).code()
        );
        assert_eq!(heartbeat(ReturnCode::Ok).name(), "heartbeat");
        assert_eq!(Dropped::Version.name(), "version");
    }
}
