//! Faults of TLS, as each of the two ends sees them, in words that say what to do.
//!
//! In TLS 1.3 a site's handshake is over before the server has looked at the site's
//! certificate: a refusal comes with the first bytes that the site reads.

use std::io::{self, ErrorKind};

use fedlink::FailureKind;
use fedlink::frame::FrameError;
use fedlink::identity::Date;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::connectivity::{ConnectionFailure, Fault};
use crate::{dates, unix_time};

impl Fault {
    #[cfg(test)]
    const ALL: [Self; 18] = [
        Self::TheirExpired,
        Self::TheirNotYetValid,
        Self::TheirForeign,
        Self::TheirName,
        Self::TheirRevoked,
        Self::TheirUnusable,
        Self::TheirMissing,
        Self::OwnDates,
        Self::OwnForeign,
        Self::OwnRevoked,
        Self::OwnUnusable,
        Self::OwnMissing,
        Self::OwnRefused,
        Self::Clear,
        Self::OnlyTls,
        Self::OtherCarrier,
        Self::Closed,
        Self::Other,
    ];

    fn of(error: &Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => Self::of_certificate(error),
            Error::AlertReceived(alert) => Self::of_alert(*alert),
            Error::NoCertificatesPresented => Self::TheirMissing,
            Error::InvalidMessage(_) => Self::Clear,
            Error::NoApplicationProtocol => Self::OtherCarrier,
            _ => Self::Other,
        }
    }

    fn of_certificate(error: &CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::TheirExpired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::TheirNotYetValid,
            E::UnknownIssuer | E::BadSignature => Self::TheirForeign,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::TheirName,
            E::Revoked => Self::TheirRevoked,
            _ => Self::TheirUnusable,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        use AlertDescription as A;
        match alert {
            A::CertificateExpired => Self::OwnDates,
            A::UnknownCA => Self::OwnForeign,
            A::CertificateRevoked => Self::OwnRevoked,
            A::UnsupportedCertificate | A::DecryptError | A::AccessDenied => Self::OwnUnusable,
            A::CertificateRequired | A::NoCertificate => Self::OwnMissing,
            A::BadCertificate | A::CertificateUnknown => Self::OwnRefused,
            A::NoApplicationProtocol => Self::OtherCarrier,
            _ => Self::Other,
        }
    }

    /// Whether only a person at the site can help. `has_expired` is whether the site's own
    /// certificate has, by the site's clock; `vague` whether the server may be one that
    /// says [`OwnRefused`](Self::OwnRefused) also where a clock is wrong.
    fn kind_at_site(self, has_expired: bool, vague: bool) -> FailureKind {
        let permanent = match self {
            Self::TheirForeign
            | Self::TheirName
            | Self::OwnForeign
            | Self::OwnRevoked
            | Self::OwnUnusable
            | Self::OwnMissing => true,
            // Where the two ends do not agree, one of the clocks is wrong.
            Self::OwnDates => has_expired,
            Self::OwnRefused => has_expired || !vague,
            // The server's to mend, or passing.
            Self::TheirExpired
            | Self::TheirNotYetValid
            | Self::TheirRevoked
            | Self::TheirUnusable
            | Self::TheirMissing
            | Self::Clear
            | Self::OnlyTls
            | Self::OtherCarrier
            | Self::Closed
            | Self::Other => false,
        };
        match permanent {
            true => FailureKind::Permanent,
            false => FailureKind::Transient,
        }
    }

    /// What helps, told at a site.
    fn remedy_at_site(self) -> &'static str {
        match self {
            Self::TheirExpired => dates::RENEW,
            Self::TheirNotYetValid => dates::CORRECT,
            Self::TheirForeign => {
                "another root than this kit's issued it: take the kit of the server's project, or see who answers at this address; nothing on the way may end TLS itself"
            }
            Self::TheirName => {
                "see who answers at this address, and whether the server has the name that is in this kit"
            }
            Self::TheirRevoked | Self::TheirUnusable | Self::TheirMissing => {
                "have a new certificate made for the server"
            }
            Self::OwnDates => {
                "the server refuses this site's certificate for its dates: have it renewed if it has expired, else correct the clock of the server or of this machine"
            }
            Self::OwnForeign => {
                "the server refuses this site's certificate, which another root than its own issued: take the kit of its project"
            }
            Self::OwnRevoked => {
                "the server refuses this site's certificate, which is revoked: ask whoever runs the project for a new kit"
            }
            Self::OwnUnusable | Self::OwnRefused => {
                "the server refuses this site's certificate: ask whoever runs the project for a new kit"
            }
            Self::OwnMissing => {
                "the server asks for a certificate and this site shows none: take a kit with one (`connection_security` mtls in a kit of NVFlare)"
            }
            Self::Clear | Self::OnlyTls => SAME_TRANSPORT,
            Self::OtherCarrier => {
                "the server carries messages over TLS in another way: set the same at both ends (`transport` in fedlink.toml, `scheme` in a kit of NVFlare)"
            }
            Self::Closed => {
                "the server closed the connection in the handshake of TLS: if it does so every time, it may not speak TLS, so set the same at both ends (`transport` in fedlink.toml, `connection_security` in a kit of NVFlare)"
            }
            Self::Other => "see what answers at this address, and whether it is up to date",
        }
    }

    /// What happened to a site's connection, and what helps, told at the server.
    pub(crate) fn told_at_server(self) -> &'static str {
        match self {
            Self::TheirExpired => {
                "the site's certificate has expired: renew it, or correct the clock of this machine"
            }
            Self::TheirNotYetValid => {
                "the site's certificate is not valid yet: correct the clock of this machine, or of the one where the certificate was made"
            }
            Self::TheirForeign => {
                "another root than this kit's issued the site's certificate: give the site a kit of this project"
            }
            Self::TheirRevoked => {
                "the site's certificate is revoked: give the site a new one if it is to come back"
            }
            Self::TheirName | Self::TheirUnusable => {
                "the site's certificate cannot be used: give the site a new one"
            }
            Self::TheirMissing => {
                "it shows no certificate: if it is a site, give it a kit of this project"
            }
            Self::OwnDates => {
                "the site finds that this server's certificate has expired or is not valid yet: renew it if it has expired, else correct the clock of the site or of this machine"
            }
            Self::OwnForeign => {
                "the site does not know the root of this server's certificate: give the site a kit of this project"
            }
            Self::OwnRevoked => {
                "the site says that this server's certificate is revoked: have a new one made"
            }
            Self::OwnUnusable | Self::OwnMissing | Self::OwnRefused => {
                "the site refuses this server's certificate: its kit may name another server, or be of another project"
            }
            Self::Clear => {
                "it does not speak TLS, which this kit asks for: if it is a site, set `transport` in fedlink.toml to the same in both kits"
            }
            Self::OnlyTls => {
                "it speaks TLS, which this kit does not: if it is a site, set `transport` in fedlink.toml to the same in both kits"
            }
            Self::OtherCarrier => {
                "it carries messages over TLS in another way: if it is a site, set `transport` in fedlink.toml to the same in both kits"
            }
            Self::Closed | Self::Other => {
                "TLS cannot begin with it: if it is a site, see what the site says"
            }
        }
    }
}

/// What helps if one end speaks TLS and the other does not.
const SAME_TRANSPORT: &str = "one end speaks TLS and the other does not: set the same at both \
                              (`transport` in fedlink.toml, `connection_security` in a kit of \
                              NVFlare)";

/// From when to when a certificate counts, in Unix seconds.
#[derive(Clone, Copy)]
struct Dates {
    not_before: u64,
    not_after: u64,
}

/// Of the certificate that a site shows.
fn own_dates(config: &ClientConfig) -> Option<Dates> {
    const ANY: &[SignatureScheme] = &[
        SignatureScheme::ED25519,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PKCS1_SHA256,
    ];
    let shown = config.client_auth_cert_resolver.resolve(&[], ANY)?;
    let (_, leaf) = X509Certificate::from_der(shown.cert.first()?).ok()?;
    let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp());
    let validity = leaf.validity();
    Some(Dates {
        not_before: seconds(validity.not_before).unwrap_or_default(),
        not_after: seconds(validity.not_after).unwrap_or_default(),
    })
}

/// The error of a site's connection over TLS, with what to do about it.
pub(crate) fn at_site(error: io::Error, config: &ClientConfig) -> io::Error {
    explained(error, config, true)
}

/// `proven` is whether the server has proved who it is: until then, anybody on the way can
/// send an alert, and it ends nobody.
fn explained(error: io::Error, config: &ClientConfig, proven: bool) -> io::Error {
    let Some(cause) = tls_error(&error) else {
        return error;
    };
    let fault = Fault::of(cause);
    let (own, now) = (own_dates(config), unix_time());
    let what = match (cause, fault) {
        (Error::InvalidCertificate(cause), _) => what_of_certificate(cause, &error),
        (_, Fault::OwnDates | Fault::OwnRefused) => match own {
            Some(own) => format!(
                "{error}; this site's certificate is valid from {} to {}, and the clock of this machine says {}",
                Date(own.not_before),
                Date(own.not_after),
                Date(now)
            ),
            None => error.to_string(),
        },
        _ => error.to_string(),
    };
    let has_expired = own.is_some_and(|own| own.not_after < now);
    // The coordinator of this project, and no other program, is known to be exact.
    let exact = [super::ALPN, super::WEBSOCKET_ALPN];
    let vague = !exact.iter().any(|alpn| config.alpn_protocols == [*alpn]);
    let kind = match cause {
        Error::AlertReceived(_) if !proven => FailureKind::Transient,
        _ => fault.kind_at_site(has_expired, vague),
    };
    let failure = ConnectionFailure {
        kind,
        text: format!("{what}; {}", fault.remedy_at_site()),
        fault: Some(fault),
    };
    failure.into_error(error.kind())
}

/// The same for one in the handshake, which may also end without a word.
pub(crate) fn in_handshake(error: io::Error, config: &ClientConfig) -> io::Error {
    let closed = matches!(
        error.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    );
    if closed && tls_error(&error).is_none() {
        let fault = Fault::Closed;
        let failure = ConnectionFailure {
            kind: fault.kind_at_site(false, true),
            text: fault.remedy_at_site().to_owned(),
            fault: Some(fault),
        };
        return failure.into_error(error.kind());
    }
    explained(error, config, false)
}

/// The error of a handshake, at the server.
pub(crate) fn at_server(error: io::Error) -> io::Error {
    let Some(cause) = tls_error(&error) else {
        return error;
    };
    let fault = Fault::of(cause);
    let failure = ConnectionFailure {
        kind: FailureKind::Transient,
        text: format!("{error}; {}", fault.told_at_server()),
        fault: Some(fault),
    };
    failure.into_error(error.kind())
}

/// The error of a connection that the server refuses for this, without an error of TLS.
#[cfg(feature = "websocket")]
pub(crate) fn refused_at_server(fault: Fault) -> io::Error {
    let failure = ConnectionFailure {
        kind: FailureKind::Transient,
        text: fault.told_at_server().to_owned(),
        fault: Some(fault),
    };
    failure.into_error(ErrorKind::InvalidData)
}

/// Where the length of a message should stand, so begins a record of TLS: an alert or a
/// handshake, then the major version of all its versions.
const RECORDS: [[u8; 2]; 2] = [[0x15, 0x03], [0x16, 0x03]];

/// Whether this is the start of a record of TLS.
pub(crate) fn is_record(start: &[u8]) -> bool {
    RECORDS.iter().any(|record| start.starts_with(record))
}

/// The error of a stream in which no message can begin like this.
pub(crate) fn framing(error: FrameError) -> io::Error {
    let start = u32::try_from(error.len).unwrap_or_default().to_be_bytes();
    if is_record(&start) {
        return only_tls();
    }
    let failure = ConnectionFailure {
        kind: FailureKind::Transient,
        text: format!("{error}; what answers does not speak this protocol: see what listens there"),
        fault: None,
    };
    failure.into_error(ErrorKind::InvalidData)
}

/// The error of a connection without TLS to an end that speaks it.
pub(crate) fn only_tls() -> io::Error {
    let fault = Fault::OnlyTls;
    let failure = ConnectionFailure {
        kind: fault.kind_at_site(false, true),
        text: fault.remedy_at_site().to_owned(),
        fault: Some(fault),
    };
    failure.into_error(ErrorKind::InvalidData)
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is wrong with the server's certificate. Where it is its dates, both times are told.
fn what_of_certificate(cause: &CertificateError, error: &io::Error) -> String {
    match cause {
        CertificateError::ExpiredContext { time, not_after } => {
            dates::expired(not_after.as_secs(), time.as_secs())
        }
        CertificateError::NotValidYetContext { time, not_before } => {
            dates::not_yet_valid(not_before.as_secs(), time.as_secs())
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
